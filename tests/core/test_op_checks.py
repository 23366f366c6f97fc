"""What check_ops.c refuses: every field of every operator wrong once, at the offsets of models/SPEC.md, OPS."""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
import pytest
from records import (
    AVERAGE_POOL_2D,
    CONV_2D,
    DEPTHWISE_CONV_2D,
    HWC,
    STATE,
    STATE_PUSH,
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
    op,
    part_op,
    pool_op,
    softmax_op,
    table_op,
    twm,
)

from tinywake.core import Model
from tinywake.errors import FormatError

Patches = dict[str, tuple[int, bytes]]
HUGE = 0xFFFFFFFF


def u16(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}H", *values)


def u32(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def each_byte(at: int, count: int) -> Patches:
    return {f"reserved byte {i}": (i, b"\1") for i in range(at, at + count)}


def scratch(at: int) -> Patches:
    """Offset and bytes at `at`."""
    return {
        "scratch misaligned": (at, u32(2)),
        "scratch far outside": (at, u32(HUGE - 3)),
        "scratch over the end": (at + 4, u32(1 << 20)),
        "scratch that wraps": (at, u32(4, HUGE)),
    }


class Case(NamedTuple):
    """A record that is right, among tensors and weights that it may have, and what makes it wrong."""

    tensors: list[Tensor]
    record: bytes
    weights: bytes
    wrong: Patches


def around(shape: HWC, out: HWC, *more: Tensor) -> list[Tensor]:
    """Input, output; then both as uint8, the output as a constant, and others."""
    x, y = Tensor(shape), Tensor(out, 100)
    return [x, y, x._replace(type=UINT8), y._replace(type=UINT8), y._replace(at=0, place=WEIGHTS), *more]


TYPES: Patches = {"in that is uint8": (4, u16(2)), "out that is uint8": (6, u16(3)), "out in weights": (6, u16(4))}


def scaling(at: int, most: int, least: int = -32) -> Patches:
    return {
        "negative multiplier": (at, u32(0x80000000)),
        f"shift {most + 1}": (at + 4, struct.pack("b", most + 1)),
        f"shift {least}": (at + 4, struct.pack("b", least)),
    }


# 5 x 6 x 2 to 3 x 2 x 4, kernel 3 x 2, stride 2 x 3, padding 1 and 0, dilation 1 x 2.
CONV_TENSORS = around((5, 6, 2), (3, 2, 4), Tensor((3, 2, 3)))
CONV_WRONG: Patches = {
    **TYPES,
    "weights over the end": (8, u32(40)),
    "weights far outside": (8, u32(HUGE)),
    "bias misaligned": (12, u32(2)),
    "bias over the end": (12, u32(84)),
    "requant misaligned": (16, u32(18)),
    "requant over the end": (16, u32(84)),
    "requant of negative multipliers": (16, u32(0)),
    "kernel h 0": (20, b"\0"),
    "kernel w 0": (21, b"\0"),
    "stride h 0": (22, b"\0"),
    "stride w 0": (23, b"\0"),
    "last window below": (22, b"\3"),
    "last window to the right": (23, b"\6"),
    "padding of a kernel's height": (24, b"\3"),
    "padding of a dilated kernel's width": (25, b"\3"),
    "dilation h 0": (26, b"\0"),
    "dilation w 0": (27, b"\0"),
    "act min over max": (28, b"\1\0"),
    **each_byte(30, 2),
    **scratch(32),
}
CONV_WEIGHTS, CONV_OFFSETS = layer_weights(4, 12)
DEPTHWISE_WEIGHTS, DEPTHWISE_OFFSETS = layer_weights(4, 6, align=1)
WINDOW = (3, 2, 2, 3, 1, 0)
FC_WEIGHTS, FC_OFFSETS = layer_weights(5, 4)
PART_WEIGHTS, PART_OFFSETS = layer_weights(5, 24)
PAIR_TENSORS = [
    *around((2, 3, 4), (2, 3, 4)),
    Tensor((1, 3, 1)),
    Tensor((3, 3, 4)),
    Tensor((2, 2, 4)),
    Tensor((2, 3, 3)),
    Tensor((1, 3, 4)),
]
PAIR_WRONG: Patches = {
    **TYPES,
    "in 2 that is no tensor": (8, u16(len(PAIR_TENSORS))),
    "in 2 far outside": (8, u16(65535)),
    "in 2 that is uint8": (8, u16(2)),
    "in of another h": (4, u16(6)),
    "in of another w": (4, u16(7)),
    "in of another c": (4, u16(8)),
    "in 2 of another h": (8, u16(6)),
    "in 2 of another w": (8, u16(7)),
    "in 2 of another c": (8, u16(8)),
    "inputs longer than out": (6, u16(9)),
    "act min over max": (10, b"\1\0"),
}
CASES: dict[str, Case] = {
    "CONV_2D": Case(
        CONV_TENSORS,
        conv_op(CONV_2D, CONV_OFFSETS, WINDOW, (1, 2)),
        CONV_WEIGHTS,
        {**CONV_WRONG, "weights misaligned": (8, u32(34))},
    ),
    "DEPTHWISE_CONV_2D": Case(
        CONV_TENSORS,
        conv_op(DEPTHWISE_CONV_2D, DEPTHWISE_OFFSETS, WINDOW, (1, 2)),
        DEPTHWISE_WEIGHTS,
        {**CONV_WRONG, "out c that is no multiple": (6, u16(5))},
    ),
    "FULLY_CONNECTED": Case(
        around((2, 3, 4), (2, 3, 5), Tensor((2, 5, 5))),
        fully_connected_op(FC_OFFSETS),
        FC_WEIGHTS,
        {
            **TYPES,
            "rows that do not divide the input": (6, u16(5)),
            "weights over the end": (8, u32(52)),
            "weights misaligned": (8, u32(46)),
            "bias misaligned": (12, u32(2)),
            "bias over the end": (12, u32(52)),
            "requant misaligned": (16, u32(18)),
            "requant over the end": (16, u32(44)),
            "requant of negative multipliers": (16, u32(0)),
            "act min over max": (20, b"\1\0"),
            "per channel 2": (22, b"\2"),
            **each_byte(23, 1),
            **scratch(24),
        },
    ),
    "FULLY_CONNECTED_PART": Case(
        [
            *around((2, 3, 4), (1, 1, 5)),
            Tensor((1, 1, 20), 200),
            Tensor((1, 1, 20), 202),
            Tensor((1, 4, 5), 200),
            Tensor((4, 1, 5), 200),
            Tensor((1, 1, 21), 200),
            Tensor((1, 1, 24), 200),
            Tensor((1, 1, 20), place=WEIGHTS),
            Tensor((1, 1, 20), 200, type=UINT8),
        ],
        part_op(3, 5, PART_OFFSETS),
        PART_WEIGHTS,
        {
            **TYPES,
            "sums that are no tensor": (8, u16(13)),
            "sums far outside": (8, u16(65535)),
            "sums misaligned": (8, u16(6)),
            "sums of some width": (8, u16(7)),
            "sums of some height": (8, u16(8)),
            "sums of no whole words": (8, u16(9)),
            "sums of more units": (8, u16(10)),
            "sums in weights": (8, u16(11)),
            "sums that are uint8": (8, u16(12)),
            "part 0": (10, b"\0"),
            "part 4": (10, b"\4"),
            "first part that is not its sums": (10, b"\1"),
            "middle part that is not its sums": (10, b"\2"),
            "out of another size": (6, u16(0)),
            **each_byte(11, 1),
            "weights over the end": (12, u32(52)),
            "weights misaligned": (12, u32(46)),
            "weights far outside": (12, u32(HUGE)),
            "bias misaligned": (16, u32(2)),
            "bias over the end": (16, u32(152)),
            "requant misaligned": (20, u32(18)),
            "requant over the end": (20, u32(144)),
            "requant of negative multipliers": (20, u32(0)),
            "act min over max": (24, b"\1\0"),
            "per channel 2": (26, b"\2"),
            **each_byte(27, 1),
            **scratch(28),
        },
    ),
    "AVERAGE_POOL_2D": Case(
        around((5, 6, 4), (3, 2, 4), Tensor((3, 2, 3))),
        pool_op(AVERAGE_POOL_2D, WINDOW),
        bytes(24),
        {
            **TYPES,
            "another c": (6, u16(5)),
            "kernel h 0": (8, b"\0"),
            "kernel w 0": (9, b"\0"),
            "stride h 0": (10, b"\0"),
            "stride w 0": (11, b"\0"),
            "last window below": (10, b"\3"),
            "last window to the right": (11, b"\6"),
            "padding of a kernel's height": (12, b"\3"),
            "padding of a kernel's width": (13, b"\2"),
            "act min over max": (14, b"\1\0"),
        },
    ),
    "MEAN": Case(
        around((2, 3, 4), (2, 4, 1), Tensor((2, 3, 1))),
        mean_op(),
        bytes(8),
        {**TYPES, **scaling(8, 30), **each_byte(13, 3), "out of another size": (6, u16(5))},
    ),
    "TABLE": Case(
        around((2, 3, 4), (4, 6, 1), Tensor((23, 1, 1))),
        table_op(),
        bytes(256),
        {
            "another count": (6, u16(5)),
            "out in weights": (6, u16(4)),
            "table over the end": (8, u32(1)),
            "table far outside": (8, u32(HUGE)),
            "table that wraps": (8, u32(-256 & HUGE)),
        },
    ),
    "SOFTMAX": Case(
        around((2, 3, 4), (2, 3, 4), Tensor((1, 1, 4096)), Tensor((2, 3, 5))),
        softmax_op(),
        bytes(24),
        {
            **TYPES,
            **scaling(8, 30, -1),
            **each_byte(13, 1),
            "another count": (6, u16(6)),
            "rows of 4096": (4, u16(5, 5)),
            "diff min over 0": (14, u16(1)),
        },
    ),
    "STATE_PUSH": Case(
        [
            Tensor((1, 2, 3)),
            Tensor((1, 5, 3), place=STATE),
            Tensor((1, 5, 3)),
            Tensor((1, 5, 3), place=WEIGHTS),
            Tensor((1, 5, 3), place=STATE, type=UINT8),
            Tensor((1, 1, 5), place=STATE),
        ],
        op(STATE_PUSH, 0, 1),
        bytes(15),
        {
            "out in the arena": (6, u16(2)),
            "out in weights": (6, u16(3)),
            "another type": (6, u16(4)),
            "out smaller than in": (6, u16(5)),
        },
    ),
    "ADD": Case(
        PAIR_TENSORS,
        add_op(0, 1, 5),
        bytes(24),
        {
            **PAIR_WRONG,
            **{f"negative multiplier {i}": (12 + 4 * i, u32(HUGE)) for i in range(3)},
            **{f"shift {i} of 1": (24 + i, b"\1") for i in range(3)},
            **{f"shift {i} of -32": (24 + i, b"\xe0") for i in range(3)},
            "subtract 2": (27, b"\2"),
            **each_byte(28, 4),
        },
    ),
    "MUL": Case(PAIR_TENSORS, mul_op(0, 1, 5), bytes(24), {**PAIR_WRONG, **scaling(12, 30), **each_byte(17, 3)}),
    "COPY": Case(
        around((2, 3, 4), (2, 4, 3)),
        copy_op(at=1, out_at=2, counts=(2, 1, 3), run=3, steps=(12, 99, 4), out_steps=(12, 99, 3)),
        bytes(24),
        {
            **TYPES,
            "in offset over the end": (8, u32(2)),
            "in offset far outside": (8, u32(HUGE)),
            "out offset over the end": (12, u32(4)),
            "out offset far outside": (12, u32(HUGE)),
            **{f"count {i} of 0": (16 + 4 * i, u32(0)) for i in range(3)},
            **{f"count {i} huge": (16 + 4 * i, u32(HUGE)) for i in range(3)},
            "run of 0": (28, u32(0)),
            "run over the end": (28, u32(4)),
            "run huge": (28, u32(HUGE)),
            "everything huge": (16, u32(HUGE, HUGE, HUGE, HUGE)),
            # Nothing but the number of runs is wrong with these: 25, and 2^64 + 4, all of the first element.
            "more than out holds": (16, u32(25, 1, 1, 1, *(0,) * 6)),
            "a product that wraps to 4": (16, u32(968973220, 49477, 384773, 1, *(0,) * 6)),
            "in stride 0 over the end": (32, u32(13)),
            "in stride 2 over the end": (40, u32(5)),
            "in stride 0 huge": (32, u32(HUGE)),
            "in stride 2 huge": (40, u32(HUGE)),
            "out stride 0 over the end": (44, u32(14)),
            "out stride 2 over the end": (52, u32(4)),
            "out stride 0 huge": (44, u32(HUGE)),
            "out stride 2 huge": (52, u32(HUGE)),
            "filled 2": (56, b"\2"),
            "fill without filled": (57, b"\1"),
            **each_byte(58, 2),
        },
    ),
}


def refused(case: Case, record: bytes) -> str:
    """The error, or nothing once the operator has run."""
    try:
        model = Model(twm(case.tensors, [record], case.weights, output=0))
    except FormatError as e:
        return str(e)
    model.invoke(np.zeros(model.input_bytes, np.int8))
    return ""


def patched(record: bytes, at: int, new: bytes) -> bytes:
    return record[:at] + new + record[at + len(new) :]


@pytest.mark.parametrize(("name", "what"), [(name, what) for name, case in CASES.items() for what in case.wrong])
def test_a_reader_rejects(name: str, what: str) -> None:
    case = CASES[name]
    assert "TW_ERR_OP:" in refused(case, patched(case.record, *case.wrong[what]))


@pytest.mark.parametrize("name", CASES)
def test_a_reader_rejects_heads(name: str) -> None:
    case = CASES[name]
    assert refused(case, case.record) == ""
    none = u16(len(case.tensors))
    known = 1 if name.startswith(("CONV_2D", "DEPTHWISE", "FULLY")) else 0  # flags
    assert (refused(case, patched(case.record, 1, b"\1")) == "") == bool(known)
    for at, new in (
        (0, b"\0"),
        (0, b"\x63"),
        (1, bytes([known + 1])),
        (1, b"\x80"),
        (2, u16(len(case.record) + 4)),
        (4, none),
        (6, none),
    ):
        assert "TW_ERR_OP:" in refused(case, patched(case.record, at, new))
    for length in range(1, len(case.record)):
        assert "TW_ERR_TRUNCATED:" in refused(case, case.record[:length])


@pytest.mark.parametrize("name", CASES)
def test_records_that_pass_the_checks_run_safely(name: str) -> None:
    """Numbers at their ends in every field; the sanitizers look at what is let through."""
    case = CASES[name]
    rng = np.random.default_rng(4)
    ran = 0
    for _ in range(1000):
        record = bytearray(case.record)
        for at in rng.integers(4, len(record), rng.integers(1, 5)):
            record[at] = rng.choice([0, 1, 2, 3, 4, 0x1E, 0x7F, 0x80, 0xE1, 0xFF])
        ran += refused(case, bytes(record)) == ""
    assert ran > 20


@pytest.mark.parametrize(
    ("kernel", "refuses"), [((15, 17), False), ((16, 16), False), ((16, 17), True), ((255, 255), True)]
)
def test_a_small_file_cannot_keep_a_board_busy_for_hours(kernel: tuple[int, int], refuses: bool) -> None:
    """At most 2^32 taps an operator: here 2^24 elements of output."""
    image = Tensor((4096, 4096, 1))
    window = (*kernel, 1, 1, 0, 0)
    weights, offsets = layer_weights(1, kernel[0] * kernel[1])
    ops = (
        pool_op(AVERAGE_POOL_2D, window),
        *(conv_op(c, offsets, window, (1, 1)) for c in (CONV_2D, DEPTHWISE_CONV_2D)),
    )
    for record in ops:
        file = twm([image, image], [record], weights)
        if refuses:
            with pytest.raises(FormatError, match="TW_ERR_OP"):
                Model(file)
        else:
            Model(file)


def test_a_small_file_cannot_make_a_reset_long() -> None:
    """All tensors in state together, views of the same bytes included, have at most 2^24 elements."""
    window = Tensor((1, 4096, 2048), place=STATE)
    Model(twm([Tensor((1, 1, 1)), window, window], []))
    with pytest.raises(FormatError, match="TW_ERR_TENSOR"):
        Model(twm([Tensor((1, 1, 1)), window, window, window], []))
