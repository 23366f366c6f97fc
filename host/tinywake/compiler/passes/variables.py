# SPDX-License-Identifier: MIT
"""Resource variables become state.

Streaming networks keep a window over time in a variable: READ, CONCATENATION with the new rows, STRIDED_SLICE of the
tail, ASSIGN (micro-wake-word v2), or READ, STRIDED_SLICE, CONCATENATION, ASSIGN (v1): four operators that copy the
whole history up to three times. Both are one StatePush into the window itself. Whatever else is done to a variable is
kept as it is: reading is a view or a copy, assigning a copy.
"""

from __future__ import annotations

import math
from dataclasses import replace

from tinywake.compiler.graph import (
    AssignVariable,
    Concat,
    Copy,
    Graph,
    Op,
    ReadVariable,
    Reshape,
    Slice,
    StatePush,
    Tensor,
    Transpose,
)

__all__ = ["lower_variables"]


def lower_variables(graph: Graph) -> Graph:
    """Return an equivalent graph without ReadVariable and AssignVariable."""
    variables = dict.fromkeys(
        op.input if isinstance(op, ReadVariable) else op.output
        for op in graph.ops
        if isinstance(op, ReadVariable | AssignVariable)
    )
    for variable in variables:
        graph = _window(graph, variable) or _plain(graph, variable)
    return graph


def _window(graph: Graph, variable: int) -> Graph | None:
    """The graph with the variable as a moving window, or None where it is not used as one."""
    reads = [op for op in graph.ops if isinstance(op, ReadVariable) and op.input == variable]
    assigns = [op for op in graph.ops if isinstance(op, AssignVariable) and op.output == variable]
    if len(reads) != 1 or len(assigns) != 1:
        return None
    read, assign = reads[0], assigns[0]
    made = {op.output: op for op in graph.ops}
    assigned = made.get(assign.input)
    concat: Op | None = assigned
    rows: Op | None = assigned
    old = read.output
    if isinstance(assigned, Slice):  # v2: the tail of [old, new] is kept
        concat = made.get(assigned.input)
    elif isinstance(assigned, Concat):  # v1: the new rows go behind the tail of old
        old = assigned.inputs[0]
        rows = made.get(old)
    if not isinstance(concat, Concat) or not isinstance(rows, Slice) or len(concat.inputs) != 2:
        return None
    new = concat.inputs[1]
    whole, tail = graph.tensors[rows.input], graph.tensors[rows.output]
    dropped = whole.shape[concat.axis] - tail.shape[concat.axis]
    if (
        concat.inputs[0] != old
        or (rows is not assigned and rows.input != read.output)
        or _readers(graph, read.output) != 1
        or (rows is not assigned and _readers(graph, rows.output) != 1)
        or math.prod(graph.tensors[concat.output].shape[: concat.axis]) != 1
        or not _is_tail(rows, whole, tail, concat.axis)
        or dropped != graph.tensors[new].shape[concat.axis]
    ):
        return None
    window = graph.tensors[concat.output]
    fill = graph.tensors[variable].fill
    # The window takes the concatenation's place: the same values, from the moment of the push on.
    tensors = {**graph.tensors, concat.output: replace(window, fill=fill)}
    gone = (read, assign, *([rows] if rows is not assigned or _readers(graph, rows.output) == 1 else []))
    ops: list[Op] = []
    for op in graph.ops:
        if op is concat:
            ops.append(StatePush(op.index, (new,), op.output))
        elif not any(op is other for other in gone):
            ops.append(op)
    return graph.with_ops(ops, tensors)


def _is_tail(op: Slice, whole: Tensor, tail: Tensor, axis: int) -> bool:
    """Whether the slice is the end of its input along `axis`, and all of it along the others."""
    begin = [w - t if a == axis else 0 for a, (w, t) in enumerate(zip(whole.shape, tail.shape, strict=True))]
    others = (w == t for a, (w, t) in enumerate(zip(whole.shape, tail.shape, strict=True)) if a != axis)
    return list(op.begin) == begin and set(op.step) == {1} and all(others)


def _readers(graph: Graph, tensor: int) -> int:
    return sum(op.inputs.count(tensor) for op in graph.ops) + (tensor == graph.output)


def _plain(graph: Graph, variable: int) -> Graph:
    """The variable as memory: what is read after it was assigned again has been copied before."""
    tensors = dict(graph.tensors)
    state = tensors[variable]
    assigns = [place for place, op in enumerate(graph.ops) if isinstance(op, AssignVariable) and op.output == variable]
    ops: list[Op] = []
    for place, op in enumerate(graph.ops):
        if isinstance(op, ReadVariable) and op.input == variable:
            last = _last_use(graph, op.output)
            if any(place < assign < last for assign in assigns):
                ops.append(Copy.in_one_run(op.index, op.input, op.output, state.count))
            else:
                tensors[op.output] = replace(tensors[op.output], storage=state.storage, fill=state.fill)
        elif isinstance(op, AssignVariable) and op.output == variable:
            ops.append(Copy.in_one_run(op.index, op.input, op.output, state.count))
        else:
            ops.append(op)
    return graph.with_ops(ops, tensors)


def _last_use(graph: Graph, tensor: int) -> int:
    """The last operator that reads the tensor or what may become a view of it."""
    if tensor == graph.output:
        return len(graph.ops)
    last = -1
    for place, op in enumerate(graph.ops):
        if tensor in op.inputs:
            view = isinstance(op, Reshape | Slice | Concat | Transpose)
            last = max(last, place, _last_use(graph, op.output) if view else -1)
    return last
