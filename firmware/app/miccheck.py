# SPDX-License-Identifier: MIT
"""What a microphone says, in plain numbers: `tinywake doctor --mic` runs this on the board and interprets it.

Values are signed and of 24 bits, before any gain or removal of the constant part, except where `levelled` is true.
"""

from . import pins
from .port import port

__all__ = ("measure",)

_SETTLE_MS = 300  # an INMP441 is silent for 2^18 clocks, 256 ms
_FRAMES = 400  # at a time: 25 ms


class _Channel:
    def __init__(self):
        self.count = self.sum = self.squares = self.full = self.torn = 0
        self.low = 1 << 23
        self.high = -1 << 23
        self.any = 0
        self.all = 0xFFFFFF

    def take(self, value):
        self.count += 1
        self.sum += value
        self.squares += value * value
        if value < self.low:
            self.low = value
        if value > self.high:
            self.high = value
        bits = value & 0xFFFFFF
        self.any |= bits
        self.all &= bits
        self.torn += (bits >> 23) ^ (bits >> 22 & 1)  # the upper two bits differ: half of full scale, or a bit late
        self.full += value >= 0x7FFF00 or value <= -0x7FFF00

    def facts(self):
        names = ("count", "sum", "squares", "full", "torn", "low", "high", "any", "all")
        return {name: getattr(self, name) for name in names}


def measure(ms=500, path=None):
    """Listen for so long; return what there was, by channel. `path`: a wav file instead of the microphone."""
    mic = pins.MIC
    kind = "wav" if path else mic["kind"]
    frames = ms * 16
    said = {"board": pins.BOARD, "kind": kind, "levelled": kind == "pdm"}
    said["mic"] = {key: value for key, value in mic.items() if isinstance(value, (int, str))}
    if kind == "i2s":
        channels = _slots(mic, frames)
    elif kind == "pdm":
        microphone = port.microphone()
        channels = {mic.get("channel", "left"): _samples(microphone, frames, mic.get("shift", 16) - 8, _SETTLE_MS * 16)}
        said["bits"] = _density(microphone.bits)
    else:
        channels = {"left": _samples(port.microphone(path, False), frames, 8)}
    said["channels"] = {name: channel.facts() for name, channel in channels.items()}
    return said


def _slots(mic, frames):
    late = mic.get("late", 0)
    left, right = _Channel(), _Channel()
    raw = bytearray(8 * _FRAMES)
    i2s = port.open_slots()
    try:
        for _ in range(_SETTLE_MS * 16 // _FRAMES):
            i2s.readinto(raw)
        while left.count < frames:
            i2s.readinto(raw)  # what comes while these are counted may be lost: that is no fault here
            for at in range(0, 8 * _FRAMES, 8):
                left.take(_slot(raw, at, late))
                right.take(_slot(raw, at + 4, late))
    finally:
        i2s.deinit()
    return {"left": left, "right": right}


def _samples(microphone, frames, shift, skip=0):
    channel = _Channel()
    samples = bytearray(2 * _FRAMES)
    microphone.open()
    try:
        while channel.count < frames:
            count = microphone.readinto(samples)
            if not count:
                break
            skip -= count // 2
            if skip < 0:
                for at in range(0, count, 2):
                    channel.take(_signed(samples[at] | samples[at + 1] << 8, 1 << 15) << shift)
    finally:
        microphone.close()
    return channel


def _slot(raw, at, late):
    value = raw[at + 1] | raw[at + 2] << 8 | raw[at + 3] << 16
    if late:
        value = value << 1 & 0xFFFFFF | raw[at] >> 7
    return _signed(value, 1 << 23)


def _signed(value, half):
    return value - 2 * half if value >= half else value


def _density(ring):
    """Of PDM bits: how many are ones, and which of a byte's were ever or always so."""
    ones, some, every = 0, 0, 255
    for byte in ring:
        some |= byte
        every &= byte
        while byte:
            ones += 1
            byte &= byte - 1
    return {"count": 8 * len(ring), "ones": ones, "any": some, "all": every}
