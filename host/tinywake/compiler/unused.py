# SPDX-License-Identifier: MIT
"""What has no use: operators whose results nobody reads, and channels that pruning has left.

A channel whose readers all have zero weights for it leaves. So does one that is made of zero weights: it is the same
number whatever comes in, and what its readers make of that goes into their biases. No value of the others changes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.channels import group_of
from tinywake.compiler.graph import Conv2D, DepthwiseConv2D, FullyConnected, FullyConnectedPart, Graph, Op, Requant
from tinywake.compiler.tflite.fixed import multiply

__all__ = ["remove_dead", "remove_unused"]

_Filter = Conv2D | FullyConnected
_LARGEST = (1 << 31) - 1  # of a bias


def remove_dead(graph: Graph) -> Graph:
    """Return the graph without operators that affect neither the output nor the state that another operator reads."""
    tensors = graph.tensors
    wanted = {tensors[graph.output].storage}
    kept = set(range(len(graph.ops)))
    while True:
        # From the end on; once more as long as state, which is read in the next invoke, has made something wanted.
        before = set(wanted)
        kept = set()
        for place in range(len(graph.ops) - 1, -1, -1):
            op = graph.ops[place]
            if tensors[op.output].storage in wanted:
                kept.add(place)
                wanted.update(tensors[t].storage for t in op.inputs)
        if wanted == before:
            break
    return graph.with_ops(op for place, op in enumerate(graph.ops) if place in kept)


def remove_unused(graph: Graph) -> Graph:
    """The graph without channels of no use; its input and output keep theirs, and one channel stays in any case."""
    for op in graph.ops:
        channels = graph.tensors[op.output].hwc[2]
        if not _mixes(op) or channels == 1:
            continue
        group = group_of(graph, graph.tensors[op.output].storage, channels)
        if group is None:
            continue
        constants = _constants(graph, group, channels)
        keep = _read(graph, group, channels) & ~_made_of_zeros(graph, group, constants, channels)
        keep[0] |= not keep.any()
        biased = _biased(graph, group, constants, keep) if not keep.all() else None
        if biased is not None:
            return remove_unused(_narrow(biased, group, channels, np.flatnonzero(keep)))
    return graph


def _mixes(op: Op) -> bool:
    """Whether every output depends on all channels that come in."""
    return isinstance(op, _Filter) and not isinstance(op, DepthwiseConv2D | FullyConnectedPart)


def _read(graph: Graph, group: set[int], channels: int) -> NDArray[np.bool_]:
    """For each channel whether an operator outside the group makes something of it."""
    read = np.zeros(channels, bool)
    for op in _readers(graph, group):
        read |= (op.weights.reshape(-1, channels) != 0).any(axis=0)
    return read


def _readers(graph: Graph, group: set[int]) -> list[_Filter]:
    return [
        op for op in graph.ops if isinstance(op, _Filter) and _mixes(op) and graph.tensors[op.input].storage in group
    ]


def _constants(graph: Graph, group: set[int], channels: int) -> dict[int, NDArray[np.int64]] | None:
    """What a channel of zero weights holds in each storage of the group, [channels]; None: it cannot be said.

    It can where one convolution makes the channels and all that follows is unpadded convolutions.
    """
    made = [op for op in graph.ops if graph.tensors[op.output].storage in group]
    first, *others = made
    if not isinstance(first, _Filter) or not _mixes(first) or any(t.fill is not None for t in _tensors(graph, group)):
        return None
    found = {graph.tensors[first.output].storage: _requantised(graph, first, first.bias.astype(np.int64))}
    for op in others:
        source = graph.tensors[op.inputs[0]]
        if not isinstance(op, DepthwiseConv2D) or _padded(graph, op) or source.storage not in found:
            return None
        taps = op.weights.reshape(-1, channels).astype(np.int64).sum(axis=0)
        total = op.bias + taps * (found[source.storage] - source.zero_point)
        found[graph.tensors[op.output].storage] = _requantised(graph, op, total)
    padded = any(isinstance(op, Conv2D) and _padded(graph, op) for op in _readers(graph, group))
    return None if padded else found


def _tensors(graph: Graph, group: set[int]) -> list[Any]:
    return [tensor for tensor in graph.tensors.values() if tensor.storage in group]


def _padded(graph: Graph, op: Conv2D) -> bool:
    """Whether some window reaches beyond the input."""
    sizes, outs = graph.tensors[op.input].hwc[:2], graph.tensors[op.output].hwc[:2]
    ends = [(o - 1) * s + (k - 1) * d + 1 for o, s, k, d in zip(outs, op.stride, op.kernel, op.dilation, strict=True)]
    return op.pad != (0, 0) or any(end > size for end, size in zip(ends, sizes, strict=True))


def _requantised(graph: Graph, op: _Filter, total: NDArray[np.int64]) -> NDArray[np.int64]:
    scaled = multiply(total, op.requant.multiplier.astype(np.int64), op.requant.shift.astype(np.int64))
    return np.clip(scaled + graph.tensors[op.output].zero_point, *op.act)


def _made_of_zeros(
    graph: Graph, group: set[int], constants: dict[int, NDArray[np.int64]] | None, channels: int
) -> NDArray[np.bool_]:
    """For each channel whether it is one of ``constants``."""
    if constants is None:
        return np.zeros(channels, bool)
    maker = next(op for op in graph.ops if graph.tensors[op.output].storage in group)
    assert isinstance(maker, _Filter)
    return np.asarray((maker.weights.reshape(len(maker.weights), -1) == 0).all(axis=1), bool)


def _biased(
    graph: Graph, group: set[int], constants: dict[int, NDArray[np.int64]] | None, keep: NDArray[np.bool_]
) -> Graph | None:
    """The graph with what its readers make of the channels that leave in their biases; None: too much for one."""
    biases: dict[int, NDArray[np.int32]] = {}
    for op in _readers(graph, group) if constants else ():
        source = graph.tensors[op.input]
        rows = op.weights.reshape(len(op.weights), -1, len(keep)).astype(np.int64).sum(axis=1)
        held = np.where(keep, 0, constants[source.storage] - source.zero_point) if constants else 0
        bias = op.bias + (rows * held).sum(axis=1)
        if np.abs(bias).max() > _LARGEST:
            return None
        biases[op.output] = bias.astype(np.int32)
    return graph.with_ops(
        replace(op, bias=biases[op.output]) if isinstance(op, _Filter) and op.output in biases else op
        for op in graph.ops
    )


def _narrow(graph: Graph, group: set[int], channels: int, kept: NDArray[np.int64]) -> Graph:
    """The graph with only the channels `kept` of the group; its tensors are no longer the .tflite's."""
    tensors = {
        number: replace(t, shape=(*t.shape[:-1], t.shape[-1] // channels * len(kept)), origin=None)
        if t.storage in group
        else t
        for number, t in graph.tensors.items()
    }

    def narrow(op: Op) -> Op:
        if isinstance(op, DepthwiseConv2D):
            return _outputs(op, kept, axis=3) if graph.tensors[op.output].storage in group else op
        if isinstance(op, _Filter):
            if graph.tensors[op.input].storage in group:
                rows = op.weights.reshape(*op.weights.shape[:-1], -1, channels)[..., kept]
                op = replace(op, weights=np.ascontiguousarray(rows.reshape(*op.weights.shape[:-1], -1)))
            if graph.tensors[op.output].storage in group:
                op = _outputs(op, kept, axis=0)
        return op

    return graph.with_ops(map(narrow, graph.ops), tensors)


def _outputs(op: _Filter, kept: NDArray[np.int64], axis: int) -> _Filter:
    """The filter with only these outputs."""
    requant = op.requant
    if len(requant.multiplier) > 1:
        requant = Requant(requant.multiplier[kept], requant.shift[kept])
    weights = np.ascontiguousarray(np.take(op.weights, kept, axis=axis))
    return replace(op, weights=weights, bias=op.bias[kept], requant=requant)
