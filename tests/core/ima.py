# SPDX-License-Identifier: MIT
"""Recorded audio as a board sends it, in plain Python from the standard's words: IMA ADPCM, frames, lines."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

# The step sizes grow by a tenth: 7 * 1.1 ** index, rounded as the standard's table is.
STEPS = [
    7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66, 73, 80, 88, 97, 107,
    118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449, 494, 544, 598, 658, 724, 796, 876, 963,
    1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871, 5358, 5894,
    6484, 7132, 7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794,
    32767,
]  # fmt: skip
MOVES = [-1, -1, -1, -1, 2, 4, 6, 8]
DIGITS = "!#$&()+,-./0123456789:;<>?ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_abcdefghijklmnopqrstuvwxyz{|}"


def reference(pcm: Samples, predictor: int = 0, index: int = 0) -> tuple[list[int], list[int]]:
    """Codes, and what a decoder makes of them: a compare and a subtraction for each bit, as the standard draws it."""
    codes, decoded = [], []
    for sample in map(int, pcm):
        step = STEPS[index]
        rest = abs(sample - predictor)
        sign = 8 if sample < predictor else 0
        code = 0
        if rest >= step:
            code, rest = 4, rest - step
        if rest >= step // 2:
            code, rest = code | 2, rest - step // 2
        if rest >= step // 4:
            code |= 1
        change = step // 8 + (step if code & 4 else 0) + (step // 2 if code & 2 else 0) + (step // 4 if code & 1 else 0)
        predictor = max(-32768, min(32767, predictor - change if sign else predictor + change))
        index = max(0, min(88, index + MOVES[code]))
        codes.append(code | sign)
        decoded.append(predictor)
    return codes, decoded


FRAME = 1280
PYTHONS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"


def line(number: int, data: bytes) -> bytes:
    """A frame as its line."""
    text = base64.b85encode(data).decode().translate(str.maketrans(PYTHONS, DIGITS))
    body = f"@pcm n={number} d={text}".encode()
    return body + b"*%04x\r\n" % binascii.crc_hqx(body, 0xFFFF)


def lines(pcm: Samples, *, number: int = 0, at: int = 0, piece: int = 0) -> Iterator[tuple[bytes, list[int]]]:
    """Each frame's line, and the samples that it stands for."""
    value = index = 0
    for start in range(0, len(pcm), FRAME):
        part = pcm[start : start + FRAME]
        codes, decoded = reference(part, value, index)
        head = value.to_bytes(2, "little", signed=True) + bytes([index | 0x80 * (len(part) % 2), piece])
        codes += [0] * (len(part) % 2)
        body = bytes(low | high << 4 for low, high in zip(codes[::2], codes[1::2], strict=True))
        yield line(number, head + (at + start).to_bytes(4, "little") + body), decoded
        for code in codes[: len(part)]:
            index = max(0, min(88, index + MOVES[code & 7]))
        value, number = decoded[-1], number + 1
