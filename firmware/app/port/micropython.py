# SPDX-License-Identifier: MIT
# ruff: noqa: D102, D103 - port/__init__.py documents them
"""MicroPython on a microcontroller: machine.I2S as the microphone, USB or UART as the serial link.

Not yet tried on silicon; written against MicroPython 1.25's documentation and source.
"""

import select
import sys
from time import sleep_ms, ticks_diff, ticks_ms

import machine

from .. import pins
from .files import digest, find_model, read_file
from .wav import WavMicrophone

__all__ = (
    "digest",
    "every",
    "find_model",
    "identity",
    "microphone",
    "read_file",
    "sleep_ms",
    "ticks_diff",
    "ticks_ms",
    "write",
)

_BYTES_MS = 32  # 16 kHz, two bytes

_out = getattr(sys.stdout, "buffer", sys.stdout)  # cooked where there is no buffer: readers accept \r\r\n
_poll = select.poll()
_poll.register(sys.stdout, select.POLLOUT)
_timer = None


def write(buf, start, end, wait_ms):
    """One byte at a time: poll promises no more room, and a full USB buffer holds a write for 500 ms."""
    at = start
    while at < end:
        for _ in _poll.ipoll(wait_ms):
            break
        else:
            break
        _out.write(buf, at, 1)
        at += 1
    return at - start


def every(period_ms, callback):
    global _timer
    if _timer:
        _timer.deinit()
        _timer = None
    if period_ms:
        _timer = machine.Timer(pins.MIC.get("timer", -1), period=period_ms, callback=callback)


def identity():
    name, version = sys.implementation[:2]
    return pins.BOARD, name + "-" + ".".join(str(number) for number in version[:3]), sys.implementation._mpy


def microphone(path=None, paced=None):
    mic = pins.MIC
    if path or mic["kind"] == "wav":
        return WavMicrophone(_this, path or mic["path"], mic.get("paced", True) if paced is None else paced)
    return I2SMicrophone(mic)


class I2SMicrophone:
    """The left slot of an I2S microphone. `mic`: id, sck, ws, sd, bits (16 or 32), shift (8..16), ring_ms."""

    def __init__(self, mic):
        self.lost = 0
        self._mic = mic
        self._ring_ms = mic.get("ring_ms", 250)
        self._i2s = None
        self._raw = None
        self._last = 0

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
            ibuf=self._ring_ms * _BYTES_MS * (2 if wide else 1),
        )
        self._wide = wide
        self.lost = 0
        self._last = ticks_ms()

    def close(self):
        if self._i2s:
            self._i2s.deinit()
            self._i2s = None

    def due_ms(self, count):
        return max(0, count // _BYTES_MS - ticks_diff(ticks_ms(), self._last))

    def readinto(self, buf):
        self._i2s.readinto(self._target(buf))
        return self._arrived(buf)

    def start(self, buf, callback):
        target = self._target(buf)

        def filled(i2s):
            callback(self._arrived(buf))
            if self._i2s:
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
        """The driver does not tell that its ring ran over: what came later than it is long is lost."""
        if self._wide:
            self._pack(buf, self._raw, len(buf) // 2, self._mic.get("shift", 16))
        now = ticks_ms()
        late = ticks_diff(now, self._last) - self._ring_ms - len(buf) // _BYTES_MS
        if late > 0:
            self.lost += late * _BYTES_MS // 2
        self._last = now
        return len(buf)


_this = sys.modules[__name__]
