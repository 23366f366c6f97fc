# SPDX-License-Identifier: MIT
# ruff: noqa: D102 - port/__init__.py documents them
"""An I2S microphone through machine.I2S: INMP441, ICS-43434, SPH0645 and their like. See docs/microphones.md.

Not yet tried on silicon; written against MicroPython 1.25's documentation and source.
"""

import machine

__all__ = ("I2SMicrophone", "open_i2s")

_BYTES_MS = 32  # 16 kHz, two bytes
_FRAME = 8  # bytes: every port keeps what it receives as stereo of 32 bits, whatever is asked of it
_FRAMES_MS = 16
_RING_MS = 128  # 8 of the 256-frame blocks that the ESP32 port counts in
_EARLY_MS = 1  # milliseconds are whole, and sleeping too long would fill the ring


def open_i2s(mic, stereo):
    """machine.I2S as `mic` of the board file says. `stereo`: both slots of a frame, else the left one."""
    pin = machine.Pin
    i2s = machine.I2S
    return i2s(
        mic["id"],
        sck=pin(mic["sck"]),
        ws=pin(mic["ws"]),
        sd=pin(mic["sd"]),
        mode=i2s.RX,
        bits=mic["bits"],
        format=i2s.STEREO if stereo else i2s.MONO,
        rate=16000,
        ibuf=mic.get("ring_ms", _RING_MS) * _FRAMES_MS * _FRAME,
    )


class I2SMicrophone:
    """One slot of an I2S microphone. `clock` is a port: ticks_ms, ticks_diff, sleep_ms.

    `mic`: id, sck, ws, sd; bits: 32, or 16 to take the upper half as it comes; and, for 32 bits, channel ("left",
    "right"), shift (8..17: full scale is 2^31 >> shift), late (1: the data comes a bit late). A ring of ring_ms costs
    128 bytes a millisecond.
    """

    def __init__(self, clock, mic):
        self.lost = 0
        self._clock = clock
        self._mic = mic
        self._ring = mic.get("ring_ms", _RING_MS) * _FRAMES_MS  # samples
        self._wide = mic["bits"] == 32
        self._right = self._wide and mic.get("channel") == "right"  # no port gives it alone
        self._shift = mic.get("shift", 16)
        self._late = mic.get("late", 0)
        self._constant = 0
        self._i2s = None
        self._raw = b""
        self._slots = None  # of the channel, in _raw
        self._last = 0
        self._behind = 0  # samples that the clock says wait in the ring

    def open(self):
        self.close()
        if self._wide:
            from .pack32 import pack32

            self._pack = pack32
        self._i2s = open_i2s(self._mic, self._right)
        self.lost = 0
        self._constant = 0
        self._behind = 0
        self._last = self._clock.ticks_ms()

    def close(self):
        if self._i2s:
            self._i2s.deinit()
            self._i2s = None

    def due_ms(self, count):
        waited = self._clock.ticks_diff(self._clock.ticks_ms(), self._last)
        return max(0, count // _BYTES_MS - self._behind // _FRAMES_MS - waited)

    def readinto(self, buf):
        self._count(self._behind + self._came(self._clock.ticks_ms()))  # while nobody reads, the ring is all there is
        # The RP2's driver waits in a loop of its own, in which the processor never idles: sleep most of that time.
        wait = self.due_ms(len(buf)) - _EARLY_MS
        if wait > 0:
            self._clock.sleep_ms(wait)
        self._i2s.readinto(self._target(buf))
        return self._arrived(buf)

    def start(self, buf, callback):
        target = self._target(buf)

        def filled(i2s):
            if self._i2s is not i2s:
                return  # closed after this call was scheduled
            callback(self._arrived(buf))
            if self._i2s is i2s:
                i2s.readinto(target)

        self._i2s.irq(filled)
        self._i2s.readinto(target)

    def _target(self, buf):
        if not self._wide:
            return buf
        size = len(buf) * (4 if self._right else 2)
        if len(self._raw) != size:
            self._raw = bytearray(size)
            self._slots = memoryview(self._raw)[4 if self._right else 0 :]
        return self._raw

    def _arrived(self, buf):
        now = self._clock.ticks_ms()
        count = len(buf) // 2
        if self._wide:
            step = 4 if self._right else 2
            self._constant = self._pack(buf, self._slots, count, step, self._shift, self._late, self._constant)
        self._behind = max(0, self._behind + self._came(now) - count)
        self._last = now
        self._count(self._behind)
        return len(buf)

    def _came(self, now):
        """Of 256 samples 255, so that a microphone somewhat slower than the clock is not taken for one that loses."""
        return self._clock.ticks_diff(now, self._last) * _FRAMES_MS * 255 >> 8

    def _count(self, waiting):
        """The driver does not tell that its ring ran over: what the clock says is there and has no room is lost."""
        if waiting > self._ring:
            self.lost += waiting - self._ring
            self._behind -= waiting - self._ring
