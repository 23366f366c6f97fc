# SPDX-License-Identifier: MIT
"""Streaming state: variables that one operator reads and another assigns.

A variable is known by its name. CALL_ONCE runs a subgraph that gives it its first values; where none does, TensorFlow
Lite Micro gives it the zero point of what is assigned to it. A .twm has one value for all of a variable's elements.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.graph import AssignVariable, ReadVariable, Tensor
from tinywake.compiler.tflite import tables
from tinywake.compiler.tflite.flatbuffer import Operator, Subgraph
from tinywake.compiler.tflite.folding import fold
from tinywake.compiler.tflite.network import MOVABLE, Network, Problem, Variable
from tinywake.compiler.tflite.operators import islands
from tinywake.errors import ModelError

__all__ = ["READERS"]


def _handles(net: Network, sub: Subgraph) -> dict[int, Variable]:
    """The variables of a subgraph's handles. A handle without a container is one to the variable of that name."""
    found = {}
    for op in sub.operators:
        if op.name == "VAR_HANDLE" and op.outputs:
            container, name = op.option("Container") or "", op.option("SharedName") or ""
            alike = [v for v in net.variables if v.name == name and (v.container == container or not container)]
            if not alike:
                alike = [Variable(container, name)]
                net.variables += alike
            found[op.outputs[0]] = alike[0]
    return found


def _own_handles(net: Network) -> dict[int, Variable]:
    """The handles of the network itself, which come before those of an initialisation."""
    if not net.handles:
        net.handles = _handles(net, net.file.subgraphs[0])
        for op in net.operators:
            if op.name == "ASSIGN_VARIABLE" and op.inputs and op.inputs[0] in net.handles:
                known = net.handles[op.inputs[0]]
                known.assigned = net.value(op, 1) if known.assigned is None else known.assigned
    return net.handles


def _variable(net: Network, op: Operator) -> Variable:
    """The variable that the operator's first input is a handle to."""
    index = net.value(op, 0)
    if index not in _own_handles(net):
        raise Problem(f"input {net.values[index].name!r} is no variable of a VAR_HANDLE")
    return net.handles[index]


def _state(net: Network, op: Operator, variable: Variable) -> int:
    """The variable's tensor, with the quantisation of the first value that the network assigns to it."""
    if variable.state is not None:
        return variable.state
    if variable.assigned is None and variable.first is None:
        raise Problem(f"variable {variable.name!r} is read, but nothing assigns to it")
    index = net.free(op) if variable.assigned is None else variable.assigned
    real = net.values[index].dtype == "FLOAT32"
    like = islands.origin(net, index) if real else net.declared(index)
    shape = net.values[index].shape
    if variable.first is not None and variable.first.size != math.prod(shape):
        raise Problem(f"variable {variable.name!r} starts with {variable.first.size} values, not shape {list(shape)}")
    fill = _first(variable, like, real)
    variable.state = net.add(like, shape, name=variable.name or like.name, fill=fill)
    if real:
        net.reals[variable.state] = tables.dequantise(like)
    return variable.state


def _first(variable: Variable, like: Tensor, real: bool) -> int:
    """The raw value with which all elements start."""
    first = variable.first
    if first is not None and (first.dtype != (np.float32 if real else np.int8) or np.any(first != first.flat[0])):
        raise Problem(
            f"variable {variable.name!r} starts with values that differ, or of another type; start with zeros"
        )
    if not real:
        return like.zero_point if first is None else int(first.flat[0])
    start = np.float32(0) if first is None else first.flat[0]
    levels = np.flatnonzero(tables.dequantise(like) == start)
    if not len(levels):
        raise Problem(f"variable {variable.name!r} starts with {start:g}, which no level stands for; start with zeros")
    return int(levels.astype(np.uint8).view(np.int8)[0])


def _read(net: Network, op: Operator) -> None:
    state = _state(net, op, _variable(net, op))
    if state in net.reals:
        y = net.free(op)
        net.real(y, state, net.reals[state])
    else:
        y = net.output(op)
    _fits(net, state, y)
    net.emit(ReadVariable(op.index, (state,), y))


def _assign(net: Network, op: Operator) -> None:
    variable = _variable(net, op)
    state = _state(net, op, variable)
    x = net.input(op, 1, MOVABLE if state in net.reals else ("INT8",))
    _fits(net, state, x)
    net.emit(AssignVariable(op.index, (x,), state))


def _fits(net: Network, state: int, other: int) -> None:
    s, t = net.tensors[state], net.tensors[other]
    if state in net.reals and not np.array_equal(net.reals[state], net.reals.get(other, [])):
        raise Problem(
            f"variable {s.name!r} is float and holds values of several scales; convert with variables quantised"
        )
    if state not in net.reals:
        net.same(s, t)
    if s.count != t.count:
        raise Problem(f"variable {s.name!r} has shape {list(s.shape)}, but {t.name!r} {list(t.shape)}")


def _once(net: Network, op: Operator) -> None:
    """Run an initialisation: handles, constants, and assignments of them."""
    number = op.option("InitSubgraphIndex")
    if not 0 < number < len(net.file.subgraphs):
        raise ModelError(f"operator {op.index} {op.name}: damaged .tflite (subgraph {number}); export it again")
    _own_handles(net)
    sub = net.file.subgraphs[number]
    handles = _handles(net, sub)
    for inner, known in _constants(sub):
        if inner.name != "ASSIGN_VARIABLE" or len(inner.inputs) != 2 or inner.inputs[0] not in handles:
            raise Problem(
                f"its subgraph {number} has operator {inner.index} {inner.name}; initialise with constants only"
            )
        variable = handles[inner.inputs[0]]
        if inner.inputs[1] not in known:
            raise Problem(f"variable {variable.name!r} does not start with a constant; initialise it with zeros")
        if variable.state is not None:
            raise Problem(f"comes after operators that use variable {variable.name!r}; initialise it first")
        variable.first = known[inner.inputs[1]]


def _constants(sub: Subgraph) -> Iterator[tuple[Operator, dict[int, NDArray[Any]]]]:
    """Operators that are neither handles nor constants out of constants, each with the constants known by then."""
    known = {i: v.data for i, v in enumerate(sub.values) if v.data is not None}
    for op in sub.operators:
        if op.name == "VAR_HANDLE":
            continue
        inputs = [known.get(i) for i in op.inputs]
        first = sub.values[op.inputs[0]].shape if op.inputs and op.inputs[0] >= 0 else ()
        dtype = sub.values[op.outputs[0]].numpy if op.outputs and op.outputs[0] >= 0 else None
        results = fold(op, inputs, first, dtype)
        if results is None:
            yield op, known
        else:
            known.update(zip(op.outputs, results, strict=False))


READERS = {
    "CALL_ONCE": _once,
    "VAR_HANDLE": lambda net, op: None,
    "READ_VARIABLE": _read,
    "ASSIGN_VARIABLE": _assign,
}
