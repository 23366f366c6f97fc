# SPDX-License-Identifier: MIT
"""Where the bytes of an ordinary .twm change their kind: pieces of one kind each, and how wide their numbers are."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from tinywake.compiler.twm import layout
from tinywake.compiler.twm.head import blobs
from tinywake.compiler.twm.layout import Section
from tinywake.compiler.twm.unpack import parse

__all__ = ["Piece", "pieces"]

_HALF_WINDOW, _SINE, _LOG, _GAIN = 24, 129, 129, 95  # models/SPEC.md, FRONTEND


class Piece(NamedTuple):
    """Bytes start..end-1; width: of the numbers in them, 1, 2 or 4 bytes."""

    start: int
    end: int
    width: int


def pieces(image: bytes) -> list[Piece]:
    """All of a file that a reader has accepted, in order and without gaps."""
    found: dict[int, Piece] = {}
    for piece in _known(image):
        found.setdefault(piece.start, piece)
    whole: list[Piece] = []
    at = 0
    for piece in sorted(found.values()):
        if piece.start < at:  # blobs that share bytes
            piece = Piece(at, max(at, piece.end), 1)
        if at < piece.start:
            whole.append(Piece(at, piece.start, 1))
        if piece.start < piece.end:
            whole.append(piece)
        at = piece.end
    return whole if at == len(image) else [*whole, Piece(at, len(image), 1)]


def _known(image: bytes) -> Iterator[Piece]:
    for number in range(layout.HEADER.unpack_from(image)[3]):
        kind, _, start, length = layout.SECTION.unpack_from(image, layout.HEADER.size + number * layout.SECTION.size)
        if kind == Section.FRONTEND:
            yield from _frontend(image, start, length)
        elif kind == Section.WEIGHTS:
            yield from _weights(image, start)
        elif length:
            yield Piece(start, start + length, 2 if kind == Section.ORIGINS else 1)


def _weights(image: bytes, start: int) -> Iterator[Piece]:
    """Weights by themselves, biases and multipliers as numbers, shifts by themselves."""
    file = parse(image)
    for op in file.ops:
        for which, (at, length) in enumerate(blobs(file, op)):
            begin, end = start + at, start + at + length
            if which == 2:
                yield Piece(begin, end - length // 5, 4)
                yield Piece(end - length // 5, end, 1)
            else:
                yield Piece(begin, end, 4 if which else 1)


def _frontend(image: bytes, start: int, length: int) -> Iterator[Piece]:
    """Its tables, each smooth in itself."""
    window, bins = struct.unpack_from("<H", image, start + 4)[0], image[start + 12]
    counts = [window // 2, _SINE, _LOG, bins, _GAIN if image[start + 1] & 1 else 0]
    yield Piece(start, start + _HALF_WINDOW, 1)
    at = start + _HALF_WINDOW
    for count in counts:
        yield Piece(at, at + 2 * count, 2)
        at += 2 * count
    yield Piece(at, start + length, 1)
