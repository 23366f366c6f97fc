# SPDX-License-Identifier: MIT
"""Operators that keep every element: other shapes, orders and borders."""

from __future__ import annotations

from tinywake.compiler.graph import Pad, Reshape, Transpose
from tinywake.compiler.tflite.flatbuffer import Operator
from tinywake.compiler.tflite.network import MOVABLE, Network, Problem

__all__ = ["READERS"]


def _reshape(net: Network, op: Operator) -> None:
    x = net.input(op, types=MOVABLE)
    y = net.moved(op, x)
    if net.tensors[x].count != net.tensors[y].count:
        raise Problem(
            f"turns shape {list(net.tensors[x].shape)} into {list(net.tensors[y].shape)}, another number of elements; "
            "export with a fixed shape and batch size 1"
        )
    net.emit(Reshape(op.index, (x,), y))


def _permute(net: Network, op: Operator, x: int, y: int, order: tuple[int, ...]) -> None:
    """A Transpose, or a Reshape where no element moves."""
    shape = net.tensors[x].shape
    moving = [axis for axis in order if shape[axis] > 1]
    if moving == sorted(moving):
        net.emit(Reshape(op.index, (x,), y))
    else:
        net.emit(Transpose(op.index, (x,), y, order))


def _transpose(net: Network, op: Operator) -> None:
    x = net.input(op, types=MOVABLE)
    y = net.moved(op, x)
    a, b = net.tensors[x], net.tensors[y]
    order = tuple(net.axis(axis, len(a.shape)) for axis in net.numbers(op, 1))
    if sorted(order) != list(range(len(a.shape))) or b.shape != tuple(a.shape[axis] for axis in order):
        raise Problem(f"turns shape {list(a.shape)} into {list(b.shape)} with order {list(order)}; export it again")
    _permute(net, op, x, y, order)


def _depth(net: Network, op: Operator) -> None:
    """SPACE_TO_DEPTH and DEPTH_TO_SPACE: a transposition of six dimensions."""
    x = net.input(op, types=MOVABLE)
    y = net.moved(op, x)
    a, b, block = net.tensors[x].shape, net.tensors[y].shape, op.option("BlockSize")
    narrow, wide = (b, a) if op.name == "SPACE_TO_DEPTH" else (a, b)
    if len(a) != 4 or len(b) != 4 or block < 1:
        raise Problem(f"of shape {list(a)} with block {block}; export it again")
    n, h, w, c = narrow[0], narrow[1], narrow[2], wide[3]
    if wide != (n, h * block, w * block, c) or narrow[3] != c * block * block:
        raise Problem(f"turns shape {list(a)} into {list(b)} with block {block}; export it again")
    split = (n, h, block, w, block, c) if op.name == "SPACE_TO_DEPTH" else (n, h, w, block, block, c)
    source = net.view(op, x, split)
    turned = net.new(source, tuple(split[axis] for axis in (0, 1, 3, 2, 4, 5)))
    _permute(net, op, source, turned, (0, 1, 3, 2, 4, 5))
    net.emit(Reshape(op.index, (turned,), y))


def _pad(net: Network, op: Operator) -> None:
    x = net.input(op)
    y = net.moved(op, x)
    a, b, amounts = net.tensors[x], net.tensors[y], net.numbers(op, 1)
    before, after = amounts[::2], amounts[1::2]
    expected = tuple(n + p + q for n, p, q in zip(a.shape, before, after, strict=False))
    if len(amounts) != 2 * len(a.shape) or min(amounts) < 0 or b.shape != expected:
        raise Problem(f"turns shape {list(a.shape)} into {list(b.shape)} with paddings {amounts}; export it again")
    value = b.zero_point
    if len(op.inputs) > 2 and op.inputs[2] >= 0:
        border = net.tensors[net.input(op, 2)]
        net.same(border, b)
        if border.data is None or border.count != 1:
            raise Problem(f"the border {border.name!r} must be one constant")
        value = int(border.data.flat[0])
    if any(amounts):
        net.emit(Pad(op.index, (x,), y, tuple(before), value))
    else:
        net.emit(Reshape(op.index, (x,), y))


READERS = {
    "RESHAPE": _reshape,
    "EXPAND_DIMS": _reshape,
    "SQUEEZE": _reshape,
    "TRANSPOSE": _transpose,
    "SPACE_TO_DEPTH": _depth,
    "DEPTH_TO_SPACE": _depth,
    "PAD": _pad,
    "PADV2": _pad,
}
