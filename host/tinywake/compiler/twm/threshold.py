# SPDX-License-Identifier: MIT
"""Another threshold in a compiled model: one byte of DETECTOR, and the two checksums that cover it."""

from __future__ import annotations

import struct
import zlib

from tinywake.compiler.twm import layout
from tinywake.compiler.twm.layout import Section
from tinywake.errors import ModelError

__all__ = ["with_threshold"]

_DETECTOR_HEAD = 8  # models/SPEC.md, DETECTOR; then of each label: flags, threshold, length, name
_PAYLOAD_CRC, _HEADER_CRC = 20, 28


def with_threshold(data: bytes, label: str, threshold: int) -> bytes:
    """The same .twm, which a reader has accepted, with `threshold` (0..255) for a label; no other byte differs.

    Raises ModelError where the model has no such label.
    """
    if not 0 <= threshold <= 255:
        raise ModelError(f"a threshold is 0 to 255, not {threshold}")
    count = layout.HEADER.unpack_from(data)[3]
    body = layout.HEADER.size + count * layout.SECTION.size
    out = bytearray(data)
    out[_place(data, label, count)] = threshold
    struct.pack_into("<I", out, _PAYLOAD_CRC, zlib.crc32(out[body:]))
    head = zlib.crc32(out[layout.HEADER.size : body], zlib.crc32(out[:_HEADER_CRC]))
    struct.pack_into("<I", out, _HEADER_CRC, head)
    return bytes(out)


def _place(data: bytes, label: str, count: int) -> int:
    """Where the label's threshold stands."""
    for i in range(count):
        kind, _, offset, _ = layout.SECTION.unpack_from(data, layout.HEADER.size + i * layout.SECTION.size)
        if kind == Section.DETECTOR:
            labels, at = data[offset], int(offset) + _DETECTOR_HEAD
            for _ in range(labels):
                length = data[at + 2]
                if data[at + 3 : at + 3 + length] == label.encode():
                    return at + 1
                at += 3 + length
    raise ModelError(f"the model has no label {label!r}")
