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
from tinywake.compiler.tflite.operators.convolutions import convolve, kernel_of

__all__ = ["READERS"]

_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D")
_SHAPES = ("EXPAND_DIMS", "RESHAPE", "SQUEEZE")


def _readers(net: Network, op: Operator) -> list[Operator]:
    """The operators that read this one's output: all stand behind it, and it is not the network's."""
    readers = net.readers.get(net.target(op), [])
    if not readers or net.target(op) in net.file.subgraphs[0].outputs or any(r.index <= op.index for r in readers):
        raise Problem("is not followed by a convolution; use dilation_rate in a convolution, or batch size 1")
    return readers


def _convolutions(net: Network, op: Operator) -> list[tuple[Operator, list[Operator]]]:
    """The convolutions that read this operator's output, in any shape, each with the operators up to it."""
    found = []
    for reader in _readers(net, op):
        if reader.name in _SHAPES:
            found += [(convolution, [reader, *taken]) for convolution, taken in _convolutions(net, reader)]
        elif reader.name in _WEIGHTED:
            found.append((reader, [reader]))
        else:
            raise Problem(f"is followed by {reader.name}, not by a convolution; use batch size 1")
    return found


def _end(net: Network, convolution: Operator) -> tuple[Operator, list[Operator]]:
    """The BATCH_TO_SPACE_ND behind a convolution, with the operators up to it: each the only reader of its input."""
    taken = [convolution]
    while taken[-1] is convolution or taken[-1].name in _SHAPES:
        readers = _readers(net, taken[-1])
        if len(readers) != 1:
            raise Problem("has a convolution that several operators read; use batch size 1")
        taken.append(readers[0])
    if taken[-1].name != "BATCH_TO_SPACE_ND":
        raise Problem(f"its convolution is followed by {taken[-1].name}, not by BATCH_TO_SPACE_ND; use batch size 1")
    return taken[-1], taken


def _space_to_batch(net: Network, op: Operator) -> None:
    """Each convolution that reads the batches becomes one that reads their source."""
    for convolution, taken in _convolutions(net, op):
        end, more = _end(net, convolution)
        net.read_already |= {o.index for o in (*taken, *more)}
        _fold(net, op, convolution, end)


def _fold(net: Network, op: Operator, convolution: Operator, end: Operator) -> None:
    x, y = net.input(op), net.output(end)
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
    plain = len(a.shape) == len(b.shape) == axes + 2 and a.shape[0] == b.shape[0] == 1
    if not plain or not 1 <= min(block) <= max(block) <= 255:
        raise Problem(f"of shape {list(a.shape)} with block {block}; use batch size 1")
    weights, _ = kernel_of(net, convolution, 4)
    options = [convolution.option(o) for o in ("StrideH", "StrideW", "DilationHFactor", "DilationWFactor")]
    kernel = weights.shape[1:3]
    if options != [1, 1, 1, 1] or (axes == 1 and kernel[0] != 1) or _padded(convolution, kernel):
        raise Problem("has a convolution with stride, dilation or padding of its own; use batch size 1")
    lost = [(k - 1) * d for k, d in zip(kernel[2 - axes :], block, strict=True)]
    for axis in range(axes):
        whole = a.shape[1 + axis] + sum(pads[2 * axis : 2 * axis + 2])
        left = whole - lost[axis] - sum(crops[2 * axis : 2 * axis + 2])
        if (
            whole % block[axis]
            or left != b.shape[1 + axis]
            or min(pads + crops) < 0
            or pads[2 * axis] < crops[2 * axis]
        ):
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
