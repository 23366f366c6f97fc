"""Files of one or a few operators, written by hand from models/SPEC.md: the compiler has no part in them."""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HWC = tuple[int, int, int]
CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, AVERAGE_POOL_2D, MAX_POOL_2D, MEAN = range(1, 7)
TABLE, SOFTMAX, STATE_PUSH, ADD, MUL, COPY, FULLY_CONNECTED_PART = range(7, 14)
INT8, UINT8 = 0, 1
ARENA, STATE, WEIGHTS = 0, 1, 2
FULL = (-128, 127)
TENSORS_ID, OPS_ID, WEIGHTS_ID, IO_ID, ORIGINS_ID = 1, 2, 3, 4, 0x8002


class Tensor(NamedTuple):
    """A record of TENSORS."""

    hwc: HWC
    at: int = 0
    zero: int = 0
    type: int = INT8
    place: int = ARENA

    @property
    def end(self) -> int:
        return self.at + int(np.prod(self.hwc))

    def pack(self) -> bytes:
        return struct.pack("<I3HBBhbB", self.at, *self.hwc, self.type, self.place, self.zero, 0, 0)


def twm(tensors: list[Tensor], ops: list[bytes], weights: bytes = b"", output: int = -1, origins: bytes = b"") -> bytes:
    """A file whose input is tensor 0. Arena and state end with their last tensor."""
    output %= len(tensors)
    io = struct.pack("<4H2i2b2B", 0, output, 0, 0, 1, 1, 0, 0, 3, 3)
    bodies = {
        TENSORS_ID: b"".join(t.pack() for t in tensors),
        OPS_ID: b"".join(ops),
        IO_ID: io + struct.pack("<6H", *tensors[0].hwc, *tensors[output].hwc),
        WEIGHTS_ID: weights,
        **({ORIGINS_ID: origins} if origins else {}),
    }
    at = 32 + 12 * len(bodies)
    table, payload = b"", b""
    for kind, body in bodies.items():
        pad = bytes(-at % 16)
        table += struct.pack("<HHII", kind, 0, at + len(pad), len(body))
        payload += pad + body
        at += len(pad) + len(body)
    arena, state = (max((t.end for t in tensors if t.place == place), default=0) for place in (ARENA, STATE))
    state += -state % 4
    head = b"TWM\x1a" + struct.pack("<BBHIIIII", 1, 0, len(bodies), at, state + arena, state, zlib.crc32(payload), 0)
    return head + struct.pack("<I", zlib.crc32(head + table)) + table + payload


def op(code: int, x: int, y: int, body: bytes = b"") -> bytes:
    return struct.pack("<BBHHH", code, 0, 8 + len(body), x, y) + body


def mean_op(x: int = 0, y: int = 1, multiplier: int = 1 << 30, shift: int = 0) -> bytes:
    return op(MEAN, x, y, struct.pack("<ibBH", multiplier, shift, 0, 0))


def table_op(x: int = 0, y: int = 1, at: int = 0) -> bytes:
    return op(TABLE, x, y, struct.pack("<I", at))


def softmax_op(x: int = 0, y: int = 1, multiplier: int = 1 << 30, shift: int = 20, diff_min: int = -255) -> bytes:
    return op(SOFTMAX, x, y, struct.pack("<ibBh", multiplier, shift, 0, diff_min))


def add_op(
    x: int = 1,
    y: int = 3,
    x2: int = 2,
    act: tuple[int, int] = FULL,
    multipliers: tuple[int, ...] = (1 << 30,) * 3,
    shifts: tuple[int, ...] = (0, 0, -18),
    subtract: int = 0,
) -> bytes:
    return op(ADD, x, y, struct.pack("<H2b3i3bBI", x2, *act, *multipliers, *shifts, subtract, 0))


def mul_op(
    x: int = 1, y: int = 3, x2: int = 2, act: tuple[int, int] = FULL, multiplier: int = 1 << 30, shift: int = -6
) -> bytes:
    return op(MUL, x, y, struct.pack("<H2bibBH", x2, *act, multiplier, shift, 0, 0))


def copy_op(
    x: int = 0,
    y: int = 1,
    at: int = 0,
    out_at: int = 0,
    counts: HWC = (1, 1, 1),
    run: int = 1,
    steps: HWC = (0, 0, 0),
    out_steps: HWC = (0, 0, 0),
    fill: int | None = None,
) -> bytes:
    filled = (0, 0) if fill is None else (1, fill)
    return op(COPY, x, y, struct.pack("<2I3II3I3IBbH", at, out_at, *counts, run, *steps, *out_steps, *filled, 0))


def conv_op(
    code: int,
    offsets: tuple[int, int, int],
    window: tuple[int, ...],
    dilation: tuple[int, int],
    scratch: tuple[int, int] = (0, 0),
) -> bytes:
    """window: kernel h, w, stride h, w, pad top, left; offsets: of weights, bias and requant."""
    return op(code, 0, 1, struct.pack("<3I8B2bH2I", *offsets, *window, *dilation, *FULL, 0, *scratch))


def fully_connected_op(offsets: tuple[int, int, int], per_channel: int = 1) -> bytes:
    return op(FULLY_CONNECTED, 0, 1, struct.pack("<3I2bBB2I", *offsets, *FULL, per_channel, 0, 0, 0))


def part_op(part: int, sums: int, offsets: tuple[int, int, int], x: int = 0, y: int = 1, per_channel: int = 1) -> bytes:
    fields = struct.pack("<HBB3I2bBB2I", sums, part, 0, *offsets, *FULL, per_channel, 0, 0, 0)
    return op(FULLY_CONNECTED_PART, x, y, fields)


def paired(rows: NDArray[np.uint8]) -> bytes:
    """Rows of weights as FULLY_CONNECTED has them, one or two at a time."""
    pairs = [rows[at : at + 2].reshape(-1, rows.shape[1] // 2, 2) for at in range(0, len(rows), 2)]
    return b"".join(np.stack(list(pair), axis=1).tobytes() for pair in pairs)


def pool_op(code: int, window: tuple[int, ...]) -> bytes:
    return op(code, 0, 1, struct.pack("<6B2b", *window, *FULL))


def layer_weights(units: int, taps: int, align: int = 4) -> tuple[bytes, tuple[int, int, int]]:
    """WEIGHTS of a layer, and the offsets of weights, bias and requant in it. Every bias is negative.

    Each unit's taps are followed by bytes up to a multiple of `align`.
    """
    rng = np.random.default_rng(3)
    bias = rng.integers(-999, 0, units).astype(np.int32).tobytes()
    multipliers = rng.integers(1 << 30, (1 << 31) - 1, units).astype(np.int32).tobytes()
    data = bias + multipliers + rng.integers(-8, -4, units).astype(np.int8).tobytes()
    data += bytes(-len(data) % 4)
    rows = rng.integers(-127, 128, units * (taps + -taps % align)).astype(np.int8)
    return data + rows.tobytes(), (len(data), 0, len(bias))
