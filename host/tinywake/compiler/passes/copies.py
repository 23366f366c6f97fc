# SPDX-License-Identifier: MIT
"""What is left of slices, concatenations, paddings and transpositions becomes Copy: runs of bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tinywake.compiler.graph import Concat, Copy, Graph, Op, Pad, Slice, Transpose
from tinywake.errors import CompileError

__all__ = ["lower_copies"]


def lower_copies(graph: Graph) -> Graph:
    """Return an equivalent graph of operators that the format has. Raises CompileError for more than four axes."""
    ops: list[Op] = []
    for op in graph.ops:
        match op:
            case Slice():
                ops.append(_slice(graph, op))
            case Concat():
                ops.extend(_concat(graph, op))
            case Pad():
                ops.append(_pad(graph, op))
            case Transpose():
                ops.append(_transpose(graph, op))
            case _:
                ops.append(op)
    return graph.with_ops(ops)


def _strides(shape: Sequence[int]) -> list[int]:
    """Elements from one index to the next along each axis."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _copy(
    op: Op, source: int, shape: Sequence[int], begins: tuple[int, int], strides: tuple[Sequence[int], Sequence[int]],
    fill: int | None = None,
) -> Copy:  # fmt: skip
    """A copy of `shape` elements between strided places; axes that lie behind each other in both are joined."""
    axes: list[tuple[int, int, int]] = []
    for count, there, here in zip(shape, *strides, strict=True):
        if count == 1:
            continue
        if axes and axes[-1][1] == there * count and axes[-1][2] == here * count:
            axes[-1] = (axes[-1][0] * count, there, here)
        else:
            axes.append((count, there, here))
    run = axes.pop()[0] if axes and axes[-1][1:] == (1, 1) else 1
    if len(axes) > 3:
        raise CompileError(f"operator {op.index} {op.kind}: moves elements along {len(axes)} axes at once; at most 3")
    counts, origins, targets = np.array([(1, 0, 0)] * (3 - len(axes)) + axes).T.tolist()
    return Copy(
        op.index, (source,), op.output, begins[0], begins[1], tuple(counts), run, tuple(origins), tuple(targets), fill
    )


def _slice(graph: Graph, op: Slice) -> Copy:
    x, y = graph.tensors[op.input], graph.tensors[op.output]
    strides = _strides(x.shape)
    begin = sum(b * s for b, s in zip(op.begin, strides, strict=True))
    steps = [n * s for n, s in zip(op.step, strides, strict=True)]
    return _copy(op, op.input, y.shape, (begin, 0), (steps, _strides(y.shape)))


def _concat(graph: Graph, op: Concat) -> list[Copy]:
    """One copy an input that does not lie in its place already."""
    y = graph.tensors[op.output]
    inner = math.prod(y.shape[op.axis + 1 :])
    copies, at = [], 0
    for source in op.inputs:
        x = graph.tensors[source]
        if (x.storage, x.at) != (y.storage, y.at + at):
            copies.append(_copy(op, source, x.shape, (0, at), (_strides(x.shape), _strides(y.shape))))
        at += x.shape[op.axis] * inner
    return copies


def _pad(graph: Graph, op: Pad) -> Copy:
    x, y = graph.tensors[op.input], graph.tensors[op.output]
    strides = _strides(y.shape)
    begin = sum(b * s for b, s in zip(op.before, strides, strict=True))
    return _copy(op, op.input, x.shape, (0, begin), (_strides(x.shape), strides), op.value)


def _transpose(graph: Graph, op: Transpose) -> Copy:
    x, y = graph.tensors[op.input], graph.tensors[op.output]
    strides = _strides(x.shape)
    return _copy(op, op.input, y.shape, (0, 0), ([strides[axis] for axis in op.order], _strides(y.shape)))
