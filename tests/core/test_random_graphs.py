"""Networks drawn by lot, through the whole compiler and the C core: no pass, order, slab, move or plan changes a value.

Every operator of the intermediate representation occurs, on tensors that others read as well: views of views,
concatenations of parts that lie elsewhere, variables that are read and assigned in any order, branches that merge,
paddings that fold, constants, and outputs that are views. What the graph means is what interpret.py makes of it before
any pass. The same seed draws the same network; `TINYWAKE_SEEDS=1000:9000 pytest ...` tries others.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from itertools import islice

import numpy as np
import pytest
from interpret import Interpreter, interpret
from nets import Net

from tinywake.compiler.build import lower
from tinywake.compiler.channels import widenings
from tinywake.compiler.graph import (
    Add,
    AssignVariable,
    AveragePool2D,
    Concat,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    MaxPool2D,
    Mean,
    Pad,
    ReadVariable,
    Reshape,
    Slice,
    Softmax,
    Table,
    Transpose,
)
from tinywake.compiler.memory import arena, moves, slabs
from tinywake.compiler.memory.order import order
from tinywake.compiler.memory.plan import plan
from tinywake.compiler.twm.pack import pack
from tinywake.compiler.twm.unpack import TwmFile, parse
from tinywake.core import Model
from tinywake.errors import CompileError
from tinywake.evaluate.traces import steps_of

Shape = tuple[int, ...]
FIRST, END = map(int, os.environ.get("TINYWAKE_SEEDS", "0:400").split(":"))
GROUPS = 20
MOST = 1200  # elements of a tensor
IDENTITY = np.arange(256, dtype=np.uint8)


class Lot(Net):
    """A network that grows by operators drawn by lot."""

    def __init__(self, seed: int) -> None:
        self.dice = np.random.default_rng([seed, 1])
        super().__init__(*self.shape(), seed=seed)
        self.known = [self.input]
        self.variables: list[int] = []

    # ---- dice

    def upto(self, most: int, least: int = 1) -> int:
        return int(self.dice.integers(least, max(most, least) + 1))

    def chance(self, share: float) -> bool:
        return bool(self.dice.random() < share)

    def shape(self) -> Shape:
        return 1, self.upto(9), self.upto(6), self.upto(6)

    def find(self, fits: Callable[[Shape], bool]) -> int | None:
        """A tensor, a new one rather than an old one."""
        found = [t for t in self.known if fits(self.tensors[t].shape)]
        return None if not found else found[-1] if self.chance(0.5) else int(self.dice.choice(found))

    def pick(self, rank: int | None = None) -> int:
        """The same of any shape, or of a rank that the input has."""
        found = self.find(lambda s: rank in (None, len(s)))
        assert found is not None
        return found

    # ---- tensors

    def tensor(self, *shape: int, like: int | None = None, **fields: object) -> int:  # type: ignore[override]
        """like: of the same quantisation as this one; else one of a few."""
        if like is not None:
            t = self.tensors[like]
            fields = {"scale": t.scale, "zero": t.zero_point, "dtype": t.dtype, **fields}
        fields.setdefault("zero", 3 if self.__dict__.get("dice") is None or self.chance(0.7) else self.upto(20, -20))
        return super().tensor(*shape, **fields)  # type: ignore[arg-type]

    def grow(self) -> None:
        """One more operator, or a pattern of several."""
        rules = (
            self.any_conv, self.any_conv, self.any_pool, self.any_dense, self.any_mean, self.any_softmax,
            self.any_table, self.any_table, self.any_pair, self.any_pair, self.any_concat, self.any_concat,
            self.any_slice, self.any_slice, self.any_pad, self.any_transpose, self.any_reshape, self.any_variable,
            self.any_variable, self.any_memory, self.any_window, self.any_branches, self.any_head,
        )  # fmt: skip
        y = rules[int(self.dice.integers(len(rules)))]()
        if y is not None and self.tensors[y].count <= MOST:
            self.known.append(y)

    # ---- operators

    def any_conv(self, x: int | None = None) -> int | None:
        if x is None:
            x = self.any_pad(self.pick(4), zeros=self.chance(0.8)) if self.chance(0.4) else self.pick(4)
        _, h, w, c = self.tensors[x].shape
        wide = self.chance(0.5)
        dilation = (self.upto(2), self.upto(2)) if wide else (1, 1)
        kernel = (self.upto(3), self.upto(3)) if wide else (self.upto(min(h, 4)), self.upto(min(w, 4)))
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        before = [self.upto(r - 1, 0) if wide else 0 for r in reach]
        after = [
            self.upto(r - 1, min(r - 1, max(0, r - n - b))) if wide else 0
            for r, n, b in zip(reach, (h, w), before, strict=True)
        ]
        if any(n + b + a < r for n, b, a, r in zip((h, w), before, after, reach, strict=True)):
            return None
        pad = (*before, *after)
        stride = self.upto(3), self.upto(3)
        act = (-128, 127) if self.chance(0.7) else (-30, 60)
        if self.chance(0.5):
            return self._windowed(Conv2D, x, self.upto(6), kernel, stride, pad, act, dilation)
        multiplier = 1 if self.chance(0.7) else 2
        return self._windowed(DepthwiseConv2D, x, c * multiplier, kernel, stride, pad, act, dilation)

    def any_pool(self) -> int | None:
        x = self.pick(4)
        _, h, w, c = self.tensors[x].shape
        kernel, stride = (self.upto(3), self.upto(3)), (self.upto(3), self.upto(3))
        before, after = ([self.upto(k - 1, 0) for k in kernel] for _ in range(2))
        out = [(n + b + a - k) // s + 1 for n, b, a, k, s in zip((h, w), before, after, kernel, stride, strict=True)]
        if min(out) < 1:
            return None
        kind = AveragePool2D if self.chance(0.5) else MaxPool2D
        return self.op(kind, (x,), self.tensor(1, *out, c, like=x), kernel, stride, tuple(before), (-100, 127))

    def any_dense(self) -> int:
        x = self.pick()
        t = self.tensors[x]
        if self.chance(0.6):
            return self.dense(x, self.upto(9))
        depth, units = t.shape[-1], self.upto(6)  # a row of results for each of the input's
        weights = self.rng.integers(-127, 128, (units, depth)).astype(np.int8)
        bias = self.rng.integers(-500, 500, units).astype(np.int32)
        requant = self.requant(1 if self.chance(0.5) else units, depth)
        y = self.tensor(*t.shape[:-1], units)
        return self.op(FullyConnected, (x,), y, weights, bias, requant, (-128, 127))

    def any_head(self) -> int | None:
        """A convolution or pool whose output only a fully connected layer reads: in slabs, where that saves memory."""
        x = self.any_conv() if self.chance(0.6) else self.any_pool()
        return None if x is None else self.dense(x, self.upto(4))

    def any_mean(self) -> int:
        x = self.pick(4)
        _, h, w, c = self.tensors[x].shape
        return self.op(Mean, (x,), self.tensor(1, h, c), 1717986918, -int(math.log2(w)))

    def any_softmax(self) -> int | None:
        x = self.find(lambda s: s[-1] > 1)
        if x is None:
            return None
        y = self.tensor(*self.tensors[x].shape, scale=1 / 256, zero=-128)
        return self.op(Softmax, (x,), y, 1342177280, 21, -240)

    def any_table(self, x: int | None = None) -> int:
        x = self.pick() if x is None else x
        kind = self.upto(3)
        clamp = np.clip(IDENTITY.view(np.int8), -20, 90).view(np.uint8)
        table = IDENTITY if kind == 1 else clamp if kind == 2 else None
        y = self.tensor(*self.tensors[x].shape, like=x)
        values = self.rng.integers(0, 256, 256).astype(np.uint8) if table is None else table
        return self.op(Table, (x,), y, "TABLE", values)

    def any_pair(self) -> int:
        x = self.pick()
        shape = self.tensors[x].shape
        other = self.find(lambda s: s == shape)
        if self.chance(0.5):
            axes = self.dice.random(len(shape)) < 0.5
            small = tuple(1 if one else n for n, one in zip(shape, axes, strict=True))
            found = self.find(lambda s: s == small)
            other = self.constant(*small) if found is None or self.chance(0.3) else found
        assert other is not None
        a, b = (x, other) if self.chance(0.5) else (other, x)
        if self.chance(0.5):
            return self.mul(a, b)
        scales = ((1 << 30, 0), (1717986918, -1), (1518500250, -18))
        y = self.tensor(*np.broadcast_shapes(self.tensors[a].shape, self.tensors[b].shape))
        return self.op(Add, (a, b), y, *scales, (-128, 127), self.chance(0.5))

    # ---- operators that move bytes

    def any_concat(self) -> int:
        x = self.pick()
        shape = self.tensors[x].shape
        axis = self.upto(len(shape) - 1) if len(shape) > 1 else 0
        parts = [x]
        for _ in range(self.upto(3)):
            part = self.find(
                lambda s: (s[:axis], s[axis + 1 :], len(s)) == (shape[:axis], shape[axis + 1 :], len(shape))
            )
            assert part is not None
            parts.append(self.constant(*shape) if self.chance(0.1) else part)
        self.dice.shuffle(parts)
        whole = sum(self.tensors[p].shape[axis] for p in parts)
        y = self.tensor(*shape[:axis], whole, *shape[axis + 1 :], like=x)
        return self.op(Concat, tuple(parts), y, axis)

    def any_slice(self) -> int:
        x = self.pick()
        shape = self.tensors[x].shape
        begin, step, size = [0] * len(shape), [1] * len(shape), list(shape)
        for axis in self.dice.permutation(len(shape))[: self.upto(2)]:
            begin[axis] = self.upto(shape[axis] - 1, 0)
            step[axis] = self.upto(2) if self.chance(0.4) else 1
            size[axis] = self.upto((shape[axis] - begin[axis] + step[axis] - 1) // step[axis])
        return self.op(Slice, (x,), self.tensor(*size, like=x), tuple(begin), tuple(step))

    def any_pad(self, x: int | None = None, *, zeros: bool | None = None) -> int:
        x = self.pick() if x is None else x
        shape = self.tensors[x].shape
        zero = self.tensors[x].zero_point
        value = zero if zeros or (zeros is None and self.chance(0.5)) else self.upto(127, -128)
        inner = len(shape) == 4 and self.chance(0.8)  # height and width
        axes = [0 < axis < 3 if inner else axis > 0 for axis in range(len(shape))]
        before, after = ([self.upto(2, 0) if padded else 0 for padded in axes] for _ in range(2))
        y = self.tensor(*(n + b + a for n, b, a in zip(shape, before, after, strict=True)), like=x)
        return self.op(Pad, (x,), y, tuple(before), value)

    def any_transpose(self) -> int:
        x = self.find(lambda s: len(s) > 1)
        if x is None:
            return None
        turns = [0, *(int(axis) for axis in 1 + self.dice.permutation(len(self.tensors[x].shape) - 1))]
        return self.op(Transpose, (x,), self.tensor(*(self.tensors[x].shape[a] for a in turns), like=x), tuple(turns))

    def any_reshape(self) -> int:
        x = self.pick()
        count = self.tensors[x].count
        h = int(self.dice.choice([n for n in range(1, count + 1) if count % n == 0]))
        w = int(self.dice.choice([n for n in range(1, count // h + 1) if count // h % n == 0]))
        shape = (1, h, w, count // h // w) if self.chance(0.7) else (1, count)
        return self.op(Reshape, (x,), self.tensor(*shape, like=x))

    # ---- state

    def any_variable(self) -> int | None:
        """A new variable, or a read or an assignment of an old one, in any order."""
        if not self.variables or self.chance(0.3):
            x = self.pick()
            self.variables.append(self.tensor(*self.tensors[x].shape, like=x, fill=self.upto(9)))
        variable = int(self.dice.choice(self.variables))
        shape = self.tensors[variable].shape
        value = self.find(lambda s: s == shape)
        if value is not None and self.chance(0.5):
            self.op(AssignVariable, (value,), variable)
            return None
        return self.op(ReadVariable, (variable,), self.tensor(*shape, like=variable))

    def any_memory(self) -> int | None:
        """A variable that is assigned between two operators, of which the first reads what it held before."""
        x = self.pick(4)
        shape = self.tensors[x].shape
        variable = self.tensor(*shape, like=x, fill=self.upto(9))
        old = self.op(ReadVariable, (variable,), self.tensor(*shape, like=x))

        def assign() -> None:
            self.op(AssignVariable, (x,), variable)

        if self.chance(0.3):
            return self.any_branches(old, assign)
        kind = self.upto(3)
        first = self.any_table(old) if kind == 1 else self.any_pad(old, zeros=True) if kind == 2 else old
        assign()
        return self.any_conv(first) if kind > 1 else self.any_table(first)

    def any_window(self) -> int:
        """Rows over time as micro-wake-word keeps them, first or second style, now and then with another reader."""
        new = self.pick(4)
        axis = 1 if self.chance(0.8) else 2
        shape = self.tensors[new].shape

        def rows(n: int) -> Shape:
            return (*shape[:axis], n, *shape[axis + 1 :])

        n, kept, second = shape[axis], self.upto(5), self.chance(0.5)
        whole = kept if second else kept + n
        state = self.tensor(*rows(whole), like=new, fill=self.upto(9, -9))
        old = self.op(ReadVariable, (state,), self.tensor(*rows(whole), like=new))
        cut = tuple(n if a == axis else 0 for a in range(4))
        if second:
            window = self.op(Concat, (old, new), self.tensor(*rows(kept + n), like=new), axis)
            tail = self.op(Slice, (window,), self.tensor(*rows(kept), like=new), cut, (1,) * 4)
            self.op(AssignVariable, (tail,), state)
        else:
            tail = self.op(Slice, (old,), self.tensor(*rows(kept), like=new), cut, (1,) * 4)
            window = self.op(Concat, (tail, new), self.tensor(*rows(kept + n), like=new), axis)
            self.op(AssignVariable, (window,), state)
        self.known += [t for t in (old, tail) if self.chance(0.15)]
        return window

    def any_branches(self, x: int | None = None, between: Callable[[], None] = lambda: None) -> int | None:
        """Groups of channels with kernels of their own over the last rows, put together again."""
        x = self.find(lambda s: len(s) == 4 and s[3] > 1) if x is None else x
        if x is None or self.tensors[x].shape[3] < 2:
            return None
        _, h, w, c = self.tensors[x].shape
        first, out, act = self.upto(c - 1), min(h, self.upto(2)), (-128, 127)
        parts: list[int] = []
        for begin, size in ((0, first), (first, c - first)):
            part = self.op(Slice, (x,), self.tensor(1, h, w, size, like=x), (0, 0, 0, begin), (1,) * 4)
            rows = self.upto(h, out)
            part = self.op(Slice, (part,), self.tensor(1, rows, w, size, like=x), (0, h - rows, 0, 0), (1,) * 4)
            kernel = rows - out + 1, 1
            parts.append(self._windowed(DepthwiseConv2D, part, size, kernel, (1, 1), (0, 0, 0, 0), act, (1, 1)))
        between()
        if self.chance(0.2):
            self.known.append(parts[0])
        return self.op(Concat, tuple(parts), self.tensor(1, out, w, c, like=parts[0]), 3)


def random_graph(seed: int) -> Graph:
    lot = Lot(seed)
    for _ in range(lot.upto(14, 3)):
        lot.grow()
    y = lot.known[-1] if lot.chance(0.8) else int(lot.dice.choice(lot.known))
    if lot.chance(0.6):  # a bit of all that nobody reads
        read = {t for op in lot.ops for t in op.inputs}
        ends = tuple(lot.dense(t, 2) for t in lot.known if t not in read or t == y)
        y = lot.op(Concat, ends, lot.tensor(1, 2 * len(ends)), 1)
    if y == lot.input or lot.chance(0.1):
        table = lot.rng.integers(0, 256, 256).astype(np.uint8)
        y = lot.table(y, table=table, dtype="uint8", scale=1 / 256, zero=0)
    return lot.graph(y)


def check(seed: int) -> bool:
    """Whether one network can be compiled; fails where a value differs."""
    graph = random_graph(seed)
    xs = list(np.random.default_rng(seed).integers(-128, 128, (4, *graph.tensors[graph.input].shape)).astype(np.int8))
    expected = interpret(graph, xs)
    try:
        lowered = lower(graph)
    except CompileError:
        return False
    for number, (x, y) in enumerate(zip(interpret(lowered, xs), expected, strict=True)):
        np.testing.assert_array_equal(x.ravel(), y.ravel(), f"{seed}: lowered, invoke {number}")
    for wider in islice(widenings(lowered), seed % 3 % 2):
        lowered = wider.graph
    slabbed = slabs.slabs(order(lowered))
    moved = moves._moved(slabbed, moves._candidates(slabbed)[: seed % 4])
    blob = pack(moved, plan(moved))
    model = Model(blob)
    for _ in range(2):  # the second time from a reset
        for number, (x, y) in enumerate(zip(xs, expected, strict=True)):
            np.testing.assert_array_equal(model.invoke(x), y.ravel().view(np.uint8), f"{seed}: core, invoke {number}")
        model.reset()
    layers(seed, graph, model, parse(blob), xs)
    return True


def layers(seed: int, graph: Graph, model: Model, file: TwmFile, xs: list[np.ndarray]) -> None:
    """What an operator leaves in its output is what the tensor that ORIGINS names holds."""
    state = {number for number, t in graph.tensors.items() if t.fill is not None}
    steps = [step for step in steps_of(file) if step.origin is not None and step.origin not in state]
    network = Interpreter(graph)
    for number, x in enumerate(xs):
        network.invoke(x)
        model.load(x)
        done = 0
        for step in steps:
            model.run(done, step.operator + 1)
            done = step.operator + 1
            wanted = network.value(step.origin).view(np.uint8).reshape(-1, graph.tensors[step.origin].shape[-1])
            found = model.arena[step.start : step.end].reshape(len(wanted), -1)
            found = found[:, : wanted.shape[1]]  # without channels of zeros
            where = f"{seed}: {step.operator} {step.kind}, tensor {step.origin}, invoke {number}"
            np.testing.assert_array_equal(found, wanted, where)
        model.run(done, model.ops)


@pytest.mark.parametrize("group", range(GROUPS))
def test_any_network_computes_what_it_says(group: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arena, "_BRANCH_STEPS", 2_000)
    monkeypatch.setattr(arena, "_CHANGE_STEPS", 2_000)
    monkeypatch.setattr(slabs, "_WORTH", -1000)  # split what can be split, whatever it saves
    compiled = [check(seed) for seed in range(FIRST + group, END, GROUPS)]
    assert compiled.count(False) * 10 <= len(compiled)


def test_every_operator_of_a_tflite_occurs() -> None:
    found = {type(op) for seed in range(50) for op in random_graph(seed).ops}
    assert len(found) == 17  # all but Copy, StatePush and FullyConnectedPart, which passes make
