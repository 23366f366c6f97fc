# SPDX-License-Identifier: MIT
"""A ring on the heap that holds the last seconds of audio, compressed: frames of firmware/SERIAL.md, "Recording"."""

import gc
from array import array

from _tinywake_rec import encode, line

__all__ = ("FRAME", "LINE", "Frames", "frames_in")

FRAME = 1280  # samples
HEAD = 8  # bytes before them
SLOT = HEAD + FRAME // 2
LINE = 27 + (SLOT + 3) // 4 * 5  # bytes that _tinywake_rec.line wants
LEAST = 4  # frames
WRAP = (1 << 30) - 1


class Frames:
    """Frames are numbered from 0; number `made` is the one that is being made, in the place of the oldest.

    `wanted`: how many; there are as many as half of the heap holds, and one piece of it. MemoryError: too few.
    """

    def __init__(self, wanted):
        self._ring = _ring(wanted)
        self.slots = len(self._ring) // SLOT
        self.ms = (self.slots - 1) * FRAME // 16  # that are there at any time
        self.made = 0
        self.at = 0  # samples since the beginning, missing ones included
        self._sizes = array("H", [0] * self.slots)  # bytes
        self._fill = 0  # samples of the frame that is being made
        self._base = 0  # and where they begin
        self._adpcm = bytearray(4)

    @property
    def oldest(self):
        """Number of the oldest frame that is whole whatever comes."""
        return self.made - self.slots + 1

    def take(self, pcm, start, end):
        """Samples start..end-1 of a buffer, as far as the frame has room; return where it ends."""
        if not self._fill:
            self._begin()
        count = min(end - start, FRAME - self._fill)
        encode(self._adpcm, pcm, start, start + count, self._ring, 2 * self._base + self._fill)
        self._fill += count
        self.at = self.at + count & WRAP
        if self._fill == FRAME:
            self.cut()
        return start + count

    def skip(self, samples):
        """So many were lost."""
        self.cut()
        self.at = self.at + samples & WRAP

    def cut(self):
        """The frame ends here."""
        if self._fill:
            slot = self.made % self.slots
            if self._fill & 1:
                self._ring[slot * SLOT + 2] |= 0x80
            self._sizes[slot] = HEAD + (self._fill + 1 >> 1)
            self.made += 1
            self._fill = 0

    def line(self, number, piece, out):
        """Write a frame's line into `out` and return its length. `piece`: number of the piece that it belongs to."""
        slot = number % self.slots
        at = slot * SLOT
        self._ring[at + 3] = piece & 255
        return line(number, self._ring, at, at + self._sizes[slot], out)

    def _begin(self):
        ring, state, at = self._ring, self._adpcm, self.made % self.slots * SLOT
        ring[at] = state[0]
        ring[at + 1] = state[1]
        ring[at + 2] = state[2]
        ring[at + 4] = self.at & 255
        ring[at + 5] = self.at >> 8 & 255
        ring[at + 6] = self.at >> 16 & 255
        ring[at + 7] = self.at >> 24
        self._base = at + HEAD


def frames_in(ms):
    """How many hold so much audio."""
    return (16 * ms + FRAME - 1) // FRAME


def _ring(wanted):
    gc.collect()
    free = gc.mem_free()
    count = min(max(wanted, LEAST), free // 2 // SLOT)
    while count >= LEAST:
        try:
            return bytearray(count * SLOT)
        except MemoryError:
            count = count * 3 // 4
    raise MemoryError("%d bytes of heap free" % free)
