# SPDX-License-Identifier: MIT
"""A UF2 firmware: which chip it is for, whether it is whole, and where it lies. Nothing in it is trusted.

The format is that of Microsoft's specification; families as in the RP2350 datasheet (5.5.3). A file for the RP2350 may
begin with one block of the family "absolute", which is there for the errata of its boot ROM and carries nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from tinywake.device.image.record import XIP_BASE
from tinywake.device.image.uf2 import blocks

__all__ = ["FAMILIES", "TINYUF2", "Uf2Firmware", "check_range", "uf2_chip"]

TINYUF2 = " (UF2)"  # of chips that have a drive only where that boot loader was put
FAMILIES = {
    0xE48BFF56: "RP2040",
    0xE48BFF59: "RP2350",  # Arm, secure
    0xE48BFF5A: "RP2350",  # RISC-V
    0xE48BFF5B: "RP2350",  # Arm, non-secure
    0xC47E5767: "ESP32-S3 (UF2)",
    0xBFDD4EEE: "ESP32-S2 (UF2)",
    0x68ED2B88: "SAMD21",
    0x55114460: "SAMD51",
    0xADA52840: "nRF52840",
}
_ABSOLUTE = 0xE48BFF57
_WINDOWS = {"RP2040": 16 << 20, "RP2350": 32 << 20}  # bytes of address space that stand for flash


class Uf2Firmware(NamedTuple):
    """What a file is for, and what it writes."""

    chip: str
    payload: bytes
    addresses: tuple[int, int]  # the lowest, and the one behind the highest


def uf2_chip(data: bytes) -> Uf2Firmware:
    """The chip a UF2 file is for, and what it puts where. Raises ValueError with the reason."""
    family: int | None = None
    pieces: list[bytes] = []
    start, end = 1 << 32, 0
    for at, block in enumerate(blocks(data)):
        if not block.for_flash:
            continue
        if block.names_family and block.family == _ABSOLUTE:
            if at > 0:
                raise ValueError(f"has a block for any chip ({at}), which only the first may be")
            continue
        if not block.names_family:
            raise ValueError("does not say which chip it is for")
        if family not in (None, block.family):
            raise ValueError(f"is for two chips, {_name(family)} and {_name(block.family)}")
        if block.number != len(pieces):
            raise ValueError(f"lacks a block: {block.number} comes where {len(pieces)} is due")
        family, total = block.family, block.total
        pieces.append(block.payload[: block.size])
        start, end = min(start, block.address), max(end, block.address + block.size)
    if family is None:
        raise ValueError("is a UF2 file with nothing for the flash")
    if len(pieces) != total:
        raise ValueError(f"is cut short: {len(pieces)} of {total} blocks are there")
    return Uf2Firmware(_name(family), b"".join(pieces), (start, end))


def check_range(addresses: tuple[int, int], chip: str, room: int | None) -> None:
    """Raise ValueError where a firmware lies elsewhere than in flash.

    room: bytes in front of the board's file system; None: it is not known which board this is.
    """
    start, end = addresses
    window = _WINDOWS.get(chip)
    if window is None:
        return
    if start < XIP_BASE or end > XIP_BASE + window:
        there = f"{XIP_BASE:#x} to {XIP_BASE + window:#x}"
        raise ValueError(f"is not for the flash: it writes {start:#x} to {end:#x}, flash is at {there}")
    if room is not None and end > XIP_BASE + room:
        files = f"{XIP_BASE + room:#x} (storage in its board.toml)"
        raise ValueError(f"reaches to {end:#x}, into the board's file system, which begins at {files}")


def _name(family: int | None) -> str:
    return FAMILIES.get(family or 0, f"the UF2 family {family:#010x}")
