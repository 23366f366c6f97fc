# SPDX-License-Identifier: MIT
# ruff: noqa: D102 - port/__init__.py documents them
"""An I2S microphone through audioi2sin: RP2 from CircuitPython 10.3 on, ESP32 and ESP32-S3 from 10.4 on.

Not yet tried on silicon; written against CircuitPython's source of 2026 and its stubs.
"""

from array import array

try:
    from audioi2sin import I2SIn
except ImportError:
    raise OSError("no audioi2sin in this CircuitPython: tinywake doctor says which has it") from None

from _tinywake_i2s import pack

from .pin import pin

TYPE_CHECKING = False  # in the eyes of those who check, True
if TYPE_CHECKING:
    from ..types import Clock, Mic

__all__ = ("I2SMicrophone", "Slots")

_MS = 16  # samples in one
_RING = 90 * _MS  # samples that the driver's ring may hold, at most: 80 ms on RP2, 90 on Espressif
_WAITED_MS = 2  # that a call which found all samples there does not take
_JITTER = 8 * _MS  # samples by which clock and call may differ: no loss is as short
_EARLY_MS = 2  # that the driver waits rather than the app, lest its ring fill


def open_i2s(mic: "Mic", stereo: bool) -> I2SIn:
    """The driver as `mic` of the board file says. `stereo`: both slots of a frame, else the left one."""
    sck, ws, sd = [pin(mic[key]) for key in ("sck", "ws", "sd")]
    try:
        from rp2pio import pins_are_sequential
    except ImportError:
        pass  # whatever it is that moves these clocks, it is no state machine
    else:
        if not (pins_are_sequential([sck, ws]) or pins_are_sequential([ws, sck])):
            raise ValueError("pins.py: ws must be the pin after sck, or before it")
    return I2SIn(sck, ws, sd, sample_rate=16000, bit_depth=32, mono=not stereo)


class I2SMicrophone:
    """One slot of an I2S microphone. `clock` is a port: ticks_ms, ticks_diff and every.

    `mic`: sck, ws, sd; channel ("left", "right"), shift (8..17: full scale is 2^31 >> shift), late (1: the data comes a
    bit late). The ring is the driver's own, 40 ms of it to rely on.
    """

    def __init__(self, clock: "Clock", mic: "Mic") -> None:
        self.lost = 0
        self._clock = clock
        self._mic = mic
        self._step = 2 if mic.get("channel") == "right" else 1  # the driver gives the right one only with the left
        self._state = array("i", (0, mic.get("shift", 16), mic.get("late", 0)))
        self._i2s: "I2SIn | None" = None
        self._slots = array("i")
        self._last = 0
        self._behind = 0  # samples that the clock says are still to come out of the ring

    def open(self) -> None:
        self.close()
        self._i2s = open_i2s(self._mic, self._step == 2)
        self.lost = 0
        self._state[0] = 0
        self._behind = 0
        self._last = self._clock.ticks_ms()

    def close(self) -> None:
        if self._i2s:
            self._i2s.deinit()
            self._i2s = None

    def due_ms(self, count: int) -> int:
        waited: int = self._clock.ticks_diff(self._clock.ticks_ms(), self._last)
        return max(0, (count // 2 - self._behind) // _MS - waited - _EARLY_MS)

    def readinto(self, buf: bytearray) -> int:
        i2s = self._i2s
        if i2s is None:
            return 0
        size = len(buf) // 2 * self._step
        if len(self._slots) != size:
            self._slots = array("i", bytes(4 * size))
        began = self._clock.ticks_ms()
        count = 0
        while not count:  # it is cut short by Ctrl-C and reload, which then come through; what there is counts
            count = i2s.record(self._slots, size) // self._step
        self._arrived(began, count, i2s.overflow)
        pack(self._state, self._slots, self._step - 1, self._step, count, buf)
        return 2 * count

    def start(self, buf: bytearray, callback: object) -> None:
        self._clock.every(1, callback)

    def _arrived(self, began: int, count: int, overrun: bool) -> None:
        """Compare with the clock: the driver does not see that its ring was overrun more than once.

        Where it had to wait, nothing is left in the ring, and what the clock says has come besides was lost.
        """
        now = self._clock.ticks_ms()
        # Of 256 samples 255, so that a microphone somewhat slower than the clock is not taken for one that loses.
        came = self._clock.ticks_diff(now, self._last) * _MS * 255 >> 8
        self._last = now
        self._behind = max(0, self._behind + came - count)
        waited = self._clock.ticks_diff(now, began) >= _WAITED_MS
        room = _JITTER if waited else _RING
        lost = 1 if overrun else 0  # at least
        if self._behind > room:
            lost = self._behind if waited else self._behind - room
            self._behind -= lost
        self.lost += lost
        if waited:
            self._behind = 0


class Slots:
    """Both slots as they come, for a look at the microphone: see port/__init__.py, open_slots."""

    def __init__(self, mic: "Mic") -> None:
        self._i2s = open_i2s(mic, True)
        self._slots = array("i")

    def readinto(self, buf: bytearray) -> int:
        if len(self._slots) != len(buf) // 4:
            self._slots = array("i", bytes(len(buf)))
        count = 4 * self._i2s.record(self._slots, len(self._slots))
        buf[:] = bytes(self._slots)
        return count

    def deinit(self) -> None:
        self._i2s.deinit()
