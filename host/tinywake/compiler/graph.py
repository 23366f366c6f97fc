# SPDX-License-Identifier: MIT
"""The one intermediate representation: int8 tensors, operators with their requantisation done, a chain in file order.

Shapes are those of the .tflite (batch included). Storage is separate from tensors: tensors with the same `storage`
share their bytes, which is how a reshape costs nothing and an element-wise operator runs in place.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "AveragePool2D",
    "Conv2D",
    "DepthwiseConv2D",
    "FullyConnected",
    "Graph",
    "Logistic",
    "MaxPool2D",
    "Mean",
    "Op",
    "Requant",
    "Reshape",
    "Softmax",
    "StatePush",
    "Tensor",
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
    input: int
    output: int

    @property
    def kind(self) -> str:
        """The name of the operator in messages and reports."""
        return type(self).__name__

    def macs(self, graph: Graph) -> int:
        """Multiply-accumulates of one invoke."""
        return 0


@dataclass(frozen=True)
class Conv2D(Op):
    """weights int8 [out c, kh, kw, in c]; bias int32 [out c]; pad (top, left)."""

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
class DepthwiseConv2D(Conv2D):
    """weights int8 [1, kh, kw, out c]; out c is a multiple of in c."""


@dataclass(frozen=True)
class FullyConnected(Op):
    """weights int8 [units, depth]; bias int32 [units]; one multiplier for all units, or one each."""

    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    requant: Requant
    act: tuple[int, int]

    def macs(self, graph: Graph) -> int:
        """The depth once for every output."""
        return graph.tensors[self.output].count * int(self.weights.shape[1])


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
    """Over h and w; the 1 / (h * w) is in the multiplier."""

    multiplier: int
    shift: int


@dataclass(frozen=True)
class Logistic(Op):
    """1 / (1 + exp(-x)); the input scale is multiplier and shift as Q4.27."""

    multiplier: int
    shift: int
    radius: int


@dataclass(frozen=True)
class Softmax(Op):
    """Over the last axis; beta times the input scale is multiplier and shift as Q5.26."""

    multiplier: int
    shift: int
    diff_min: int


@dataclass(frozen=True)
class Reshape(Op):
    """Same bytes, other shape. No operator of the format: a pass removes it."""


@dataclass(frozen=True)
class StatePush(Op):
    """The output is state: it moves towards its beginning and takes the input at its end."""


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
