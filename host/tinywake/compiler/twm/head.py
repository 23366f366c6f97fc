# SPDX-License-Identifier: MIT
"""The last layer of a compiled listener, read and written: one fully connected operator in front of a sigmoid's table.

A change leaves the layer's scale, its requantisation and its table as they are: weights and bias move in their own
steps, so the file keeps its size, and no other operator can notice.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.graph import FullyConnected, Requant
from tinywake.compiler.twm import layout
from tinywake.compiler.twm.filters import bounded, weight_bytes
from tinywake.compiler.twm.layout import Section
from tinywake.compiler.twm.sections import sections_of, with_sections
from tinywake.compiler.twm.unpack import TwmFile, TwmOp, parse
from tinywake.errors import ModelError

__all__ = ["LARGEST", "Head", "blobs", "read_head", "with_head"]

LARGEST = 127  # of a weight; -128 would cost the faster kernels
_Floats = NDArray[np.float64]
_SURE = 6  # scores this near to 0 or 256 say little about the logit


@dataclass(frozen=True)
class Head:
    """One output of a last layer: score = table[requantised(weights @ x + bias)], x the raw int8 that it reads.

    step: logits of one unit of that sum. scores: 0..255 for its quantised output -128..127. start: first byte of x in a
    model's arena once an invoke is over.
    """

    operator: int
    unit: int
    start: int
    weights: NDArray[np.int8]  # [units, depth], of all outputs
    bias: NDArray[np.int32]  # [units], the input's zero point in it
    step: float
    most: float  # the largest logit that it can put out

    @property
    def depth(self) -> int:
        """How many values it reads."""
        return int(self.weights.shape[1])

    def logits(
        self, x: NDArray[np.integer], weights: NDArray[np.integer] | None = None, bias: int = 0
    ) -> NDArray[np.float64]:
        """Of x, int8 [steps, depth], before rounding and saturation; with the layer's own weights, or others."""
        w, b = (self.weights[self.unit], int(self.bias[self.unit])) if weights is None else (weights, bias)
        sums = x.astype(np.float32) @ w.astype(np.float32)  # exact below 2^24, so for 1,000 values
        return np.asarray(self.step * (sums.astype(np.float64) + b))


def read_head(data: bytes, name: str, unit: int = 0) -> Head:
    """The last layer of a .twm for one of its outputs. Raises ModelError with the reason where it has another form."""
    file, weights = parse(data), sections_of(data)[Section.WEIGHTS]
    number = len(file.ops) - 2
    if number < 0 or [op.kind for op in file.ops[-2:]] != ["FULLY_CONNECTED", "TABLE"]:
        last = " and ".join(op.kind for op in file.ops[-2:]) or "nothing"
        raise ModelError(f"{name}: ends with {last}; only a last layer FULLY_CONNECTED with a sigmoid can be adapted")
    op, table = file.ops[number:]
    x, y = file.tensors[op.inputs[0]], file.tensors[op.output]
    if table.inputs[0] != op.output or table.output != file.output or y.hwc[0] * y.hwc[1] != 1:
        raise ModelError(f"{name}: its last layer has several rows or feeds another operator, and cannot be adapted")
    if _lost(file, number):
        raise ModelError(f"{name}: what its last layer reads is written over at once, so it cannot be adapted")
    units, at = y.hwc[2], layout.FULLY_CONNECTED.unpack(op.fields)
    rows = _rows(weights[at[0] :], units, x.count)
    bias = np.frombuffer(weights, "<i4", units, at[1])
    requant = _requant(weights, at[2], units if op.per_channel else 1)
    real = requant.multiplier[unit % len(requant.multiplier)] * 2.0 ** (
        int(requant.shift[unit % len(requant.shift)]) - 31
    )
    scale, zero = _sigmoid(_scores(file, weights, table), name)
    start = x.offset + (file.state_bytes if x.place == "arena" else 0)
    return Head(number, unit, start, rows, bias, scale * real, scale * (at[4] - zero))


def with_head(data: bytes, head: Head, weights: NDArray[np.int8], bias: int) -> bytes:
    """The .twm with other weights [depth] and another bias for the head's output; PROVENANCE is not touched."""
    file, sections = parse(data), sections_of(data)
    op = file.ops[head.operator]
    rows, biases = head.weights.copy(), head.bias.copy()
    rows[head.unit], biases[head.unit] = weights, bias
    zero = file.tensors[op.inputs[0]].zero_point
    at = list(layout.FULLY_CONNECTED.unpack(op.fields))
    requant = _requant(sections[Section.WEIGHTS], at[2], len(rows) if op.per_channel else 1)
    plain = biases.astype(np.int64) + zero * rows.astype(np.int64).sum(axis=1)  # as the compiler knows it
    layer = FullyConnected(0, op.inputs, op.output, rows, plain, requant, (at[3], at[4]))
    blobs = {0: weight_bytes(layer), 1: biases.astype("<i4").tobytes()}
    body = bytearray(sections[Section.WEIGHTS])
    for field, blob in blobs.items():
        if _shared(file, head.operator, at[field], len(blob)):
            body += bytes(-len(body) % 4)
            at[field] = len(body)
            body += blob
        else:
            body[at[field] : at[field] + len(blob)] = blob
    ops = bytearray(sections[Section.OPS])
    place = _record(ops, head.operator)
    ops[place + 1] = layout.BOUNDED if bounded(layer, zero) else 0
    ops[place + layout.OP_HEAD.size : place + layout.OP_HEAD.size + len(op.fields)] = layout.FULLY_CONNECTED.pack(*at)
    return with_sections(data, {Section.OPS: bytes(ops), Section.WEIGHTS: bytes(body)})


def _lost(file: TwmFile, number: int) -> bool:
    """Whether the operators from this one on write over what it reads."""
    x = file.tensors[file.ops[number].inputs[0]]
    written = [file.tensors[op.output] for op in file.ops[number:]]
    if x.place == "weights":
        return True
    return any(y.place == x.place and y.offset < x.offset + x.count and x.offset < y.offset + y.count for y in written)


def _rows(blob: bytes, units: int, depth: int) -> NDArray[np.int8]:
    """The inverse of filters.weight_bytes for a FULLY_CONNECTED."""
    wide = _padded(depth)
    flat = np.frombuffer(blob, np.uint8, units * wide) ^ 0x80
    paired = units // 2 * 2
    pairs = flat[: paired * wide].reshape(-1, wide // 2, 2, 2).swapaxes(1, 2).reshape(paired, wide)
    rows = np.concatenate([pairs, flat[paired * wide :].reshape(-1, wide)])
    return np.ascontiguousarray(rows[:, :depth]).view(np.int8)


def _requant(weights: bytes, at: int, count: int) -> Requant:
    return Requant(np.frombuffer(weights, "<i4", count, at), np.frombuffer(weights, "i1", count, at + 4 * count))


def _scores(file: TwmFile, weights: bytes, table: TwmOp) -> NDArray[np.int64]:
    """Scores 0..255 of the quantised values -128..127."""
    (at,) = layout.TABLE.unpack(table.fields)
    bytes_ = np.frombuffer(weights, np.uint8, 256, at)[np.arange(-128, 128) & 0xFF]
    turned: NDArray[np.int64] = (bytes_ ^ (0x80 if file.tensors[file.output].dtype == "int8" else 0)).astype(np.int64)
    return turned


def _sigmoid(scores: NDArray[np.int64], name: str) -> tuple[float, float]:
    """Scale and zero point of a table's input, by its own values. Raises ModelError where it is no sigmoid."""
    levels = np.arange(-128, 128)
    plain = (scores > _SURE) & (scores < 256 - _SURE)
    if plain.sum() >= 4 and (np.diff(scores) >= 0).all():
        logits = np.log(scores[plain] / (256 - scores[plain]))
        scale, offset = np.polyfit(levels[plain], logits, 1)
        expected = 256 / (1 + np.exp(-(scale * levels + offset)))
        if scale > 0 and np.abs(np.minimum(expected, 255) - scores).max() < 2:
            return float(scale), float(-offset / scale)
    raise ModelError(f"{name}: its last operator is no sigmoid, so its last layer cannot be adapted")


def _record(ops: bytes | bytearray, number: int) -> int:
    """Where an operator's record begins."""
    at = 0
    for _ in range(number):
        at += int(struct.unpack_from("<H", ops, at + 2)[0])
    return at


def _shared(file: TwmFile, number: int, at: int, length: int) -> bool:
    """Whether other operators, or constants, have bytes in common with a blob: equal ones are stored once."""
    for tensor in file.tensors:
        if tensor.place == "weights" and tensor.offset < at + length and at < tensor.offset + tensor.count:
            return True
    for other, op in enumerate(file.ops):
        for begin, size in blobs(file, op) if other != number else ():
            if begin < at + length and at < begin + size:
                return True
    return False


def blobs(file: TwmFile, op: TwmOp) -> list[tuple[int, int]]:
    """Offset and size of what an operator reads in WEIGHTS: a table; or weights, bias, multipliers and shifts."""
    if op.kind == "TABLE":
        return [(layout.TABLE.unpack(op.fields)[0], 256)]
    x, y = file.tensors[op.inputs[0]], file.tensors[op.output]
    units = multipliers = y.hwc[2]
    if op.kind == "DEPTHWISE_CONV_2D":
        fields, row = layout.CONV.unpack(op.fields), op.kernel[0] * op.kernel[1]
    elif op.kind == "CONV_2D":
        fields, row = layout.CONV.unpack(op.fields), _padded(op.kernel[0] * op.kernel[1] * x.hwc[2])
    elif op.kind in ("FULLY_CONNECTED", "FULLY_CONNECTED_PART"):
        fields = layout.FULLY_CONNECTED.unpack_from(op.fields, layout.PART.size if op.part else 0)
        if op.part:
            units = file.tensors[op.inputs[1]].count // 4
        multipliers = units if op.per_channel else 1
        row = _padded(x.count // (1 if op.part else y.hwc[0] * y.hwc[1]))
    else:
        return []
    return [(fields[0], units * row), (fields[1], 4 * units), (fields[2], 5 * multipliers)]


def _padded(taps: int) -> int:
    return taps + -taps % 4
