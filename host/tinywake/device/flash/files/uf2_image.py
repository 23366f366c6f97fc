# SPDX-License-Identifier: MIT
"""A UF2 firmware: which chip it is for, and whether it is whole. Nothing in it is trusted.

The format is that of Microsoft's specification; families as in the RP2350 datasheet (5.5.3). A file for the RP2350 may
begin with one block of the family "absolute", which is there for the errata of its boot ROM and carries nothing.
"""

from __future__ import annotations

from tinywake.device.image.uf2 import blocks

__all__ = ["FAMILIES", "uf2_chip"]

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


def uf2_chip(data: bytes) -> tuple[str, bytes]:
    """The chip a UF2 file is for, and what it puts into flash. Raises ValueError with the reason."""
    family: int | None = None
    pieces: list[bytes] = []
    for block in blocks(data):
        if not block.for_flash or block.family == _ABSOLUTE:
            continue
        if not block.names_family:
            raise ValueError("does not say which chip it is for")
        if family not in (None, block.family):
            raise ValueError(f"is for two chips, {_name(family)} and {_name(block.family)}")
        if block.number != len(pieces):
            raise ValueError(f"lacks a block: {block.number} comes where {len(pieces)} is due")
        family, total = block.family, block.total
        pieces.append(block.payload[: block.size])
    if family is None:
        raise ValueError("is a UF2 file with nothing for the flash")
    if len(pieces) != total:
        raise ValueError(f"is cut short: {len(pieces)} of {total} blocks are there")
    return _name(family), b"".join(pieces)


def _name(family: int | None) -> str:
    return FAMILIES.get(family or 0, f"the UF2 family {family:#010x}")
