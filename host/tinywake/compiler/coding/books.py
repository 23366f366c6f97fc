# SPDX-License-Identifier: MIT
"""Canonical Huffman codes of an alphabet of up to 256 symbols."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.coding.bits import Bits

__all__ = ["Book", "make_book"]

_LONGEST = 15
_Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Book:
    """A complete code. Of 256 entries each: `widths`, bits of a symbol's code, -1 where it has none; `codes`."""

    widths: _Ints
    codes: _Ints

    @property
    def levels(self) -> list[_Ints]:
        """Symbols by the width of their codes, from 0 on."""
        return [np.flatnonzero(self.widths == width) for width in range(int(self.widths.max()) + 1)]

    def cost(self, counts: _Ints) -> int | None:
        """Bits that so many of each symbol take; None: one has no code."""
        used = counts > 0
        return None if (self.widths[used] < 0).any() else int((counts[used] * self.widths[used]).sum())

    def write(self, to: Bits) -> None:
        """As in the file."""
        levels = self.levels
        to.elias(len(levels))
        for width, level in enumerate(levels):
            if width:
                to.elias(len(level) + 1)
            for gap in np.diff(level, prepend=-1):
                to.elias(int(gap))


def make_book(counts: _Ints) -> Book:
    """The best code for so many of each symbol, of which at least one has to be there."""
    widths = _widths(counts)
    while widths.max() > _LONGEST:
        counts = (counts + 1) // 2  # what is rare counts for more
        widths = _widths(counts)
    codes, code = np.zeros(len(counts), np.int64), 0
    for width in range(int(widths.max()) + 1):
        level = np.flatnonzero(widths == width)
        codes[level] = code + np.arange(len(level))
        code = (code + len(level)) * 2
    return Book(widths, codes)


def _widths(counts: _Ints) -> _Ints:
    """Huffman's algorithm; equal counts in the order of their symbols, so that the same input gives the same code."""
    used = np.flatnonzero(counts)
    heap = [(int(counts[symbol]), leaf) for leaf, symbol in enumerate(used)]
    heapq.heapify(heap)
    parents = [0] * len(used)  # of leaves, then of nodes in the order in which they are made
    while len(heap) > 1:
        (n, one), (m, other) = heapq.heappop(heap), heapq.heappop(heap)
        parents[one] = parents[other] = len(parents)
        heapq.heappush(heap, (n + m, len(parents)))
        parents.append(0)
    depths = [0] * len(parents)
    for node in range(len(parents) - 2, -1, -1):
        depths[node] = depths[parents[node]] + 1
    widths = np.full(len(counts), -1, np.int64)
    widths[used] = depths[: len(used)]
    return widths
