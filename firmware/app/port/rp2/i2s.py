# SPDX-License-Identifier: MIT
# ruff: noqa: F821 - rp2.asm_pio knows its instructions
"""An I2S microphone on RP2040 and RP2350, without machine.I2S: PIO reads the one slot, DMA fills a ring with it.

machine.I2S takes an interrupt for every 2 ms of both slots, copies them twice, and waits in a loop.

Not yet tried on silicon; written against MicroPython 1.25's documentation and source.
"""

from array import array

import machine
import rp2
import uctypes

from .pack_thumb import pack
from .ring import Ring, RingMicrophone

__all__ = ("I2SMicrophone",)

_RATE = 16000 * 64 * 2  # instructions a second: two a bit of both slots
_SLOT = 4  # bytes

_programs = [None, None]  # assembled once, so that PIO holds each once


def _program(right):
    """SCK and WS, and the bits of one slot, the first in the highest place.

    WS and data change with SCK's falling edge, data a bit after WS; bits are read as SCK rises.
    """
    if _programs[right]:
        return _programs[right]

    @rp2.asm_pio(
        sideset_init=(rp2.PIO.OUT_LOW, rp2.PIO.OUT_LOW),
        in_shiftdir=rp2.PIO.SHIFT_LEFT,
        autopush=True,
        push_thresh=32,
        fifo_join=rp2.PIO.JOIN_RX,
    )
    def listen(ours=2 * right, other=2 - 2 * right):
        wrap_target()
        nop().side(ours + 1)  # the last bit of the other slot
        set(x, 29).side(ours)
        label("ours")
        in_(pins, 1).side(ours + 1)
        jmp(x_dec, "ours").side(ours)
        in_(pins, 1).side(ours + 1)
        set(x, 29).side(other)
        in_(pins, 1).side(other + 1)
        nop().side(other)
        label("other")
        nop().side(other + 1)
        jmp(x_dec, "other").side(other)
        nop().side(other + 1)
        nop().side(ours)
        wrap()

    _programs[right] = listen
    return listen


class I2SMicrophone(RingMicrophone):
    """One slot of an I2S microphone. `clock`: see RingMicrophone.

    `mic`: sck, ws (the pin after it), sd; channel ("left", "right"), shift (8..17: full scale is 2^31 >> shift), late
    (1: the data comes a bit late), sm (state machine, 0..7 or ..11). A ring of ring_ms costs 64 bytes a millisecond.
    """

    def __init__(self, clock, mic):
        super().__init__(clock, mic, 128, _SLOT)
        if mic["ws"] != mic["sck"] + 1:
            raise ValueError("board.py: ws must be the pin after sck")
        self._state = array("i", (0, mic.get("shift", 16) - 8, mic.get("late", 0)))

    def _begin(self, size):
        self._state[0] = 0
        mic = self._mic
        return Ring(
            mic.get("sm", 3),  # the last that machine.I2S and those who count from 0 come to
            size,
            _program(1 if mic.get("channel") == "right" else 0),
            freq=_RATE,
            in_base=machine.Pin(mic["sd"], machine.Pin.IN),
            sideset_base=machine.Pin(mic["sck"]),
        )

    def _take(self, buf):
        to, start, at = uctypes.addressof(buf), self.ring.start, self._next
        count = len(buf) // 2
        first = min(count, (self._size - at) // _SLOT)
        pack(to, start + at, first, self._state)
        if first < count:  # round the ring's end
            at = -first * _SLOT
            pack(to + 2 * first, start, count - first, self._state)
        self._next = (at + count * _SLOT) % self._size
