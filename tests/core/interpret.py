"""The graph, computed with numpy: every operator of the IR, exact integers, storage shared as the graph says.

    y = interpret(graph, [x0, x1, ...])        one array an invoke, state carried from one to the next

It knows nothing of the C core and of memory plans, so it tells whether a graph (as read, or after any pass) still
computes what TensorFlow Lite Micro computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.graph import (
    Add,
    AssignVariable,
    AveragePool2D,
    Concat,
    Conv2D,
    Convolution,
    Copy,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    GroupedConv2D,
    MaxPool2D,
    Mean,
    Mul,
    Op,
    Pad,
    ReadVariable,
    Reshape,
    Slice,
    Softmax,
    StatePush,
    Table,
    Tensor,
    Transpose,
)
from tinywake.compiler.tflite import fixed

__all__ = ["Interpreter", "interpret"]

Array = NDArray[Any]
Ints = NDArray[np.int64]


def interpret(graph: Graph, inputs: Iterable[Array]) -> list[Array]:
    """The outputs of a fresh network for these inputs, one after the other."""
    network = Interpreter(graph)
    return [network.invoke(x) for x in inputs]


class Interpreter:
    """A network in memory. `after`: called with every operator once it has run, its number, and the interpreter."""

    def __init__(self, graph: Graph, after: Callable[[int, Op, Interpreter], None] | None = None) -> None:
        self.graph = graph
        self.after = after
        sizes: dict[int, int] = {}
        for t in graph.tensors.values():
            sizes[t.storage] = max(sizes.get(t.storage, 0), t.at + t.count)
        self.memory = {storage: np.full(size, 0xAA, np.uint8) for storage, size in sizes.items()}
        self.reset()

    def reset(self) -> None:
        """State as before the first invoke; constants where they belong."""
        for t in self.graph.tensors.values():
            if t.fill is not None:
                self._bytes(t)[:] = t.fill & 0xFF
            if t.data is not None:
                self._bytes(t)[:] = np.ascontiguousarray(t.data).view(np.uint8).ravel()

    def _bytes(self, t: Tensor) -> NDArray[np.uint8]:
        return self.memory[t.storage][t.at : t.at + t.count]

    def value(self, number: int) -> Array:
        """A tensor's values at this moment, in its own shape and type."""
        t = self.graph.tensors[number]
        return self._bytes(t).view(t.dtype).reshape(t.shape).copy()

    def hwc(self, number: int, *, less_zero: bool = True) -> Ints:
        """A tensor as the core sees it, less its zero point."""
        t = self.graph.tensors[number]
        zero = t.zero_point if less_zero else 0
        return self.value(number).reshape(t.hwc).astype(np.int64) - zero

    def store(self, number: int, values: Array) -> None:
        """Write a tensor's values, which must fit its type and number of elements."""
        t = self.graph.tensors[number]
        limits = np.iinfo(t.dtype)
        assert values.size == t.count, (values.shape, t)
        assert limits.min <= values.min() <= values.max() <= limits.max, t
        self._bytes(t)[:] = values.astype(t.dtype).view(np.uint8).ravel()

    def invoke(self, x: Array) -> Array:
        """One step: the input's values to the output's."""
        self.store(self.graph.input, np.asarray(x).view(self.graph.tensors[self.graph.input].dtype))
        for number, op in enumerate(self.graph.ops):
            _RULES[type(op)](self, op)
            if self.after is not None:
                self.after(number, op, self)
        return self.value(self.graph.output)

    def clamped(self, number: int, sums: Ints, act: tuple[int, int] = (-128, 127)) -> None:
        """Add the output's zero point, clamp, and store."""
        zero = self.graph.tensors[number].zero_point
        self.store(number, np.minimum(np.maximum(sums + zero, act[0]), act[1]))


# ---- windows over height and width


def _taps(op: Convolution | AveragePool2D, x: Ints, out: tuple[int, int], dilation: tuple[int, int]) -> Any:
    """For each place of the kernel: its index, what of x lies under it for every output, and where that is inside."""
    (kh, kw), (sh, sw), (top, left) = op.kernel, op.stride, op.pad
    for i in range(kh):
        for j in range(kw):
            rows = np.arange(out[0]) * sh - top + i * dilation[0]
            cols = np.arange(out[1]) * sw - left + j * dilation[1]
            inside = ((rows >= 0) & (rows < x.shape[0]))[:, None] & ((cols >= 0) & (cols < x.shape[1]))[None]
            under = x[np.clip(rows, 0, x.shape[0] - 1)][:, np.clip(cols, 0, x.shape[1] - 1)]
            yield (i, j), under, inside[:, :, None]


def _requant(sums: Ints, multiplier: Any, shift: Any) -> Ints:
    wrapped = sums.astype(np.int32).astype(np.int64)
    return fixed.multiply(wrapped, np.asarray(multiplier, np.int64), np.asarray(shift, np.int64))


def _conv(run: Interpreter, op: Convolution) -> None:
    x, out = run.hwc(op.input), run.graph.tensors[op.output].hwc
    sums = np.zeros(out, np.int64)
    for (i, j), under, inside in _taps(op, x, out[:2], op.dilation):
        seen = np.where(inside, under, 0)
        if isinstance(op, DepthwiseConv2D):
            assert out[2] % x.shape[2] == 0
            sums += np.repeat(seen, out[2] // x.shape[2], axis=2) * op.weights[0, i, j].astype(np.int64)
        else:  # exact in float64: far below 2^53
            sums += (seen.astype(np.float64) @ op.weights[:, i, j].T.astype(np.float64)).astype(np.int64)
    run.clamped(op.output, _requant(sums + op.bias, op.requant.multiplier, op.requant.shift), op.act)


def _grouped(run: Interpreter, op: GroupedConv2D) -> None:
    """As one convolution in which every channel but those of the group has a weight of zero."""
    weights, depth = op.weights, run.graph.tensors[op.input].hwc[2]
    units, own = len(weights), weights.shape[3]
    wide = np.zeros((*weights.shape[:3], depth), np.int8)
    for unit in range(units):
        first = unit // (units * own // depth) * own
        wide[unit, :, :, first : first + own] = weights[unit]
    _conv(run, replace(op, weights=wide))


def _fully_connected(run: Interpreter, op: FullyConnected) -> None:
    h, w, units = run.graph.tensors[op.output].hwc
    assert op.weights.shape[0] == units
    x = run.hwc(op.input).reshape(h * w, op.weights.shape[1])
    sums = (x.astype(np.float64) @ op.weights.T.astype(np.float64)).astype(np.int64) + op.bias
    run.clamped(op.output, _requant(sums, op.requant.multiplier, op.requant.shift), op.act)


def _pool(run: Interpreter, op: AveragePool2D) -> None:
    x, out = run.hwc(op.input, less_zero=False), run.graph.tensors[op.output].hwc
    assert x.shape[2] == out[2]
    taps = list(_taps(op, x, out[:2], (1, 1)))
    if isinstance(op, MaxPool2D):
        result = np.max([np.where(inside, under, -129) for _, under, inside in taps], axis=0)
    else:
        count = np.sum([inside for _, _, inside in taps], axis=0)
        total = np.sum([np.where(inside, under, 0) for _, under, inside in taps], axis=0)
        result = np.sign(total) * ((np.abs(total) + count // 2) // count)
    run.store(op.output, np.minimum(np.maximum(result, op.act[0]), op.act[1]))


# ---- sums


def _mean(run: Interpreter, op: Mean) -> None:
    run.clamped(op.output, _requant(run.hwc(op.input).sum(axis=1), op.multiplier, op.shift))


def _softmax(run: Interpreter, op: Softmax) -> None:
    x = run.hwc(op.input, less_zero=False)
    below = x - x.max(axis=2, keepdims=True)
    scaled = fixed.high(np.where(below >= op.diff_min, below, 0) << op.shift, op.multiplier)
    powers = np.where(below >= op.diff_min, fixed.exp(scaled, 5), 0)
    total = fixed.divide(powers, 12).sum(axis=2, keepdims=True)
    headroom = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)  # leading zeros
    inverse = fixed.shift_left(fixed.two_over_one_plus((total << headroom) - (1 << 31)), 1)
    shares = fixed.divide(fixed.high(inverse, powers), 12 - headroom + 31 - 8) - 128
    run.store(op.output, np.where(below >= op.diff_min, np.clip(shares, -128, 127), -128))


def _table(run: Interpreter, op: Table) -> None:
    y = run.graph.tensors[op.output]
    run.store(op.output, op.table[run.value(op.input).view(np.uint8)].view(y.dtype))


def _two(run: Interpreter, op: Op) -> tuple[Ints, Ints]:
    tensors = run.graph.tensors
    left, right = (run.value(number).astype(np.int64) - tensors[number].zero_point for number in op.inputs)
    out = tensors[op.output].shape
    return np.broadcast_to(left, out), np.broadcast_to(right, out)


def _add(run: Interpreter, op: Add) -> None:
    left, right = (v << 20 for v in _two(run, op))
    a, b = fixed.multiply(left, *op.left), fixed.multiply(right, *op.right)
    run.clamped(op.output, fixed.multiply(a - b if op.subtract else a + b, *op.out), op.act)


def _mul(run: Interpreter, op: Mul) -> None:
    left, right = _two(run, op)
    run.clamped(op.output, fixed.multiply(left * right, op.multiplier, op.shift), op.act)


# ---- bytes moved


def _as_is(run: Interpreter, op: Op) -> None:
    run.store(op.output, run.value(op.input))


def _push(run: Interpreter, op: StatePush) -> None:
    old, new = run.value(op.output).ravel(), run.value(op.input).ravel()
    run.store(op.output, np.concatenate([old, new])[-old.size :])


def _copy(run: Interpreter, op: Copy) -> None:
    x, y = run.value(op.input).ravel(), run.value(op.output).ravel()
    if op.fill is not None:
        y[:] = op.fill
    for i, j, k in np.ndindex(*op.counts):
        there = op.in_offset + i * op.in_strides[0] + j * op.in_strides[1] + k * op.in_strides[2]
        here = op.out_offset + i * op.out_strides[0] + j * op.out_strides[1] + k * op.out_strides[2]
        assert 0 <= there <= x.size - op.run, op
        assert 0 <= here <= y.size - op.run, op
        y[here : here + op.run] = x[there : there + op.run]
    run.store(op.output, y)


def _concat(run: Interpreter, op: Concat) -> None:
    joined = np.concatenate([run.value(number) for number in op.inputs], op.axis)
    assert joined.shape == run.graph.tensors[op.output].shape
    run.store(op.output, joined)


def _slice(run: Interpreter, op: Slice) -> None:
    x, shape = run.value(op.input), run.graph.tensors[op.output].shape
    ends = [b + (n - 1) * s + 1 for b, s, n in zip(op.begin, op.step, shape, strict=True)]
    assert all(0 <= b < e <= n for b, e, n in zip(op.begin, ends, x.shape, strict=True)), op
    assert min(op.step) >= 1
    run.store(op.output, x[tuple(slice(b, e, s) for b, e, s in zip(op.begin, ends, op.step, strict=True))])


def _pad(run: Interpreter, op: Pad) -> None:
    x, shape = run.value(op.input), run.graph.tensors[op.output].shape
    y = np.full(shape, op.value, x.dtype)
    y[tuple(slice(b, b + n) for b, n in zip(op.before, x.shape, strict=True))] = x
    run.store(op.output, y)


def _transpose(run: Interpreter, op: Transpose) -> None:
    turned = run.value(op.input).transpose(op.order)
    assert turned.shape == run.graph.tensors[op.output].shape
    run.store(op.output, np.ascontiguousarray(turned))


_RULES: dict[type[Op], Callable[[Interpreter, Any], None]] = {
    Conv2D: _conv,
    DepthwiseConv2D: _conv,
    GroupedConv2D: _grouped,
    FullyConnected: _fully_connected,
    AveragePool2D: _pool,
    MaxPool2D: _pool,
    Mean: _mean,
    Softmax: _softmax,
    Table: _table,
    Add: _add,
    Mul: _mul,
    StatePush: _push,
    Copy: _copy,
    Reshape: _as_is,
    Concat: _concat,
    Slice: _slice,
    Pad: _pad,
    Transpose: _transpose,
    ReadVariable: _as_is,
    AssignVariable: _as_is,
}
