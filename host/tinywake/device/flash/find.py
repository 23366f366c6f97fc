# SPDX-License-Identifier: MIT
"""Which board there is to flash, and how: named, or the only one that is connected."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tinywake.device.boards import load_board
from tinywake.device.flash import rp2
from tinywake.device.flash.prompt import ask_prompt
from tinywake.device.flash.rp2 import Drive, drives, read_drive
from tinywake.device.usb.find import Port, list_boards
from tinywake.errors import DeviceError

__all__ = ["Found", "find", "ports", "wait_for_drive", "wait_for_port"]

_MOUNT_S, _PORT_S = 15.0, 15.0
_MOUNT_IT = "mount it, then run this again with --drive DIR"


@dataclass(frozen=True)
class Found:
    """A board, and how firmware gets there: esptool or uf2."""

    flash: str
    port: str | None
    drive: Drive | None


def find(port: str | None, drive: Path | None, flash: str | None) -> Found:
    """What is named; else what is connected, where that is one board. Raises DeviceError.

    flash: how it must be, where board or firmware say so.
    """
    if drive is not None:
        return Found("uf2", port, read_drive(drive))
    if port is not None:
        shown = drives() if flash != "esptool" and not _is_there(port) else []
        if len(shown) == 1:  # its port is away while it is in BOOTSEL
            return Found("uf2", port, shown[0])
        return Found(flash or _flash_of(port), port, None)
    found = [Found("uf2", None, each) for each in drives()]
    for each in list_boards():
        how = _flash_by_usb(each)
        if how is not None:
            found.append(Found(how, each.device, None))
    found = [each for each in found if flash in (None, each.flash)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f"--drive {each.drive.path}" if each.drive else str(each.port) for each in found)
        raise DeviceError(f"several boards are connected; name one: {names}")
    raise DeviceError(
        f"no board is found; an ESP32: name its port; a Pico: {rp2.BY_HAND}, and name its drive with --drive "
        "if it has one that is not found"
    )


def _is_there(port: str) -> bool:
    return Path(port).exists() if port.startswith("/") else "://" in port or port in ports()


def _flash_by_usb(port: Port) -> str | None:
    """By the boards that may be on it; None where they differ or there are none."""
    ways = {load_board(name).flash for name in port.boards} - {"none"}
    return ways.pop() if len(ways) == 1 else None


def _flash_of(name: str) -> str:
    how = next((_flash_by_usb(port) for port in list_boards() if port.device == name), None)
    if how is not None:
        return how
    try:
        return "uf2" if ask_prompt(name).is_rp2 else "esptool"
    except DeviceError:
        return "esptool"  # whose loader says more of what is wrong


def ports() -> set[str]:
    """Every USB serial port there is."""
    return {port.device for port in list_boards()}


def wait_for_drive(before: Collection[Path], chip: str, way_out: str = _MOUNT_IT) -> Drive:
    """The drive of a board that has just gone into BOOTSEL. way_out: what to do where none appears."""
    end = time.monotonic() + _MOUNT_S
    while time.monotonic() < end:
        for drive in drives():
            if drive.path not in before and drive.chip == chip:
                return drive
        time.sleep(0.1)
    raise DeviceError(f"the board is in BOOTSEL, but its drive does not appear: {way_out}")


def wait_for_port(before: Collection[str]) -> str:
    """The port of a board that has just started."""
    end = time.monotonic() + _PORT_S
    while time.monotonic() < end:
        new = sorted(ports() - set(before))
        if new:
            return new[0]
        time.sleep(0.1)
    raise DeviceError(
        f"the firmware is written, but no port of it came up within {_PORT_S:g} s: unplug the board and plug it in; "
        f"if none comes then, {rp2.BY_HAND}, and run this again"
    )
