# SPDX-License-Identifier: MIT
"""How far an operator's output may overtake an input that it consumes.

Operators compute their output in ascending order (models/SPEC.md, TENSORS), so the beginning of an input is done with
while its end is still to be read, and the output may be written there. Let a unit be what a kernel finishes before it
goes on: a pixel with all its channels, a row of a matrix, an element, a run of a copy. Unit p needs input bytes from
first(p) to last(p) and has, once done, written the output up to written(p). With the output d bytes behind the input,
what is written by unit p lies below all that unit p and its successors need if

    d + written(p) <= min over q >= p of first(q)      for every p,

or the output begins behind everything that is ever needed: d >= max over p of last(p). Units that read all they need
before they write (elements, runs, the rows of SOFTMAX) may replace themselves: for them the minimum is over q > p.
Between the two lies an interval of distances that destroy something, and this is what this module computes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.graph import (
    Add,
    AveragePool2D,
    Conv2D,
    Copy,
    FullyConnected,
    Graph,
    Mean,
    Mul,
    Op,
    Softmax,
    Table,
    Tensor,
)

__all__ = ["Reach", "reach"]

_NEVER = 1 << 40  # the first byte needed by a unit that needs none
_Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Reach:
    """The output may begin at most `below` bytes behind the input's begin (negative: before it), or at least `above`.

    Neither can be had closer: one byte from them towards the other, something that is still needed is destroyed.
    """

    below: int
    above: int


def reach(graph: Graph, op: Op, number: int) -> Reach:
    """Where the output may lie relative to input `number`, which nobody needs after the operator."""
    x, y = graph.tensors[op.inputs[number]], graph.tensors[op.output]
    match op:
        case Conv2D():
            return _windows(x, y, op.kernel, op.stride, op.pad, op.dilation)
        case AveragePool2D():
            return _windows(x, y, op.kernel, op.stride, op.pad, (1, 1))
        case FullyConnected():
            h, w, _ = y.hwc
            return _rows(h * w, x.count, y.count)
        case Mean():
            return _rows(x.hwc[0], x.count, y.count)
        case Softmax():
            return Reach(0, x.count)
        case Table():
            return _elements(x.hwc, x.hwc)
        case Add() | Mul():
            return _elements(x.hwc, y.hwc)
        case Copy():
            return _copy(op, y)
        case _:
            return Reach(-y.count, x.count)


def _ascending(first: _Ints, last: _Ints, written: _Ints) -> Reach:
    """Of units that may not touch what they themselves need."""
    from_here_on = np.minimum.accumulate(first[::-1])[::-1]
    above = int(last.max())
    return Reach(min(int((from_here_on - written).min()), above), above)


def _rows(rows: int, x: int, y: int) -> Reach:
    row = np.arange(rows, dtype=np.int64)
    return _ascending(row * (x // rows), (row + 1) * (x // rows), (row + 1) * (y // rows))


def _windows(
    x: Tensor,
    y: Tensor,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int],
    dilation: tuple[int, int],
) -> Reach:
    (h, w, c), (out_h, out_w, out_c) = x.hwc, y.hwc
    top, bottom = _taps(h, out_h, kernel[0], stride[0], pad[0], dilation[0])
    left, right = _taps(w, out_w, kernel[1], stride[1], pad[1], dilation[1])
    some = ((top <= bottom)[:, None] & (left <= right)[None, :]).ravel()
    first = ((top * w)[:, None] + left[None, :]).ravel() * c
    last = ((bottom * w)[:, None] + right[None, :] + 1).ravel() * c
    written = np.arange(1, out_h * out_w + 1, dtype=np.int64) * out_c
    return _ascending(np.where(some, first, _NEVER), np.where(some, last, 0), written)


def _taps(size: int, out: int, kernel: int, stride: int, pad: int, dilation: int) -> tuple[_Ints, _Ints]:
    """Along one axis, for every output: the first and last position inside the input that it reads."""
    start = np.arange(out, dtype=np.int64) * stride - pad
    skipped = -(np.minimum(start, 0) // dilation)  # taps before the input, rounded up
    final = np.minimum(kernel - 1, (size - 1 - start) // dilation)
    return start + skipped * dilation, start + final * dilation


def _elements(x: tuple[int, ...], y: tuple[int, ...]) -> Reach:
    """Single elements, those of the input repeated along the axes where it has one."""
    source = np.broadcast_to(np.arange(math.prod(x), dtype=np.int64).reshape(x), y).ravel()
    return _runs(source, np.arange(len(source), dtype=np.int64), 1)


def _copy(op: Copy, y: Tensor) -> Reach:
    steps = np.indices(op.counts, dtype=np.int64).reshape(3, -1)
    source = np.array(op.in_strides, dtype=np.int64) @ steps + op.in_offset
    sink = np.array(op.out_strides, dtype=np.int64) @ steps + op.out_offset
    if op.fill is not None:  # all of the output is written before anything is read
        return Reach(int(source.min()) - y.count, int(source.max()) + op.run)
    return _runs(source, sink, op.run)


def _runs(source: _Ints, sink: _Ints, run: int) -> Reach:
    """Of units that read and write `run` bytes each: what the later ones read is in danger."""
    if len(source) == 1:
        return Reach(0, 0)
    highest, lowest = np.maximum.accumulate(sink)[:-1], np.minimum.accumulate(sink)[:-1]
    return Reach(int((source[1:] - highest).min()) - run, int((source[1:] - lowest).max()) + run)
