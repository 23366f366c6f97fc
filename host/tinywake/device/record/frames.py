# SPDX-License-Identifier: MIT
"""Frames of recorded audio, out of the lines @pcm of firmware/SERIAL.md: base 85, then IMA ADPCM, to int16 samples."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinywake.device.line.events import Pcm

__all__ = ["WRAP", "Frame", "decode", "read_frame"]

WRAP = 1 << 30  # where the count of samples begins anew

_OURS = "!#$&()+,-./0123456789:;<>?ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_abcdefghijklmnopqrstuvwxyz{|}"
_PYTHONS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
_DIGITS = str.maketrans(dict.fromkeys(_PYTHONS, " ") | dict(zip(_OURS, _PYTHONS, strict=True)))
_HEAD = 8  # bytes
_ODD = 0x80  # of the index: the last half of a byte is no sample
_MOVES = (-1, -1, -1, -1, 2, 4, 6, 8)
_STEPS = (
    7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66, 73, 80, 88, 97, 107,
    118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449, 494, 544, 598, 658, 724, 796, 876, 963,
    1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871, 5358, 5894,
    6484, 7132, 7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794,
    32767,
)  # fmt: skip


def _change(step: int, code: int) -> int:
    change = (step >> 3) + (step if code & 4 else 0) + (step >> 1 if code & 2 else 0) + (step >> 2 if code & 1 else 0)
    return -change if code & 8 else change


# By index and code: what it adds to the value, and the next index.
_TABLE = [
    [(_change(step, code), max(0, min(88, index + _MOVES[code & 7]))) for code in range(16)]
    for index, step in enumerate(_STEPS)
]


@dataclass(frozen=True)
class Frame:
    """A piece of a recording."""

    number: int  # of the frame
    piece: int  # 0..255: number of the piece around a hit that it belongs to
    at: int  # samples since the recording began
    samples: npt.NDArray[np.int16]


def read_frame(event: Pcm) -> Frame | None:
    """The frame in a line; None where there is none: a damaged line whose check is right by chance."""
    try:
        data = base64.b85decode(event.d.translate(_DIGITS))
    except ValueError:
        return None
    if len(data) <= _HEAD or data[2] & ~_ODD >= len(_STEPS):
        return None
    predictor = int.from_bytes(data[:2], "little", signed=True)
    samples = decode(data[_HEAD:], predictor, data[2] & ~_ODD)
    at = int.from_bytes(data[4:_HEAD], "little")
    return Frame(event.n, data[3], at % WRAP, samples[: len(samples) - bool(data[2] & _ODD)])


def decode(codes: bytes, value: int, index: int) -> npt.NDArray[np.int16]:
    """Samples of IMA ADPCM, the lower half of a byte first, from what is expected and the index of the step size."""
    out = np.empty(2 * len(codes), np.int16)
    for i, byte in enumerate(codes):
        for half, code in ((0, byte & 15), (1, byte >> 4)):
            change, index = _TABLE[index][code]
            value = max(-32768, min(32767, value + change))
            out[2 * i + half] = value
    return out
