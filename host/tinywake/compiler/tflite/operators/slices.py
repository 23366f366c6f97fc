# SPDX-License-Identifier: MIT
"""Operators that take parts of a tensor or put parts together."""

from __future__ import annotations

import math

from tinywake.compiler.graph import Concat, Reshape, Slice
from tinywake.compiler.tflite.flatbuffer import Operator
from tinywake.compiler.tflite.folding import strided_index
from tinywake.compiler.tflite.network import MOVABLE, Network, Problem
from tinywake.compiler.tflite.operators import islands

__all__ = ["READERS"]

_MOST_REVERSED = 64  # a tensor is reversed by taking it apart


def _cut(net: Network, op: Operator, x: int, y: int, ranges: list[range]) -> None:
    """Emit what turns these indices along each axis of x into y, whose shape may have other axes of length 1."""
    a, b = net.tensors[x], net.tensors[y]
    shape = tuple(len(r) for r in ranges)
    if [n for n in shape if n != 1] != [n for n in b.shape if n != 1]:
        raise Problem(f"takes {list(shape)} of {list(a.shape)}, but output {b.name!r} has shape {list(b.shape)}")
    reversed_axes = [axis for axis, r in enumerate(ranges) if r.step < 0 and len(r) > 1]
    if math.prod(shape[axis] for axis in reversed_axes) > _MOST_REVERSED:
        raise Problem(f"takes {list(shape)} backwards, over {_MOST_REVERSED} parts; reverse the data instead")
    part = y if shape == b.shape else net.new(y, shape)
    if reversed_axes:
        axis, parts = reversed_axes[0], []
        for i in ranges[axis]:
            parts.append(net.new(y, (*shape[:axis], 1, *shape[axis + 1 :])))
            _cut(net, op, x, parts[-1], [*ranges[:axis], range(i, i + 1), *ranges[axis + 1 :]])
        net.emit(Concat(op.index, tuple(parts), part, axis))
    elif shape == a.shape:
        part = x
    else:
        step = tuple(r.step if len(r) > 1 else 1 for r in ranges)
        net.emit(Slice(op.index, (x,), part, tuple(r.start for r in ranges), step))
    if part != y:
        net.emit(Reshape(op.index, (part,), y))


def _strided_slice(net: Network, op: Operator) -> None:
    x = net.input(op, types=MOVABLE)
    y = net.moved(op, x)
    shape = net.tensors[x].shape
    index = list(strided_index(op, net.numbers(op, 1), net.numbers(op, 2), net.numbers(op, 3)))
    taken = sum(part is not None and part is not Ellipsis for part in index)
    if index.count(Ellipsis) > 1 or taken > len(shape):
        raise Problem(f"takes more axes than the {len(shape)} there are; export it again")
    if Ellipsis not in index:
        index.append(Ellipsis)
    at = index.index(Ellipsis)
    index[at : at + 1] = [slice(None)] * (len(shape) - taken)
    ranges: list[range] = []
    result: list[int] = []
    for part in index:
        if part is None:
            result.append(1)
            continue
        n = shape[len(ranges)]
        if isinstance(part, int):
            at = net.axis(part, n)
            ranges.append(range(at, at + 1))
            continue
        ranges.append(range(*part.indices(n)))
        result.append(len(ranges[-1]))
    if tuple(result) != net.tensors[y].shape or 0 in result:
        raise Problem(
            f"makes {result} of {list(shape)}, but output {net.tensors[y].name!r} has {list(net.tensors[y].shape)}"
        )
    _cut(net, op, x, y, ranges)


def _slice(net: Network, op: Operator) -> None:
    x = net.input(op, types=MOVABLE)
    y = net.moved(op, x)
    shape, begin, size = net.tensors[x].shape, net.numbers(op, 1), net.numbers(op, 2)
    if not len(begin) == len(size) == len(shape):
        raise Problem(f"has begin {begin}, size {size} for shape {list(shape)}; export it again")
    ranges = [range(b, n if s == -1 else b + s) for b, s, n in zip(begin, size, shape, strict=True)]
    if any(not 0 <= r.start < r.stop <= n for r, n in zip(ranges, shape, strict=True)):
        raise Problem(f"begin {begin}, size {size} lie outside shape {list(shape)}; export it again")
    _cut(net, op, x, y, ranges)


def _parts(net: Network, op: Operator, x: int, axis: int, sizes: list[int]) -> None:
    """One slice for every output that anybody reads."""
    shape = net.tensors[x].shape
    if len(sizes) != len(op.outputs) or sum(sizes) != shape[axis] or min(sizes, default=0) < 1:
        raise Problem(f"divides axis {axis} of {list(shape)} into {sizes}; export it again")
    sink, at = net.file.subgraphs[0].outputs, 0
    for position, size in enumerate(sizes):
        if op.outputs[position] in net.readers or op.outputs[position] in sink:
            y = net.moved(op, x, position)
            _cut(net, op, x, y, [range(at, at + size) if i == axis else range(n) for i, n in enumerate(shape)])
        at += size


def _split(net: Network, op: Operator) -> None:
    net.target(op)
    versatile = op.name == "SPLIT_V"
    x = net.input(op, 0 if versatile else 1, MOVABLE)
    shape, where = net.tensors[x].shape, net.numbers(op, 2 if versatile else 0)
    axis = net.axis(where[0] if len(where) == 1 else len(shape), len(shape))
    if versatile:
        sizes = net.numbers(op, 1)
        if sizes.count(-1) == 1:
            sizes[sizes.index(-1)] = shape[axis] - sum(sizes) - 1
    else:
        sizes = [shape[axis] // len(op.outputs)] * len(op.outputs)
    _parts(net, op, x, axis, sizes)


def _unpack(net: Network, op: Operator) -> None:
    x = net.input(op, types=MOVABLE)
    axis = net.axis(op.option("Axis"), len(net.tensors[x].shape))
    _parts(net, op, x, axis, [1] * len(op.outputs))


def _join(net: Network, op: Operator, parts: list[int], axis: int) -> None:
    """Emit the concatenation of parts, whose shapes differ along `axis` only, into the operator's output."""
    first = net.tensors[parts[0]]
    for part in parts[1:]:
        shape = net.tensors[part].shape
        if len(first.shape) != len(shape) or any(
            n != m for i, (n, m) in enumerate(zip(first.shape, shape, strict=True)) if i != axis
        ):
            raise Problem(f"joins shapes {list(first.shape)} and {list(shape)} along axis {axis}; export it again")
    if any(part in net.reals for part in parts):
        parts = islands.alike(net, op, parts)
    for part in parts:
        net.same(net.tensors[parts[0]], net.tensors[part])
    y = net.moved(op, parts[0])
    total = sum(net.tensors[part].shape[axis] for part in parts)
    if net.tensors[y].shape != (*first.shape[:axis], total, *first.shape[axis + 1 :]):
        raise Problem(f"output {net.tensors[y].name!r} has shape {list(net.tensors[y].shape)}; export it again")
    if len(parts) == 1:
        net.emit(Reshape(op.index, (parts[0],), y))
    else:
        net.emit(Concat(op.index, tuple(parts), y, axis))


def _concatenation(net: Network, op: Operator) -> None:
    if op.option("FusedActivationFunction"):
        raise Problem("has a fused activation; put it before the concatenation")
    parts = [net.input(op, i, MOVABLE) for i in range(max(len(op.inputs), 1))]
    _join(net, op, parts, net.axis(op.option("Axis"), len(net.tensors[parts[0]].shape)))


def _pack(net: Network, op: Operator) -> None:
    parts = [net.input(op, i, MOVABLE) for i in range(max(len(op.inputs), 1))]
    shapes = [net.tensors[part].shape for part in parts]
    axis = net.axis(op.option("Axis"), len(shapes[0]) + 1)
    if any(shape != shapes[0] for shape in shapes):
        raise Problem(f"stacks shapes {list(shapes[0])} and others; export it again")
    raised = (*shapes[0][:axis], 1, *shapes[0][axis:])
    _join(net, op, [net.view(op, part, raised) for part in parts], axis)


READERS = {
    "STRIDED_SLICE": _strided_slice,
    "SLICE": _slice,
    "SPLIT": _split,
    "SPLIT_V": _split,
    "UNPACK": _unpack,
    "CONCATENATION": _concatenation,
    "PACK": _pack,
}
