# SPDX-License-Identifier: MIT
"""Moving a tensor back up, where a chain of operators has crept down the arena.

A convolution writes its output some bytes below the input that it consumes: a depthwise 3x3 a row and two pixels, a
pointwise one a pixel. Along a chain of equal sizes these add up, and the arena must hold all of them, although at no
single operator more than one is needed. A copy in one run may overlap itself in any way, costs a fraction of a
convolution, and sets the sum back to 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tinywake.compiler.graph import Copy, Graph, Op
from tinywake.compiler.memory.arena import place
from tinywake.compiler.memory.lifetimes import apart, handover, lifetimes
from tinywake.compiler.memory.plan import plan

__all__ = ["insert_moves"]

_SHARE = 64  # a move must save this share of the arena
_LEAST = 64  # and as many bytes: its record in the file has about as many


def insert_moves(graph: Graph) -> Graph:
    """Return the graph with copies of tensors to other places in the arena: few, and each worth its while."""
    before = plan(graph)
    worth = max(before.arena_bytes // _SHARE, _LEAST)
    if before.arena_bytes - before.lower_bound < worth:
        return graph
    candidates = _candidates(graph)
    limit = _total(_moved(graph, candidates)) + worth
    chosen = _needed(graph, [], candidates, limit)
    changed = _moved(graph, chosen)
    saved = before.arena_bytes - plan(changed).arena_bytes
    return changed if chosen and saved >= worth * len(chosen) else graph


def _candidates(graph: Graph) -> list[int]:
    """Operators that hand a storage over to their output, below which this must lie: before them a move may help."""
    last = {s.number: s.last for s in lifetimes(graph)}
    born = {s.number: s.first for s in lifetimes(graph)}
    found = []
    for step, op in enumerate(graph.ops):
        x = graph.tensors[op.input]
        gap = handover(graph, op).get(x.storage)
        ends = last.get(x.storage) == step == born.get(graph.tensors[op.output].storage)
        if ends and gap is not None and gap[0] < 0:
            found.append(step)
    return found


def _needed(graph: Graph, kept: Sequence[int], candidates: Sequence[int], limit: int) -> list[int]:
    """Those of the candidates that are needed, beside those kept, to come below the limit."""
    if not candidates or _total(_moved(graph, kept)) < limit:
        return []
    if len(candidates) == 1:
        return list(candidates)
    half = len(candidates) // 2
    first = _needed(graph, [*kept, *candidates[half:]], candidates[:half], limit)
    return first + _needed(graph, [*kept, *first], candidates[half:], limit)


def _total(graph: Graph) -> int:
    storages = lifetimes(graph)
    offsets = place(storages, apart(graph, storages), 0, thorough=False)
    return max((offset + s.bytes for s, offset in zip(storages, offsets, strict=True)), default=0)


def _moved(graph: Graph, steps: Sequence[int]) -> Graph:
    """The graph in which these operators read a copy of their first input."""
    tensors, ops = dict(graph.tensors), list[Op]()
    storage = max((t.storage for t in tensors.values()), default=0)
    for step, op in enumerate(graph.ops):
        if step in steps:
            x, number, storage = tensors[op.input], max(tensors) + 1, storage + 1
            tensors[number] = replace(x, storage=storage, at=0)
            run = Copy.in_one_run(op.index, op.input, number, x.count)
            ops += [run, replace(op, inputs=(number, *op.inputs[1:]))]
        else:
            ops.append(op)
    return graph.with_ops(ops, tensors)
