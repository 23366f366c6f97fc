# SPDX-License-Identifier: MIT
"""Functions of one element: identities vanish, two in a row become one, a clamp becomes its producer's activation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.graph import (
    Add,
    AveragePool2D,
    Conv2D,
    FullyConnected,
    Graph,
    Mul,
    Op,
    Reshape,
    Table,
    Tensor,
)

__all__ = ["fold_tables"]

_BYTES = np.arange(256, dtype=np.uint8)


def fold_tables(graph: Graph) -> Graph:
    """Return an equivalent graph with fewer tables."""
    ops: list[Op] = []
    for op in graph.ops:
        if isinstance(op, Table):
            at, before = _producer(graph, ops, op) or (0, None)
            if isinstance(before, Table):
                del ops[at]
                op = replace(op, inputs=before.inputs, table=op.table[before.table])
            elif isinstance(before, Conv2D | FullyConnected | AveragePool2D | Add | Mul):
                act = _clamp(op, before.act, graph.tensors)
                if act is not None:
                    ops[at] = replace(before, output=op.output, act=act)
                    continue
            op = _identity(op, graph.tensors)
        ops.append(op)
    return graph.with_ops(ops)


def _producer(graph: Graph, ops: list[Op], op: Op) -> tuple[int, Op] | None:
    """The operator that computes `op`'s input, and its place, where `op` is the only one to read it."""
    readers = sum(op.input in other.inputs for other in graph.ops)
    if readers > 1 or op.input in (graph.input, graph.output) or graph.tensors[op.input].fill is not None:
        return None
    return next(((place, other) for place, other in enumerate(ops) if other.output == op.input), None)


def _same_quantisation(x: Tensor, y: Tensor) -> bool:
    return (x.dtype, x.scale, x.zero_point) == (y.dtype, y.scale, y.zero_point)


def _identity(op: Table, tensors: dict[int, Tensor]) -> Op:
    """A table that changes nothing is another name for the same bytes."""
    if np.array_equal(op.table, _BYTES) and tensors[op.input].dtype == tensors[op.output].dtype:
        return Reshape(op.index, op.inputs, op.output)
    return op


def _clamp(op: Table, act: tuple[int, int], tensors: dict[int, Tensor]) -> tuple[int, int] | None:
    """The range (low, high) where the table clamps what is already within `act`; None where it does more."""
    if not _same_quantisation(tensors[op.input], tensors[op.output]):
        return None
    x: NDArray[np.int8] = np.arange(act[0], act[1] + 1).astype(np.int8)
    y = op.table[x.view(np.uint8)].view(np.int8)
    low, high = int(y[0]), int(y[-1])
    return (low, high) if np.array_equal(y, np.clip(x, low, high)) else None
