# SPDX-License-Identifier: MIT
"""Views: what only renames bytes costs nothing.

A reshape is another view of the same storage, and so are a transposition that moves no element and a slice whose
elements lie together. The inputs of a concatenation along the outermost axis are computed where its output has them.
"""

from __future__ import annotations

import math
from dataclasses import replace

from tinywake.compiler.graph import Add, Concat, Copy, Graph, Mul, Op, Reshape, Slice, Tensor, Transpose
from tinywake.errors import CompileError

__all__ = ["lower_views"]


def lower_views(graph: Graph) -> Graph:
    """Return an equivalent graph in which what can be a view is one. Slices and concatenations may remain."""
    return _operands(_concats(_aliases(graph)))


def _move(tensors: dict[int, Tensor], old: int, onto: Tensor, at: int) -> None:
    """Put storage `old`, all views of it included, into the storage of `onto`, `at` bytes into that tensor."""
    for number, tensor in tensors.items():
        if tensor.storage == old:
            if onto.data is not None:
                raise CompileError(f"tensor {tensor.name!r} is a part of a constant; simplify the network")
            tensors[number] = replace(tensor, storage=onto.storage, at=onto.at + at + tensor.at, fill=onto.fill)


def _aliases(graph: Graph) -> Graph:
    """Reshapes, transpositions and contiguous slices: the output is moved into the input's storage."""
    tensors = dict(graph.tensors)
    ops: list[Op] = []
    for place, op in enumerate(graph.ops):
        begin = _alias(graph, op)
        # State changes by a push or a copy: a view of it must not be read after that.
        changed = begin is not None and tensors[op.input].fill is not None and _changes(graph, tensors, op, place)
        if begin is None:
            ops.append(op)
        elif changed:
            ops.append(Copy.in_one_run(op.index, op.input, op.output, graph.tensors[op.output].count, at=begin))
        else:
            _move(tensors, tensors[op.output].storage, tensors[op.input], begin)
    return graph.with_ops(ops, tensors)


def _alias(graph: Graph, op: Op) -> int | None:
    """Where in the input the output's bytes lie; None where they do not lie together."""
    x, y = graph.tensors[op.inputs[0]], graph.tensors[op.output]
    if isinstance(op, Reshape):
        return 0
    if isinstance(op, Transpose):
        moved = [axis for axis in op.order if x.shape[axis] != 1]
        return 0 if moved == sorted(moved) else None
    if not isinstance(op, Slice):
        return None
    partial = [axis for axis, (n, m) in enumerate(zip(x.shape, y.shape, strict=True)) if n != m]
    if not partial:
        return 0
    first = partial[-1]  # all axes behind it are whole; those before it must have one element
    if any(n != 1 for n in y.shape[:first]) or op.step[first] != 1:
        return None
    return sum(b * math.prod(x.shape[axis + 1 :]) for axis, b in enumerate(op.begin))


def _changes(graph: Graph, tensors: dict[int, Tensor], op: Op, place: int) -> bool:
    state = tensors[op.input].storage
    return any(tensors[other.output].storage == state for other in graph.ops[place + 1 :])


def _concats(graph: Graph) -> Graph:
    """Let the inputs of a concatenation whose parts lie behind each other be computed in their place."""
    tensors = dict(graph.tensors)
    kept = {tensors[graph.input].storage}
    ops: list[Op] = []
    for op in graph.ops:
        if not isinstance(op, Concat) or math.prod(tensors[op.output].shape[: op.axis]) != 1:
            ops.append(op)
            continue
        at = 0
        for part in op.inputs:
            x, y = tensors[part], tensors[op.output]
            own = x.storage != y.storage and x.fill is None and x.data is None and x.storage not in kept
            if own and y.fill is None and _size(tensors, x.storage) == x.count:
                _move(tensors, x.storage, y, at)
            at += x.count
        places = _placed(tensors, op)
        if not all(places):
            ops.append(op)
    return graph.with_ops(ops, tensors)


def _size(tensors: dict[int, Tensor], storage: int) -> int:
    return max(t.at + t.count for t in tensors.values() if t.storage == storage)


def _placed(tensors: dict[int, Tensor], op: Concat) -> list[bool]:
    """Which inputs lie in their place in the output."""
    y, at, placed = tensors[op.output], 0, []
    for part in op.inputs:
        x = tensors[part]
        placed.append((x.storage, x.at) == (y.storage, y.at + at))
        at += x.count
    return placed


def _operands(graph: Graph) -> Graph:
    """Give both inputs of ADD and MUL, and the output, shapes of three axes that stand above each other."""
    tensors = dict(graph.tensors)
    ops: list[Op] = []
    for op in graph.ops:
        if isinstance(op, Add | Mul) and any(tensors[t].shape != tensors[op.output].shape for t in op.inputs):
            shapes = _aligned([tensors[t].shape for t in (*op.inputs, op.output)])
            if shapes is None:
                shown = " and ".join(str(list(tensors[t].shape)) for t in op.inputs)
                raise CompileError(f"operator {op.index} {op.kind}: shapes {shown} repeat along too many axes")
            numbers = []
            for t, shape in zip((*op.inputs, op.output), shapes, strict=True):
                numbers.append(max(tensors) + 1)
                tensors[numbers[-1]] = replace(tensors[t], shape=shape)
            op = replace(op, inputs=(numbers[0], numbers[1]), output=numbers[2])
        ops.append(op)
    return graph.with_ops(ops, tensors)


def _aligned(shapes: list[tuple[int, ...]]) -> list[tuple[int, ...]] | None:
    """The shapes as [1, h, w, c], axes joined where every tensor has them whole or every tensor repeats them alike."""
    rank = max(len(shape) for shape in shapes)
    full = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    out = full[-1]
    axes: list[list[int]] = []  # of each joined axis, the length in each tensor
    kinds: list[tuple[bool, ...]] = []
    for axis in range(rank):
        lengths = [shape[axis] for shape in full]
        if out[axis] == 1:
            continue
        kind = tuple(length == 1 for length in lengths)
        if kinds and kinds[-1] == kind and max(axes[-1]) * out[axis] <= 65535:
            axes[-1] = [a * b for a, b in zip(axes[-1], lengths, strict=True)]
        else:
            axes.append(lengths)
            kinds.append(kind)
    if len(axes) > 3:
        return None
    padded = [[1] * len(shapes)] * (3 - len(axes)) + axes
    return [(1, *(axis[number] for axis in padded)) for number in range(len(shapes))]
