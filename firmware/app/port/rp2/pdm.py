# SPDX-License-Identifier: MIT
# ruff: noqa: F821 - rp2.asm_pio knows its instructions
"""A PDM microphone on RP2040 and RP2350: PIO clocks it, DMA fills a ring with its bits, the core makes samples of them.

Not yet tried on silicon; written against MicroPython 1.25's documentation and source.
"""

import machine
import rp2
from _tinywake_pdm import decimate

from .ring import Ring, RingMicrophone

__all__ = ("PdmMicrophone",)

_CLOCK = 2_048_000  # Hz: the core makes 16 kHz of it
_SAMPLE = 16  # bytes
_STATE = 128  # bytes: _tinywake_pdm.pyi


_programs = [None, None]  # assembled once, so that PIO holds each once


def _program(level):
    """A left microphone speaks while the clock is low, a right one while it is high: sample half-way through."""
    if _programs[level]:
        return _programs[level]

    @rp2.asm_pio(
        sideset_init=rp2.PIO.OUT_LOW,
        in_shiftdir=rp2.PIO.SHIFT_RIGHT,
        autopush=True,
        push_thresh=32,
        fifo_join=rp2.PIO.JOIN_RX,
    )
    def clock(level=level):
        nop().side(level)
        in_(pins, 1).side(level)
        nop().side(1 - level)
        nop().side(1 - level)

    _programs[level] = clock
    return clock


class PdmMicrophone(RingMicrophone):
    """`clock`: see RingMicrophone.

    `mic`: clk, data; channel ("left", "right"), shift (8..16: full scale is 2^31 >> shift), sm (state machine, 0..7
    or ..11). A ring of ring_ms costs 256 bytes a millisecond: bits, the first in the lowest place.
    """

    def __init__(self, clock, mic):
        super().__init__(clock, mic, 96, _SAMPLE)
        self._shift = mic.get("shift", 16)
        self._state = bytearray(_STATE)
        self.bits = b""  # the ring's

    def _begin(self, size):
        for i in range(_STATE):
            self._state[i] = 0
        mic = self._mic
        ring = Ring(
            mic.get("sm", 0),
            size,
            _program(1 if mic.get("channel") == "right" else 0),
            freq=4 * _CLOCK,
            in_base=machine.Pin(mic["data"], machine.Pin.IN),
            sideset_base=machine.Pin(mic["clk"]),
        )
        self.bits = ring.data
        return ring

    def _take(self, buf):
        self._next = decimate(self._state, self.bits, self._next, len(buf) // 2 * _SAMPLE, self._shift, buf)
