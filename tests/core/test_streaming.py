"""The streaming pass on random networks: it is refused by name, or its output is the whole-window network's."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest

from tinywake.compiler import build, channels
from tinywake.compiler.build import _finished, _quickest, lower
from tinywake.compiler.graph import (
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    GroupedConv2D,
    MaxPool2D,
    Mean,
    Op,
    Requant,
    Reshape,
    Softmax,
    StatePush,
    Table,
    Tensor,
)
from tinywake.compiler.memory.plan import plan
from tinywake.compiler.passes.stream import stream
from tinywake.compiler.tflite.quantise import mean_scaling, softmax_scaling
from tinywake.compiler.tflite.tables import logistic
from tinywake.compiler.twm.pack import pack
from tinywake.core import Model
from tinywake.errors import CompileError


class Chain:
    """A random chain of operators over time, with reshapes in awkward places."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.tensors: dict[int, Tensor] = {}
        self.ops: list[Op] = []
        time, width, channels = (int(rng.integers(1, n)) for n in (25, 4, 5))
        time += 1  # where the first axis is 1, the second counts as time
        self.time = time
        shapes = ((1, time, width, channels), (1, time, 1, channels), (1, time, channels), (1, 1, time, channels))
        self.now = self.add(shapes[int(rng.integers(4))])
        for _ in range(int(rng.integers(1, 6))):
            getattr(self, str(rng.choice(["conv", "conv", "grouped", "pool", "mean", "dense", "squash", "reshape"])))()
        if rng.random() < 0.7:  # most end as a network would
            self.flatten()
            self.dense()

    def add(self, shape: tuple[int, ...], scale: float = 0.0, zero: int | None = None) -> int:
        number = len(self.tensors)
        scale = scale or float(np.float32(self.rng.uniform(0.02, 0.2)))
        zero = int(self.rng.integers(-20, 20)) if zero is None else zero
        self.tensors[number] = Tensor(f"t{number}", shape, "int8", scale, zero, storage=number)
        return number

    def requant(self, count: int) -> Requant:
        multiplier = self.rng.integers(1 << 30, 2**31 - 1, count).astype(np.int32)
        return Requant(multiplier, self.rng.integers(-8, -4, count).astype(np.int8))

    def numbers(self, *shape: int) -> np.ndarray:
        return self.rng.integers(-127, 128, shape).astype(np.int8)

    def bias(self, count: int) -> np.ndarray:
        return self.rng.integers(-500, 500, count).astype(np.int32)

    def shaped(self, shape: tuple[int, ...]) -> None:
        old = self.tensors[self.now]
        new = self.add(shape, old.scale, old.zero_point)
        self.ops.append(Reshape(len(self.ops), (self.now,), new))
        self.now = new

    def flatten(self) -> None:
        self.shaped((1, self.tensors[self.now].count))

    def reshape(self) -> None:
        count = self.tensors[self.now].count
        rows = int(self.rng.choice([n for n in range(1, count + 1) if count % n == 0]))
        self.shaped((1, rows, count // rows))

    def spatial(self) -> tuple[int, int, int]:
        shape = self.tensors[self.now].shape
        if len(shape) != 4:
            rest = (shape[1], shape[-1]) if len(shape) == 3 else (1, shape[-1])
            self.shaped((1, 1, *rest) if self.rng.random() < 0.5 else (1, rest[0], 1, rest[1]))
        return self.tensors[self.now].shape[1:]  # type: ignore[return-value]

    def windows(self, dilated: bool) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]:
        sizes = self.spatial()[:2]
        kernel = tuple(int(self.rng.integers(1, min(n, 5) + 1)) for n in sizes)
        stride = tuple(int(n) for n in self.rng.integers(1, 4, 2))
        dilation = tuple(2 if dilated and 2 * (k - 1) < n and self.rng.random() < 0.3 else 1
                         for k, n in zip(kernel, sizes, strict=True))  # fmt: skip
        out = tuple((n - (k - 1) * d - 1) // s + 1 for n, k, s, d in zip(sizes, kernel, stride, dilation, strict=True))
        return kernel, stride, dilation, out  # type: ignore[return-value]

    def conv(self) -> None:
        kernel, stride, dilation, out = self.windows(dilated=True)
        pad = (0, 0)
        if self.rng.random() < 0.1:  # SAME
            sizes, dilation = self.spatial()[:2], (1, 1)
            out = tuple(-(-n // s) for n, s in zip(sizes, stride, strict=True))  # type: ignore[assignment]
            needed = [(o - 1) * s + k - n for o, s, k, n in zip(out, stride, kernel, sizes, strict=True)]
            pad = (max(needed[0], 0) // 2, max(needed[1], 0) // 2)
        c = self.spatial()[2]
        depthwise = self.rng.random() < 0.4
        units = c * int(self.rng.integers(1, 3)) if depthwise else int(self.rng.integers(1, 5))
        new = self.add((1, *out, units))
        weights = self.numbers(1, *kernel, units) if depthwise else self.numbers(units, *kernel, c)
        self.ops.append((DepthwiseConv2D if depthwise else Conv2D)(
            len(self.ops), (self.now,), new, weights, self.bias(units), self.requant(units), stride, pad, dilation,
            (-128, 127)))  # fmt: skip
        self.now = new

    def grouped(self) -> None:
        """Of groups of two or three channels each."""
        groups, depth = (int(n) for n in self.rng.integers(2, 4, 2))
        shape = self.tensors[self.now].shape
        if shape[-1] != groups * depth:  # a layer that makes so many of whatever there is
            self.dense(groups * depth)
        kernel, stride, dilation, out = self.windows(dilated=True)
        units = groups * int(self.rng.integers(1, 4))
        new = self.add((1, *out, units))
        self.ops.append(GroupedConv2D(
            len(self.ops), (self.now,), new, self.numbers(units, *kernel, depth), self.bias(units), self.requant(units),
            stride, (0, 0), dilation, (-128, 127)))  # fmt: skip
        self.now = new

    def pool(self) -> None:
        kernel, stride, _, out = self.windows(dilated=False)
        old = self.tensors[self.now]
        new = self.add((1, *out, old.shape[3]), old.scale, old.zero_point)
        kind = AveragePool2D if self.rng.random() < 0.5 else MaxPool2D
        self.ops.append(kind(len(self.ops), (self.now,), new, kernel, stride, (0, 0), (-128, 127)))
        self.now = new

    def mean(self) -> None:
        old = self.tensors[self.now]
        self.shaped((1, 1, old.count // old.shape[-1], old.shape[-1]))
        new = self.add((1, old.shape[-1]))
        scaling = mean_scaling(old.scale, self.tensors[new].scale, old.count // old.shape[-1])
        self.ops.append(Mean(len(self.ops), (self.now,), new, *scaling))
        self.now = new

    def dense(self, units: int = 0) -> None:
        shape = self.tensors[self.now].shape
        units = units or int(self.rng.integers(1, 6))
        new = self.add((*shape[:-1], units))
        weights = self.numbers(units, shape[-1])
        self.ops.append(FullyConnected(
            len(self.ops), (self.now,), new, weights, self.bias(units), self.requant(1), (-128, 127)))  # fmt: skip
        self.now = new

    def squash(self) -> None:
        old = self.tensors[self.now]
        new = self.add(old.shape, 1 / 256, -128)
        if self.rng.random() < 0.5:
            table = logistic(old, self.tensors[new])
            self.ops.append(Table(len(self.ops), (self.now,), new, "LOGISTIC", table))
        else:
            self.ops.append(Softmax(len(self.ops), (self.now,), new, *softmax_scaling(old.scale, 1.0)))
        self.now = new

    def graph(self) -> Graph:
        return Graph(self.tensors, tuple(self.ops), 0, self.now)


@pytest.mark.parametrize("block", range(10))
def test_random_chains(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By all that compiling does to them, channels of zeros wherever there can be some."""
    monkeypatch.setattr(channels, "_MAC", 0)
    monkeypatch.setattr(channels, "_OUTPUT", 0)
    monkeypatch.setattr(build, "_MOST_GROWTH", 100)
    finish = partial(_finished, listening=None, origin={})
    exact = refused = 0
    for seed in range(block * 100, block * 100 + 100):
        rng = np.random.default_rng(seed)
        chain = Chain(rng)
        whole = lower(chain.graph())
        window = Model(pack(whole, plan(whole)))
        frames = int(rng.integers(1, min(chain.time, 8) + 1))
        try:
            streamed = lower(chain.graph(), frames)
        except CompileError:
            refused += 1
            continue
        model = Model(_quickest(streamed, finish, finish(streamed)).blob)
        assert model.warmup == -(-chain.time // frames) - 1
        width = math.prod(whole.tensors[whole.input].shape) // chain.time
        steps = model.warmup + 6
        audio = rng.integers(-128, 128, (steps * frames, width)).astype(np.int8)
        for step in range(1, steps + 1):
            y = model.invoke(audio[(step - 1) * frames : step * frames])
            if step > model.warmup:
                expected = window.invoke(audio[step * frames - chain.time : step * frames])
                np.testing.assert_array_equal(y, expected, err_msg=f"seed {seed}: {[op.kind for op in whole.ops]}")
        exact += 1
    assert exact > 20, (exact, refused)


def test_what_has_no_window_is_told_so() -> None:
    # Bug: "operator 14 StatePush: cannot be streamed", of an operator that the user's file does not have; and
    # "--frames must be 1 to 1", which was not given.
    tensors = {
        0: Tensor("in", (1, 1, 1, 40), "int8", 0.1, 0, storage=0),
        1: Tensor("kept", (1, 3, 1, 40), "int8", 0.1, 0, storage=1, fill=0),
    }
    with pytest.raises(CompileError, match="keeps state between invokes: it streams already"):
        stream(Graph(tensors, (StatePush(0, (0,), 1),), 0, 1), 1)
    with pytest.raises(CompileError, match=r"its input \[1, 1, 1, 40\] has no axis of time"):
        stream(Graph(tensors, (), 0, 0), 3)
