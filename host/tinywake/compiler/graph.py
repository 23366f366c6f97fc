# SPDX-License-Identifier: MIT
"""The one intermediate representation: int8 tensors, operators with their requantisation done, in an order that runs.

Shapes are those of the .tflite (batch included). Storage is separate from tensors: tensors with the same `storage`
share their bytes, which is how a reshape, a contiguous slice or a concatenation of rows costs nothing. Some operators
(Reshape, Concat, Slice, Pad, Transpose, ReadVariable, AssignVariable, GroupedConv2D) are the .tflite's and not the
format's: passes turn them into views, Copy, StatePush, padding and several Conv2D.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Add",
    "AssignVariable",
    "AveragePool2D",
    "Concat",
    "Conv2D",
    "Convolution",
    "Copy",
    "DepthwiseConv2D",
    "FullyConnected",
    "FullyConnectedPart",
    "Graph",
    "GroupedConv2D",
    "MaxPool2D",
    "Mean",
    "Mul",
    "Op",
    "Pad",
    "Part",
    "ReadVariable",
    "Requant",
    "Reshape",
    "Slice",
    "Softmax",
    "StatePush",
    "Table",
    "Tensor",
    "Transpose",
]


@dataclass(frozen=True)
class Tensor:
    """A value of the network. `scale` is the .tflite's float32, exactly."""

    name: str
    shape: tuple[int, ...]
    dtype: str  # "int8" or "uint8"
    scale: float
    zero_point: int
    storage: int  # tensors with the same number share their bytes
    fill: int | None = None  # streaming state: every element after a reset; None: not state
    at: int = 0  # first byte within the storage
    data: NDArray[Any] | None = None  # a constant's values; such a storage lies among the weights
    origin: int | None = None  # the .tflite tensor whose values it holds, for comparison

    @property
    def count(self) -> int:
        """Number of elements; every element is one byte."""
        return math.prod(self.shape)

    @property
    def hwc(self) -> tuple[int, int, int]:
        """The shape as the core sees it: batch dropped, channels last, a lone middle axis counted as h."""
        dims = self.shape[1:] if len(self.shape) > 1 and self.shape[0] == 1 else self.shape
        if len(dims) > 3:
            dims = (math.prod(dims[:-2]), *dims[-2:])
        if len(dims) == 2:
            dims = (dims[0], 1, dims[1])
        h, w, c = (1,) * (3 - len(dims)) + dims
        return h, w, c


@dataclass(frozen=True)
class Requant:
    """Fixed-point multipliers (0..2^31-1) and shifts (-31..30): x * multiplier * 2^(shift - 31)."""

    multiplier: NDArray[np.int32]
    shift: NDArray[np.int8]


@dataclass(frozen=True)
class Op:
    """What all operators have. `index` is the operator's place in the .tflite, for messages."""

    index: int
    inputs: tuple[int, ...]
    output: int

    @property
    def input(self) -> int:
        """The first input, of most operators the only one."""
        return self.inputs[0]

    @property
    def kind(self) -> str:
        """The name of the operator in messages and reports."""
        return type(self).__name__

    def macs(self, graph: Graph) -> int:
        """Multiply-accumulates of one invoke."""
        return 0


@dataclass(frozen=True)
class Convolution(Op):
    """What all kinds have: weights int8, [.., kh, kw, ..]; bias int32 [out c]; pad (top, left)."""

    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    requant: Requant
    stride: tuple[int, int]
    pad: tuple[int, int]
    dilation: tuple[int, int]
    act: tuple[int, int]

    @property
    def kernel(self) -> tuple[int, int]:
        """Kernel height and width."""
        return self.weights.shape[1], self.weights.shape[2]

    def macs(self, graph: Graph) -> int:
        """Every weight once for every output position."""
        h, w, _ = graph.tensors[self.output].hwc
        return h * w * self.weights.size


@dataclass(frozen=True)
class Conv2D(Convolution):
    """weights int8 [out c, kh, kw, in c]."""


@dataclass(frozen=True)
class DepthwiseConv2D(Conv2D):
    """weights int8 [1, kh, kw, out c]; out c is a multiple of in c."""


@dataclass(frozen=True)
class GroupedConv2D(Convolution):
    """Channels in groups, each with outputs of its own: weights int8 [out c, kh, kw, in c / groups].

    No Conv2D: none of its outputs depends on all channels that come in.
    """


@dataclass(frozen=True)
class FullyConnected(Op):
    """weights int8 [units, depth]; bias int32 [units]; one multiplier for all units, or one each."""

    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    requant: Requant
    act: tuple[int, int]

    def macs(self, graph: Graph) -> int:
        """Every weight once for every row of the input."""
        return graph.tensors[self.input].count // int(self.weights.shape[1]) * self.weights.size


class Part(IntEnum):
    """Which part of a sum an operator computes."""

    FIRST = 1
    MIDDLE = 2
    LAST = 3


@dataclass(frozen=True)
class FullyConnectedPart(FullyConnected):
    """A part of a sum that is spread over several operators, so that its input need not be there at once.

    The first part leaves int32 sums (in an int8 tensor [4 * units]), the middle ones (second input: the sums) add to
    them in place, the last one (second input: the sums) adds its own and requantises.
    """

    part: Part


@dataclass(frozen=True)
class AveragePool2D(Op):
    """Kernel, stride and pad as (vertical, horizontal)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int]
    act: tuple[int, int]


@dataclass(frozen=True)
class MaxPool2D(AveragePool2D):
    """As AveragePool2D."""


@dataclass(frozen=True)
class Mean(Op):
    """Over w of an input [1, h, w, c]: h times c results; the 1 / w is in the multiplier."""

    multiplier: int
    shift: int


@dataclass(frozen=True)
class Softmax(Op):
    """Over the last axis; beta times the input scale is multiplier and shift as Q5.26."""

    multiplier: int
    shift: int
    diff_min: int


@dataclass(frozen=True)
class Table(Op):
    """Any function of one element: table uint8 [256], from the input's byte to the output's byte."""

    function: str  # what it computes, in the .tflite's words: "LOGISTIC", "QUANTIZE"
    table: NDArray[np.uint8]

    @property
    def kind(self) -> str:
        """The function's own name."""
        return self.function


@dataclass(frozen=True)
class Add(Op):
    """Sum (or difference) of two inputs; an axis of length 1 is repeated along the other's.

    Each input minus its zero point, times 2^20, is multiplied by its own (multiplier, shift) and the sum by `out`.
    """

    left: tuple[int, int]
    right: tuple[int, int]
    out: tuple[int, int]
    act: tuple[int, int]
    subtract: bool = False


@dataclass(frozen=True)
class Mul(Op):
    """Product of two inputs; an axis of length 1 is repeated along the other's."""

    multiplier: int
    shift: int
    act: tuple[int, int]


@dataclass(frozen=True)
class StatePush(Op):
    """The output is state: it moves towards its beginning and takes the input at its end."""


@dataclass(frozen=True)
class Copy(Op):
    """Runs of `run` elements: counts[0] * counts[1] * counts[2] of them, at in_offset + i * in_strides, in order.

    fill: the whole output is set to this raw byte (-128..127) first. An output may be written by several copies.
    """

    in_offset: int
    out_offset: int
    counts: tuple[int, int, int]
    run: int
    in_strides: tuple[int, int, int]
    out_strides: tuple[int, int, int]
    fill: int | None = None

    @classmethod
    def in_one_run(cls, index: int, source: int, output: int, count: int, at: int = 0) -> Copy:
        """`count` elements of tensor `source` that lie together, from element `at` on."""
        return cls(index, (source,), output, at, 0, (1, 1, 1), count, (0, 0, 0), (0, 0, 0))


# ---- operators of the .tflite that passes turn into others


@dataclass(frozen=True)
class Reshape(Op):
    """Same bytes, other shape."""


@dataclass(frozen=True)
class Concat(Op):
    """Inputs one after the other along `axis` (not negative)."""

    axis: int


@dataclass(frozen=True)
class Slice(Op):
    """Elements begin + i * step along each axis; as many as the output has. A split is several slices."""

    begin: tuple[int, ...]
    step: tuple[int, ...]  # at least 1


@dataclass(frozen=True)
class Pad(Op):
    """The input with `before` elements in front along each axis, and as many behind as the output has room for."""

    before: tuple[int, ...]
    value: int  # raw byte of the elements around the input


@dataclass(frozen=True)
class Transpose(Op):
    """Axis i of the output is axis order[i] of the input."""

    order: tuple[int, ...]


@dataclass(frozen=True)
class ReadVariable(Op):
    """The input is a state tensor: what it holds at this moment."""


@dataclass(frozen=True)
class AssignVariable(Op):
    """The output is a state tensor: from this moment it holds the input."""


@dataclass(frozen=True)
class Graph:
    """A network: operators in an order that can be executed, one input, one output."""

    tensors: dict[int, Tensor]
    ops: tuple[Op, ...]
    input: int
    output: int
    warmup: int = 0  # invokes after a reset whose output does not count

    def with_ops(self, ops: Iterable[Op], tensors: dict[int, Tensor] | None = None) -> Graph:
        """Return the graph with other operators, and other tensors where given."""
        return replace(self, ops=tuple(ops), tensors=self.tensors if tensors is None else tensors)

    def macs(self) -> int:
        """Multiply-accumulates of one invoke."""
        return sum(op.macs(self) for op in self.ops)
