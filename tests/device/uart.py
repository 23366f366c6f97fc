# SPDX-License-Identifier: MIT
"""A serial line whose two ends are set to different rates: what one sends, and what the other takes it for."""

from __future__ import annotations


def as_heard(data: bytes, sent: int, read: int) -> bytes:
    """Bytes sent at `sent` baud, eight bits and a stop bit, as a receiver at `read` baud makes them out.

    It waits for the edge of a start bit and looks at the middle of each bit, by its own rate; a byte without a stop bit
    counts, as it does for USB bridges.
    """
    line = [bit for byte in data for bit in (0, *((byte >> n) & 1 for n in range(8)), 1)]

    def level(seconds: float) -> int:
        at = int(seconds * sent)
        return line[at] if at < len(line) else 1

    heard, at = bytearray(), 0
    while at < len(line):
        if line[at] or (at and not line[at - 1]):  # no edge
            at += 1
            continue
        begin = at / sent
        heard.append(sum(level(begin + (n + 1.5) / read) << n for n in range(8)))
        at = max(at + 1, int((begin + 9.5 / read) * sent))
    return bytes(heard)
