# SPDX-License-Identifier: MIT
"""Operators that take many elements into one: MEAN, SUM, REDUCE_MAX, and SOFTMAX."""

from __future__ import annotations

import math

from tinywake.compiler.graph import MaxPool2D, Mean, Reshape, Softmax
from tinywake.compiler.tflite import quantise
from tinywake.compiler.tflite.flatbuffer import Operator
from tinywake.compiler.tflite.network import Network, Problem

__all__ = ["READERS"]

_BIGGEST_KERNEL = 255
_BIGGEST_SHIFT = 30


def _folded(net: Network, op: Operator, x: int, y: int) -> tuple[int, int, int]:
    """(outer, count, inner): the input's elements with the reduced axes as the middle one."""
    a, b = net.tensors[x], net.tensors[y]
    rank = len(a.shape)
    reduced = {net.axis(axis, rank) for axis in net.numbers(op, 1)}
    kept = [n for axis, n in enumerate(a.shape) if axis not in reduced]
    if [n for n in b.shape if n != 1] != [n for n in kept if n != 1]:
        raise Problem(f"output {b.name!r} has shape {list(b.shape)}, over axes {sorted(reduced)} of {list(a.shape)}")
    real = [axis for axis in sorted(reduced) if a.shape[axis] > 1]
    if not real:
        return 1, 1, a.count
    first, last = real[0], real[-1]
    if any(axis not in reduced and a.shape[axis] > 1 for axis in range(first, last)):
        raise Problem(
            f"over axes {sorted(reduced)} of {list(a.shape)}, which do not follow each other; transpose before it"
        )
    return math.prod(a.shape[:first]), math.prod(a.shape[first : last + 1]), math.prod(a.shape[last + 1 :])


def _mean_or_sum(net: Network, op: Operator) -> None:
    x, y = net.input(op), net.output(op)
    a, b = net.tensors[x], net.tensors[y]
    outer, count, inner = _folded(net, op, x, y)
    if op.name == "MEAN":
        multiplier, shift = quantise.mean_scaling(a.scale, b.scale, count)
    else:
        multiplier, shift = quantise.ratio_scaling(a.scale, b.scale)
    if shift > _BIGGEST_SHIFT:
        raise Problem(f"the scales of {a.name!r} and {b.name!r} are too far apart; convert with other data")
    net.emit(Mean(op.index, (net.view(op, x, (1, outer, count, inner)),), y, multiplier, shift))


def _maximum(net: Network, op: Operator) -> None:
    """A pool as large as what is reduced; a long one as two sides of a rectangle."""
    x, y = net.input(op), net.output(op)
    net.same(net.tensors[x], net.tensors[y])
    outer, count, inner = _folded(net, op, x, y)
    high = next((h for h in range(1, count + 1) if count % h == 0 and max(h, count // h) <= _BIGGEST_KERNEL), 1)
    if outer == 1 and high > 1:
        source, kernel, shape = (1, high, count // high, inner), (high, count // high), (1, 1, 1, inner)
    else:
        source, kernel, shape = (1, outer, count, inner), (1, count), (1, outer, 1, inner)
    taken = net.view(op, x, source)
    (h, w, c) = net.tensors[y].hwc
    result = y if (1, h, w, c) == shape else net.new(y, shape)
    net.emit(MaxPool2D(op.index, (taken,), result, kernel, (1, 1), (0, 0), (-128, 127)))
    if result != y:
        net.emit(Reshape(op.index, (result,), y))


def _softmax(net: Network, op: Operator) -> None:
    x, y = net.input(op), net.output(op)
    a, b = net.tensors[x], net.tensors[y]
    if a.shape != b.shape:
        raise Problem(f"output {b.name!r} has shape {list(b.shape)}, its input {list(a.shape)}")
    if (b.scale, b.zero_point) != (1 / 256, -128):
        raise Problem(f"output {b.name!r} must have scale 1/256 and zero point -128; convert it again")
    if a.shape[-1:] and a.shape[-1] > 4095:
        raise Problem(f"over {a.shape[-1]} classes; at most 4095")
    beta = op.option("Beta")
    if not 2**-26 <= a.scale * beta <= 2**26:
        raise Problem(f"input {a.name!r} has scale {a.scale:g} and beta {beta:g}, which no softmax is computed with")
    multiplier, shift, least = quantise.softmax_scaling(a.scale, beta)
    net.emit(
        Softmax(op.index, (x,), y, multiplier, min(shift, _BIGGEST_SHIFT), least)
    )  # beyond: only the largest counts


READERS = {
    "MEAN": _mean_or_sum,
    "SUM": _mean_or_sum,
    "REDUCE_MAX": _maximum,
    "SOFTMAX": _softmax,
}
