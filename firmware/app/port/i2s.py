# SPDX-License-Identifier: MIT
# ruff: noqa: D102 - port/__init__.py documents them
"""An I2S microphone through machine.I2S.

Not yet tried on silicon; written against MicroPython 1.25's documentation and source.
"""

import machine

__all__ = ("I2SMicrophone",)

_BYTES_MS = 32  # 16 kHz, two bytes
_FRAME = 8  # bytes: every port keeps what it receives as stereo of 32 bits, whatever is asked of it
_FRAMES_MS = 16


class I2SMicrophone:
    """The left slot of an I2S microphone. `clock` is a port: ticks_ms, ticks_diff.

    `mic`: id, sck, ws, sd, bits (16 or 32), shift (8..16), ring_ms. A ring costs 128 bytes a millisecond.
    """

    def __init__(self, clock, mic):
        self.lost = 0
        self._clock = clock
        self._mic = mic
        self._ring = mic.get("ring_ms", 125) * _FRAMES_MS  # samples
        self._i2s = None
        self._raw = None
        self._last = 0
        self._behind = 0  # samples that the clock says wait in the ring

    def open(self):
        self.close()
        mic = self._mic
        wide = mic["bits"] == 32
        if wide:
            from .pack32 import pack32

            self._pack = pack32
        pin = machine.Pin
        self._i2s = machine.I2S(
            mic["id"],
            sck=pin(mic["sck"]),
            ws=pin(mic["ws"]),
            sd=pin(mic["sd"]),
            mode=machine.I2S.RX,
            bits=mic["bits"],
            format=machine.I2S.MONO,
            rate=16000,
            ibuf=self._ring * _FRAME,
        )
        self._wide = wide
        self.lost = 0
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
        if self._raw is None or len(self._raw) != 2 * len(buf):
            self._raw = bytearray(2 * len(buf))
        return self._raw

    def _arrived(self, buf):
        """The driver does not tell that its ring ran over: what the clock says is there and has no room is lost."""
        if self._wide:
            self._pack(buf, self._raw, len(buf) // 2, self._mic.get("shift", 16))
        now = self._clock.ticks_ms()
        # Of 64 samples 63, so that a microphone somewhat slower than the clock is not taken for one that loses.
        came = self._clock.ticks_diff(now, self._last) * _FRAMES_MS * 63 >> 6
        self._last = now
        self._behind = max(0, self._behind + came - len(buf) // 2)
        if self._behind > self._ring:
            self.lost += self._behind - self._ring
            self._behind = self._ring
        return len(buf)
