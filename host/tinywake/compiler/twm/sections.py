# SPDX-License-Identifier: MIT
"""Sections of a compiled model taken out and put in again, checksums and all."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

from tinywake.compiler.twm import layout
from tinywake.compiler.twm.layout import Section

__all__ = ["sections_of", "with_sections"]


def sections_of(data: bytes) -> dict[int, bytes]:
    """Type -> bytes of every section of a file that a reader has accepted, in its order."""
    found = {}
    for number in range(layout.HEADER.unpack_from(data)[3]):
        kind, _, offset, length = layout.SECTION.unpack_from(data, layout.HEADER.size + number * layout.SECTION.size)
        found[kind] = data[offset : offset + length]
    return found


def with_sections(data: bytes, changed: Mapping[int, bytes]) -> bytes:
    """The same .twm with other bytes in some of its sections, which may have another length."""
    found = {kind: changed.get(kind, body) for kind, body in sections_of(data).items()}
    start = layout.HEADER.size + layout.SECTION.size * len(found)
    table, payload = b"", b""
    for kind, body in found.items():
        payload += bytes(-(start + len(payload)) % (16 if kind == Section.WEIGHTS else 4))
        table += layout.SECTION.pack(kind, 0, start + len(payload), len(body))
        payload += body
    fields = list(layout.HEADER.unpack_from(data))
    fields[4], fields[7] = start + len(payload), zlib.crc32(payload)
    head = layout.HEADER.pack(*fields)[:-4]
    return head + struct.pack("<I", zlib.crc32(table, zlib.crc32(head))) + table + payload
