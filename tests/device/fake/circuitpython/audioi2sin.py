# SPDX-License-Identifier: MIT
"""A stand-in for CircuitPython's audioi2sin, as ports/raspberrypi has it: DMA fills a ring of two halves of 40 ms.

record() takes from where it stopped; where it finds itself more than a half behind it begins anew with the half before,
and it knows its distance only modulo the ring: of a lag of 80 to 120 ms it sees nothing. Time passes while it waits.
"""

from array import array

import supervisor

HALF = 640  # frames
opened = []
ppm = 0  # by which the microphone's clock is fast
tells = True  # of an overrun: never on Espressif
short = 0  # frames after which the next record() is interrupted; -1: before the first
error = None  # raised by the next record()
waited = 0  # ms, in record()
allocates = True  # which is quicker


def frame(number, slot):
    """What the microphone says, of 32 bits: the number of the frame, 12 bits of it, and which slot."""
    return ((number & 0xFFF) << 15) + (slot << 30 if slot else 0)


LEFT = array("i", [frame(number, 0) for number in range(1 << 12)])
BOTH = array("i", [frame(number // 2, number % 2) for number in range(1 << 13)])


class I2SIn:
    def __init__(self, bit_clock, word_select, data, *, sample_rate, bit_depth, mono):
        assert (sample_rate, bit_depth) == (16000, 32)
        if abs(bit_clock.number - word_select.number) != 1:
            raise ValueError("Bit clock and word select must be sequential GPIO pins")
        self.pins = bit_clock.number, word_select.number, data.number
        self.mono = mono
        self._began = supervisor.now
        self._read = 0
        self._settled = False
        self._overflow = False
        opened.append(self)

    def deinit(self):
        opened.remove(self)

    @property
    def overflow(self):
        was, self._overflow = self._overflow, False
        return was and tells

    def written(self):
        """Frames since the beginning."""
        us = (supervisor.now - self._began) * 1000
        return (us + us * ppm // 1000000) * 16 // 1000

    def record(self, buf, count):
        global short, error, waited
        if error:
            raise error
        at = 0
        while at < count:
            if short and at >= short:
                short = 0
                return at
            written = self.written()
            there = (written - self._read) % (2 * HALF)
            if there > HALF:
                self._overflow = True
                self._read = (written - written % HALF - HALF) % (2 * HALF)
                self._settled = False
                there = written % HALF + HALF
            if there and not self._settled:
                self._settled = True
                self._read += 1
                there -= 1
            if not there:
                waited += 1
                supervisor.advance(1)
                continue
            while there and at < count and not (short and at >= short):
                number = written - there & 0xFFF
                if allocates and self.mono and not short:
                    taken = min(there, count - at, 0x1000 - number)
                    buf[at : at + taken] = LEFT[number : number + taken]
                    at += taken
                    there -= taken
                    self._read += taken
                    continue
                if self.mono:
                    buf[at] = LEFT[number]
                else:
                    buf[at] = BOTH[2 * number]
                    at += 1
                    buf[at] = BOTH[2 * number + 1]
                at += 1
                there -= 1
                self._read += 1
        return at
