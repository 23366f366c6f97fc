# SPDX-License-Identifier: MIT
# ruff: noqa: D102 - port/__init__.py documents them
"""A PDM microphone on RP2040 and RP2350 without gaps: PIO clocks it, DMA fills a ring, the core makes samples.

audiobusio.PDMIn forgets what comes between two calls. Not yet tried on silicon; written against CircuitPython's source.
"""

from array import array

try:
    from rp2pio import StateMachine
except ImportError:
    raise OSError("PDM without gaps needs an RP2040 or RP2350: an I2S microphone serves here") from None

from _tinywake_pdm import decimate

from .pin import pin

TYPE_CHECKING = False  # in the eyes of those who check, True
if TYPE_CHECKING:
    from ..types import Clock, Mic

__all__ = ("PdmMicrophone",)

_CLOCK = 2_048_000  # Hz: the core makes 16 kHz of it
_SAMPLE = 16  # bytes
_STATE = 128  # bytes: _tinywake_pdm.pyi
_MS = 16 * _SAMPLE  # bytes in one
_PIECE_MS = 32  # how often the app must look, or what has come since is lost
_PIECES = 3  # one that is filled, the one after it, one to read
_PIECE = _PIECE_MS * _MS
_TICKS = (1 << 29) - 1  # where they wrap
_NOP, _IN_PINS_1, _SIDE = 0xA042, 0x4001, 1 << 12  # PIO instructions, and the bit that sets the clock


def _program(level: int) -> "array[int]":
    """A left microphone speaks while the clock is low, a right one while it is high: sample half-way through."""
    on, off = level * _SIDE, (1 - level) * _SIDE
    return array("H", (_NOP | on, _IN_PINS_1 | on, _NOP | off, _NOP | off))


class PdmMicrophone:
    """`clock` is a port: ticks_ms, ticks_diff, sleep_ms and every.

    `mic`: clk, data; channel ("left", "right"), shift (8..16: full scale is 2^31 >> shift). The ring takes 24 kB: bits,
    the first in the lowest place.
    """

    def __init__(self, clock: "Clock", mic: "Mic") -> None:
        self.lost = 0
        self._clock = clock
        self._mic = mic
        self._shift = mic.get("shift", 16)
        self._state = bytearray(_STATE)
        self._sm: "StateMachine | None" = None
        self.bits = array("I", bytes(0))

    def open(self) -> None:
        self.close()
        for i in range(_STATE):
            self._state[i] = 0
        self.bits = array("I", bytes(_PIECES * _PIECE))
        view = memoryview(self.bits)
        words = _PIECE // 4
        self._pieces = [view[i * words : (i + 1) * words] for i in range(_PIECES)]
        self.lost = 0
        self._next = 0  # byte to read
        self._waiting = 0  # bytes that can be
        self._queued = 0  # the piece that comes after the one that is filled
        self._sm = StateMachine(
            _program(1 if self._mic.get("channel") == "right" else 0),
            4 * _CLOCK,
            first_in_pin=pin(self._mic["data"]),
            first_sideset_pin=pin(self._mic["clk"]),
            auto_push=True,
            push_threshold=32,
            in_shift_right=True,
        )
        # The first piece is filled twice, for only then can be told when one is: a microphone settles meanwhile.
        self._sm.background_read(loop=self._pieces[0])
        self._first = True
        self._turn = self._clock.ticks_ms() + _PIECE_MS  # when the one that is queued will be begun

    def close(self) -> None:
        if self._sm:
            self._sm.stop_background_read()
            self._sm.deinit()
            self._sm = None

    def due_ms(self, count: int) -> int:
        self._look()
        missing = count // 2 * _SAMPLE - self._waiting
        if missing <= 0:
            return 0
        later = (missing - 1) // _PIECE * _PIECE_MS
        return max(1, self._clock.ticks_diff(self._turn, self._clock.ticks_ms()) + later)

    def readinto(self, buf: bytearray) -> int:
        wait = self.due_ms(len(buf))
        while wait:
            self._clock.sleep_ms(wait)
            wait = self.due_ms(len(buf))
        count = len(buf) // 2 * _SAMPLE
        self._next = decimate(self._state, self.bits, self._next, count, self._shift, buf)
        self._waiting -= count
        return len(buf)

    def start(self, buf: bytearray, callback: object) -> None:
        self._clock.every(1, callback)

    def _look(self) -> None:
        """Queue the next piece as soon as the one before it has been begun. Until then that is filled over and over."""
        sm = self._sm
        if sm is None or sm.pending_read:
            return
        now = self._clock.ticks_ms()
        late = max(0, self._clock.ticks_diff(now, self._turn)) // _PIECE_MS  # times that it was filled for nothing
        begun = self._turn + late * _PIECE_MS
        if self._clock.ticks_diff(now, begun) < 0:
            begun = now
        self._turn = begun + _PIECE_MS & _TICKS
        self._queued = (self._queued + 1) % _PIECES
        sm.background_read(loop=self._pieces[self._queued])
        if self._first:
            self._first = False
            return
        # What has not been read of the piece that has been begun is written over.
        surplus = max(0, self._waiting - (_PIECES - 2) * _PIECE)
        self._next = (self._next + surplus) % (_PIECES * _PIECE)
        self._waiting += _PIECE - surplus
        self.lost += surplus // _SAMPLE + late * _PIECE_MS * 16
