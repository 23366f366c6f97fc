# SPDX-License-Identifier: MIT
"""Convolutions of groups of channels: one after the other, each with channels and outputs of its own."""

from __future__ import annotations

from dataclasses import replace

from tinywake.compiler.graph import Concat, Conv2D, Graph, GroupedConv2D, Op, Requant, Slice, Tensor

__all__ = ["split_groups"]


def split_groups(graph: Graph) -> Graph:
    """Return an equivalent graph without GroupedConv2D.

    Where there is one row of one column, as in a streaming network, the parts are views and nothing is copied.
    """
    tensors = dict(graph.tensors)
    ops: list[Op] = []
    for op in graph.ops:
        ops.extend(_each(op, tensors) if isinstance(op, GroupedConv2D) else [op])
    return graph.with_ops(ops, tensors)


def _each(whole: GroupedConv2D, tensors: dict[int, Tensor]) -> list[Op]:
    """The groups' channels, their convolutions, and the outputs together."""
    x, y = tensors[whole.input], tensors[whole.output]
    depth = whole.weights.shape[3]
    groups = x.shape[3] // depth
    units = y.shape[3] // groups
    ops: list[Op] = []
    parts = []
    for group in range(groups):
        part, result = (_new(tensors, like, width) for like, width in ((x, depth), (y, units)))
        own = slice(group * units, (group + 1) * units)
        requant = Requant(whole.requant.multiplier[own], whole.requant.shift[own])
        ops.append(Slice(whole.index, (whole.input,), part, (0, 0, 0, group * depth), (1, 1, 1, 1)))
        ops.append(Conv2D(
            whole.index, (part,), result, whole.weights[own], whole.bias[own], requant, whole.stride, whole.pad,
            whole.dilation, whole.act))  # fmt: skip
        parts.append(result)
    return [*ops, Concat(whole.index, tuple(parts), whole.output, axis=3)]


def _new(tensors: dict[int, Tensor], like: Tensor, channels: int) -> int:
    """The number of a tensor with so many channels, in storage of its own."""
    number = max(tensors) + 1
    shape = (*like.shape[:3], channels)
    tensors[number] = replace(like, shape=shape, storage=number, fill=None, at=0, data=None, origin=None)
    return number
