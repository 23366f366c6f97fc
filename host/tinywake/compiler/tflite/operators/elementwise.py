# SPDX-License-Identifier: MIT
"""Operators on single elements: functions of one become tables of 256, sums and products of two stay what they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinywake.compiler.graph import Add, Mul, Tensor
from tinywake.compiler.tflite import quantise, tables
from tinywake.compiler.tflite.flatbuffer import Operator
from tinywake.compiler.tflite.network import MOVABLE, Network, Problem
from tinywake.compiler.tflite.operators.convolutions import activation

__all__ = ["READERS"]

_BIGGEST_SHIFT = 30


def _unary(function: Callable[[Tensor, Tensor], tables.Table]) -> Callable[[Network, Operator], None]:
    def read(net: Network, op: Operator) -> None:
        x, y = net.input(op), net.output(op)
        try:
            table = function(net.tensors[x], net.tensors[y])
        except ValueError as e:
            raise Problem(f"{e}; convert with other data") from e
        net.table(op, x, y, table)

    return read


def _bounded(
    function: Callable[[Tensor, Tensor], tables.Table], scale: float, zero_point: int
) -> Callable[[Network, Operator], None]:
    """A function whose output has the one scale that the kernel knows."""

    def read(net: Network, op: Operator) -> None:
        x, y = net.input(op), net.output(op)
        b = net.tensors[y]
        if (b.scale, b.zero_point) != (scale, zero_point):
            raise Problem(
                f"output {b.name!r} must have scale 1/{1 / scale:g} and zero point {zero_point}; convert it again"
            )
        if net.tensors[x].scale < 2.0**-27:
            raise Problem(f"input {net.tensors[x].name!r} has scale {net.tensors[x].scale:g}; convert with other data")
        net.table(op, x, y, function(net.tensors[x], b))

    return read


def _quantize(net: Network, op: Operator) -> None:
    x, y = net.input(op, types=MOVABLE), net.output(op, types=MOVABLE)
    if x in net.reals:
        b = net.tensors[y]
        net.table(op, x, y, tables.quantise(net.reals[x], b))
    else:
        net.table(op, x, y, tables.requantise(net.tensors[x], net.tensors[y]))


def _leaky_relu(net: Network, op: Operator) -> None:
    alpha = op.option("Alpha")
    if not abs(alpha) < 1e6:
        raise Problem(f"has alpha {alpha:g}")
    _unary(lambda x, y: tables.leaky_relu(x, y, alpha))(net, op)


def _constant(net: Network, op: Operator, position: int) -> int | None:
    """The one value of a constant input, as a raw number."""
    data = net.constants.get(net.value(op, position))
    return int(data.flat[0]) if data is not None and data.size and np.all(data == data.flat[0]) else None


def _prelu(net: Network, op: Operator) -> None:
    """One table where all slopes are equal. Else what is below zero is multiplied by them and added to what is above:
    one of the two is zero, and a sum of equal scales rounds nothing."""
    x, slopes, y = net.input(op), net.input(op, 1), net.output(op)
    a, v, b = net.tensors[x], net.tensors[slopes], net.tensors[y]
    alpha = _constant(net, op, 1)
    if alpha is not None:
        net.table(op, x, y, tables.prelu(a, b, alpha - v.zero_point, v.scale))
        return
    above, below, product = net.new(y, b.shape), net.new(x, a.shape), net.new(y, b.shape)
    net.table(op, x, above, tables.relu(a, b))
    net.table(op, x, below, tables.negative(a))
    _multiply(net, op, below, slopes, product, (-128, 127))
    net.emit(Add(op.index, (above, product), y, *quantise.add_scaling(b.scale, b.scale, b.scale), (-128, 127)))


def _limit(net: Network, op: Operator) -> None:
    """MAXIMUM and MINIMUM with a constant: of the raw numbers, as the kernel does."""
    x, other = net.input(op), net.input(op, 1)
    level = _constant(net, op, 1)
    if level is None or net.tensors[other].count != 1:
        raise Problem("of two tensors is not supported; one of them must be a single constant")
    y = net.output(op)
    net.same(net.tensors[x], net.tensors[other])
    net.same(net.tensors[x], net.tensors[y])
    levels = np.arange(256, dtype=np.uint8).view(np.int8)
    limited = (np.maximum if op.name == "MAXIMUM" else np.minimum)(levels, np.int8(level))
    net.table(op, x, y, limited.view(np.uint8))


# ---- two inputs


def _operands(net: Network, op: Operator, given: tuple[int, int], y: int) -> tuple[int, int]:
    """Both inputs; what is repeated along an axis has length 1 there, as height, width and channels."""
    shape = net.tensors[y].shape
    try:
        fits = np.broadcast_shapes(*(net.tensors[i].shape for i in given)) == shape
    except ValueError:
        fits = False
    if not fits:
        shapes = " and ".join(str(list(net.tensors[i].shape)) for i in given)
        raise Problem(f"shapes {shapes} do not make {list(shape)}; export it again")
    return _aligned(net, op, given[0], shape), _aligned(net, op, given[1], shape)


def _aligned(net: Network, op: Operator, x: int, shape: tuple[int, ...]) -> int:
    """The input as four dimensions that lie under the output's height, width and channels."""
    a = net.tensors[x]
    if a.shape == shape:
        return x
    full = (1,) * (len(shape) - len(a.shape)) + a.shape
    batch = len(shape) > 1 and shape[0] == 1
    dims, outs = (full[1:], shape[1:]) if batch else (full, shape)
    front, over = dims[:-2], outs[:-2]
    if len(over) > 1 and front != over and set(front) != {1}:
        raise Problem(f"repeats {list(a.shape)} along some of the first axes of {list(shape)}; reshape before it")
    rows = int(np.prod(front, dtype=np.int64))
    middle = dims[-2] if len(dims) > 1 else 1
    hwc = (middle, 1, dims[-1]) if len(dims) == 2 else (rows, middle, dims[-1])
    return x if hwc == a.hwc else net.view(op, x, (1, *hwc))


def _add(net: Network, op: Operator) -> None:
    given, y = (net.input(op, 0), net.input(op, 1)), net.output(op)
    a, b, c = net.tensors[given[0]], net.tensors[given[1]], net.tensors[y]
    scaling = quantise.add_scaling(a.scale, b.scale, c.scale)
    if scaling[2][1] > 0 or scaling[2][0] <= 0:
        raise Problem(f"output {c.name!r} has scale {c.scale:g}, too far from its inputs'; convert with other data")
    inputs = _operands(net, op, given, y)
    net.emit(Add(op.index, inputs, y, *scaling, activation(op, c), subtract=op.name == "SUB"))


def _mul(net: Network, op: Operator) -> None:
    left, right, y = net.input(op, 0), net.input(op, 1), net.output(op)
    _multiply(net, op, left, right, y, activation(op, net.tensors[y]))


def _multiply(net: Network, op: Operator, left: int, right: int, y: int, act: tuple[int, int]) -> None:
    a, b, c = net.tensors[left], net.tensors[right], net.tensors[y]
    multiplier, shift = quantise.ratio_scaling(a.scale, b.scale, c.scale)
    if shift > _BIGGEST_SHIFT:
        raise Problem(f"output {c.name!r} has scale {c.scale:g}, too far from its inputs'; convert with other data")
    net.emit(Mul(op.index, _operands(net, op, (left, right), y), y, multiplier, shift, act))


READERS = {
    "LOGISTIC": _bounded(tables.logistic, 1 / 256, -128),
    "TANH": _bounded(tables.tanh, 1 / 128, 0),
    "QUANTIZE": _quantize,
    "RELU": _unary(tables.relu),
    "RELU6": _unary(tables.relu6),
    "RELU_N1_TO_1": _unary(lambda x, y: tables.relu(x, y, "RELU_N1_TO_1")),
    "LEAKY_RELU": _leaky_relu,
    "PRELU": _prelu,
    "HARD_SWISH": _unary(tables.hard_swish),
    "ELU": _unary(tables.elu),
    "ABS": _unary(tables.absolute),
    "MAXIMUM": _limit,
    "MINIMUM": _limit,
    "ADD": _add,
    "SUB": _add,
    "MUL": _mul,
}
