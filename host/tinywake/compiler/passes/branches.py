# SPDX-License-Identifier: MIT
"""Depthwise branches of several kernel sizes (MixConv) become one depthwise convolution.

micro-wake-word splits the channels, gives each group a kernel of its own over the last rows it needs, and puts the
groups together again: a split, slices and a concatenation that copy everything. With zero weights in front, every
kernel has the longest one's size and reads the same rows; a zero weight adds nothing, so the sum is the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tinywake.compiler.graph import Concat, DepthwiseConv2D, Graph, Op, Requant, Reshape, Slice

__all__ = ["merge_branches"]

_MOST_EXTRA = 2  # times the multiply-accumulates of the branches that zero weights may cost


def merge_branches(graph: Graph) -> Graph:
    """Return an equivalent graph in which such branches are one operator."""
    made = {op.output: op for op in graph.ops}
    ops = [(_merged(graph, made, op) if isinstance(op, Concat) and op.axis == 3 else None) or op for op in graph.ops]
    return graph.with_ops(ops)


@dataclass(frozen=True)
class _Branch:
    """A depthwise convolution on the part of `root` that begins at `begin` and has shape `size`."""

    conv: DepthwiseConv2D
    root: int
    begin: tuple[int, ...]
    size: tuple[int, ...]


def _branch(graph: Graph, made: dict[int, Op], tensor: int) -> _Branch | None:
    conv = made.get(tensor)
    if not isinstance(conv, DepthwiseConv2D) or tensor == graph.output:
        return None
    if sum(tensor in op.inputs for op in graph.ops) != 1:
        return None
    root = conv.input
    size = graph.tensors[root].shape
    begin = (0,) * len(size)
    while True:
        part = made.get(root)
        if isinstance(part, Slice) and set(part.step) == {1}:
            begin = tuple(a + b for a, b in zip(begin, part.begin, strict=True))
        elif not isinstance(part, Reshape) or graph.tensors[part.input].shape != graph.tensors[root].shape:
            break
        root = part.input
    return _Branch(conv, root, begin, size)


def _merged(graph: Graph, made: dict[int, Op], concat: Concat) -> Op | None:
    found = [_branch(graph, made, tensor) for tensor in concat.inputs]
    branches = [b for b in found if b is not None]
    if len(branches) != len(found) or len(branches) < 2 or not _alike(graph, concat, branches):
        return None
    first = branches[0].conv
    root = graph.tensors[branches[0].root].shape
    shifts, size = [], []
    for axis in (0, 1):
        offsets = _offsets(graph, branches, axis, root[1 + axis])
        if offsets is None:
            return None
        pad, places, length = offsets
        shifts.append((pad, places))
        size.append(length)
    channels = sum(b.conv.weights.shape[3] for b in branches)
    weights = np.zeros((1, size[0], size[1], channels), np.int8)
    at = 0
    for number, branch in enumerate(branches):
        _, kh, kw, c = branch.conv.weights.shape
        top, left = shifts[0][1][number], shifts[1][1][number]
        weights[0, top : top + kh, left : left + kw, at : at + c] = branch.conv.weights[0]
        at += c
    if weights.size > _MOST_EXTRA * sum(b.conv.weights.size for b in branches) or max(size) > 255:
        return None
    return replace(
        first,
        inputs=(branches[0].root,),
        output=concat.output,
        weights=weights,
        bias=np.concatenate([b.conv.bias for b in branches]),
        requant=Requant(
            np.concatenate([b.conv.requant.multiplier for b in branches]),
            np.concatenate([b.conv.requant.shift for b in branches]),
        ),
        pad=(shifts[0][0], shifts[1][0]),
    )


def _alike(graph: Graph, concat: Concat, branches: list[_Branch]) -> bool:
    """The branches read consecutive channels of one tensor, all of them, and write alike."""
    first = branches[0]
    y = graph.tensors[concat.output]
    channel = 0
    for branch in branches:
        out = graph.tensors[branch.conv.output]
        if (
            branch.root != first.root
            or len(branch.begin) != 4
            or branch.begin[3] != channel
            or branch.conv.weights.shape[3] != branch.size[3]
            or (branch.conv.stride, branch.conv.dilation, branch.conv.act)
            != (first.conv.stride, first.conv.dilation, first.conv.act)
            or out.shape[:3] != y.shape[:3]
            or (out.scale, out.zero_point) != (y.scale, y.zero_point)
        ):
            return False
        channel += branch.size[3]
    return channel == graph.tensors[first.root].shape[3]


def _offsets(graph: Graph, branches: list[_Branch], axis: int, rows: int) -> tuple[int, list[int], int] | None:
    """(padding, place of each branch's kernel in the merged one, merged size) along height (0) or width (1).

    Tap t of a branch reads row r * stride + begin - pad + t * dilation of the common input.
    """
    dilation = branches[0].conv.dilation[axis]
    starts = []
    for branch in branches:
        conv, begin, length = branch.conv, branch.begin[1 + axis], branch.size[1 + axis]
        out = graph.tensors[conv.output].shape[1 + axis]
        last = (out - 1) * conv.stride[axis] - conv.pad[axis] + (conv.kernel[axis] - 1) * dilation
        if (conv.pad[axis] or last >= length) and length != rows:
            return None  # its padding lies where the common input has rows
        starts.append(begin - conv.pad[axis])
    lowest = min(0, *starts)
    if any((start - lowest) % dilation for start in starts):
        return None
    places = [(start - lowest) // dilation for start in starts]
    size = max(place + branch.conv.kernel[axis] for place, branch in zip(places, branches, strict=True))
    return -lowest, places, size
