# SPDX-License-Identifier: MIT
"""A small coded file bit by bit, as models/SPEC.md shows one, and the image that it says. Written from that text alone.

python tests/core/coded_dump.py FILE.twm
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

__all__ = ["dump"]

_HEADER = 16
_ROW = 48  # digits of a line of values
_WIDTH = {0: 1, 1: 1, 2: 2, 3: 4}  # bytes of a form's value
_MOST = 16  # symbols of a line


class _Reader:
    """Takes bits, and writes a line for each thing that they say."""

    def __init__(self, data: bytes) -> None:
        self.bits = "".join(f"{byte:08b}" for byte in data)
        self.at = self._from = 8 * _HEADER
        self.lines: list[str] = []
        self._digits: list[str] = []

    def take(self, count: int) -> int:
        digits = self.bits[self.at : self.at + count]
        assert len(digits) == count, "the file ends"
        self.at += count
        if digits:
            self._digits.append(digits)
        return int(digits or "0", 2)

    def gamma(self) -> int:
        zeros = len(self.bits[self.at :]) - len(self.bits[self.at :].lstrip("0"))
        return self.take(2 * zeros + 1)

    def code(self, book: dict[str, int]) -> int:
        digits = ""
        while digits not in book:
            digits += self.bits[self.at + len(digits)]
        self.take(len(digits))
        return book[digits]

    @property
    def waiting(self) -> int:
        """Digits of the line so far."""
        return sum(map(len, self._digits)) + len(self._digits)

    def say(self, what: str) -> None:
        self.lines.append(f"    {self._from // 8:04x}.{self._from % 8}  {' '.join(self._digits):<{_ROW}}  {what}")
        self._from, self._digits = self.at, []


def dump(data: bytes) -> tuple[list[str], bytes]:
    """The lines of a coded file that a reader takes, and its image."""
    size, whole = struct.unpack_from("<II", data, 8)
    lines = [
        f"    {at:04x}  {data[at:end].hex(' '):<24}  {what}"
        for at, end, what in (
            (0, 4, "magic"), (4, 8, "version 2, reserved"), (8, 12, f"file bytes {size}"),
            (12, 16, f"image bytes {whole}"),
        )
    ]  # fmt: skip
    reader, image, books = _Reader(data[:size]), b"", {}
    while len(image) < whole:
        lines.append("")
        reader.lines = lines
        image += _run(reader, books)
    rest = len(reader.bits) - reader.at
    assert rest < 8
    if rest:
        assert reader.take(rest) == 0
        reader.say("the rest of the last byte")
    return [line.rstrip() for line in lines], image


def _run(reader: _Reader, books: dict[bool, dict[str, int]]) -> bytes:
    form = reader.take(2)
    same, order = (reader.take(1), reader.take(2)) if form else (0, 0)
    reader.say(f"form {form}" + (f", {'the last book' if same else 'a book'}, order {order}" if form else ""))
    count = reader.gamma()
    reader.say(f"{count} values")
    classes, width = form > 1, _WIDTH[form]
    if form and not same:
        books[classes] = _book(reader)
    values: list[int] = []
    begun = 0  # the first value of the line
    for number in range(count):
        change = reader.take(8) if not form else reader.code(books[classes])
        if classes:
            size, change = change, reader.take(change)
            change = change if not size or change >> size - 1 else change - (1 << size) + 1
        one, two = [0, 0, *values][:-3:-1]
        values.append((change + (0, one, 2 * one - two)[order]) % (1 << 8 * width))
        if reader.waiting > _ROW - 10 or number == count - 1 or len(values) % _MOST == 0:
            reader.say(" ".join(f"{value:0{2 * width}x}" for value in values[begun:]))
            begun = len(values)
    return b"".join(value.to_bytes(width, "little") for value in values)


def _book(reader: _Reader) -> dict[str, int]:
    """Codes as digits."""
    longest = reader.gamma() - 1
    reader.say(f"the longest codes have {longest} bits")
    if not longest:
        symbol = reader.gamma() - 1
        reader.say(f"one symbol, {symbol:02x}")
        return {"": symbol}
    book: dict[str, int] = {}
    code = 0
    for length in range(1, longest + 1):
        count, symbols, last = reader.gamma() - 1, [], -1
        reader.say(f"{count} of {length}")
        code *= 2
        for _ in range(count):
            last += reader.gamma()
            symbols.append(last)
            book[f"{code:0{length}b}"] = last
            code += 1
            if reader.waiting > _ROW - 10:
                reader.say(" ".join(f"{symbol:02x}" for symbol in symbols))
                symbols = []
        if symbols:
            reader.say(" ".join(f"{symbol:02x}" for symbol in symbols))
    assert code == 1 << longest
    return book


if __name__ == "__main__":
    print("\n".join(dump(Path(sys.argv[1]).read_bytes())[0]))
