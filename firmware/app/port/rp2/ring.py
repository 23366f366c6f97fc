# SPDX-License-Identifier: MIT
# ruff: noqa: D102 - port/__init__.py documents them
"""What PIO hears goes round in a ring of RAM, by DMA: RP2040 and RP2350. No interrupt, no copy, no allocation.

Not yet tried on silicon; written against MicroPython 1.25's documentation and source. Needs 1.22 (rp2.DMA) or later.
"""

from array import array

import rp2
import uctypes

__all__ = ("Ring", "RingMicrophone")

_MARGIN_MS = 8  # of the ring, which DMA may overwrite while it is read
_PERIOD_MS = 10
_BURST = 8  # buffers a period, so that the prompt gets its turn
_REWIND = 11  # of a DMA channel's registers: AL2_WRITE_ADDR_TRIG

_running = {}  # rings by state machine: DMA goes on writing to one that nobody holds, which must not become garbage


class Ring:
    """The hardware: words that a state machine pushes, in `data`, which begins at `start`."""

    def __init__(self, number, size, program, **settings):
        if number in _running:
            _running[number].close()
        request = number // 4 * 8 + 4 + number % 4
        _end_what_a_soft_reset_left(request)
        self.data = bytearray(size)
        self.start = uctypes.addressof(self.data)
        self._number = number
        self._sm = rp2.StateMachine(number, program, **settings)
        self._dma = dma = rp2.DMA()
        self._rewind = rewind = rp2.DMA()
        self._address = array("L", [self.start])
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
            ctrl=dma.pack_ctrl(inc_read=False, treq_sel=request, chain_to=rewind.channel),
            trigger=True,
        )
        _running[number] = self
        self._sm.active(1)

    def at(self):
        """Where the next word goes."""
        return (self._dma.write - self.start) % len(self.data)

    def close(self):
        if _running.get(self._number) is self:
            del _running[self._number]
            self._sm.active(0)
            for dma in (self._dma, self._rewind):
                _end(dma)
                dma.close()


def _end(dma):
    dma.ctrl = dma.pack_ctrl(enable=False)  # chained to itself, which is to none
    dma.active(0)


def _end_what_a_soft_reset_left(request):
    """Of a ring that was open then: it stops the state machine, but its channel waits, and would write to the heap."""
    free = []
    try:
        while True:
            free.append(rp2.DMA())
    except OSError:
        pass  # that was the last
    for dma in free:
        if dma.active() and dma.unpack_ctrl(dma.ctrl)["treq_sel"] == request:
            _end(dma)
        dma.close()


class RingMicrophone:
    """A microphone of the port. A subclass has `_begin(size)`, which makes the Ring, and `_take(buf)`, which fills it.

    `clock` is a port: ticks_ms, ticks_diff, sleep_ms and every. `sample`: bytes of the ring in one.
    """

    def __init__(self, clock, mic, ring_ms, sample):
        self.lost = 0
        self.ring = None
        self._clock = clock
        self._mic = mic
        self._sample = sample
        self._ms = 16 * sample
        self._size = mic.get("ring_ms", ring_ms) * self._ms
        self._ticking = self._tick  # bound once: taking a method allocates

    def open(self):
        self.close()
        self.lost = 0
        self._started = False
        self._waiting = 0  # bytes in the ring that are not read
        self._next = 0  # the first of them
        self._seen = 0  # where DMA was when last looked at, and when that was
        self.ring = self._begin(self._size)
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
        missing = count // 2 * self._sample - self._waiting
        return (missing + self._ms - 1) // self._ms if missing > 0 else 0

    def readinto(self, buf):
        wait = self.due_ms(len(buf))
        while wait:
            self._clock.sleep_ms(wait)
            wait = self.due_ms(len(buf))
        self._take(buf)
        self._waiting -= len(buf) // 2 * self._sample
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
        now, at = self._clock.ticks_ms(), self.ring.at()
        size, ms = self._size, self._ms
        came = (at - self._seen) % size
        due = self._clock.ticks_diff(now, self._last) * ms
        if 2 * due >= size:
            came += (due - came + size // 2) // size * size
        self._waiting += came
        self._seen = at
        self._last = now
        room = size - _MARGIN_MS * ms
        if self._waiting > room:
            samples = (self._waiting - room + self._sample - 1) // self._sample
            self.lost += samples
            self._waiting -= samples * self._sample
            self._next = (self._next + samples * self._sample) % size
