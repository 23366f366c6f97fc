# SPDX-License-Identifier: MIT
"""What a firmware file is for, read from its own bytes before anything on a board is touched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tinywake.device.flash.files.esp_image import IMAGE_MAGIC, esp_chip
from tinywake.device.flash.files.uf2_image import uf2_chip
from tinywake.device.image.record import find_records
from tinywake.device.image.uf2 import read_uf2
from tinywake.errors import DeviceError
from tinywake.files import why_unread

__all__ = ["Image", "read_image"]

_MOST = 64 << 20  # bytes
_UF2 = b"UF2\n"
_PAGE = (b"<!doc", b"<html", b"<head", b"<?xml")
_ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"7z\xbc\xaf", b"\xfd7zXZ")
_VERSION = re.compile(rb"(?:MicroPython v|CircuitPython )\d[\w.+-]{0,60} on \d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Image:
    """A firmware file."""

    path: Path
    data: bytes
    flash: str  # how it gets onto a board, as board.toml has it: esptool or uf2
    chip: str
    offset: int  # in flash, of an ESP32
    addresses: tuple[int, int] | None  # where a UF2 file lies for the processor, start and end; None: in no UF2 file
    version: str | None  # "MicroPython v1.25.0 on 2025-04-15", or CircuitPython's; None: it is another's
    model: str | None = None  # of a ready image (tinywake image): what it hears

    @property
    def circuitpython(self) -> bool:
        """Whether it is CircuitPython, whose file system lies elsewhere than board.toml says."""
        return self.version is not None and self.version.startswith("CircuitPython")


def read_image(path: Path) -> Image:
    """Read a firmware. Raises DeviceError where it is none, or not whole."""
    try:
        if not path.is_file():
            raise DeviceError(f"{path}: {'is no file' if path.exists() else 'there is no such file'}")
        if path.stat().st_size > _MOST:
            raise DeviceError(f"{path}: is larger than any firmware")
        data = path.read_bytes()
    except OSError as error:
        raise DeviceError(f"{path}: cannot be read: {why_unread(error)}") from error
    if not data:
        raise DeviceError(f"{path}: is empty")
    try:
        if data.startswith(_UF2):
            return _uf2(path, data)
        _check_kind(path, data)
        return _esp(path, data)
    except ValueError as error:
        raise DeviceError(f"{path}: {error}") from error


def _check_kind(path: Path, data: bytes) -> None:
    """Raise ValueError where what is no UF2 file is no image for an ESP32 either, by how it begins."""
    if data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:5].lower() in _PAGE:
        raise ValueError("is a web page, not a firmware: download the file that the page links to")
    if data.startswith(_ARCHIVES):
        raise ValueError("is an archive: unpack it, and name the .bin or .uf2 in it")
    if path.suffix.lower() == ".uf2":
        raise ValueError("is no UF2 file, in spite of its name: download it again")
    if data[0] != IMAGE_MAGIC:
        raise ValueError("is no firmware: neither a UF2 file (RP2) nor an image for an ESP32 begins like it")


def _uf2(path: Path, data: bytes) -> Image:
    firmware = uf2_chip(data)
    return Image(path, data, "uf2", firmware.chip, 0, firmware.addresses, _version(firmware.payload), _model(data))


def _model(data: bytes) -> str | None:
    try:
        uf2 = read_uf2(data)
    except ValueError:  # other chips' files may have what an image never has
        return None
    start = uf2.runs[0][0]
    return next((record.name for record in find_records(uf2.bytes_at(start, uf2.runs[-1][1]), start)), None)


def _esp(path: Path, data: bytes) -> Image:
    chip = esp_chip(data)
    return Image(path, data, "esptool", chip.name, chip.offset, None, _version(data))


def _version(data: bytes) -> str | None:
    found = _VERSION.search(data)
    return found[0].decode() if found else None
