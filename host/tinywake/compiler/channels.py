# SPDX-License-Identifier: MIT
"""Channels of zeros, where a depthwise convolution has a number of them that its fast kernel does not take.

On armv6m four channels are computed at a time, from whole words; any other number falls to the reference kernel, which
takes five times as long. What lies between the operators that make such channels and those that read them gets some
more: the makers' weights and biases for them are zeros, whatever comes of that is read with zero weights, and so the
others' values are what they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.graph import (
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    FullyConnectedPart,
    Graph,
    Mean,
    Mul,
    Op,
    Requant,
    StatePush,
    Table,
    Tensor,
)
from tinywake.compiler.twm.filters import bounded

__all__ = ["Widened", "group_of", "widenings"]

_WORD = 4  # channels
# Cycles on a Cortex-M0+, counted in rp2040js with 2 to 50 channels and 2 to 21 taps: what the reference kernel takes
# beyond the fast one for an output and for a tap, and a state that is moved on by bytes beyond one that is by words, a
# byte; and what one more multiplication and one more output take elsewhere, at the most.
_SLOW_OUTPUT, _SLOW_TAP, _MOVED_BYTE, _MAC, _OUTPUT = 190, 100, 7, 4, 40


@dataclass(frozen=True)
class Widened:
    """A graph with more channels than the one before it, and the reason for people."""

    graph: Graph
    why: str


def widenings(graph: Graph) -> Iterator[Widened]:
    """Every way in which the graph's first slow depthwise convolution, or the next one, becomes a fast one."""
    for op in graph.ops:
        channels = graph.tensors[op.input].hwc[2]
        if not isinstance(op, DepthwiseConv2D) or not _slow(graph, op, channels):
            continue
        group = group_of(graph, graph.tensors[op.input].storage, channels)
        if group is not None:
            to = -(-channels // _WORD) * _WORD
            wide = _wide(graph, group, channels, to)
            cycles = _cycles(graph, wide, group, channels)
            if cycles > 0:
                what = f"operator {op.index} {op.kind}: {channels} channels became {to}, the others zeros"
                yield Widened(wide, f"{what}: about {cycles:,} cycles fewer on armv6m")


def _slow(graph: Graph, op: DepthwiseConv2D, channels: int) -> bool:
    """Whether firmware/core/depthwise_armv6m.c leaves it to the reference kernel for the number of its channels.

    A single channel is a convolution, and 3 x 3 taps are computed channel by channel.
    """
    h, w, c = graph.tensors[op.output].hwc
    planes = (op.kernel, op.stride, op.dilation) == ((3, 3), (1, 1), (1, 1)) and h > 1 and w > 1
    words = channels % _WORD == 0 or channels == 1
    return c == channels and not words and not planes and bounded(op, graph.tensors[op.input].zero_point)


def group_of(graph: Graph, start: int, channels: int) -> set[int] | None:
    """The storages that have the same channels as `start`, or None where one of them must stay as it is."""
    group, todo = {start}, [start]
    kept = {graph.tensors[number].storage for number in (graph.input, graph.output)}
    while todo:
        storage = todo.pop()
        views = [t for t in graph.tensors.values() if t.storage == storage]
        if storage in kept or not all(_plain(t, views[0].count, channels) for t in views):
            return None
        for op in graph.ops:
            touched = {graph.tensors[number].storage for number in (*op.inputs, op.output)}
            if storage not in touched:
                continue
            joined = _joined(graph, op, channels)
            if joined is None or not (joined or _filters(graph, op, group, channels)):
                return None
            todo += sorted(joined - group)
            group |= joined
    return group


def _plain(tensor: Tensor, count: int, channels: int) -> bool:
    return tensor.data is None and (tensor.at, tensor.count) == (0, count) and tensor.shape[-1] % channels == 0


def _joined(graph: Graph, op: Op, channels: int) -> set[int] | None:
    """The storages that have as many channels because of the operator: none of a filter's; None: it cannot be said."""
    tensors = [graph.tensors[number] for number in (*op.inputs, op.output)]
    match op:
        case DepthwiseConv2D() | AveragePool2D() | Mean():
            same = all(t.hwc[2] == channels for t in tensors)
        case StatePush() | Table():
            same = True
        case Add() | Mul():
            same = len({t.shape for t in tensors}) == 1
        case FullyConnectedPart():
            return None
        case Conv2D() | FullyConnected():
            return set()
        case _:
            return None
    return {t.storage for t in tensors} if same else None


def _filters(graph: Graph, op: Op, group: set[int], channels: int) -> bool:
    """Whether rows of weights can be left out or lengthened: they begin and end with the channels."""
    assert isinstance(op, Conv2D | FullyConnected)
    x, y = graph.tensors[op.input], graph.tensors[op.output]
    depth = int(op.weights.shape[-1])
    reads = depth % channels == 0 if isinstance(op, FullyConnected) else depth == channels
    return (x.storage not in group or reads) and (y.storage not in group or len(op.weights) == channels)


def _wide(graph: Graph, group: set[int], channels: int, to: int) -> Graph:
    """The graph with `to` channels in the group."""
    tensors = {
        number: replace(t, shape=(*t.shape[:-1], t.shape[-1] // channels * to)) if t.storage in group else t
        for number, t in graph.tensors.items()
    }

    def wide(op: Op) -> Op:
        if isinstance(op, DepthwiseConv2D):
            inside = graph.tensors[op.output].storage in group
            return _more(op, to - channels, axis=3) if inside else op
        if isinstance(op, Conv2D | FullyConnected):
            if graph.tensors[op.input].storage in group:
                taps = op.weights.reshape(*op.weights.shape[:-1], -1, channels)
                lengthened = _padded(taps, to - channels, taps.ndim - 1)
                op = replace(op, weights=lengthened.reshape(*op.weights.shape[:-1], -1))
            if graph.tensors[op.output].storage in group:
                op = _more(op, to - channels, axis=0)
        return op

    return graph.with_ops(map(wide, graph.ops), tensors)


def _more(op: Conv2D | FullyConnected, count: int, axis: int) -> Op:
    """The filter with more outputs, of zero weights; they are requantised as the last one is."""
    requant = op.requant
    if len(requant.multiplier) > 1:
        requant = Requant(np.pad(requant.multiplier, (0, count), "edge"), np.pad(requant.shift, (0, count), "edge"))
    return replace(op, weights=_padded(op.weights, count, axis), bias=_padded(op.bias, count, 0), requant=requant)


def _padded(values: NDArray[Any], count: int, axis: int) -> NDArray[Any]:
    return np.pad(values, [(0, count if at == axis else 0) for at in range(values.ndim)])


def _cycles(graph: Graph, wide: Graph, group: set[int], channels: int) -> int:
    """What the wider graph saves: all that had to go byte by byte becomes quick, and there is more to do."""
    saved = 0
    for op in graph.ops:
        y = graph.tensors[op.output]
        if y.storage in group and isinstance(op, DepthwiseConv2D) and _slow(graph, op, channels):
            saved += y.count * _SLOW_OUTPUT + op.macs(graph) * _SLOW_TAP
        elif y.storage in group and isinstance(op, StatePush):
            saved += y.count * _MOVED_BYTE
        saved -= (wide.tensors[op.output].count - y.count) * _OUTPUT
    return saved - (wide.macs() - graph.macs()) * _MAC
