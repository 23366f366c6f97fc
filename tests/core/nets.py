"""Small graphs by hand, for the tests of passes: tensors of random weights, operators by name."""

from __future__ import annotations

import numpy as np

from tinywake.compiler.graph import (
    Add,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    Mul,
    Op,
    Requant,
    Table,
    Tensor,
)

_ALL = (-128, 127)


class Net:
    """Grows a graph; every method returns the number of the tensor that it has added."""

    def __init__(self, *shape: int, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.tensors: dict[int, Tensor] = {}
        self.ops: list[Op] = []
        self.input = self.tensor(*shape)

    def tensor(
        self, *shape: int, scale: float = 0.5, zero: int = 3, dtype: str = "int8", fill: int | None = None,
        data: np.ndarray | None = None,
    ) -> int:  # fmt: skip
        number = len(self.tensors)
        self.tensors[number] = Tensor(f"t{number}", shape, dtype, scale, zero, number, fill, data=data, origin=number)
        return number

    def op(self, kind: type[Op], inputs: tuple[int, ...], output: int, *fields: object, **named: object) -> int:
        self.ops.append(kind(len(self.ops), inputs, output, *fields, **named))
        return output

    def graph(self, output: int) -> Graph:
        return Graph(dict(self.tensors), tuple(self.ops), self.input, output)

    def requant(self, channels: int, depth: int) -> Requant:
        """Multipliers that use the output's range."""
        shift = -4 - int(np.log2(depth)) // 2
        return Requant(
            self.rng.integers(1 << 30, (1 << 31) - 1, channels).astype(np.int32), np.full(channels, shift, np.int8)
        )

    def conv(
        self, x: int, channels: int, kernel: tuple[int, int] = (1, 1), stride: tuple[int, int] = (1, 1),
        pad: tuple[int, int, int, int] = (0, 0, 0, 0), act: tuple[int, int] = _ALL, dilation: tuple[int, int] = (1, 1),
    ) -> int:  # fmt: skip
        """pad: top, left, bottom, right."""
        return self._windowed(Conv2D, x, channels, kernel, stride, pad, act, dilation)

    def depthwise(
        self, x: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1),
        pad: tuple[int, int, int, int] = (0, 0, 0, 0), act: tuple[int, int] = _ALL, dilation: tuple[int, int] = (1, 1),
    ) -> int:  # fmt: skip
        return self._windowed(DepthwiseConv2D, x, self.tensors[x].shape[3], kernel, stride, pad, act, dilation)

    def _windowed(
        self, kind: type[Conv2D], x: int, channels: int, kernel: tuple[int, int], stride: tuple[int, int],
        pad: tuple[int, int, int, int], act: tuple[int, int], dilation: tuple[int, int],
    ) -> int:  # fmt: skip
        _, h, w, c = self.tensors[x].shape
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        out = (h + pad[0] + pad[2] - reach[0]) // stride[0] + 1, (w + pad[1] + pad[3] - reach[1]) // stride[1] + 1
        shape = (1, *kernel, channels) if kind is DepthwiseConv2D else (channels, *kernel, c)
        depth = kernel[0] * kernel[1] * (1 if kind is DepthwiseConv2D else c)
        y = self.tensor(1, *out, channels)
        return self.op(
            kind, (x,), y, self.rng.integers(-127, 128, shape).astype(np.int8),
            self.rng.integers(-500, 500, channels).astype(np.int32), self.requant(channels, depth), stride, pad[:2],
            dilation, act,
        )  # fmt: skip

    def dense(self, x: int, units: int) -> int:
        depth = self.tensors[x].count
        weights = self.rng.integers(-127, 128, (units, depth)).astype(np.int8)
        bias = self.rng.integers(-500, 500, units).astype(np.int32)
        return self.op(FullyConnected, (x,), self.tensor(1, units), weights, bias, self.requant(units, depth), _ALL)

    def table(self, x: int, function: str = "RANDOM", table: np.ndarray | None = None, **quantisation: object) -> int:
        values = self.rng.integers(0, 256, 256).astype(np.uint8) if table is None else table
        y = self.tensor(*self.tensors[x].shape, **quantisation)  # type: ignore[arg-type]
        return self.op(Table, (x,), y, function, values)

    def add(self, a: int, b: int) -> int:
        shape = np.broadcast_shapes(self.tensors[a].shape, self.tensors[b].shape)
        scales = ((1 << 30, 0), (1717986918, -1), (1518500250, -18))
        return self.op(Add, (a, b), self.tensor(*shape), *scales, _ALL)

    def mul(self, a: int, b: int) -> int:
        shape = np.broadcast_shapes(self.tensors[a].shape, self.tensors[b].shape)
        return self.op(Mul, (a, b), self.tensor(*shape), 1518500250, -6, _ALL)

    def constant(self, *shape: int) -> int:
        return self.tensor(*shape, data=self.rng.integers(-128, 128, shape).astype(np.int8))
