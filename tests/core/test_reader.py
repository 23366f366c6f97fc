"""Reading .tflite files: what becomes of each operator, and that it computes what TensorFlow Lite Micro computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forge import O, Sub, T, forge, single
from interpret import Interpreter, interpret
from samples import ADD, MUL, SUB, Q, R, conv, dilated, flattened, ints, sliced, stepping

from tinywake.compiler.graph import (
    Add,
    AssignVariable,
    Concat,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    GroupedConv2D,
    MaxPool2D,
    Mean,
    Mul,
    Pad,
    ReadVariable,
    Reshape,
    Slice,
    Softmax,
    Table,
    Transpose,
)
from tinywake.compiler.passes.groups import split_groups
from tinywake.compiler.tflite.read import read_tflite

Read = Callable[[bytes], Graph]
Shape = tuple[int, ...]
NETWORKS = ("image", "pooled", "word", "flat", "rows", "clipped")


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def reader(blob: bytes) -> Graph:
        path = tmp_path / "m.tflite"
        path.write_bytes(blob)
        return read_tflite(path)

    return reader


class Oracle:
    """TensorFlow Lite Micro's reference kernels."""

    def __init__(self, blob: bytes) -> None:
        runtime: Any = pytest.importorskip("tflite_micro", reason="tflite-micro is not installed").runtime
        self._interpreter = runtime.Interpreter.from_bytes(blob, arena_size=1 << 22)

    def invoke(self, x: np.ndarray) -> np.ndarray:
        self._interpreter.set_input(x, 0)
        self._interpreter.invoke()
        y: np.ndarray = self._interpreter.get_output(0)
        return y.copy()


def agree(blob: bytes, graph: Graph, invokes: int = 3, seed: int = 0) -> None:
    """The graph and the oracle give the same outputs, one invoke after the other."""
    oracle, network, rng = Oracle(blob), Interpreter(graph), np.random.default_rng(seed)
    t = graph.tensors[graph.input]
    for number in range(invokes):
        x = rng.integers(0, 256, t.shape).astype(np.uint8).view(t.dtype)
        y = network.invoke(x)
        np.testing.assert_array_equal(y, oracle.invoke(x), err_msg=f"invoke {number}, {[o.kind for o in graph.ops]}")
        assert y.dtype == graph.tensors[graph.output].dtype


def kinds(graph: Graph) -> list[type]:
    return [type(op) for op in graph.ops]


# ---- functions and sums


def test_a_function_of_one_element_is_a_table(read: Read) -> None:
    graph = read(single("LOGISTIC", T((1, 4), **Q), T((1, 4), scale=1 / 256, zero=-128)))
    (op,) = graph.ops
    assert isinstance(op, Table)
    assert (op.function, op.kind, op.table.dtype, op.table.shape) == ("LOGISTIC", "LOGISTIC", np.uint8, (256,))
    assert op.table[3] == 0, "a half of 256, less 128"
    assert graph.tensors[1].origin == 1
    assert graph.tensors[1].storage != graph.tensors[0].storage


def test_a_function_that_changes_no_byte_is_a_reshape(read: Read) -> None:
    assert kinds(read(single("QUANTIZE", T((1, 4), **Q), T((1, 4), **Q)))) == [Reshape]
    assert kinds(read(single("QUANTIZE", T((1, 4), **Q), T((1, 4), **R)))) == [Table]
    assert kinds(read(single("RELU6", T((1, 4), scale=6 / 256, zero=-128), T((1, 4), scale=6 / 256, zero=-128)))) == [
        Reshape
    ]


def test_uint8_at_both_ends(read: Read) -> None:
    """Bytes of unsigned networks: the first and the last operator turn them."""
    tensors = [T((1, 4), "UINT8", 0.5, 131), T((1, 4), **Q), T((1, 4), scale=1 / 256, zero=-128),
               T((1, 4), "UINT8", 1 / 256, 0)]  # fmt: skip
    blob = forge(
        Sub(tensors, [O("QUANTIZE", (0,), (1,)), O("LOGISTIC", (1,), (2,)), O("QUANTIZE", (2,), (3,))], (0,), (3,))
    )
    graph = read(blob)
    assert [graph.tensors[i].dtype for i in range(4)] == ["uint8", "int8", "int8", "uint8"]
    assert graph.tensors[0].zero_point == 131
    assert [op.kind for op in graph.ops] == ["QUANTIZE", "LOGISTIC", "QUANTIZE"]
    agree(blob, graph)


@pytest.mark.parametrize("name", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((1, 4, 3, 5), (1, 4, 3, 5)), ((1, 4, 3, 5), (5,)), ((1, 4, 3, 5), ()), ((1, 4, 3, 5), (3, 5)),
        ((1, 4, 3, 5), (4, 3, 5)), ((1, 4, 3, 5), (4, 1, 1)), ((1, 4, 3, 5), (1, 1, 1, 5)), ((1, 4, 3, 5), (3, 1)),
        ((1, 1, 1, 5), (1, 4, 3, 5)), ((1, 4, 1, 5), (1, 1, 3, 1)), ((5,), (1, 4, 3, 5)), ((1, 4, 5), (4, 1)),
        ((1, 4, 5), (1, 1, 5)), ((1, 4, 5), (5,)), ((1, 6), (1,)), ((1, 6), (1, 6)), ((1, 1, 3, 5), (3, 5)),
    ],
)  # fmt: skip
def test_two_inputs_are_repeated_as_numpy_does(read: Read, name: str, left: Shape, right: Shape) -> None:
    rng = np.random.default_rng(1)
    y = np.broadcast_shapes(left, right)
    options = (f"{name.capitalize()}Options", {"FusedActivationFunction": int(rng.integers(0, 4))})
    a, b, c = (
        T(left, **Q),
        T(right, **R, data=rng.integers(-128, 128, right)),
        T(y, scale=0.7 if name != "MUL" else 20.0),
    )
    blob = single(name, a, c, b, options=options)
    if left[:1] == (1,):  # an input needs a batch
        graph = read(blob)
        agree(blob, graph)
        op = graph.ops[-1]
        assert isinstance(op, Mul if name == "MUL" else Add)
        if isinstance(op, Add):
            assert op.subtract == (name == "SUB")
        second = graph.tensors[op.inputs[1]]
        assert second.data is not None
        assert second.data.dtype == np.int8
        assert len({graph.tensors[i].storage for i in (*op.inputs, op.output)}) == 3
        for number in op.inputs:  # the rule of the format: as long as the output, or 1
            assert all(
                n in (1, m) for n, m in zip(graph.tensors[number].hwc, graph.tensors[op.output].hwc, strict=True)
            )
    # the constant first
    blob = forge(
        Sub([T(right, **R, data=rng.integers(-128, 128, right)), a, c], [O(name, (0, 1), (2,), options)], (1,), (2,))
    )
    if left[:1] == (1,):
        agree(blob, read(blob))


def test_a_sum_of_a_tensor_with_itself(read: Read) -> None:
    blob = forge(Sub([T((1, 4), **Q), T((1, 4), **R)], [O("ADD", (0, 0), (1,), (ADD, {}))], (0,), (1,)))
    agree(blob, read(blob))


def test_many_scales_of_sums_and_products(read: Read) -> None:
    rng = np.random.default_rng(2)
    for _ in range(60):
        a, b = (float(np.float32(2.0 ** rng.uniform(-6, 1))) for _ in range(2))
        c = float(np.float32(max(a, b) * 2.0 ** rng.uniform(-1, 2)))
        x, y, z = (int(n) for n in rng.integers(-128, 128, 3))
        name = str(rng.choice(["ADD", "SUB", "MUL"]))
        constant = T((64,), scale=b, zero=y, data=rng.integers(-128, 128, 64))
        options = (f"{name.capitalize()}Options", {})
        blob = single(name, T((1, 16, 64), scale=a, zero=x), T((1, 16, 64), scale=c, zero=z), constant, options=options)
        agree(blob, read(blob), invokes=1)


def test_several_slopes(read: Read) -> None:
    rng = np.random.default_rng(3)
    for scale in (0.5, 0.3, 2.0):
        slopes = T((1, 1, 8), scale=0.01, zero=-9, data=rng.integers(-128, 128, 8))
        blob = single("PRELU", T((1, 9, 5, 8), **Q), T((1, 9, 5, 8), scale=scale, zero=11), slopes)
        graph = read(blob)
        assert kinds(graph) == [Table, Table, Mul, Add]
        agree(blob, graph)


@pytest.mark.parametrize("name", ["MAXIMUM", "MINIMUM"])
def test_a_limit(read: Read, name: str) -> None:
    blob = single(name, T((1, 30), **Q), T((1, 30), **Q), T((), **Q, data=[20]), options=("MaximumMinimumOptions", {}))
    graph = read(blob)
    assert kinds(graph) == [Table]
    agree(blob, graph)


# ---- sums over axes


@pytest.mark.parametrize("name", ["MEAN", "SUM"])
@pytest.mark.parametrize(
    ("shape", "axes", "taken"),
    [
        ((1, 6, 5, 4), (1, 2), (1, 1, 30, 4)), ((1, 6, 5, 4), (1,), (1, 1, 6, 20)), ((1, 6, 5, 4), (2,), None),
        ((1, 6, 5, 4), (3,), (1, 30, 4, 1)), ((1, 6, 5, 4), (2, 3), (1, 6, 20, 1)),
        ((1, 6, 5, 4), (-1, -2, -3), (1, 1, 120, 1)), ((1, 6, 1, 4), (1, 3), (1, 1, 24, 1)),
        ((1, 6, 4), (1,), (1, 1, 6, 4)), ((1, 1, 6, 4), (1,), (1, 1, 1, 24)), ((1, 2, 3, 4, 5), (1,), (1, 1, 2, 60)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("keep", [True, False])
def test_means_over_neighbouring_axes(read: Read, name: str, shape: Shape, axes: Shape, taken: Any, keep: bool) -> None:
    reduced = {axis % len(shape) for axis in axes}
    y = tuple(1 if axis in reduced else n for axis, n in enumerate(shape) if keep or axis not in reduced)
    scale = 0.2 if name == "MEAN" else 4.0
    options = ("ReducerOptions", {"KeepDims": keep})
    blob = single(name, T(shape, **Q), T(y, scale=scale, zero=9), ints(*axes), options=options)
    graph = read(blob)
    assert kinds(graph) == ([Mean] if taken is None else [Reshape, Mean])
    if taken is not None:
        assert graph.tensors[graph.ops[-1].input].shape == taken
    assert graph.tensors[graph.output].shape == y
    agree(blob, graph, invokes=5)


def test_means_of_equal_scales(read: Read) -> None:
    for count in (1, 2, 3, 7, 49, 1000):
        blob = single("MEAN", T((1, count, 1, 6), **Q), T((1, 6), **Q), ints(1, 2), options=("ReducerOptions", {}))
        agree(blob, read(blob), invokes=5)


@pytest.mark.parametrize(
    ("shape", "axes", "kernel"),
    [
        ((1, 6, 5, 4), (1, 2), (2, 15)),
        ((1, 600, 4), (1,), (3, 200)),
        ((1, 6, 5, 4), (2,), (1, 5)),
        ((1, 6, 5), (2,), (1, 5)),
    ],
)
def test_the_largest_is_a_pool(read: Read, shape: Shape, axes: Shape, kernel: tuple[int, int]) -> None:
    y = tuple(n for axis, n in enumerate(shape) if axis not in axes)
    blob = single("REDUCE_MAX", T(shape, **Q), T(y, **Q), ints(*axes), options=("ReducerOptions", {}))
    graph = read(blob)
    pool = next(op for op in graph.ops if isinstance(op, MaxPool2D))
    assert max(pool.kernel) <= 255
    assert pool.kernel[0] * pool.kernel[1] == kernel[0] * kernel[1]
    agree(blob, graph)


def test_softmax_over_the_last_axis(read: Read) -> None:
    for shape in ((1, 5), (1, 4, 5), (1, 3, 4, 5), (1, 300)):
        for scale in (0.5, 0.01, 3.0, 15.9, 20.0):
            y = T(shape, scale=1 / 256, zero=-128)
            blob = single("SOFTMAX", T(shape, scale=scale), y, options=("SoftmaxOptions", {"Beta": 1.0}))
            graph = read(blob)
            assert kinds(graph) == [Softmax]
            agree(blob, graph)


# ---- shapes and slices


@pytest.mark.parametrize(
    ("blob", "begin", "step"),
    [
        (sliced((0, 1, 0, 0), (1, 5, 5, 4), (1, 2, 1, 1), (1, 2, 5, 4)), (0, 1, 0, 0), (1, 2, 1, 1)),
        (sliced((0, -3, 0, 0), (0,) * 4, (1,) * 4, (1, 3, 5, 4), BeginMask=13, EndMask=15), (0, 3, 0, 0), (1,) * 4),
        (sliced((0, 0, -9, 1), (1, 6, 3, -1), (1, 1, 1, 1), (1, 6, 3, 2)), (0, 0, 0, 1), (1,) * 4),
        (sliced((0, 0, 1, 0), (9, 9, 9, 9), (1, 1, 3, 1), (1, 6, 2, 4)), (0, 0, 1, 0), (1, 1, 3, 1)),
    ],
)  # fmt: skip
def test_strided_slices(read: Read, blob: bytes, begin: Any, step: Any) -> None:
    graph = read(blob)
    (op,) = graph.ops
    assert isinstance(op, Slice)
    assert (op.begin, op.step) == (begin, step)
    agree(blob, graph)


def test_a_slice_that_shrinks_is_followed_by_a_reshape(read: Read) -> None:
    blob = sliced((0, -1, 0, 0), (0, 0, 0, 0), (1, 1, 1, 1), (1, 5, 4), BeginMask=13, EndMask=13, ShrinkAxisMask=2)
    graph = read(blob)
    assert kinds(graph) == [Slice, Reshape]
    assert graph.tensors[graph.ops[0].output].shape == (1, 1, 5, 4)
    assert graph.ops[0].output >= 5, "a number that the file does not use"
    agree(blob, graph)


@pytest.mark.parametrize(
    ("blob", "index"),
    [  # TFLM knows neither mask
        (sliced((0, 1), (0, 3), (1, 1), (1, 6, 5, 2), EllipsisMask=1), np.s_[..., 1:3]),
        (sliced((0, 0, 2), (1, 0, 5), (1, 1, 1), (1, 1, 4, 5, 4), shape=(1, 6, 5, 4), NewAxisMask=2, EndMask=4),
         np.s_[0:1, None, 2:]),
        (sliced((0, 0, 0, 3), (1, 0, 0, 0), (1, 1, 1, -1), (1, 1, 6, 5, 4), NewAxisMask=2, EllipsisMask=4, EndMask=8),
         np.s_[0:1, None, ..., 3::-1]),
        (sliced((0, 5, 4, 0), (1, 0, 1, 4), (1, -2, -1, 1), (1, 3, 3, 4)), np.s_[0:1, 5:0:-2, 4:1:-1]),
        (sliced((0, 0), (1, 6), (1, 1), (1, 6, 5, 4)), np.s_[:]),
    ],
)  # fmt: skip
def test_slices_as_numpy_cuts(read: Read, blob: bytes, index: Any) -> None:
    x = np.arange(120, dtype=np.int8).reshape(1, 6, 5, 4)
    (y,) = interpret(read(blob), [x])
    np.testing.assert_array_equal(y, x[index])


def test_slice(read: Read) -> None:
    blob = single("SLICE", T((1, 6, 5), **Q), T((1, 2, 3), **Q), ints(0, 1, 2), ints(1, 2, -1))
    graph = read(blob)
    assert [(op.begin, op.step) for op in graph.ops if isinstance(op, Slice)] == [((0, 1, 2), (1, 1, 1))]
    agree(blob, graph)


def concatenated(parts: list[Shape], axis: int) -> tuple[list[O], list[T]]:
    y = list(parts[0])
    y[axis] = sum(part[axis] for part in parts)
    op = O("CONCATENATION", tuple(range(1, 1 + len(parts))), (9,), ("ConcatenationOptions", {"Axis": axis}))
    return [op], [T(part, **Q) for part in parts] + [T(tuple(y), **Q)]


@pytest.mark.parametrize("axis", [1, 2, -1])
@pytest.mark.parametrize("name", ["SPLIT", "SPLIT_V"])
def test_splits_are_slices_and_joins_put_them_together(read: Read, axis: int, name: str) -> None:
    shape, sizes = [1, 6, 4, 8], {1: (3, 3), 2: (2, 2), -1: (4, 4)}[axis]
    if name == "SPLIT_V":
        sizes = {1: (1, 3, 2), 2: (3, 1), -1: (5, 2, 1)}[axis]
    parts = []
    for size in sizes:
        part = list(shape)
        part[axis] = size
        parts.append(tuple(part))
    end = 1 + len(parts)
    outputs = tuple(range(1, end))
    tensors = [T(tuple(shape), **Q), *(T(part, **Q) for part in parts), T(tuple(shape), **Q), ints(axis, shape=()),
               ints(*sizes[:-1], -1)]  # fmt: skip
    op = (
        O("SPLIT", (end + 1, 0), outputs, ("SplitOptions", {"NumSplits": len(parts)}))
        if name == "SPLIT"
        else O("SPLIT_V", (0, end + 2, end + 1), outputs, ("SplitVOptions", {"NumSplits": len(parts)}))
    )
    back = O("CONCATENATION", outputs[::-1], (end,), ("ConcatenationOptions", {"Axis": axis}))
    if name == "SPLIT_V":  # TFLM does not know -1
        tensors[-1] = ints(*sizes)
    blob = forge(Sub(tensors, [op, back], (0,), (end,)))
    graph = read(blob)
    assert kinds(graph) == [Slice] * len(parts) + [Concat]
    assert {op.index for op in graph.ops[:-1]} == {0}
    agree(blob, graph)


def test_the_rest_of_a_split(read: Read) -> None:
    tensors = [T((1, 8), **Q), T((1, 3), **Q), T((1, 5), **Q), ints(3, -1), ints(1, shape=())]
    blob = forge(Sub(tensors, [O("SPLIT_V", (0, 3, 4), (1, 2), ("SplitVOptions", {"NumSplits": 2}))], (0,), (2,)))
    graph = read(blob)
    (op,) = graph.ops  # nobody reads the other
    assert isinstance(op, Slice)
    assert (op.begin, op.output) == ((0, 3), 2)
    assert set(graph.tensors) == {0, 2}


def test_unpack_and_pack(read: Read) -> None:
    tensors = [T((1, 3, 4), **Q), *(T((1, 4), **Q) for _ in range(3)), T((1, 4, 2), **Q)]
    take = O("UNPACK", (0,), (1, 2, 3), ("UnpackOptions", {"Num": 3, "Axis": 1}))
    stack = O("PACK", (3, 1), (4,), ("PackOptions", {"ValuesCount": 2, "Axis": -1}))
    blob = forge(Sub(tensors, [take, stack], (0,), (4,)))
    graph = read(blob)
    assert kinds(graph) == [Slice, Reshape, Slice, Reshape, Reshape, Reshape, Concat]
    agree(blob, graph)


def test_concatenation_with_a_constant(read: Read) -> None:
    constant = T((1, 2, 4), **Q, data=np.arange(8))
    options = ("ConcatenationOptions", {"Axis": 1})
    blob = single("CONCATENATION", T((1, 3, 4), **Q), T((1, 5, 4), **Q), constant, options=options)
    graph = read(blob)
    (op,) = graph.ops
    assert isinstance(op, Concat)
    assert (op.inputs, op.axis) == ((0, 2), 1)
    np.testing.assert_array_equal(graph.tensors[2].data, np.arange(8).reshape(1, 2, 4))  # type: ignore[arg-type]
    agree(blob, graph)


def test_pads(read: Read) -> None:
    amounts = ints(0, 0, 1, 2, 0, 3, 0, 0, shape=(4, 2))
    blob = single("PAD", T((1, 3, 4, 2), **Q), T((1, 6, 7, 2), **Q), amounts)
    graph = read(blob)
    (op,) = graph.ops
    assert isinstance(op, Pad)
    assert (op.before, op.value) == ((0, 1, 0, 0), 3), "the zero point stands for zero"
    agree(blob, graph)
    blob = single("PADV2", T((1, 3, 4, 2), **Q), T((1, 6, 7, 2), **Q), amounts, T((1,), **Q, data=[-100]))
    graph = read(blob)
    assert [op.value for op in graph.ops if isinstance(op, Pad)] == [-100]
    agree(blob, graph)
    nothing = ints(*[0] * 8, shape=(4, 2))
    assert kinds(read(single("PAD", T((1, 3, 4, 2), **Q), T((1, 3, 4, 2), **Q), nothing))) == [Reshape]


@pytest.mark.parametrize("order", [(0, 2, 1, 3), (0, 3, 1, 2), (0, 3, 2, 1), (1, 0, 2, 3)])
def test_transpositions(read: Read, order: Shape) -> None:
    shape = (1, 3, 4, 2)
    blob = single("TRANSPOSE", T(shape, **Q), T(tuple(shape[a] for a in order), **Q), ints(*order))
    graph = read(blob)
    assert kinds(graph) == [Reshape if order[0] else Transpose], "an axis of length 1 moves no element"
    agree(blob, graph)


@pytest.mark.parametrize("name", ["SPACE_TO_DEPTH", "DEPTH_TO_SPACE"])
def test_space_and_depth(read: Read, name: str) -> None:
    shapes = [T((1, 6, 4, 3), **Q), T((1, 3, 2, 12), **Q)]
    x, y = shapes if name == "SPACE_TO_DEPTH" else shapes[::-1]
    kind = "SpaceToDepthOptions" if name == "SPACE_TO_DEPTH" else "DepthToSpaceOptions"
    blob = single(name, x, y, options=(kind, {"BlockSize": 2}))
    agree(blob, read(blob))


# ---- convolutions


@pytest.mark.parametrize("scales", [None, 1])
@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("same", [False, True])
def test_convolutions(read: Read, scales: int | None, depthwise: bool, same: bool) -> None:
    name = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    w = (1, 3, 2, 8) if depthwise else (8, 3, 2, 4)
    y = (1, 5, 7, 8) if same else (1, 4, 6, 8)
    blob = conv((1, 10, 7, 4), y, w, scales=scales, name=name, StrideH=2, Padding=0 if same else 1)
    graph = read(blob)
    (op,) = graph.ops
    assert type(op) is (DepthwiseConv2D if depthwise else Conv2D)
    assert op.pad == (0, 0), "the odd element of SAME lies below and to the right"
    assert len(op.requant.multiplier) == 8, "one a channel, also where there is one scale"
    agree(blob, graph)


def test_dilation_padding_and_no_bias(read: Read) -> None:
    blob = conv((1, 9, 8, 3), (1, 9, 8, 5), (5, 3, 3, 3), bias=False, DilationHFactor=2, DilationWFactor=3, Padding=0)
    graph = read(blob)
    (op,) = graph.ops
    assert isinstance(op, Conv2D)
    assert (op.dilation, op.pad) == ((2, 3), (2, 3))
    assert not op.bias.any()
    agree(blob, graph)


def test_groups(read: Read) -> None:
    blob = conv((1, 5, 5, 8), (1, 5, 5, 12), (12, 3, 3, 2))
    graph = read(blob)
    assert kinds(graph) == [GroupedConv2D]
    parts = split_groups(graph)
    assert kinds(parts) == [Slice, Conv2D] * 4 + [Concat]
    assert parts.macs() == graph.macs()
    agree(blob, graph)
    agree(blob, parts)
    blob = conv((1, 5, 5, 8), (1, 5, 5, 16), (16, 3, 3, 1))
    graph = read(blob)
    assert kinds(graph) == [DepthwiseConv2D], "groups of one channel"
    agree(blob, graph)


@pytest.mark.parametrize("scales", [1, 5])
@pytest.mark.parametrize(
    ("x", "y", "keep"), [((1, 6), (1, 5), False), ((1, 7, 6), (1, 7, 5), True), ((1, 3, 2, 6), (6, 5), False)]
)
def test_fully_connected(read: Read, x: Any, y: Any, keep: bool, scales: int) -> None:
    rng = np.random.default_rng(0)
    steps = rng.uniform(0.01, 0.02, scales)
    w = T((5, 6), scale=steps, data=rng.integers(-127, 128, (5, 6)))
    bias = T((5,), "INT32", scale=0.5 * steps, data=rng.integers(-900, 900, 5))
    options = ("FullyConnectedOptions", {"KeepNumDims": keep, "FusedActivationFunction": 1})
    blob = single("FULLY_CONNECTED", T(x, **Q), T(y, scale=0.3, zero=-128), w, bias, options=options)
    graph = read(blob)
    (op,) = graph.ops
    assert isinstance(op, FullyConnected)
    assert len(op.requant.multiplier) == scales
    agree(blob, graph)


def woven(x: np.ndarray, graph: Graph, block: tuple[int, int], pads: Shape, crops: Shape) -> np.ndarray:
    """What the three operators compute, phase by phase: (top, bottom, left, right) of pads and crops."""
    (op,) = (op for op in graph.ops if isinstance(op, Conv2D))
    zero = graph.tensors[op.input].zero_point
    padded = np.pad(x, ((0, 0), pads[:2], pads[2:], (0, 0)), constant_values=zero)
    phases = {}
    for i, j in np.ndindex(*block):
        part = padded[:, i :: block[0], j :: block[1]]
        plain = single_conv(graph, op, part.shape)
        (phases[i, j],) = interpret(plain, [part])
    h, w = (phases[0, 0].shape[axis + 1] * block[axis] for axis in (0, 1))
    y = np.zeros((1, h, w, 4), np.int8)
    for (i, j), phase in phases.items():
        y[:, i :: block[0], j :: block[1]] = phase
    return y[:, crops[0] : h - crops[1], crops[2] : w - crops[3]]


def single_conv(graph: Graph, op: Conv2D, shape: Shape) -> Graph:
    x, y = graph.tensors[op.input], graph.tensors[op.output]
    out = (1, shape[1] - op.kernel[0] + 1, shape[2] - op.kernel[1] + 1, 4)
    tensors = {0: replace(x, shape=shape, storage=0), 1: replace(y, shape=out, storage=1)}
    return Graph(tensors, (replace(op, inputs=(0,), output=1, pad=(0, 0), dilation=(1, 1)),), 0, 1)


def test_a_dilated_convolution_without_a_batch_size(read: Read) -> None:
    """TFLM itself fails on these: the file says that the batch is 1 where it is 4."""
    rng = np.random.default_rng(0)
    block, pads, crops = (2, 3), (2, 2, 3, 3), (0, 0, 0, 0)
    graph = read(dilated(T((1, 8, 12, 3), **Q), T((1, 8, 12, 4), **R), block, pads, crops, (1, 6, 6, 3)))
    (op,) = graph.ops
    assert isinstance(op, Conv2D)
    assert (op.dilation, op.pad, op.index) == ((2, 3), (2, 3), 1)
    x = rng.integers(-128, 128, (1, 8, 12, 3)).astype(np.int8)
    np.testing.assert_array_equal(interpret(graph, [x])[0], woven(x, graph, block, pads, crops))

    pads, crops = (3, 4, 3, 4), (1, 2, 0, 1)
    graph = read(dilated(T((1, 9, 5, 3), **Q), T((1, 9, 5, 4), **R), (2, 3), pads, crops, (1, 8, 4, 3)))
    (op,) = graph.ops
    assert isinstance(op, Conv2D)
    assert (op.dilation, op.pad) == ((2, 3), (2, 3))
    x = rng.integers(-128, 128, (1, 9, 5, 3)).astype(np.int8)
    np.testing.assert_array_equal(interpret(graph, [x])[0], woven(x, graph, (2, 3), pads, crops))

    graph = read(dilated(T((1, 20, 3), **Q), T((1, 20, 4), **R), (4,), (4, 8), (0, 4), (1, 1, 8, 3)))
    assert kinds(graph) == [Reshape, Conv2D, Reshape]
    op = graph.ops[1]
    assert isinstance(op, Conv2D)
    assert (op.dilation, op.pad) == ((1, 4), (0, 4))
    x = rng.integers(-128, 128, (1, 20, 3)).astype(np.int8)
    expected = woven(x[:, None], graph, (1, 4), (0, 0, 4, 8), (0, 0, 0, 4))[:, 0]
    np.testing.assert_array_equal(interpret(graph, [x])[0], expected)


# ---- constants out of constants


def test_a_network_without_a_batch_size(read: Read) -> None:
    graph = read(forge(flattened()))
    assert kinds(graph) == [Reshape]
    assert set(graph.tensors) == {0, 4}
    agree(forge(flattened()), graph)


def folded(read: Read, tensors: list[T], ops: list[O]) -> np.ndarray:
    """The constant that operators on tensors 3... leave in tensor 2, seen through a concatenation."""
    x, y = T((1, 1, 4), **Q), T((1, 3, 4), **Q)
    joined = O("CONCATENATION", (0, 2), (1,), ("ConcatenationOptions", {"Axis": 1}))
    graph = read(forge(Sub([x, y, *tensors], [*ops, joined], (0,), (1,))))
    assert kinds(graph) == [Concat]
    data = graph.tensors[2].data
    assert data is not None
    return data


def test_quantised_constants_are_moved_about(read: Read) -> None:
    values = np.arange(8)
    result = T((1, 2, 4), **Q)
    moved = folded(read, [result, T((2, 4), **Q, data=values), ints(0, shape=())], [O("EXPAND_DIMS", (3, 4), (2,))])
    np.testing.assert_array_equal(moved, values.reshape(1, 2, 4))
    turned = [result, T((4, 2, 1), **Q, data=values), ints(2, 1, 0)]
    np.testing.assert_array_equal(
        folded(read, turned, [O("TRANSPOSE", (3, 4), (2,))]), values.reshape(4, 2, 1).transpose(2, 1, 0)
    )
    filled = [result, ints(1, 2, 4), T((), **Q, data=[9])]
    np.testing.assert_array_equal(
        folded(read, filled, [O("FILL", (3, 4), (2,), ("FillOptions", {}))]), np.full((1, 2, 4), 9)
    )


def test_integers_are_computed_with(read: Read) -> None:
    """The shape that FILL gets is ((7 - 5) * 2) // 4, 20 % 6, min(9, 4)."""
    tensors = [
        T((1, 2, 4), **Q),
        ints(7), ints(5), ints(2), ints(4), ints(20, dtype="INT64"), ints(6, dtype="INT64"), ints(9),  # 3..9
        *[T((1,), "INT32")] * 3, T((1,), "INT64"), *[T((1,), "INT32")] * 2,  # 10..15
        T((3,), "INT32"), T((), **Q, data=[-4]),
    ]  # fmt: skip
    ops = [
        O("SUB", (3, 4), (10,), (SUB, {})),
        O("MUL", (10, 5), (11,), (MUL, {})),
        O("FLOOR_DIV", (11, 6), (12,), ("FloorDivOptions", {})),
        O("FLOOR_MOD", (7, 8), (13,), ("FloorModOptions", {})),
        O("CAST", (13,), (14,), ("CastOptions", {})),
        O("MINIMUM", (9, 6), (15,), ("MaximumMinimumOptions", {})),
        O("CONCATENATION", (12, 14, 15), (16,), ("ConcatenationOptions", {"Axis": 0})),
        O("FILL", (16, 17), (2,), ("FillOptions", {})),
    ]
    np.testing.assert_array_equal(folded(read, tensors, ops), np.full((1, 2, 4), -4))


# ---- streaming state


@pytest.mark.parametrize(("first", "fill"), [(None, 7), ([5] * 4, 5), ([7] * 4, 7), ([-128] * 4, -128)])
def test_a_variable_is_state(read: Read, first: Any, fill: int) -> None:
    """Without a first value TFLM gives it the zero point of what is assigned."""
    graph = read(stepping(first))
    assert kinds(graph) == [ReadVariable, Add, AssignVariable]
    take, _, keep = graph.ops
    assert take.input == keep.output
    state = graph.tensors[keep.output]
    assert (state.fill, state.name, state.shape, state.zero_point, state.origin) == (fill, "v", (1, 4), 7, None)
    assert keep.output >= 4
    assert [t.storage for t in graph.tensors.values()].count(state.storage) == 1
    agree(stepping(first), graph, invokes=6)


def test_a_reset_is_a_fresh_start(read: Read) -> None:
    """TFLM's own reset does not run CALL_ONCE again: it leaves the zero point, where that is not the first value."""
    network = Interpreter(read(stepping([5] * 4)))
    x = np.full((1, 4), 8, np.int8)
    first = network.invoke(x)
    assert not np.array_equal(network.invoke(x), first)
    network.reset()
    np.testing.assert_array_equal(network.invoke(x), first)


def test_a_name_without_a_container_is_any_of_that_name(read: Read) -> None:
    graph = read(stepping([5] * 4, container="c"))
    assert [t.fill for t in graph.tensors.values() if t.fill is not None] == [5]


def test_a_float_variable(read: Read) -> None:
    """A window of float values that are dequantised before they are kept, as TensorFlow 2.21 writes it."""
    kept, new, window = (T((1, n, 4), "FLOAT32") for n in (3, 2, 5))
    tensors = [
        T((1, 2, 4), **Q), T((), "RESOURCE"), kept, new, window, T((1, 5, 4), **R), T((1, 3, 4), **R), kept,
        ints(0, 2, 0), ints(1, 5, 4), ints(1, 1, 1),
    ]  # fmt: skip
    ops = [
        O("VAR_HANDLE", (), (1,), ("VarHandleOptions", {"SharedName": "v"})),
        O("READ_VARIABLE", (1,), (2,)),
        O("DEQUANTIZE", (0,), (3,)),
        O("CONCATENATION", (2, 3), (4,), ("ConcatenationOptions", {"Axis": 1})),
        O("QUANTIZE", (4,), (5,)),
        O("STRIDED_SLICE", (5, 8, 9, 10), (6,), ("StridedSliceOptions", {})),
        O("DEQUANTIZE", (6,), (7,)),
        O("ASSIGN_VARIABLE", (1, 7), ()),
    ]
    blob = forge(Sub(tensors, ops, (0,), (5,)))
    graph = read(blob)
    (state,) = (t for t in graph.tensors.values() if t.fill is not None)
    assert (state.dtype, state.fill, state.scale) == ("int8", -7, 0.25)
    agree(blob, graph, invokes=6)


def test_float_functions_between_quantised_tensors(read: Read) -> None:
    for name in ("ELU", "NEG", "ABS", "SQUARE", "FLOOR", "CEIL"):
        tensors = [
            T((1, 64), scale=0.07, zero=3),
            T((1, 64), "FLOAT32"),
            T((1, 64), "FLOAT32"),
            T((1, 64), scale=0.1, zero=-3),
        ]
        ops = [O("DEQUANTIZE", (0,), (1,)), O(name, (1,), (2,)), O("QUANTIZE", (2,), (3,))]
        blob = forge(Sub(tensors, ops, (0,), (3,)))
        graph = read(blob)
        assert [op.kind for op in graph.ops] == ["Reshape", "Reshape", "QUANTIZE"]
        agree(blob, graph, invokes=8)


# ---- whole networks


@pytest.mark.parametrize("name", NETWORKS)
def test_committed_networks(vectors: Path, name: str) -> None:
    graph = read_tflite(vectors / "networks" / f"{name}.tflite")
    golden = np.load(vectors / "networks" / f"{name}.npz")
    answers = interpret(graph, [x[None] for x in golden["x"]])
    np.testing.assert_array_equal(np.concatenate(answers), golden["y"])
    assert all(t.origin in (None, number) for number, t in graph.tensors.items())


PUBLISHED = (
    "mlperf-tiny/kws_ref_model",
    "mlperf-tiny/vww_96_int8",
    "mlperf-tiny/pretrainedResnet_quant",
    "mlperf-tiny/ad01_int8",
    "mlperf-tiny/str_ww_ref_model",
    "micro-speech/micro_speech_quantized",
    "small/emlearn_mnist_cnn_int8",
    "small/tinymaix_mnist_valid_q",
)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks(reference: Path, name: str) -> None:
    path = reference / f"{name}.tflite"
    agree(path.read_bytes(), read_tflite(path), invokes=2)


@pytest.mark.parametrize("name", ["okay_nabu", "hey_jarvis", "vad", "v1/hey_jarvis"])
def test_published_streaming_networks(reference: Path, name: str) -> None:
    path = reference / "micro-wake-word" / f"{name}.tflite"
    graph = read_tflite(path)
    kept = [graph.tensors[op.output] for op in graph.ops if isinstance(op, AssignVariable)]
    assert kept
    assert all(t.fill is not None for t in kept)
    assert graph.tensors[graph.output].dtype == "uint8"
    agree(path.read_bytes(), graph, invokes=60)
