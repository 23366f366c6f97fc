"""What the compiler writes for kernels to rely on: biases with zero points in them, bounds of sums, and scratch."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from samples import conv

from tinywake.compiler.build import Compiled, compile_tflite, lower
from tinywake.compiler.graph import Conv2D, DepthwiseConv2D, FullyConnected, Requant
from tinywake.compiler.memory.lifetimes import padded
from tinywake.compiler.memory.plan import plan
from tinywake.compiler.tflite.read import read_tflite
from tinywake.compiler.twm import layout
from tinywake.compiler.twm.filters import bounded, folded_bias, weight_bytes
from tinywake.compiler.twm.pack import pack
from tinywake.compiler.twm.unpack import parse
from tinywake.core import Model

NETWORKS = ("image", "pooled", "word", "flat", "rows", "clipped", "residual", "shapes", "streaming")


def dense(weights: list[list[int]], bias: list[int], shift: list[int]) -> FullyConnected:
    requant = Requant(np.full(len(shift), 1 << 30, np.int32), np.array(shift, np.int8))
    return FullyConnected(0, (0,), 1, np.array(weights, np.int8), np.array(bias, np.int32), requant, (-128, 127))


def test_rows_of_weights_are_padded() -> None:
    assert weight_bytes(dense([[3, -2, 5]], [0], [-3])) == bytes([131, 126, 133, 128])


def test_rows_of_weights_are_paired() -> None:
    op = dense([[1, 2, 3, 4, 5], [11, 12, 13, 14, 15], [21, 22, 23, 24, 25]], [0, 0, 0], [-3])
    pair = [1, 2, 11, 12, 3, 4, 13, 14, 5, 0, 15, 0, 0, 0, 0, 0]
    assert [w - 128 for w in weight_bytes(op)] == [*pair, 21, 22, 23, 24, 25, 0, 0, 0]


def test_rows_of_a_convolution_stay_rows() -> None:
    op = conv2d([[3, -2], [-128, 127]])
    assert weight_bytes(op) == bytes([131, 126, 128, 128, 0, 255, 128, 128])


def test_a_bias_has_the_zero_point_in_it() -> None:
    op = dense([[3, -2], [100, 100]], [10, -(1 << 31)], [-3])
    assert folded_bias(op, -5).tolist() == [15, -(1 << 31) + 1000]
    assert folded_bias(op, 5).tolist() == [5, (1 << 31) - 1000]  # modulo 2^32


def conv2d(weights: list[list[int]]) -> Conv2D:
    op, rows = dense(weights, [0] * len(weights), [-3]), np.array(weights, np.int8)
    taps = rows.reshape(len(rows), 1, rows.shape[1], 1)
    return Conv2D(0, (0,), 1, taps, op.bias, op.requant, (1, 1), (0, 0), (1, 1), (-128, 127))


@pytest.mark.parametrize(
    ("weights", "bias", "shift", "zero", "holds"),
    [
        ([127, 1], 0, -7, 0, True),
        ([-127, 1], 0, -14, 0, True),
        ([-128, 1], 0, -7, 0, False),  # a weight
        ([-128, 1], 0, 0, 0, False),  # whatever the shift
        ([1, 0], (1 << 23) - 128, -7, 0, True),  # 127 at most
        ([1, 0], (1 << 23) - 127, -7, 0, False),
        ([-1, 0], (1 << 23) - 129, -7, 0, True),  # 128 at most
        ([-1, 0], (1 << 23) - 128, -7, 0, False),
        ([1, 0], 128 - (1 << 23), -7, 0, False),  # -128 at least
        ([1, 0], 129 - (1 << 23), -7, 0, True),
        ([1, 0], (1 << 23) - 256, -7, -128, True),  # 255 at most
        ([1, 0], (1 << 23) - 255, -7, -128, False),
        ([1, 0], 1 << 30, -15, 0, True),  # shifts that are requantised in 64 bits
        ([1, 0], 1 << 30, 0, 0, True),
        ([1, 0], 1 << 30, 5, 0, True),
        ([1, 0], 1 << 30, -14, 0, False),
        ([1, 0], 1 << 30, -1, 0, False),
    ],
)
def test_bounds_are_exact(weights: list[int], bias: int, shift: int, zero: int, holds: bool) -> None:
    assert bounded(dense([weights], [bias], [shift]), zero) == holds


def test_one_shift_counts_for_all_units() -> None:
    assert bounded(dense([[1], [1]], [0, 1 << 25], [-20]), 0)
    assert not bounded(dense([[1], [1]], [0, 1 << 25], [-5]), 0)


@pytest.fixture(scope="module")
def compiled() -> list[Compiled]:
    folder = Path(__file__).parents[1] / "vectors" / "networks"
    return [compile_tflite(folder / f"{name}.tflite") for name in NETWORKS]


def test_scratch_is_free_while_its_operator_runs(compiled: list[Compiled]) -> None:
    given = 0
    for c in compiled:
        for number, scratch in enumerate(c.plan.scratch):
            given += scratch.bytes > 0
            assert scratch.offset % 4 == 0
            assert scratch.offset + scratch.bytes <= c.plan.arena_bytes
            for block in c.plan.blocks:
                if block.first <= number <= block.last and scratch.bytes:
                    end = padded(block.offset + block.bytes)
                    assert scratch.offset >= end or scratch.offset + scratch.bytes <= block.offset
    assert given > 5


def test_records_hold_flags_and_scratch(compiled: list[Compiled]) -> None:
    flags = set()
    for c in compiled:
        at = c.blob.index(b"".join(op.fields for op in parse(c.blob).ops[:1])) - layout.OP_HEAD.size
        for record, op, scratch in zip(parse(c.blob).ops, c.graph.ops, c.plan.scratch, strict=True):
            _, flag, length, *_ = layout.OP_HEAD.unpack_from(c.blob, at)
            weighty = isinstance(op, Conv2D | FullyConnected)
            assert flag == (weighty and bounded(op, c.graph.tensors[op.input].zero_point))
            assert not weighty or struct.unpack("<II", record.fields[-8:]) == (scratch.offset, scratch.bytes)
            flags.add((weighty, flag))
            at += length
    assert flags >= {(True, 1), (False, 0)}


def test_a_depthwise_convolution_of_one_channel_is_a_convolution(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(conv((1, 6, 5, 1), (1, 4, 4, 8), (1, 3, 2, 8), name="DEPTHWISE_CONV_2D", Padding=1))
    before, after = lower(read_tflite(path)), compile_tflite(path)
    assert [type(op) for op in before.ops] == [DepthwiseConv2D]
    assert [type(op) for op in after.graph.ops] == [Conv2D]
    plain, widened = Model(pack(before, plan(before))), Model(after.blob)
    for x in np.random.default_rng(0).integers(-128, 128, (20, 30)).astype(np.int8):
        y = widened.invoke(x)
        np.testing.assert_array_equal(y, plain.invoke(x))
        assert len(np.unique(y)) > 3


@pytest.mark.parametrize(
    ("name", "x", "y", "filters", "kind"),
    [
        ("CONV_2D", (1, 3, 2, 5), (1, 1, 1, 7), (7, 3, 2, 5), FullyConnected),
        ("CONV_2D", (1, 4, 2, 5), (1, 2, 1, 7), (7, 3, 2, 5), Conv2D),
        ("DEPTHWISE_CONV_2D", (1, 3, 2, 1), (1, 1, 1, 4), (1, 3, 2, 4), FullyConnected),
        ("DEPTHWISE_CONV_2D", (1, 3, 2, 4), (1, 1, 1, 4), (1, 3, 2, 4), DepthwiseConv2D),
    ],
)
def test_a_convolution_of_one_window_is_fully_connected(
    tmp_path: Path, name: str, x: tuple[int, ...], y: tuple[int, ...], filters: tuple[int, ...], kind: type
) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(conv(x, y, filters, name=name, Padding=1))
    before, after = lower(read_tflite(path)), compile_tflite(path)
    assert [type(op) for op in after.graph.ops] == [kind]
    plain, simpler = Model(pack(before, plan(before))), Model(after.blob)
    for values in np.random.default_rng(0).integers(-128, 128, (20, simpler.input_bytes)).astype(np.int8):
        np.testing.assert_array_equal(simpler.invoke(values), plain.invoke(values))
