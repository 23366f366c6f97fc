# SPDX-License-Identifier: MIT
"""Writes the lines of firmware/SERIAL.md: built in place, checked, dropped and counted if they cannot go."""

import _tinywake

__all__ = ("LIMIT", "Link", "escape")

LIMIT = 160  # bytes of a line without its end; SERIAL.md
_CHECK = 5  # '*' and four hex digits
_HEX = b"0123456789abcdef"


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
        self._buf = bytearray(LIMIT + 2)
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
        scale = 1
        while value // scale >= 10:
            scale *= 10
        while scale:
            self._byte(48 + value // scale % 10)
            scale //= 10

    def text(self, key, value):
        """Append bytes such as b" name=" and a value made by escape()."""
        self._put(key)
        self._put(value)

    def end(self):
        """Append the check and send. False where the line was dropped."""
        if self._refused or self._len > LIMIT - _CHECK:
            self.dropped += 1
            return False
        check = _tinywake.crc16(self._buf, 0, self._len)
        self._byte(0x2A)
        shift = 12
        while shift >= 0:
            self._byte(_HEX[check >> shift & 15])
            shift -= 4
        self._byte(0x0D)
        self._byte(0x0A)
        self._sent = 0
        self._end = self._len
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
        for char in chars:
            self._byte(char)

    def _byte(self, char):
        if not self._refused:
            if self._len < LIMIT + 2:
                self._buf[self._len] = char
                self._len += 1
            else:
                self._refused = True  # longer than SERIAL.md allows: never sent in part
