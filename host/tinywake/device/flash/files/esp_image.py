# SPDX-License-Identifier: MIT
"""A firmware for the ESP32 family: which chip it is for, and whether it is whole and undamaged.

What is flashed is the flash from the second-stage bootloader on: bootloader, partition table, application. The layout
is that of ESP-IDF (esp_image_format.h, esp_flash_partitions.h). Everything is little-endian and nothing is trusted.
"""

from __future__ import annotations

import hashlib
from functools import reduce
from operator import xor
from struct import unpack_from
from typing import NamedTuple

__all__ = ["CHIPS", "IMAGE_MAGIC", "EspChip", "esp_chip"]


class EspChip(NamedTuple):
    """A chip of the family."""

    name: str  # as esptool and board.toml have it
    offset: int  # in flash, of the bootloader and so of the whole firmware


# By the chip id of an image.
CHIPS = {
    0: EspChip("ESP32", 0x1000),
    2: EspChip("ESP32-S2", 0x1000),
    5: EspChip("ESP32-C3", 0),
    9: EspChip("ESP32-S3", 0),
    12: EspChip("ESP32-C2", 0),
    13: EspChip("ESP32-C6", 0),
    16: EspChip("ESP32-H2", 0),
    18: EspChip("ESP32-P4", 0x2000),
    20: EspChip("ESP32-C61", 0),
    23: EspChip("ESP32-C5", 0x2000),
}

IMAGE_MAGIC = 0xE9
_HEAD, _SEGMENT_HEAD = 24, 8
_MOST_SEGMENTS = 16
_HAS_DIGEST, _DIGEST = 23, 32  # a byte of the head; bytes of a SHA-256 behind the image
_SEED = 0xEF  # of the checksum: the exclusive or of all bytes in segments
_TABLE = 0x8000  # in flash, of the partition table
_ENTRY_MAGIC, _ENTRY, _MOST_ENTRIES = 0x50AA, 32, 95
_APPLICATION = 0  # a type of partition


def esp_chip(data: bytes) -> EspChip:
    """The chip a firmware is for. Raises ValueError with the reason where it is none that can be flashed."""
    _check_image(data, 0, "bootloader")
    number = unpack_from("<H", data, 12)[0]
    if number not in CHIPS:
        raise ValueError(f"is for a chip with the id {number}, which tinywake does not know")
    chip = CHIPS[number]
    for at in range(_TABLE - chip.offset, _TABLE - chip.offset + _ENTRY * _MOST_ENTRIES, _ENTRY):
        if at + _ENTRY > len(data) or unpack_from("<H", data, at)[0] != _ENTRY_MAGIC:
            break
        if data[at + 2] == _APPLICATION:
            _check_image(data, unpack_from("<I", data, at + 4)[0] - chip.offset, "application")
            return chip
    raise ValueError(
        "has no partition table with an application: take the whole .bin of the board, not an .app-bin (an update)"
    )


def _check_image(data: bytes, at: int, what: str) -> None:
    """Walk over the segments of an image to its checksum and, where it has one, its SHA-256."""
    if not 0 <= at <= len(data) - _HEAD:
        raise ValueError(f"is cut short: its {what} is missing")
    if data[at] != IMAGE_MAGIC or not 1 <= data[at + 1] <= _MOST_SEGMENTS:
        raise ValueError(f"is no ESP32 firmware: its {what} does not begin like one")
    end, checksum = at + _HEAD, _SEED
    for _ in range(data[at + 1]):
        if end + _SEGMENT_HEAD > len(data):
            raise ValueError(f"is cut short inside its {what}")
        begin = end + _SEGMENT_HEAD
        end = begin + unpack_from("<I", data, end + 4)[0]
        checksum = reduce(xor, data[begin:end], checksum)
    end += 16 - (end - at) % 16  # the checksum is the last byte of sixteen
    has_digest = data[at + _HAS_DIGEST] == 1
    if end + has_digest * _DIGEST > len(data):
        raise ValueError(f"is cut short inside its {what}")
    if data[end - 1] != checksum:
        raise ValueError(f"is damaged: the checksum of its {what} is wrong; download it again")
    if has_digest and hashlib.sha256(data[at:end]).digest() != data[end : end + _DIGEST]:
        raise ValueError(f"is damaged: the SHA-256 of its {what} is wrong; download it again")
