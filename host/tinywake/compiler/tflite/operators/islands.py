# SPDX-License-Identifier: MIT
"""Islands of float between DEQUANTIZE and QUANTIZE: what the converter has no int8 kernel for (ELU), float variables.

A float tensor that comes from 256 levels has at most 256 values. It is kept as the bytes it comes from and what each of
them stands for (Network.reals); functions change what they stand for, and QUANTIZE makes a table of that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.graph import Reshape, Tensor
from tinywake.compiler.tflite import tables
from tinywake.compiler.tflite.flatbuffer import Operator
from tinywake.compiler.tflite.network import Network, Problem

__all__ = ["FLOAT_READERS", "READERS", "alike", "origin"]

_Real = NDArray[np.float32]
_FARTHEST = 64  # operators between a float tensor and what it was dequantised from
_MOVES = ("CONCATENATION", "EXPAND_DIMS", "RESHAPE", "SLICE", "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE")


def _each(function: Callable[[float], float]) -> Callable[[_Real], _Real]:
    """Computed in double and rounded once, which is what a good float32 library gives."""

    def apply(x: _Real) -> _Real:
        return np.array([function(v) for v in x.tolist()]).astype(np.float32)

    return apply


_FUNCTIONS: dict[str, Callable[[_Real], _Real]] = {
    "ELU": _each(lambda v: math.expm1(v) if v < 0 else v),
    "NEG": lambda x: -x,
    "ABS": np.abs,
    "SQUARE": lambda x: x * x,
    "FLOOR": np.floor,
    "CEIL": np.ceil,
}


def _dequantize(net: Network, op: Operator) -> None:
    x = net.input(op)
    y = net.free(op)
    net.real(y, x, tables.dequantise(net.tensors[x]))
    _kept(net, op, x, y)


def _function(net: Network, op: Operator) -> None:
    x, y = net.value(op, 0), net.free(op)
    net.real(y, x, _FUNCTIONS[op.name](net.reals[x]))
    _kept(net, op, x, y)


def _kept(net: Network, op: Operator, x: int, y: int) -> None:
    if net.tensors[x].count != net.tensors[y].count:
        raise Problem(f"output {net.tensors[y].name!r} has {net.tensors[y].count} elements; export it again")
    net.emit(Reshape(op.index, (x,), y))


def alike(net: Network, op: Operator, parts: list[int]) -> list[int]:
    """Float tensors that are to be joined, as bytes that stand for the same.

    Where they do not, what is made of them must be quantised: each of them is quantised before it is joined instead.
    """
    reals = [net.reals.get(part) for part in parts]
    if any(r is None for r in reals):
        raise Problem("joins float and quantised tensors; convert with full integer quantisation")
    if all(np.array_equal(r, reals[0]) for r in reals if r is not None and reals[0] is not None):
        same = net.tensors[parts[0]]
        for part in parts:
            net.tensors[part] = replace(net.tensors[part], scale=same.scale, zero_point=same.zero_point)
        return parts
    goals = _quantised(net, net.free(op))
    if not goals or any((g.scale, g.zero_point) != (goals[0].scale, goals[0].zero_point) for g in goals):
        raise Problem("joins float tensors of several scales; convert with full integer quantisation")
    quantised = []
    for part in parts:
        quantised.append(net.add(goals[0], net.tensors[part].shape))
        net.table(op, part, quantised[-1], tables.quantise(net.reals[part], goals[0]))
        net.reals[quantised[-1]] = tables.dequantise(goals[0])
    return quantised


def _quantised(net: Network, index: int) -> list[Tensor]:
    """What becomes of a float tensor: the quantised ones, or nothing where it is used otherwise."""
    goals: list[Tensor] = []
    waiting, seen = [index], {index}
    while waiting:
        at = waiting.pop()
        if at in net.file.subgraphs[0].outputs or at not in net.readers:
            return []
        for op in net.readers[at]:
            if op.name == "QUANTIZE":
                goals.append(net.declared(net.target(op)))
            elif op.name not in _MOVES:
                return []
            elif net.target(op) not in seen:
                waiting.append(net.target(op))
                seen.add(net.target(op))
    return goals


def origin(net: Network, index: int) -> Tensor:
    """The quantised tensor that a float tensor, perhaps not yet read, was dequantised from and moved about."""
    at = index
    for _ in range(_FARTHEST):
        op = net.writers.get(at)
        if op is None or not op.inputs or op.name not in ("DEQUANTIZE", *_MOVES):
            break
        if op.name == "DEQUANTIZE":
            return net.declared(net.value(op, 0))
        at = net.value(op, len(op.inputs) - 1 if op.name == "CONCATENATION" else 0)
    return net.declared(index)  # which says that it is float


READERS = {"DEQUANTIZE": _dequantize}
FLOAT_READERS = dict.fromkeys(_FUNCTIONS, _function)  # where the first input is float
