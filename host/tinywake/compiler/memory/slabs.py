# SPDX-License-Identifier: MIT
"""A large tensor that only a fully connected layer reads need never be there as a whole.

The operator that computes it is split into slabs of rows, each followed by its share of the layer's sum. The sums are
integers, modulo 2^32: the order in which they are added changes nothing. A slab costs some 100 bytes of file.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from tinywake.compiler.graph import AveragePool2D, Conv2D, FullyConnected, FullyConnectedPart, Graph, Op, Part, Tensor
from tinywake.compiler.memory.plan import plan

__all__ = ["slabs"]

_COUNTS = (2, 3, 4, 6, 8)
_LONGEST = 65535  # an axis of the format: that of the sums
_WORTH = 256  # bytes of arena that another slab must save at least


def slabs(graph: Graph) -> Graph:
    """Return an equivalent graph whose arena is smaller, or the graph itself."""
    place = 0
    while place < len(graph.ops):
        if isinstance(graph.ops[place], FullyConnected) and _splittable(graph, place):
            more = _best(graph, place)
            place += len(more.ops) - len(graph.ops)
            graph = more
        place += 1
    return graph


def _best(graph: Graph, place: int) -> Graph:
    best, least, slabs_now = graph, plan(graph).arena_bytes, 1
    for count in _COUNTS:
        if count > graph.tensors[graph.ops[place - 1].output].hwc[0]:
            break
        split = _split(graph, place, count)
        needed = plan(split).arena_bytes
        if needed + _WORTH * (count - slabs_now) <= least:
            best, least, slabs_now = split, needed, count
    return best


def _splittable(graph: Graph, place: int) -> bool:
    """One row of results, from all of what the operator before it computes, which nobody else reads."""
    op = graph.ops[place]
    before = graph.ops[place - 1] if place else None
    if not isinstance(op, FullyConnected) or not isinstance(before, Conv2D | AveragePool2D):
        return False
    x, y = graph.tensors[before.output], graph.tensors[op.input]
    mates = [t for t in graph.tensors.values() if t.storage == x.storage]
    readers = [other for other in graph.ops if any(graph.tensors[t].storage == x.storage for t in other.inputs)]
    return (
        not isinstance(op, FullyConnectedPart)
        and 4 * len(op.bias) <= _LONGEST
        and (x.storage, x.at, x.count) == (y.storage, 0, y.count)
        and op.weights.shape[1] == x.count
        and x.fill is None
        and all(t.at == 0 and t.count == x.count for t in mates)
        and len(readers) == 1
        and len(graph.tensors[before.input].shape) == 4
        and x.hwc[0] == x.shape[1]
        and x.storage not in (graph.tensors[graph.input].storage, graph.tensors[graph.output].storage)
    )


def _split(graph: Graph, place: int, count: int) -> Graph:
    source, layer = graph.ops[place - 1], graph.ops[place]
    assert isinstance(source, Conv2D | AveragePool2D)
    assert isinstance(layer, FullyConnected)
    tensors = dict(graph.tensors)
    number = max(tensors) + 1
    y = graph.tensors[source.output]
    rows, _, _ = y.hwc
    row = y.count // rows
    units = len(layer.bias)
    sums = number
    tensors[sums] = Tensor(f"{y.name} sums", (1, 4 * units), "int8", 1.0, 0, sums)
    ops: list[Op] = []
    edges = [rows * i // count for i in range(count + 1)]
    for i, (first, last) in enumerate(pairwise(edges)):
        part, slab = number + 1, number + 2
        number += 2
        view, top = _rows_read(graph.tensors[source.input], source, first, last)
        tensors[part] = view
        tensors[slab] = replace(y, shape=(1, last - first, *y.shape[2:]), storage=slab, origin=None)
        ops.append(replace(source, inputs=(part,), output=slab, pad=(top, source.pad[1])))
        final = i == count - 1
        which = Part.LAST if final else Part.MIDDLE if i else Part.FIRST
        ops.append(
            FullyConnectedPart(
                layer.index,
                (slab,) if which is Part.FIRST else (slab, sums),
                layer.output if final else sums,
                weights=np.ascontiguousarray(layer.weights[:, first * row : last * row]),
                bias=layer.bias,
                requant=layer.requant,
                act=layer.act,
                part=which,
            )
        )
    return graph.with_ops((*graph.ops[: place - 1], *ops, *graph.ops[place + 1 :]), tensors)


def _rows_read(x: Tensor, op: Conv2D | AveragePool2D, first: int, last: int) -> tuple[Tensor, int]:
    """The input rows that output rows first..last-1 look at, and the padding above them."""
    dilation = op.dilation[0] if isinstance(op, Conv2D) else 1
    rows = x.shape[1]
    row = x.count // rows
    begin = first * op.stride[0] - op.pad[0]
    end = (last - 1) * op.stride[0] - op.pad[0] + (op.kernel[0] - 1) * dilation + 1
    low, high = max(begin, 0), min(end, rows)
    view = replace(x, shape=(1, high - low, *x.shape[2:]), at=x.at + low * row, origin=None)
    return view, low - begin
