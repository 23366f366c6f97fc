# SPDX-License-Identifier: MIT
"""A model in the RP2's flash between firmware and file system: docs/flash-layout.md says every byte.

firmware/app/port/rp2/flash.py finds it there.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from struct import Struct

from tinywake.device.image.uf2 import PAGE, SECTOR

__all__ = ["MOST_NAME", "XIP_BASE", "Record", "find_records", "pack_record", "place"]

XIP_BASE = 0x10000000  # of flash, in the processor's address space
MOST_NAME = 36  # bytes

_HEAD = Struct("<8sIIII36sI")  # magic, sequence, bytes, CRC-32 of the model, reserved, name, CRC-32 of what is before
_MAGIC = b"TWFLASH1"


@dataclass(frozen=True)
class Record:
    """A model that lies in flash."""

    address: int  # of the record; the model is a page behind it
    sequence: int  # the highest is the one that counts
    name: str  # as of a file: word.twm
    model: bytes


def pack_record(name: str, model: bytes, sequence: int = 1) -> bytes:
    """The bytes from a sector's beginning on. Raises ValueError for a name that cannot be there."""
    encoded = name.encode()
    if not name.endswith(".twm") or "/" in name or not name.isprintable() or len(encoded) > MOST_NAME:
        raise ValueError(f"{name}: not a name for a model in flash: at most {MOST_NAME} bytes, NAME.twm")
    head = _HEAD.pack(_MAGIC, sequence, len(model), zlib.crc32(model), 0, encoded, 0)[:-4]
    head += zlib.crc32(head).to_bytes(4, "little")
    return head.ljust(PAGE, b"\xff") + model


def find_records(flash: bytes, start: int = XIP_BASE) -> list[Record]:
    """Records in flash whose head and model are whole, the one that counts first. `start`: its address."""
    found = []
    for at in range(-start % SECTOR, len(flash) - PAGE, SECTOR):
        head = flash[at : at + _HEAD.size]
        magic, sequence, length, crc, _, name, check = _HEAD.unpack(head)
        if magic != _MAGIC or zlib.crc32(head[:-4]) != check:
            continue
        model = flash[at + PAGE : at + PAGE + length]
        if len(model) == length and zlib.crc32(model) == crc:
            found.append(Record(start + at, sequence, name.rstrip(b"\0").decode(errors="replace"), model))
    return sorted(found, key=lambda record: -record.sequence)


def place(firmware_end: int, storage: int, record_bytes: int, slot: int = 0) -> int:
    """The address for a record of that size. Slot 0 is the half of the free flash before the file system, 1 the other.

    firmware_end, storage: addresses. A record that is larger than half gets slot 0 alone. Raises ValueError: by how
    many bytes it is too large.
    """
    low = -(-firmware_end // SECTOR) * SECTOR
    middle = (low + storage) // 2 // SECTOR * SECTOR
    size = -(-record_bytes // SECTOR) * SECTOR
    address = (storage if slot == 0 else middle) - size
    if address < low:
        raise ValueError(f"is too large for the flash between firmware and file system by {low - address:,} bytes")
    return address
