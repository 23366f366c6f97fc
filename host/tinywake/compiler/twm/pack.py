# SPDX-License-Identifier: MIT
"""Write a planned graph as a .twm: models/SPEC.md, section by section."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping
from typing import Any

from tinywake.compiler.graph import (
    Add,
    AveragePool2D,
    Conv2D,
    Copy,
    DepthwiseConv2D,
    FullyConnected,
    FullyConnectedPart,
    Graph,
    MaxPool2D,
    Mean,
    Mul,
    Op,
    Requant,
    Softmax,
    StatePush,
    Table,
    Tensor,
)
from tinywake.compiler.memory.plan import Plan, Scratch
from tinywake.compiler.twm import layout
from tinywake.compiler.twm.filters import bounded, folded_bias, weight_bytes
from tinywake.compiler.twm.layout import OpCode, Place, Section, TensorType
from tinywake.compiler.twm.listening import Listening
from tinywake.errors import CompileError
from tinywake.frontend import frontend_section

__all__ = ["pack"]

_CODES: dict[type[Op], OpCode] = {
    Conv2D: OpCode.CONV_2D,
    DepthwiseConv2D: OpCode.DEPTHWISE_CONV_2D,
    FullyConnected: OpCode.FULLY_CONNECTED,
    AveragePool2D: OpCode.AVERAGE_POOL_2D,
    MaxPool2D: OpCode.MAX_POOL_2D,
    Mean: OpCode.MEAN,
    Table: OpCode.TABLE,
    Softmax: OpCode.SOFTMAX,
    StatePush: OpCode.STATE_PUSH,
    Add: OpCode.ADD,
    Mul: OpCode.MUL,
    Copy: OpCode.COPY,
    FullyConnectedPart: OpCode.FULLY_CONNECTED_PART,
}


def pack(
    graph: Graph, plan: Plan, listening: Listening | None = None, provenance: Mapping[str, str] | None = None
) -> bytes:
    """Return the .twm. The same arguments give the same bytes."""
    weights = _Weights()
    records, numbers = _tensors(graph, plan, weights)
    sections: dict[Section, bytes] = {
        Section.TENSORS: records,
        Section.OPS: _ops(graph, plan, numbers, weights),
        Section.IO: _io(graph, numbers, listening),
    }
    if listening is not None:
        sections[Section.FRONTEND] = frontend_section(listening.frontend)
        sections[Section.INPUT_MAP] = listening.input_map.section()
        sections[Section.DETECTOR] = listening.detector.section()
    if provenance:
        lines = (f"{_plain(key)}={_plain(value)}\n" for key, value in provenance.items())
        sections[Section.PROVENANCE] = "".join(lines).encode()
    origins = [graph.tensors[op.output].origin for op in graph.ops]
    if any(origin is not None for origin in origins):
        indices = [layout.NO_ORIGIN if n is None else min(n, layout.NO_ORIGIN) for n in origins]
        sections[Section.ORIGINS] = struct.pack(f"<{len(indices)}H", *indices)
    sections[Section.WEIGHTS] = weights.bytes()
    return _file(sections, plan)


def _plain(text: str) -> str:
    """One line of UTF-8, whatever a file is called."""
    return " ".join(text.encode("utf-8", "replace").decode().split())


def _tensors(graph: Graph, plan: Plan, weights: _Weights) -> tuple[bytes, dict[int, int]]:
    """The TENSORS section, equal records once, and each used tensor's number in it."""
    used = [graph.input, *(t for op in graph.ops for t in (*op.inputs, op.output)), graph.output]
    records: dict[bytes, int] = {}
    numbers = {}
    for t in dict.fromkeys(used):
        record = _tensor(graph.tensors[t], plan, weights)
        numbers[t] = records.setdefault(record, len(records))
    return b"".join(records), numbers


class _Weights:
    """The WEIGHTS section: blobs at aligned offsets, equal blobs once."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.known: dict[tuple[bytes, int], int] = {}

    def put(self, blob: bytes, align: int) -> int:
        if (blob, align) not in self.known:
            self.data += bytes(-len(self.data) % align)
            self.known[blob, align] = len(self.data)
            self.data += blob
        return self.known[blob, align]

    def requant(self, requant: Requant) -> int:
        return self.put(requant.multiplier.astype("<i4").tobytes() + requant.shift.astype("i1").tobytes(), 4)

    def filter(self, op: Conv2D | FullyConnected, zero: int) -> tuple[int, int, int]:
        """Offsets of weights, bias and requantisation."""
        bias = self.put(folded_bias(op, zero).astype("<i4").tobytes(), 4)
        requant = self.requant(op.requant)
        return self.put(weight_bytes(op), 4), bias, requant

    def bytes(self) -> bytes:
        return bytes(self.data)


def _ops(graph: Graph, plan: Plan, numbers: dict[int, int], weights: _Weights) -> bytes:
    records = []
    for number, op in enumerate(graph.ops):
        scratch = plan.scratch[number] if plan.scratch else Scratch(0, 0)
        records.append(_op(graph, op, scratch, numbers, weights))
    return b"".join(records)


def _op(graph: Graph, op: Op, scratch: Scratch, numbers: dict[int, int], weights: _Weights) -> bytes:
    code = _CODES.get(type(op))
    if code is None:
        raise CompileError(f"operator {op.index} {op.kind}: the format has no such operator")
    inputs, output, flags = [numbers[t] for t in op.inputs], numbers[op.output], 0
    try:
        if isinstance(op, Conv2D | FullyConnected):
            zero = graph.tensors[op.input].zero_point
            flags = layout.BOUNDED if bounded(op, zero) else 0
            body = _pack_filter(op, weights.filter(op, zero), scratch, inputs, output)
        else:
            body = _pack_fields(op, inputs, weights)
    except struct.error as e:
        raise CompileError(f"operator {op.index} {op.kind}: a field is too large for the format ({e})") from e
    return layout.OP_HEAD.pack(code, flags, layout.OP_HEAD.size + len(body), inputs[0], output) + body


def _pack_filter(
    op: Conv2D | FullyConnected, offsets: tuple[int, int, int], scratch: Scratch, inputs: list[int], output: int
) -> bytes:
    where = scratch.offset, scratch.bytes
    if isinstance(op, Conv2D):
        return layout.CONV.pack(*offsets, *op.kernel, *op.stride, *op.pad, *op.dilation, *op.act, 0, *where)
    per_channel = len(op.requant.multiplier) > 1
    fields = layout.FULLY_CONNECTED.pack(*offsets, *op.act, per_channel, 0, *where)
    if isinstance(op, FullyConnectedPart):
        sums = inputs[1] if len(inputs) > 1 else output
        return layout.PART.pack(sums, op.part, 0) + fields
    return fields


def _pack_fields(op: Op, inputs: list[int], weights: _Weights) -> bytes:
    match op:
        case AveragePool2D():
            return layout.POOL.pack(*op.kernel, *op.stride, *op.pad, *op.act)
        case Mean():
            return layout.MEAN.pack(op.multiplier, op.shift, 0, 0)
        case Table():
            return layout.TABLE.pack(weights.put(op.table.tobytes(), 1))
        case Softmax():
            return layout.SOFTMAX.pack(op.multiplier, op.shift, 0, max(op.diff_min, -0x8000))
        case Add():
            scales = (op.left, op.right, op.out)
            return layout.ADD.pack(inputs[1], *op.act, *(m for m, _ in scales), *(n for _, n in scales), op.subtract, 0)
        case Mul():
            return layout.MUL.pack(inputs[1], *op.act, op.multiplier, op.shift, 0, 0)
        case Copy():
            fill = 0 if op.fill is None else op.fill
            return layout.COPY.pack(
                op.in_offset, op.out_offset, *op.counts, op.run, *op.in_strides, *op.out_strides,
                op.fill is not None, fill, 0,
            )  # fmt: skip
        case _:
            return b""


def _tensor(t: Tensor, plan: Plan, weights: _Weights) -> bytes:
    if t.data is not None:
        place, offset = Place.WEIGHTS, weights.put(t.data.tobytes(), 1) + t.at
    elif t.fill is not None:
        place, offset = Place.STATE, plan.state[t.storage] + t.at
    else:
        place, offset = Place.ARENA, plan.arena[t.storage] + t.at
    try:
        return layout.TENSOR.pack(offset, *t.hwc, TensorType[t.dtype.upper()], place, t.zero_point, t.fill or 0, 0)
    except struct.error as e:
        raise CompileError(f"tensor {t.name!r} of shape {list(t.shape)}: a dimension is over 65535") from e


def _scale(scale: float) -> tuple[int, int]:
    """(m, e) with scale = m * 2^e exactly: a float32 has 24 bits of mantissa."""
    fraction, exponent = math.frexp(scale)
    return int(fraction * (1 << 24)), exponent - 24


def _io(graph: Graph, numbers: dict[int, int], listening: Listening | None) -> bytes:
    x, y = graph.tensors[graph.input], graph.tensors[graph.output]
    frames = 0
    if listening is not None:
        channels = listening.frontend.channels
        if x.count % channels:
            raise CompileError(
                f"input {x.name!r} of {x.count} values is no whole number of frames of {channels} features"
            )
        frames = x.count // channels
    (m_in, e_in), (m_out, e_out) = _scale(x.scale), _scale(y.scale)
    head = layout.IO_HEAD.pack(
        numbers[graph.input], numbers[graph.output], graph.warmup, frames,
        m_in, m_out, e_in, e_out, len(x.shape), len(y.shape),
    )  # fmt: skip
    body = head + struct.pack(f"<{len(x.shape) + len(y.shape)}H", *x.shape, *y.shape)
    return body + bytes(-len(body) % 4)


def _file(sections: Mapping[Section, bytes], plan: Plan) -> bytes:
    start = layout.HEADER.size + layout.SECTION.size * len(sections)
    table, payload = b"", b""
    for kind, body in sections.items():
        align = 16 if kind == Section.WEIGHTS else 4
        payload += bytes(-(start + len(payload)) % align)
        table += layout.SECTION.pack(kind, 0, start + len(payload), len(body))
        payload += body
    fields: tuple[Any, ...] = (
        layout.MAGIC, layout.VERSION, 0, len(sections), start + len(payload),
        plan.arena_bytes + plan.state_bytes, plan.state_bytes, zlib.crc32(payload), 0,
    )  # fmt: skip
    head = layout.HEADER.pack(*fields, 0)[:-4]
    return head + struct.pack("<I", zlib.crc32(table, zlib.crc32(head))) + table + payload
