# SPDX-License-Identifier: MIT
"""Write a .twm as a coded file, where that is smaller: models/SPEC.md, Coded files.

Each piece of the file has several forms: bytes as they are; codes of bytes, or of numbers; of values, or of how they
change. Neighbours share a book where a book of one's own would cost more than it saves.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tinywake.coded import is_coded
from tinywake.compiler.coding.bits import Bits
from tinywake.compiler.coding.books import Book, make_book
from tinywake.compiler.coding.pieces import pieces
from tinywake.compiler.twm.layout import CODED_VERSION, MAGIC

__all__ = ["coded", "in_form_of"]

_HEADER = struct.Struct("<4sBBHII")  # magic version 0 0 file image
_RAW, _BYTES, _NUMBERS = 0, 1, {2: 2, 4: 3}  # forms; of numbers, by their width
_ORDERS = (0, 1, 2)
_RUN_BITS = 12  # of a run's head, about
_ROUNDS = 6  # of choosing forms by books, and books by forms
_LEVEL_BITS = (4, 20)  # what each doubling of a book's symbols takes, at a guess; the better one is kept
_Ints = NDArray[np.int64]


@dataclass(frozen=True)
class _Run:
    """Some bytes in one form: the symbols of its values, and bits that follow each symbol."""

    form: int
    order: int
    data: bytes
    symbols: _Ints
    tails: _Ints

    @property
    def alphabet(self) -> int:
        """Which book it needs: 0 of bytes, 1 of classes."""
        return int(self.form > _BYTES)

    @cached_property
    def counts(self) -> _Ints:
        """How many of each symbol."""
        return np.bincount(self.symbols, minlength=256).astype(np.int64)

    @cached_property
    def tail_bits(self) -> int:
        """In all: a class has as many as its number."""
        return int(self.symbols.sum()) if self.alphabet else 0

    def joined(self, other: _Run) -> _Run:
        """With one that follows it in the same form."""
        symbols, tails = (np.concatenate(pair) for pair in ((self.symbols, other.symbols), (self.tails, other.tails)))
        return _Run(self.form, self.order, self.data + other.data, symbols, tails)


def coded(image: bytes) -> bytes:
    """The file in its smallest form: coded, or as it is. `image`: an ordinary .twm that a reader has accepted."""
    options = [_options(image[piece.start : piece.end], piece.width) for piece in pieces(image)]
    best = image
    for level_bits in _LEVEL_BITS:
        runs, last = [min(each, key=_alone) for each in options], None
        for _ in range(_ROUNDS):
            books = _books(runs, level_bits)
            made = _written(len(image), _merged(runs, books))
            best = min(best, made, key=len)
            if made == last:
                break
            runs, last = [_cheapest(each, pair) for each, pair in zip(options, books, strict=True)], made
    return best


def in_form_of(data: bytes, image: bytes) -> bytes:
    """A file that was made of `data`, coded if that is."""
    return coded(image) if is_coded(data) else image


def _options(data: bytes, width: int) -> list[_Run]:
    """The forms that some bytes can have."""
    flat = np.frombuffer(data, np.uint8).astype(np.int64)
    none = np.zeros(len(flat), np.int64)
    found = [_Run(_RAW, 0, data, flat, none)]
    found += [_Run(_BYTES, order, data, _residues(flat, 8, order) & 0xFF, none) for order in _ORDERS]
    if width > 1 and len(data) % width == 0:
        values = np.frombuffer(data, f"<u{width}").astype(np.int64)
        for order in _ORDERS:
            residues = _residues(values, 8 * width, order)
            classes = np.ceil(np.log2(np.abs(residues) + 1)).astype(np.int64)
            tails = np.where(residues < 0, residues + (1 << classes) - 1, residues)
            found.append(_Run(_NUMBERS[width], order, data, classes, tails))
    return found


def _residues(values: _Ints, bits: int, order: int) -> _Ints:
    """What a value adds to the one before it (1), or to the line through the two before it (2), signed."""
    for _ in range(order):
        values = np.diff(values, prepend=0)
    half = 1 << (bits - 1)
    return (values + half & (1 << bits) - 1) - half


def _alone(run: _Run) -> float:
    """Bits with a book of its own, about."""
    if run.form == _RAW:
        return 8.0 * len(run.data)
    return run.tail_bits + float(_entropies(run.counts[None], _LEVEL_BITS[0])[0])


def _cheapest(options: Sequence[_Run], books: tuple[Book | None, Book | None]) -> _Run:
    """The form that costs least with the books that are at hand."""

    def cost(run: _Run) -> float:
        book = books[run.alphabet]
        codes = 8 * len(run.data) if run.form == _RAW else None if book is None else book.cost(run.counts)
        return float("inf") if codes is None else codes + run.tail_bits + _RUN_BITS * (run.form != _RAW)

    return min(options, key=cost)


def _books(runs: Sequence[_Run], level_bits: int) -> list[tuple[Book | None, Book | None]]:
    """For each run the two books that are known where it stands, or come next."""
    columns: list[list[Book | None]] = []
    for alphabet in (0, 1):
        own = [number for number, run in enumerate(runs) if run.form != _RAW and run.alphabet == alphabet]
        column: list[Book | None] = [None] * len(runs)
        at = 0
        for group in _groups([runs[number].counts for number in own], level_bits):
            book = make_book(sum((runs[number].counts for number in own[group]), np.zeros(256, np.int64)))
            end = len(runs) if group.stop == len(own) else own[group.stop]
            column[at:end] = [book] * (end - at)
            at = end
        columns.append(column)
    return list(zip(*columns, strict=True))


def _groups(counts: Sequence[_Ints], level_bits: int) -> list[slice]:
    """Neighbours that share a book: of all divisions the one whose codes and books take least, by their entropy."""
    best, begins = np.zeros(len(counts) + 1), [0] * (len(counts) + 1)
    table = np.array(counts, np.int64).reshape(-1, 256)
    for end in range(1, len(counts) + 1):
        costs = best[:end] + _entropies(np.cumsum(table[:end][::-1], axis=0)[::-1], level_bits)
        begins[end] = int(costs.argmin())
        best[end] = costs[begins[end]]
    found, end = [], len(counts)
    while end:
        found.append(slice(begins[end], end))
        end = begins[end]
    return found[::-1]


def _entropies(counts: _Ints, level_bits: int) -> NDArray[np.float64]:
    """Of rows of counts: bits of codes and of their book, about: the fewer symbols, the longer the gaps."""
    used = (counts > 0).sum(axis=1)
    total = counts.sum(axis=1, keepdims=True)
    codes = (counts * np.log2(total / np.maximum(counts, 1))).sum(axis=1)
    return np.asarray(codes + used * (1 + 2 * np.log2(256 / used)) + 16 + level_bits * np.log2(used))


def _written(size: int, runs: Sequence[tuple[_Run, Book | None]]) -> bytes:
    """The file, of an image of that size."""
    bits = Bits()
    known: list[Book | None] = [None, None]
    for run, book in runs:
        bits.put([run.form], [2])
        if book is None:
            bits.elias(len(run.data))
            bits.put(run.symbols, np.full(len(run.symbols), 8))
            continue
        same = known[run.alphabet] is book
        bits.put([same, run.order], [1, 2])
        bits.elias(len(run.symbols))
        if not same:
            book.write(bits)
            known[run.alphabet] = book
        tails = run.symbols if run.alphabet else np.zeros_like(run.symbols)
        bits.put(book.codes[run.symbols] << tails | run.tails, book.widths[run.symbols] + tails)
    body = bits.bytes()
    return _HEADER.pack(MAGIC, CODED_VERSION, 0, 0, _HEADER.size + len(body), size) + body


def _merged(runs: Sequence[_Run], books: Sequence[tuple[Book | None, Book | None]]) -> list[tuple[_Run, Book | None]]:
    """Runs and the book of each, None of raw ones; neighbours of one form and one book in one."""
    found: list[tuple[_Run, Book | None]] = []
    for run, pair in zip(runs, books, strict=True):
        book = None if run.form == _RAW else pair[run.alphabet]
        if found and found[-1][1] is book and (found[-1][0].form, found[-1][0].order, run.order) == (run.form, 0, 0):
            found[-1] = (found[-1][0].joined(run), book)
        else:
            found.append((run, book))
    return found
