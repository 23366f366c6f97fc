# SPDX-License-Identifier: MIT
"""Writes the lines of firmware/SERIAL.md: built in place, checked, dropped and counted if they cannot go."""

from struct import pack_into

import _tinywake

__all__ = ("LIMIT", "Link", "escape")

LIMIT = 160  # bytes of a line without its end; SERIAL.md
_CHECK = 5  # '*' and four hex digits
_HEX = b"0123456789abcdef"
_ROOM = LIMIT + 2
_CHARS = "%ds" % _ROOM  # for pack_into, which copies bytes without allocating and puts zeros behind them


def escape(text, limit=40):
    """`text` as a field's value, cut between characters to `limit` bytes. Allocates: not for the loop."""
    out = bytearray()
    for char in text:
        whole = len(out)
        for byte in char.encode():
            if 0x21 <= byte <= 0x7E and byte not in b"%*=@~":
                out.append(byte)
            else:
                out.extend(b"%%%02x" % byte)
        if len(out) > limit:
            return bytes(out[:whole])
    return bytes(out)


class Link:
    """One line at a time: begin(head), number() and text() for its fields, end().

    `write(buf, start, end, wait_ms)` is the port's: it waits until it can take something, but not longer
    than wait_ms (-1: for ever), and returns how many bytes it took. `wait_ms` here says how long a line may
    wait before it is dropped.
    """

    def __init__(self, write):
        self.wait_ms = 0
        self.dropped = 0  # lines lost since construction
        self._write = write
        self._buf = bytearray(2 * _ROOM)  # a line and those zeros
        self._len = 0  # of the line under construction
        self._sent = 0  # of the finished line, how much is out
        self._end = 0
        self._refused = False

    def begin(self, head):
        """Start a line with bytes such as b"@hit label=yes". An unfinished line before it goes out first."""
        self._push()
        self._refused = self._sent < self._end
        if not self._refused:
            self._len = 0
            self._put(head)

    def number(self, key, value):
        """Append bytes such as b" t=" and a non-negative int."""
        self._put(key)
        buf, rest, at = self._buf, value // 10, self._len + 1
        while rest:
            rest //= 10
            at += 1
        if not self._grow(at):
            return
        while True:
            at -= 1
            rest = value // 10
            buf[at] = 48 + value - 10 * rest
            if not rest:
                return
            value = rest

    def text(self, key, value):
        """Append bytes such as b" name=" and a value made by escape()."""
        self._put(key)
        self._put(value)

    def end(self):
        """Append the check and send. False where the line was dropped."""
        if self._refused or self._len > LIMIT - _CHECK:
            self.dropped += 1
            return False
        buf, at = self._buf, self._len
        check = _tinywake.crc16(buf, 0, at)
        buf[at] = 0x2A
        buf[at + 1] = _HEX[check >> 12]
        buf[at + 2] = _HEX[check >> 8 & 15]
        buf[at + 3] = _HEX[check >> 4 & 15]
        buf[at + 4] = _HEX[check & 15]
        buf[at + 5] = 0x0D
        buf[at + 6] = 0x0A
        self._sent = 0
        self._end = at + 7
        self._push()
        if self._sent == 0:
            self._end = 0
            self.dropped += 1
            return False
        return True

    def _push(self):
        while self._sent < self._end:
            count = self._write(self._buf, self._sent, self._end, self.wait_ms)
            if not count and self.wait_ms >= 0:
                return
            self._sent += count

    def _put(self, chars):
        at = self._len
        if self._grow(at + len(chars)):
            pack_into(_CHARS, self._buf, at, chars)

    def _grow(self, length):
        """Make the line so long, unless it is refused or then would be: longer ones are never sent in part."""
        self._refused = self._refused or length > _ROOM
        if not self._refused:
            self._len = length
        return not self._refused
