"""Operators one by one: what they compute, and with their output over their input.

What they must compute is told again in 64-bit numpy, in gemmlowp's own words rather than firmware/core's: products are
rounded by a nudge and a truncating division.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from records import (
    ARENA,
    AVERAGE_POOL_2D,
    CONV_2D,
    DEPTHWISE_CONV_2D,
    FULL,
    HWC,
    INT8,
    MAX_POOL_2D,
    STATE,
    UINT8,
    WEIGHTS,
    Tensor,
    add_op,
    conv_op,
    copy_op,
    fully_connected_op,
    layer_weights,
    mean_op,
    mul_op,
    paired,
    part_op,
    pool_op,
    softmax_op,
    table_op,
    twm,
)

from tinywake.core import Model

Int8s = NDArray[np.int8]
Scaling = tuple[int, int]


def ints(*shape: int, seed: int = 0) -> Int8s:
    x = np.random.default_rng(seed).integers(-128, 128, shape)
    x.flat[:2] = (-128, 127)[: x.size]
    return x.astype(np.int8)


# ---- TensorFlow Lite Micro's arithmetic, told again


def requant(x: NDArray[np.int64], multiplier: int, shift: int) -> NDArray[np.int64]:
    left = (x << max(shift, 0)).astype(np.int32).astype(np.int64)
    ab = left * multiplier
    nudged = ab + np.where(ab >= 0, 1 << 30, 1 - (1 << 30))
    high = np.sign(nudged) * (abs(nudged) >> 31)
    right = max(-shift, 0)
    result: NDArray[np.int64] = np.sign(high) * ((abs(high) + ((1 << right) >> 1)) >> right)
    return result


def clamped(x: NDArray[np.int64], zero: int, act: tuple[int, int] = FULL) -> Int8s:
    return np.clip((x + zero).astype(np.int32), *act).astype(np.int8)


def add(a: Int8s, b: Int8s, zeros: HWC, scalings: tuple[Scaling, ...], act: tuple[int, int], subtract: bool) -> Int8s:
    left = requant((a.astype(np.int64) - zeros[0]) * (1 << 20), *scalings[0])
    right = requant((b.astype(np.int64) - zeros[1]) * (1 << 20), *scalings[1])
    return clamped(requant(left - right if subtract else left + right, *scalings[2]), zeros[2], act)


def mul(a: NDArray[Any], b: NDArray[Any], zeros: HWC, scaling: Scaling, act: tuple[int, int]) -> Int8s:
    return clamped(requant((a.astype(np.int64) - zeros[0]) * (b.astype(np.int64) - zeros[1]), *scaling), zeros[2], act)


# ---- ADD and MUL


def invoke_pair(
    a: Int8s,
    b: Int8s,
    zeros: HWC,
    record: bytes,
    *,
    out_at: int | None = None,
    constant: bool = False,
) -> Int8s:
    """Tensor 0 holds both inputs, which are tensors 1 and 2; with `constant` the second lies in WEIGHTS."""
    shape = np.broadcast_shapes(a.shape, b.shape)
    y_at = a.size + b.size if out_at is None else out_at
    second = Tensor(b.shape, 5, zeros[1], place=WEIGHTS) if constant else Tensor(b.shape, a.size, zeros[1])
    tensors = [Tensor((1, 1, a.size + b.size)), Tensor(a.shape, 0, zeros[0]), second, Tensor(shape, y_at, zeros[2])]
    model = Model(twm(tensors, [record], b"skip!" + b.tobytes()))
    b_sent = np.zeros_like(b) if constant else b
    return model.invoke(np.concatenate([a.ravel(), b_sent.ravel()])).view(np.int8).reshape(shape)


SHAPES: list[tuple[HWC, HWC]] = [
    ((1, 1, 1), (1, 1, 1)),
    ((2, 3, 4), (2, 3, 4)),
    ((2, 3, 4), (1, 1, 4)),
    ((2, 3, 4), (1, 1, 1)),
    ((1, 3, 1), (2, 3, 4)),
    ((2, 1, 1), (1, 3, 4)),
    ((2, 1, 4), (1, 3, 1)),
    ((1, 5, 1), (3, 1, 2)),
]


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_axes_of_length_1_are_repeated(shapes: tuple[HWC, HWC], constant: bool) -> None:
    a, b = ints(*shapes[0]), ints(*shapes[1], seed=1)
    zeros, act = (-3, 5, 9), (-100, 90)
    scalings = ((1 << 30, 0), (1518500250, -1), (1717986918, -17))
    multipliers, shifts = zip(*scalings, strict=True)
    for subtract in (0, 1):
        record = add_op(act=act, multipliers=multipliers, shifts=shifts, subtract=subtract)
        expected = add(a, b, zeros, scalings, act, bool(subtract))
        np.testing.assert_array_equal(invoke_pair(a, b, zeros, record, constant=constant), expected)
    record = mul_op(act=act, multiplier=1431655765, shift=-5)
    expected = mul(a, b, zeros, (1431655765, -5), act)
    np.testing.assert_array_equal(invoke_pair(a, b, zeros, record, constant=constant), expected)


ALL = np.arange(-128, 128).astype(np.int8)
# Zero points at either end, multipliers and shifts at theirs.
ADDS: list[tuple[HWC, tuple[Scaling, Scaling, Scaling]]] = [
    ((0, 0, 0), ((1 << 30, 0), (1 << 30, 0), (1 << 30, -18))),
    ((-128, 127, -128), ((2147483647, 0), (1100000000, -3), (1999999999, -19))),
    ((127, -128, 127), ((1234567890, -7), (2147483647, 0), (1073741825, -17))),
    ((4, -4, 0), ((1 << 30, -31), (0, 0), (2147483647, 0))),
    ((-1, 1, 1), ((1357913579, -2), (1357913579, -2), (1 << 30, -31))),
]


@pytest.mark.parametrize(("zeros", "scalings"), ADDS)
def test_every_sum_and_difference(zeros: HWC, scalings: tuple[Scaling, Scaling, Scaling]) -> None:
    a, b = ALL.reshape(256, 1, 1), ALL.reshape(1, 1, 256)
    multipliers, shifts = zip(*scalings, strict=True)
    for subtract in (0, 1):
        record = add_op(multipliers=multipliers, shifts=shifts, subtract=subtract)
        expected = add(a, b, zeros, scalings, FULL, bool(subtract))
        np.testing.assert_array_equal(invoke_pair(a, b, zeros, record), expected)


@pytest.mark.parametrize("zeros", [(0, 0, 0), (-128, 127, -5), (127, 127, 127)])
@pytest.mark.parametrize(
    "scaling", [(1 << 30, -6), (2147483647, 0), (1987654321, -8), (1 << 30, -31), (0, 0), (1 << 30, 30)]
)
def test_every_product(zeros: HWC, scaling: Scaling) -> None:
    a, b = ALL.reshape(256, 1, 1), ALL.reshape(1, 1, 256)
    record = mul_op(multiplier=scaling[0], shift=scaling[1])
    np.testing.assert_array_equal(invoke_pair(a, b, zeros, record), mul(a, b, zeros, scaling, FULL))


@pytest.mark.parametrize("subtract", [0, 1])
def test_sums_and_products_in_place(subtract: int) -> None:
    a, b, row = ints(3, 4, 5), ints(3, 4, 5, seed=1), ints(1, 1, 5, seed=2)
    zeros = (2, -7, 1)
    scalings = ((1 << 30, 0), (1 << 30, 0), (1 << 30, -18))
    sums, products = add_op(subtract=subtract), mul_op()
    for second in (b, row):
        for at in (0, a.size) if second is b else (0,):
            got = invoke_pair(a, second, zeros, sums, out_at=at)
            np.testing.assert_array_equal(got, add(a, second, zeros, scalings, FULL, bool(subtract)))
            got = invoke_pair(a, second, zeros, products, out_at=at)
            np.testing.assert_array_equal(got, mul(a, second, zeros, (1 << 30, -6), FULL))


def test_a_tensor_and_itself() -> None:
    a = ints(2, 3, 4)
    model = Model(twm([Tensor(a.shape), Tensor(a.shape)], [mul_op(0, 1, 0)]))
    np.testing.assert_array_equal(model.invoke(a).view(np.int8), mul(a, a, (0, 0, 0), (1 << 30, -6), FULL).ravel())


# ---- TABLE, MEAN, COPY


@pytest.mark.parametrize("types", list(product((INT8, UINT8), repeat=2)))
def test_tables_map_raw_bytes(types: tuple[int, int]) -> None:
    table = np.random.default_rng(0).permutation(256).astype(np.uint8)
    x = np.arange(256).astype(np.uint8)[::-1].reshape(4, 4, 16)
    for at in (0, 300, 299):  # in place, elsewhere, just below
        tensors = [Tensor((4, 4, 16), 0 if at == 0 else 300, type=types[0]), Tensor((16, 16, 1), at, type=types[1])]
        model = Model(twm(tensors, [table_op(at=3)], b"abc" + table.tobytes()))
        np.testing.assert_array_equal(model.invoke(x), table[x].ravel())


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 7, 3), (5, 1, 2), (3, 5, 4), (1, 65535, 2)])
@pytest.mark.parametrize("zeros", [(0, 0), (-128, 127), (127, -128)])
def test_mean_over_width(shape: HWC, zeros: tuple[int, int]) -> None:
    x = ints(*shape)
    for multiplier, shift in ((1 << 30, 0), ((1 << 30) // shape[1], 1), (2147483647, -3), (123456789, 30)):
        tensors = [Tensor(shape, 0, zeros[0]), Tensor((1, shape[0], shape[2]), x.size, zeros[1])]
        model = Model(twm(tensors, [mean_op(multiplier=multiplier, shift=shift)]))
        sums = (x.astype(np.int64) - zeros[0]).sum(1)
        expected = clamped(requant(sums, multiplier, shift), zeros[1])
        np.testing.assert_array_equal(model.invoke(x).view(np.int8), expected.ravel())


def copied(x: Int8s, out: HWC, *records: bytes, type: int = INT8) -> Int8s:
    tensors = [Tensor(x.shape, 0, type=type), Tensor(out, x.size, type=type)]
    return Model(twm(tensors, list(records))).invoke(x).view(np.int8).reshape(out)


@pytest.mark.parametrize("type_", [INT8, UINT8])
def test_copies_slice_pad_transpose_and_join(type_: int) -> None:
    x = ints(5, 6, 7)
    sliced = copy_op(at=42 + 14 + 2, counts=(2, 3, 1), run=4, steps=(84, 7, 9), out_steps=(12, 4, 9))
    np.testing.assert_array_equal(copied(x, (2, 3, 4), sliced, type=type_), x[1:4:2, 2:5, 2:6])
    padded = copy_op(out_at=63 + 7, counts=(5, 1, 1), run=42, steps=(42, 0, 0), out_steps=(63, 0, 0), fill=-9)
    expected = np.pad(x, ((1, 1), (1, 2), (0, 0)), constant_values=-9)
    np.testing.assert_array_equal(copied(x, (7, 9, 7), padded, type=type_), expected)
    turned = copy_op(counts=(7, 5, 6), steps=(1, 42, 7), out_steps=(30, 6, 1))
    np.testing.assert_array_equal(copied(x, (7, 5, 6), turned, type=type_), x.transpose(2, 0, 1))
    halves = [
        copy_op(out_at=7, counts=(30, 1, 1), run=7, steps=(7, 0, 0), out_steps=(14, 0, 0)),
        copy_op(counts=(30, 1, 1), run=7, steps=(7, 0, 0), out_steps=(14, 0, 0)),
    ]
    np.testing.assert_array_equal(copied(x, (5, 6, 14), *halves, type=type_), np.concatenate([x, x], 2))
    tiled = copy_op(counts=(2, 3, 1), run=5, steps=(0, 0, 0), out_steps=(15, 5, 0))
    np.testing.assert_array_equal(copied(x, (1, 6, 5), tiled, type=type_)[0], np.tile(x.ravel()[:5], (6, 1)))


def test_copies_from_constants_and_strides_that_do_not_matter() -> None:
    anything = (0xFFFFFFFF, 0x80000000, 0xFFFFFFFF)
    tensors = [Tensor((1, 1, 4)), Tensor((1, 1, 6), place=WEIGHTS), Tensor((1, 1, 4), 4)]
    record = copy_op(1, 2, at=2, run=4, steps=anything, out_steps=anything)
    assert Model(twm(tensors, [record], b"abcdef")).invoke(np.zeros(4, np.int8)).tobytes() == b"cdef"


# ---- an output over its input, as near as the compiler may lay it


def nearest(needed: list[int], unit: int) -> int:
    """Where y may begin, x beginning at 0: no byte of a unit lies where that unit or a later one reads."""
    return min(min(needed[p:]) - (p + 1) * unit for p in range(len(needed)))


def windows(hwc: HWC, out: HWC, kernel: int, stride: int, pad: int) -> list[int]:
    """The first element that each pixel of the output reads."""
    rows, columns = ([max(i * stride - pad, 0) for i in range(n)] for n in out[:2])
    assert (out[0] - 1) * stride - pad + kernel <= hwc[0] + pad
    return [(y * hwc[1] + x) * hwc[2] for y in rows for x in columns]


class Layer(NamedTuple):
    """An operator from a tensor to another, and the first element that each unit of its output reads."""

    name: str
    shape: HWC
    out: HWC
    record: bytes
    weights: bytes
    needed: list[int]
    unit: int  # elements


def window_layers() -> Iterator[Layer]:
    for code, c, kernel, stride, pad in (
        (CONV_2D, 4, 3, 1, 0),
        (CONV_2D, 2, 3, 2, 1),
        (CONV_2D, 5, 1, 1, 0),
        (DEPTHWISE_CONV_2D, 8, 3, 1, 1),
        (AVERAGE_POOL_2D, 4, 2, 2, 0),
        (MAX_POOL_2D, 4, 3, 1, 1),
    ):
        n = (7 + 2 * pad - kernel) // stride + 1
        shape, out = (7, 7, 4), (n, n, c)
        window = (kernel, kernel, stride, stride, pad, pad)
        weights, offsets = layer_weights(c, kernel * kernel * (4 if code == CONV_2D else 1))
        pools = code in (AVERAGE_POOL_2D, MAX_POOL_2D)
        record = pool_op(code, window) if pools else conv_op(code, offsets, window, (1, 1))
        yield Layer(f"{code} {window}", shape, out, record, weights, windows(shape, out, kernel, stride, pad), c)


def row_layers() -> Iterator[Layer]:
    for depth, units in ((3, 5), (5, 3), (4, 4)):
        weights, offsets = layer_weights(units, depth)
        record, needed = fully_connected_op(offsets), list(range(0, 6 * depth, depth))
        yield Layer(f"{depth} to {units}", (2, 3, depth), (2, 3, units), record, weights, needed, units)
    yield Layer("mean", (4, 3, 5), (4, 1, 5), mean_op(multiplier=715827883), b"", [0, 15, 30, 45], 5)
    yield Layer("mean of one", (4, 1, 5), (4, 1, 5), mean_op(), b"", [0, 5, 10, 15], 5)
    cut = copy_op(counts=(6, 1, 1), run=3, steps=(4, 0, 0), out_steps=(3, 0, 0))
    yield Layer("copy", (1, 6, 4), (1, 6, 3), cut, b"", list(range(0, 24, 4)), 3)
    # Those whose units may replace themselves lie a unit later; a run may lie anywhere.
    yield Layer("softmax", (1, 4, 5), (1, 4, 5), softmax_op(), b"", [5, 10, 15, 20], 5)
    yield Layer("run up", (1, 1, 9), (1, 1, 9), copy_op(run=9), b"", [9 + 4], 9)
    yield Layer("run down", (1, 1, 9), (1, 1, 9), copy_op(run=9), b"", [9 - 4], 9)


@pytest.mark.parametrize("layer", [*window_layers(), *row_layers()], ids=lambda layer: layer.name)
def test_an_output_may_follow_its_input(layer: Layer) -> None:
    x, near = ints(*layer.shape), nearest(layer.needed, layer.unit)
    base, far = 512, 2048
    assert -base <= near
    apart, over = (
        Model(twm([Tensor(layer.shape, base, 3), Tensor(layer.out, at, -2)], [layer.record], layer.weights)).invoke(x)
        for at in (far, base + near)
    )
    assert len(np.unique(apart)) > 3
    np.testing.assert_array_equal(over, apart)


@pytest.mark.parametrize("per_channel", [0, 1])
@pytest.mark.parametrize("place", [ARENA, STATE])
def test_parts_of_a_sum_give_the_whole(per_channel: int, place: int) -> None:
    """24 inputs at once, and in shares of 7, 1, 6 and 10 with weights of their own; the first share has the bias."""
    weights, offsets = layer_weights(5, 24)
    matrix = np.frombuffer(weights[offsets[0] :], np.uint8).reshape(5, 24)
    weights = weights[: offsets[0]] + paired(matrix)
    if not per_channel:
        weights += bytes(-len(weights) % 4)
        offsets = (*offsets[:2], len(weights))
        weights += struct.pack("<ib", 1518500250, -7)
    x = ints(1, 1, 24)
    record = fully_connected_op(offsets, per_channel)
    whole = twm([Tensor((1, 1, 24), zero=3), Tensor((1, 1, 5), 24)], [record], weights)
    edges = (0, 7, 8, 14, 24)
    shares = [Tensor((1, 1, b - a), a, zero=3) for a, b in pairwise(edges)]
    sums = Tensor((1, 1, 20), 0 if place == STATE else 32, place=place)
    tensors = [Tensor((1, 1, 24)), Tensor((1, 1, 5), 24), sums, *shares]
    ops = []
    weights += bytes(-len(weights) % 4)
    no_bias = len(weights)
    weights += bytes(20)
    for number, (a, b) in enumerate(pairwise(edges)):
        part = 1 if number == 0 else 3 if b == 24 else 2
        here = (len(weights), offsets[1] if part == 1 else no_bias, offsets[2])
        weights += paired(np.pad(matrix[:, a:b], ((0, 0), (0, (a - b) % 4)), constant_values=128))
        ops.append(part_op(part, 2, here, 3 + number, 1 if part == 3 else 2, per_channel))
    parted = Model(twm(tensors, ops, weights, output=1))
    for _ in range(2):
        np.testing.assert_array_equal(parted.invoke(x), Model(whole).invoke(x))


def test_origins_are_not_read() -> None:
    record, table = table_op(), np.arange(256)[::-1].astype(np.uint8)
    plain, marked = (
        Model(twm([Tensor((1, 1, 9)), Tensor((1, 1, 9))], [record], table.tobytes(), origins=origins)).invoke(ALL[:9])
        for origins in (b"", struct.pack("<H", 7))
    )
    np.testing.assert_array_equal(plain, marked)
