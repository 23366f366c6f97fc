# SPDX-License-Identifier: MIT
"""RP2040 and RP2350: the drive that their boot ROM shows (BOOTSEL), a file copied to it, the reboot that follows.

The ROM takes each block of the file as it comes and starts the program after the last one; the drive then goes away
under the copy, which is how one ends well. Half-way it is a pulled cable.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tinywake.device.usb.volumes import volumes
from tinywake.errors import DeviceError, ToolError

__all__ = ["BY_HAND", "Drive", "copy_to", "drives", "find_picotool", "picotool_load", "read_drive"]

BY_HAND = "unplug it, hold BOOTSEL while you plug it in, let go"

_INFO = "INFO_UF2.TXT"
# By how the Board-ID in it begins; those of Espressif are TinyUF2's, a boot loader that boards may have.
_CHIPS = {"RPI-RP2": "RP2040", "RP2350": "RP2350", "ESP32S2": "ESP32-S2 (UF2)", "ESP32S3": "ESP32-S3 (UF2)"}
_NAME = "firmware.uf2"
_PIECE = 1 << 15  # bytes that are on the board before the next are sent
_REBOOT_S = 10.0
_PICOTOOL_S = 300
_NO_ACCESS = "No accessible"  # of picotool, where the system keeps the board from it


@dataclass(frozen=True)
class Drive:
    """A board in BOOTSEL."""

    path: Path
    chip: str
    device: Path | None = None  # what is mounted there, where that is known

    def gone(self) -> bool:
        """Whether the board is out of BOOTSEL. The system may keep showing files of a drive that is not there."""
        return not _has_info(self.path) or (self.device is not None and not self.device.exists())


def drives() -> list[Drive]:
    """Every mounted drive of an RP2 in BOOTSEL."""
    found = []
    for path, device in _volumes():
        if _has_info(path):
            chip = _chip(path)
            if chip is not None:
                found.append(Drive(path, chip, device))
    return found


def read_drive(path: Path) -> Drive:
    """The drive that a user names. Raises DeviceError where it is none of an RP2."""
    if not _has_info(path):
        raise DeviceError(f"{path}: is not the drive of a board in BOOTSEL (it has no {_INFO}): {BY_HAND}")
    chip = _chip(path)
    if chip is None:
        raise DeviceError(
            f"{path}: is the drive of another chip than RP2040, RP2350, ESP32-S2 or ESP32-S3 (see {_INFO} there)"
        )
    device = next((device for volume, device in _volumes() if volume == path.resolve()), None)
    return Drive(path, chip, device)


def _has_info(path: Path) -> bool:
    """Whether the boot ROM's file is there. A volume that is not ours to look into, as /boot/efi, has none."""
    try:
        return (path / _INFO).is_file()
    except OSError:
        return False


def _chip(path: Path) -> str | None:
    try:
        text = (path / _INFO).read_bytes()[:4096].decode("ascii", "replace")
    except OSError:
        return None
    found = re.search(r"^Board-ID:\s*(\S+)", text, re.MULTILINE)
    if found is None:
        return None
    return next((chip for start, chip in _CHIPS.items() if found[1].startswith(start)), None)


def _volumes() -> Iterator[tuple[Path, Path | None]]:
    return ((volume.path, volume.device) for volume in volumes())


def copy_to(drive: Drive, data: bytes, on_progress: Callable[[float], None]) -> None:
    """Copy a UF2 file and wait until the board has started it. Raises DeviceError."""
    done = 0
    try:
        with (drive.path / _NAME).open("wb", buffering=0) as file:
            while done < len(data):
                piece = file.write(data[done : done + _PIECE])
                os.fsync(file.fileno())
                done += piece
                on_progress(done / len(data))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DeviceError(f"{drive.path}: is full: {BY_HAND}, then run this again") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise DeviceError(f"{drive.path}: cannot be written ({error.strerror}): mount it for yourself") from error
        if len(data) - done > _PIECE or not drive.gone():
            raise DeviceError(
                f"{drive.path}: the board was lost at {100 * done // len(data)} %: its firmware is not whole; "
                f"{BY_HAND}, then run this again"
            ) from error
        on_progress(1.0)
    end = time.monotonic() + _REBOOT_S
    while not drive.gone():
        if time.monotonic() > end:
            raise DeviceError(
                f"{drive.path}: has the whole file, but the board does not start it: {BY_HAND}, then run this again"
            )
        time.sleep(0.05)


def find_picotool(erase: bool) -> str | None:
    """The picotool there is. Raises ToolError where there is none and the flash is to be erased."""
    tool = shutil.which("picotool")
    if tool is None and erase:
        raise ToolError("picotool is missing, and without it the flash of an RP2 cannot be erased: install it")
    return tool


def picotool_load(path: Path, erase: bool) -> bool:
    """Write with picotool, which reads all of it back and starts it. False where none reaches it."""
    tool = find_picotool(erase)
    if tool is None:
        return False
    if erase:
        _picotool(tool, "erase", "-a")
    try:
        _picotool(tool, "load", "-v", "-x", str(path), "-t", "uf2")
    except DeviceError as error:
        if _NO_ACCESS in str(error) and not erase:
            return False
        raise
    return True


def _picotool(tool: str, *arguments: str) -> None:
    try:
        done = subprocess.run(
            [tool, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=_PICOTOOL_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DeviceError(
            f"picotool {arguments[0]}: no end within {_PICOTOOL_S} s: {BY_HAND}, then run this again"
        ) from error
    if done.returncode != 0:
        said = [line.strip() for line in (done.stdout + done.stderr).decode(errors="replace").splitlines()]
        last = next((line for line in reversed(said) if line), f"exit {done.returncode}")
        raise DeviceError(f"picotool {arguments[0]}: {last}: {BY_HAND}, then run this again")
