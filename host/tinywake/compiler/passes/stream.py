# SPDX-License-Identifier: MIT
"""Streaming: a network over a window becomes one that takes only the new frames.

Along time (the first axis after the batch; the second where the first is 1, as after Keras' Conv1D) every operator must
be VALID. Before an operator that looks at several rows,
the rows it will need again are kept in state (STATE_PUSH); the operator then computes only its new rows. From the first
full window on, the output of an invoke equals the whole-window network's on the last T frames, bit for bit: every value
is computed by the same operator from the same rows, only earlier.

For an operator with kernel k and stride s in time that turns R rows into R' = (R - k) // s + 1, whose input brings n
new rows an invoke: it computes m = min(n / s, R') rows from the last (m - 1) * s + k + r rows, where r = (R - k) % s
rows at the end of a window are left unused by VALID, so that the phase of the strides is the whole-window network's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from tinywake.compiler.graph import (
    AveragePool2D,
    Convolution,
    FullyConnected,
    Graph,
    Mean,
    Op,
    Softmax,
    StatePush,
    Table,
    Tensor,
)
from tinywake.errors import CompileError

__all__ = ["stream"]


def stream(graph: Graph, frames: int) -> Graph:
    """Rewrite a fused chain so that one invoke takes `frames` new frames (rows of its input).

    Raises CompileError, naming operator and reason, where the result could not be exact.
    """
    return _Streamer(graph, frames).run()


@dataclass(frozen=True)
class _Rows:
    """A value along time: `whole` rows in the whole-window network, `new` of them an invoke."""

    whole: int
    new: int
    tensor: int


class _Streamer:
    def __init__(self, graph: Graph, frames: int) -> None:
        self.graph = graph
        self.frames = frames
        self.tensors: dict[int, Tensor] = {}
        self.ops: list[Op] = []

    def run(self) -> Graph:
        source = self.graph.tensors[self.graph.input]
        whole = _as_rows(source.hwc)[0]
        if any(isinstance(op, StatePush) for op in self.graph.ops):
            raise CompileError("the network keeps state between invokes: it streams already; compile without --stream")
        if whole == 1:
            raise CompileError(
                f"its input {list(source.shape)} has no axis of time that --stream could cut; compile without --stream"
            )
        if not 1 <= self.frames <= whole:
            raise CompileError(f"--frames must be 1 to {whole}, the network's window, not {self.frames}")
        value = _Rows(whole, self.frames, self.add(source, (self.frames, *_as_rows(source.hwc)[1:])))
        start, storage, count = value.tensor, source.storage, source.count
        for op in self.graph.ops:
            x = self.graph.tensors[op.input]
            if len(op.inputs) != 1 or (x.storage, x.at, x.count) != (storage, 0, count):
                raise self.fail(op, "does not read its predecessor's output; only chains of operators are streamed")
            value = self.step(op, value)
            storage, count = self.graph.tensors[op.output].storage, self.graph.tensors[op.output].count
        sink = self.graph.tensors[self.graph.output]
        if value.whole != 1 or storage != sink.storage:
            raise CompileError(
                f"the output still has {value.whole} rows of time; end with a mean or a flatten over time"
            )
        last = self.tensors[value.tensor]
        end = len(self.tensors)
        self.tensors[end] = replace(last, shape=sink.shape, at=sink.at)
        return Graph(self.tensors, tuple(self.ops), start, end, -(-whole // self.frames) - 1)

    def fail(self, op: Op, why: str) -> CompileError:
        return CompileError(f"operator {op.index} {op.kind}: {why}; compile without --stream, or change the network")

    def add(self, like: Tensor, hwc: tuple[int, ...], fill: int | None = None, storage: int | None = None) -> int:
        """A new tensor with the quantisation of `like`, in storage of its own unless told otherwise."""
        number = len(self.tensors)
        place = number if storage is None else storage
        self.tensors[number] = replace(like, shape=(1, *hwc), fill=fill, storage=place, at=0, origin=None)
        return number

    def step(self, op: Op, x: _Rows) -> _Rows:
        if isinstance(op, Convolution | AveragePool2D):
            return self.windowed(op, x)
        if isinstance(op, Table | Softmax) or x.whole == 1:
            return self.per_row(op, x)
        if isinstance(op, FullyConnected):
            rows, _, depth = self.source(op, x)
            own_row = rows == x.whole and depth == op.weights.shape[1]
            return self.per_row(op, x) if own_row else self.collapse(op, x)
        if isinstance(op, Mean):
            own_row = self.graph.tensors[op.input].hwc[0] == x.whole
            return self.per_row(op, x) if own_row else self.collapse(op, x)
        raise self.fail(op, "cannot be streamed")

    def source(self, op: Op, x: _Rows) -> tuple[int, int, int]:
        """The operator's own view of its input, in the whole-window network: time first while there is any."""
        shape = self.graph.tensors[op.input].hwc
        return shape if x.whole == 1 else _as_rows(shape)

    def timed(self, op: Op, x: _Rows) -> tuple[int, int, int]:
        """The same, refused where a reshape has folded time into another axis."""
        shape = self.source(op, x)
        if x.whole > 1 and shape[0] != x.whole:
            shown = list(self.graph.tensors[op.input].shape)
            raise self.fail(op, f"sees {shown}, whose first axis is not the {x.whole} rows of time")
        return shape

    def windowed(self, op: Convolution | AveragePool2D, x: _Rows) -> _Rows:
        """Convolutions and pools: keep the rows that the kernel will need again."""
        source, sink = self.graph.tensors[op.input], self.graph.tensors[op.output]
        shape, out = source.hwc, sink.hwc
        if shape[0] != x.whole and shape[0] == 1 == out[0]:  # time stands where the width is: the same bytes, turned
            op, shape, out = _turned(op), (shape[1], 1, shape[2]), (out[1], 1, out[2])
        if shape[0] != x.whole:
            raise self.fail(op, f"sees {list(source.shape)}, whose first axis is not the {x.whole} rows of time")
        dilation = op.dilation[0] if isinstance(op, Convolution) else 1
        reach, stride = (op.kernel[0] - 1) * dilation + 1, op.stride[0]
        if op.pad[0] or out[0] != (x.whole - reach) // stride + 1:
            raise self.fail(op, "is padded along time (SAME); use VALID along time")
        if x.new % stride and out[0] > 1:
            raise self.fail(op, f"has stride {stride} in time but gets {x.new} new rows; use --frames with a multiple")
        new = min(max(x.new // stride, 1), out[0])
        rows = (new - 1) * stride + reach + (x.whole - reach) % stride
        tensor = self.remember(op, x, rows, shape)
        y = self.add(sink, (new, *out[1:]))
        self.ops.append(replace(op, inputs=(tensor,), output=y))
        return _Rows(out[0], new, y)

    def collapse(self, op: Op, x: _Rows) -> _Rows:
        """Operators over all of time: a mean, or a fully connected layer over the flattened window."""
        source, sink = self.graph.tensors[op.input], self.graph.tensors[op.output]
        whole = op.weights.shape[1] if isinstance(op, FullyConnected) else math.prod(source.hwc[1:])
        if whole != source.count:
            raise self.fail(op, "computes several results from folded rows of time")
        tensor = self.remember(op, x, x.whole, (x.whole, 1, source.count // x.whole))
        y = self.add(sink, sink.hwc)
        like = self.tensors[tensor]
        view = self.add(like, source.hwc, like.fill, like.storage)
        self.ops.append(replace(op, inputs=(view,), output=y))
        return _Rows(1, 1, y)

    def per_row(self, op: Op, x: _Rows) -> _Rows:
        """Operators that treat every row alike."""
        shape, out = self.timed(op, x), self.graph.tensors[op.output].hwc
        if x.whole > 1:
            shape, out = (x.new, *shape[1:]), (x.new, *_as_rows(out)[1:])
        tensor = self.view(x, shape)
        y = self.add(self.graph.tensors[op.output], out)
        self.ops.append(replace(op, inputs=(tensor,), output=y))
        return _Rows(x.whole, x.new, y)

    def view(self, x: _Rows, shape: tuple[int, int, int]) -> int:
        """The same bytes in the shape that an operator wants."""
        like = self.tensors[x.tensor]
        return self.add(like, shape, storage=like.storage)

    def remember(self, op: Op, x: _Rows, rows: int, shape: tuple[int, int, int]) -> int:
        """The last `rows` rows, new ones included, as a tensor."""
        like = self.tensors[x.tensor]
        if rows < x.new:
            raise self.fail(op, f"skips rows of time (kernel and stride need {rows} of {x.new} new rows)")
        if rows == x.new:
            return self.view(x, (rows, *shape[1:]))
        state = self.add(like, (rows, *shape[1:]), fill=like.zero_point)
        self.ops.append(StatePush(op.index, (x.tensor,), state))
        return state


def _as_rows(hwc: tuple[int, int, int]) -> tuple[int, int, int]:
    """Time first: [1, T, C] is the same bytes as [T, 1, C]."""
    h, w, c = hwc
    return (w, 1, c) if h == 1 else hwc


def _turned(op: Convolution | AveragePool2D) -> Convolution | AveragePool2D:
    """The operator with height and width exchanged."""
    common = {name: getattr(op, name)[::-1] for name in ("stride", "pad")}
    if isinstance(op, Convolution):
        return replace(op, **common, dilation=op.dilation[::-1], weights=op.weights.swapaxes(1, 2))
    return replace(op, **common, kernel=op.kernel[::-1])
