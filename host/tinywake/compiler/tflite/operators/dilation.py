# SPDX-License-Identifier: MIT
"""SPACE_TO_BATCH_ND, a convolution, BATCH_TO_SPACE_ND: how a dilated Keras layer without a batch size is written.

Every block-th element goes into a batch of its own, each batch is convolved, and the results are woven together: that
is the convolution with the block as dilation. The border that SPACE_TO_BATCH_ND puts around is zero, as a
convolution's own padding is, and the crops of BATCH_TO_SPACE_ND move its window.
"""

from __future__ import annotations

from tinywake.compiler.graph import Reshape
from tinywake.compiler.tflite.flatbuffer import Operator
from tinywake.compiler.tflite.network import Network, Problem
from tinywake.compiler.tflite.operators.convolutions import convolve

__all__ = ["READERS"]

_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D")
_SHAPES = ("EXPAND_DIMS", "RESHAPE", "SQUEEZE")


def _follower(net: Network, op: Operator) -> Operator:
    """The one operator that reads this one's output."""
    readers = net.readers.get(net.target(op), [])
    if len(readers) != 1 or net.target(op) in net.file.subgraphs[0].outputs:
        raise Problem("is not followed by one convolution; use dilation_rate in a convolution, or batch size 1")
    return readers[0]


def _chain(net: Network, op: Operator) -> tuple[Operator, Operator, list[Operator]]:
    """The convolution, the BATCH_TO_SPACE_ND, and all that stands between SPACE_TO_BATCH_ND and its end."""
    taken = [_follower(net, op)]
    while taken[-1].name in _SHAPES:
        taken.append(_follower(net, taken[-1]))
    convolution = taken[-1]
    if convolution.name not in _WEIGHTED:
        raise Problem(f"is followed by {convolution.name}, not by a convolution; use batch size 1")
    taken.append(_follower(net, convolution))
    while taken[-1].name in _SHAPES:
        taken.append(_follower(net, taken[-1]))
    if taken[-1].name != "BATCH_TO_SPACE_ND":
        raise Problem(f"its convolution is followed by {taken[-1].name}, not by BATCH_TO_SPACE_ND; use batch size 1")
    return convolution, taken[-1], taken


def _space_to_batch(net: Network, op: Operator) -> None:
    x = net.input(op)
    convolution, end, taken = _chain(net, op)
    net.read_already |= {o.index for o in taken}
    y = net.output(end)
    a, b = net.tensors[x], net.tensors[y]
    split, joined = net.declared(net.target(op)), net.declared(net.value(end, 0))
    net.same(a, split)
    net.same(b, joined)
    net.same(split, net.declared(net.value(convolution, 0)))
    net.same(joined, net.declared(net.target(convolution)))
    block, pads, crops = net.numbers(op, 1), net.numbers(op, 2), net.numbers(end, 2)
    axes = len(block)
    if net.numbers(end, 1) != block or len(pads) != 2 * axes or len(crops) != 2 * axes or axes not in (1, 2):
        raise Problem("does not match its BATCH_TO_SPACE_ND; use batch size 1")
    if len(a.shape) != axes + 2 or len(b.shape) != axes + 2 or a.shape[0] != 1 or min(block) < 1:
        raise Problem(f"of shape {list(a.shape)} with block {block}; use batch size 1")
    weights = net.constants.get(net.value(convolution, 1))
    if weights is None or weights.ndim != 4:
        raise Problem("has a convolution without constant weights; use batch size 1")
    options = [convolution.option(o) for o in ("StrideH", "StrideW", "DilationHFactor", "DilationWFactor")]
    kernel = weights.shape[1:3]
    if options != [1, 1, 1, 1] or (axes == 1 and kernel[0] != 1) or _padded(convolution, kernel):
        raise Problem("has a convolution with stride, dilation or padding of its own; use batch size 1")
    lost = [(k - 1) * d for k, d in zip(kernel[2 - axes :], block, strict=True)]
    for axis in range(axes):
        whole = a.shape[1 + axis] + sum(pads[2 * axis : 2 * axis + 2])
        left = whole - lost[axis] - sum(crops[2 * axis : 2 * axis + 2])
        if whole % block[axis] or left != b.shape[1 + axis] or pads[2 * axis] < crops[2 * axis]:
            raise Problem(f"turns shape {list(a.shape)} into {list(b.shape)}; use batch size 1")
    before = [p - c for p, c in zip(pads[::2], crops[::2], strict=True)]
    front = (1, 1) if axes == 1 else (1,)
    source = net.view(op, x, (*front, *a.shape[1:]))
    shape = (*front, *b.shape[1:])
    result = y if shape == b.shape else net.new(y, shape)
    dilation, pad = ([1, *block], [0, *before]) if axes == 1 else (block, before)
    frame = (1, 1), (pad[0], pad[1]), (dilation[0], dilation[1])
    convolve(net, convolution, source, result, frame, weights)
    if result != y:
        net.emit(Reshape(end.index, (result,), y))


def _padded(convolution: Operator, kernel: tuple[int, ...]) -> bool:
    """Whether the convolution itself adds a border: SAME is VALID for a kernel of 1."""
    return bool(convolution.option("Padding") == 0 and kernel != (1, 1))


READERS = {"SPACE_TO_BATCH_ND": _space_to_batch}
