# SPDX-License-Identifier: MIT
"""Constants out of constants: the arithmetic on shapes that a converter writes for a Keras model without a batch size.

It is done with numpy, before the graph is built. Only integers are computed with; quantised and float constants are
moved about, not changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.tflite.flatbuffer import Operator
from tinywake.compiler.tflite.network import Problem

__all__ = ["fold", "strided_index"]

Array = NDArray[Any]
Index = tuple[Any, ...]

_LARGEST = 1 << 24  # elements of a folded constant


def strided_index(op: Operator, begin: Sequence[int], end: Sequence[int], step: Sequence[int]) -> Index:
    """STRIDED_SLICE as a numpy index: slices, integers, None for a new axis, one Ellipsis."""
    masks = [op.option(f"{m}Mask") for m in ("Begin", "End", "Ellipsis", "NewAxis", "ShrinkAxis")]
    if not len(begin) == len(end) == len(step) or 0 in step or op.option("Offset"):
        raise Problem(f"has begin {list(begin)}, end {list(end)}, strides {list(step)}; export it again")
    index: list[Any] = []
    for axis, (first, last, stride) in enumerate(zip(begin, end, step, strict=True)):
        at_begin, at_end, ellipsis, new, shrink = (mask >> axis & 1 for mask in masks)
        if ellipsis:
            index.append(Ellipsis)
        elif new:
            index.append(None)
        elif shrink:
            index.append(first)
        else:
            index.append(slice(None if at_begin else first, None if at_end else last, stride))
    return tuple(index)


def fold(
    op: Operator, inputs: Sequence[Array | None], shape: tuple[int, ...], dtype: np.dtype[Any] | None
) -> list[Array] | None:
    """The outputs of an operator all of whose inputs are constant, or None where it is not one of those known here.

    shape: of the first input, whether constant or not; dtype: of the first output. Raises Problem where the operator
    cannot be computed.
    """
    if op.name == "SHAPE":
        inputs = [np.array(shape, np.int64)]
    known = [x for x in inputs if x is not None]
    if not known or len(known) < len(inputs):
        return None
    whole = dtype is not None and all(x.dtype.kind == "b" or (x.dtype.kind in "iu" and x.itemsize > 1) for x in known)
    rule = _MOVING.get(op.name) or (_COMPUTING.get(op.name) if whole else None)
    if rule is None:
        return None
    try:
        results = [np.asarray(r) for r in rule(op, known)]
    except (ValueError, IndexError, TypeError, ArithmeticError) as e:
        raise Problem(f"cannot be computed from its constants ({' '.join(str(e).split())})") from e
    return results if op.name in _MOVING else [r.astype(dtype) for r in results]


def _bounded(shape: Sequence[int]) -> tuple[int, ...]:
    if math.prod(shape) > _LARGEST:
        raise ValueError(f"{list(shape)} has over 2^24 elements")
    return tuple(int(n) for n in shape)


def _whole(x: Array) -> list[int]:
    _bounded([x.size, x.size])
    return [int(n) for n in x.ravel()]


def _strided(op: Operator, a: list[Array]) -> list[Array]:
    return [a[0][strided_index(op, _whole(a[1]), _whole(a[2]), _whole(a[3]))]]


def _slice(op: Operator, a: list[Array]) -> list[Array]:
    pairs = zip(_whole(a[1]), _whole(a[2]), strict=True)
    return [a[0][tuple(slice(b, None if n < 0 else b + n) for b, n in pairs)]]


def _reshape(op: Operator, a: list[Array]) -> list[Array]:
    return [a[0].reshape(_whole(a[1]))]


def _squeeze(op: Operator, a: list[Array]) -> list[Array]:
    axes = tuple(np.atleast_1d(op.option("SqueezeDimsAsNumpy")).tolist()) if op.option("SqueezeDimsLength") else None
    return [np.squeeze(a[0], axes)]


def _gather(op: Operator, a: list[Array]) -> list[Array]:
    if op.option("BatchDims"):
        raise ValueError("batch dimensions")
    axis = op.option("Axis")
    _bounded([a[1].size, a[0].size // max(a[0].shape[axis], 1)])
    return [np.take(a[0], a[1], axis=axis)]


def _concatenation(op: Operator, a: list[Array]) -> list[Array]:
    _bounded([sum(x.size for x in a)])
    return [(np.stack if op.name == "PACK" else np.concatenate)(a, op.option("Axis"))]


def _range(op: Operator, a: list[Array]) -> list[Array]:
    start, limit, delta = (int(x) for x in a)
    _bounded([abs(limit - start)])
    return [np.arange(start, limit, delta)]


def _select(op: Operator, a: list[Array]) -> list[Array]:
    _bounded(np.broadcast_shapes(*(x.shape for x in a)))
    return [np.where(*a)]


def _reduce(function: Callable[..., Any]) -> Callable[[Operator, list[Array]], list[Array]]:
    def rule(op: Operator, a: list[Array]) -> list[Array]:
        axes = tuple(_whole(a[1]))
        return [function(a[0], axis=axes, keepdims=bool(op.option("KeepDims")))]

    return rule


def _binary(function: Callable[..., Any]) -> Callable[[Operator, list[Array]], list[Array]]:
    def rule(op: Operator, a: list[Array]) -> list[Array]:
        _bounded(np.broadcast_shapes(a[0].shape, a[1].shape))
        with np.errstate(all="raise"):
            return [function(a[0], a[1])]

    return rule


def _divide(a: Array, b: Array) -> Array:
    quotient: Array = np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))
    return quotient


_Rule = Callable[[Operator, list[Array]], list[Array]]
_MOVING: dict[str, _Rule] = {
    "STRIDED_SLICE": _strided,
    "SLICE": _slice,
    "RESHAPE": _reshape,
    "EXPAND_DIMS": lambda op, a: [np.expand_dims(a[0], int(a[1]))],
    "SQUEEZE": _squeeze,
    "PACK": _concatenation,
    "UNPACK": lambda op, a: list(np.moveaxis(a[0], op.option("Axis"), 0)),
    "CONCATENATION": _concatenation,
    "TRANSPOSE": lambda op, a: [np.transpose(a[0], _whole(a[1]))],
    "GATHER": _gather,
    "FILL": lambda op, a: [np.full(_bounded(_whole(a[0])), a[1])],
    "BROADCAST_TO": lambda op, a: [np.broadcast_to(a[0], _bounded(_whole(a[1])))],
    "ZEROS_LIKE": lambda op, a: [np.zeros_like(a[0])],
}
_COMPUTING: dict[str, _Rule] = {
    "CAST": lambda op, a: [a[0]],
    "ADD": _binary(np.add),
    "SUB": _binary(np.subtract),
    "MUL": _binary(np.multiply),
    "DIV": _binary(_divide),
    "FLOOR_DIV": _binary(np.floor_divide),
    "FLOOR_MOD": _binary(np.mod),
    "MAXIMUM": _binary(np.maximum),
    "MINIMUM": _binary(np.minimum),
    "EQUAL": _binary(np.equal),
    "NOT_EQUAL": _binary(np.not_equal),
    "LESS": _binary(np.less),
    "GREATER": _binary(np.greater),
    "SHAPE": lambda op, a: [a[0]],
    "NEG": lambda op, a: [-a[0]],
    "RANGE": _range,
    "RANK": lambda op, a: [np.array(a[0].ndim)],
    "SELECT_V2": _select,
    "BROADCAST_ARGS": lambda op, a: [np.array(np.broadcast_shapes(_whole(a[0]), _whole(a[1])))],
    "REDUCE_PROD": _reduce(np.prod),
    "SUM": _reduce(np.sum),
    "REDUCE_MAX": _reduce(np.max),
    "REDUCE_MIN": _reduce(np.min),
}
