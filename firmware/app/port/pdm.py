# SPDX-License-Identifier: MIT
# ruff: noqa: D102, F821 - port/__init__.py documents them; rp2.asm_pio knows its instructions
"""A PDM microphone on RP2040 and RP2350: PIO clocks it, DMA fills a ring with its bits, the core makes samples of them.

Not yet tried on silicon; written against MicroPython 1.25's documentation and source. Needs 1.22 (rp2.DMA) or later.
"""

from array import array

import machine
import rp2
import uctypes
from _tinywake_pdm import decimate

__all__ = ("PdmMicrophone", "Ring")

_CLOCK = 2_048_000  # Hz: the core makes 16 kHz of it
_MS = _CLOCK // 8000  # bytes
_SAMPLE = 16
_MARGIN_MS = 8  # of the ring, which DMA may overwrite while it is read
_PERIOD_MS = 10
_BURST = 8  # buffers a period, so that the prompt gets its turn
_STATE = 128  # bytes: _tinywake_pdm.pyi
_REWIND = 11  # of a DMA channel's registers: AL2_WRITE_ADDR_TRIG


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


class Ring:
    """The hardware: bits go round in `data`, the first in the lowest place. No interrupt, no allocation."""

    def __init__(self, mic, size):
        self.data = bytearray(size)
        self._start = uctypes.addressof(self.data)
        number = mic.get("sm", 0)
        self._sm = rp2.StateMachine(
            number,
            _program(1 if mic.get("channel") == "right" else 0),
            freq=4 * _CLOCK,
            in_base=machine.Pin(mic["data"], machine.Pin.IN),
            sideset_base=machine.Pin(mic["clk"]),
        )
        self._dma = dma = rp2.DMA()
        self._rewind = rewind = rp2.DMA()
        self._address = array("L", [self._start])
        # At the ring's end one channel starts the other, which writes the start address back and starts it again.
        rewind.config(
            read=self._address,
            write=dma.registers[_REWIND : _REWIND + 1],
            count=1,
            ctrl=rewind.pack_ctrl(inc_read=False, inc_write=False),
        )
        dma.config(
            read=self._sm,
            write=self.data,
            count=size // 4,
            ctrl=dma.pack_ctrl(inc_read=False, treq_sel=number // 4 * 8 + 4 + number % 4, chain_to=rewind.channel),
            trigger=True,
        )
        self._sm.active(1)

    def at(self):
        """Where the next bits go."""
        return (self._dma.write - self._start) % len(self.data)

    def close(self):
        self._sm.active(0)
        for dma in (self._dma, self._rewind):
            dma.ctrl = dma.pack_ctrl(enable=False)  # chained to itself, which is to none
            dma.active(0)
            dma.close()


class PdmMicrophone:
    """`clock` is a port: ticks_ms, ticks_diff, sleep_ms and every.

    `mic`: clk, data; channel ("left", "right"), shift (8..16: full scale is 2^31 >> shift), sm (state machine, 0..7
    or ..11). A ring of ring_ms costs 256 bytes a millisecond.
    """

    def __init__(self, clock, mic):
        self.lost = 0
        self._clock = clock
        self._mic = mic
        self._size = mic.get("ring_ms", 96) * _MS
        self._shift = mic.get("shift", 16)
        self._state = bytearray(_STATE)
        self.ring = None
        self.bits = b""  # the ring's
        self._ticking = self._tick  # bound once: taking a method allocates

    def open(self):
        self.close()
        for i in range(_STATE):
            self._state[i] = 0
        self.lost = 0
        self._started = False
        self._waiting = 0  # bytes in the ring that are not read
        self._next = 0  # the first of them
        self._seen = 0  # where DMA was when last looked at, and when that was
        self.ring = Ring(self._mic, self._size)
        self.bits = self.ring.data
        self._last = self._clock.ticks_ms()

    def close(self):
        if self.ring:
            if self._started:
                self._started = False
                self._clock.every(0, None)
            self.ring.close()
            self.ring = None

    def due_ms(self, count):
        self._look()
        missing = count // 2 * _SAMPLE - self._waiting
        return (missing + _MS - 1) // _MS if missing > 0 else 0

    def readinto(self, buf):
        wait = self.due_ms(len(buf))
        while wait:
            self._clock.sleep_ms(wait)
            wait = self.due_ms(len(buf))
        count = len(buf) // 2 * _SAMPLE
        self._next = decimate(self._state, self.ring.data, self._next, count, self._shift, buf)
        self._waiting -= count
        return len(buf)

    def start(self, buf, callback):
        self._buf = buf
        self._callback = callback
        self._started = True
        self._clock.every(_PERIOD_MS, self._ticking)

    def _tick(self, _):
        for _ in range(_BURST):
            if not self.ring or self.due_ms(len(self._buf)):
                return
            self._callback(self.readinto(self._buf))

    def _look(self):
        """Count what has come; what has no room in the ring is lost. The time says how often DMA went round it."""
        now, at, size = self._clock.ticks_ms(), self.ring.at(), self._size
        came = (at - self._seen) % size
        around = (self._clock.ticks_diff(now, self._last) * _MS - came + size // 2) // size
        self._waiting += came + around * size
        self._seen = at
        self._last = now
        room = size - _MARGIN_MS * _MS
        if self._waiting > room:
            samples = (self._waiting - room + _SAMPLE - 1) // _SAMPLE
            self.lost += samples
            self._waiting -= samples * _SAMPLE
            self._next = (self._next + samples * _SAMPLE) % size
