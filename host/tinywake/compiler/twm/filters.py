# SPDX-License-Identifier: MIT
"""Weights and biases as kernels take them, and what may be promised of their sums (models/SPEC.md, CONV_2D)."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.graph import Conv2D, DepthwiseConv2D, FullyConnected, FullyConnectedPart, Graph, Op, Part

__all__ = ["bounded", "folded_bias", "weight_bytes", "widened"]

_Filter = Conv2D | FullyConnected
_Ints = NDArray[np.int64]

# A kernel that goes by TW_OP_BOUNDED relies on these; firmware/core/ops.h has the same numbers.
_LOWEST_WEIGHT = -127
_SHIFTS = range(-14, 0)
_MOST_SUM = 1 << 23


def widened(graph: Graph) -> Graph:
    """Convolutions as the simpler operators that they are, which have faster kernels.

    A depthwise convolution of a single channel is a convolution, and one whose kernel is as large as its input is fully
    connected.
    """

    def wide(op: Op) -> Op:
        if isinstance(op, DepthwiseConv2D):
            if graph.tensors[op.input].hwc[2] != 1:
                return op
            same = {field.name: getattr(op, field.name) for field in fields(op)}
            op = Conv2D(**{**same, "weights": np.ascontiguousarray(op.weights.transpose(3, 1, 2, 0))})
        if isinstance(op, Conv2D) and _one_window(graph, op):
            rows = op.weights.reshape(len(op.weights), -1)
            return FullyConnected(op.index, op.inputs, op.output, rows, op.bias, op.requant, op.act)
        return op

    return graph.with_ops(map(wide, graph.ops))


def _one_window(graph: Graph, op: Conv2D) -> bool:
    """Whether the only output pixel reads the whole input as it lies in memory."""
    (h, w, _), (out_h, out_w, _) = graph.tensors[op.input].hwc, graph.tensors[op.output].hwc
    return (out_h, out_w, op.pad, op.kernel) == (1, 1, (0, 0), (h, w))


def weight_bytes(op: _Filter) -> bytes:
    """CONV_2D: rows of u8, each the weight plus 128, padded to 4. DEPTHWISE: int8 as they are.

    FULLY_CONNECTED: the same rows in pairs, two taps of one and two of the other in turn; one that is left by itself.
    """
    if isinstance(op, DepthwiseConv2D):
        return op.weights.tobytes()
    rows = op.weights.reshape(len(op.weights), -1)
    padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4))).view(np.uint8) ^ 0x80
    if isinstance(op, FullyConnected):
        paired = len(rows) // 2 * 2
        pairs = padded[:paired].reshape(-1, 2, padded.shape[1] // 2, 2)
        return pairs.swapaxes(1, 2).tobytes() + padded[paired:].tobytes()
    return padded.tobytes()


def folded_bias(op: _Filter, zero: int) -> NDArray[np.int32]:
    """The bias with the input's zero point in it, modulo 2^32. Of a sum in parts, each part has its share."""
    first = not isinstance(op, FullyConnectedPart) or op.part == Part.FIRST
    bias = op.bias.astype(np.int64) if first else np.zeros(len(op.bias), np.int64)
    folded: _Ints = bias - zero * _by_channel(op).sum(axis=0)
    return (folded & 0xFFFFFFFF).astype(np.uint32).view(np.int32)


def bounded(op: _Filter, zero: int) -> bool:
    """Whether weights are above -128 and every channel's sum stays small, whatever the input.

    Channels with shifts outside the range are requantised in 64 bits and may be anything; so may a sum in parts.
    """
    if isinstance(op, FullyConnectedPart) or op.weights.min() < _LOWEST_WEIGHT:
        return False
    w = _by_channel(op)
    bias = op.bias.astype(np.int64)
    # A tap outside the input is the zero point: its term is 0 and lies between the extremes.
    low, high = w * (-128 - zero), w * (127 - zero)
    least, most = bias + np.minimum(low, high).sum(axis=0), bias + np.maximum(low, high).sum(axis=0)
    small = np.broadcast_to(np.isin(op.requant.shift, _SHIFTS), bias.shape)
    return bool(np.all((least > -_MOST_SUM) & (most < _MOST_SUM) | ~small))


def _by_channel(op: _Filter) -> _Ints:
    """Weights as [taps, out c]."""
    if isinstance(op, DepthwiseConv2D):
        return op.weights.reshape(-1, op.weights.shape[-1]).astype(np.int64)
    return op.weights.reshape(len(op.weights), -1).astype(np.int64).T
