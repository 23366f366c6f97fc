# SPDX-License-Identifier: MIT
"""Which storages lie in the arena, from when to when, and how far apart two of them must lie.

Tensors are views of storages; a storage is needed from the first operator that touches it to the last one. The graph's
input is there before the first operator, its output is kept behind the last one. State and constants lie elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from tinywake.compiler.graph import Graph, Op
from tinywake.compiler.memory.overlap import reach

__all__ = ["ALIGN", "Gap", "Storage", "apart", "handover", "lifetimes", "padded", "sizes"]

ALIGN = 4  # of storages, so that kernels may read words

Gap = tuple[int, int]  # distances strictly between these, from one storage to another, are forbidden


@dataclass(frozen=True)
class Storage:
    """Bytes of the arena that operators `first` to `last`, both included, need; `last` may be behind the last one."""

    number: int
    bytes: int
    first: int
    last: int


def padded(count: int) -> int:
    """`count`, rounded up to the alignment."""
    return (count + ALIGN - 1) // ALIGN * ALIGN


def sizes(graph: Graph, *, state: bool = False) -> dict[int, int]:
    """Padded bytes of every storage of the arena, or of state, that is used, in order of first use."""
    used = [graph.input, *(t for op in graph.ops for t in (*op.inputs, op.output)), graph.output]
    fixed = {t.storage for t in graph.tensors.values() if t.fill is not None}
    constant = {t.storage for t in graph.tensors.values() if t.data is not None}
    result: dict[int, int] = {}
    for tensor in (graph.tensors[number] for number in used):
        if tensor.storage not in constant and (tensor.storage in fixed) == state:
            result[tensor.storage] = max(result.get(tensor.storage, 0), padded(tensor.at + tensor.count))
    return result


def lifetimes(graph: Graph) -> tuple[Storage, ...]:
    """All storages of the arena, in order of first use."""
    tensors, end = graph.tensors, len(graph.ops)
    span = {tensors[graph.input].storage: (0, 0)}
    for step, op in enumerate(graph.ops):
        for number in (*op.inputs, op.output):
            storage = tensors[number].storage
            span[storage] = (span.get(storage, (step, step))[0], step)
    kept = tensors[graph.output].storage
    span[kept] = (span.get(kept, (end, end))[0], end)
    return tuple(Storage(number, size, *span[number]) for number, size in sizes(graph).items())


def handover(graph: Graph, op: Op) -> dict[int, Gap]:
    """Forbidden distances to the output's storage from each that `op` reads, if this one ends and that one begins here.

    They are rounded to the alignment. Only the bytes that this operator reads and writes count: the rest of the input
    is no longer needed, the rest of the output not yet.
    """
    y = graph.tensors[op.output]
    gaps: dict[int, Gap] = {}
    for place, number in enumerate(op.inputs):
        x = graph.tensors[number]
        found = reach(graph, op, place)
        below, above = (x.at - y.at + distance for distance in (found.below, found.above))
        gap = below // ALIGN * ALIGN, padded(above)
        known = gaps.get(x.storage, gap)
        gaps[x.storage] = min(known[0], gap[0]), max(known[1], gap[1])
    return gaps


def apart(graph: Graph, storages: tuple[Storage, ...]) -> dict[tuple[int, int], Gap]:
    """How far apart storages must lie, by places a < b in `storages`: distances from a to b that are forbidden.

    Two that are never needed at the same time have no entry, nor has a pair that any distance suits. As `lifetimes`
    goes by first use, an operator's input stands before the output that may overlap it.
    """
    passed = [handover(graph, op) for op in graph.ops]
    written = [graph.tensors[op.output].storage for op in graph.ops]
    gaps: dict[tuple[int, int], Gap] = {}
    for a, x in enumerate(storages):
        for b, y in enumerate(storages[a + 1 :], a + 1):
            if x.first <= y.last and y.first <= x.last:
                gap = None
                if x.last == y.first < len(written) and written[y.first] == y.number:
                    gap = passed[y.first].get(x.number)
                gap = gap or (-y.bytes, x.bytes)
                if gap[1] - gap[0] > ALIGN:
                    gaps[a, b] = gap
    return gaps
