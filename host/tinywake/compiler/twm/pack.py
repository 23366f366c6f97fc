# SPDX-License-Identifier: MIT
"""Write a planned graph as a .twm: models/SPEC.md, section by section."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.graph import (
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    Logistic,
    MaxPool2D,
    Mean,
    Op,
    Requant,
    Softmax,
    StatePush,
    Tensor,
)
from tinywake.compiler.plan import Plan
from tinywake.compiler.twm import layout
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
    Logistic: OpCode.LOGISTIC,
    Softmax: OpCode.SOFTMAX,
    StatePush: OpCode.STATE_PUSH,
}


def pack(
    graph: Graph, plan: Plan, listening: Listening | None = None, provenance: Mapping[str, str] | None = None
) -> bytes:
    """Return the .twm. The same arguments give the same bytes."""
    numbers = {tensor: i for i, tensor in enumerate(_used(graph))}
    weights = _Weights()
    ops = b"".join(_op(graph, op, numbers, weights) for op in graph.ops)
    sections: dict[Section, bytes] = {
        Section.TENSORS: b"".join(_tensor(graph.tensors[t], plan) for t in numbers),
        Section.OPS: ops,
        Section.IO: _io(graph, numbers, listening),
    }
    if listening is not None:
        sections[Section.FRONTEND] = frontend_section(listening.frontend)
        sections[Section.INPUT_MAP] = listening.input_map.section()
        sections[Section.DETECTOR] = listening.detector.section()
    if provenance:
        lines = (f"{_plain(key)}={_plain(value)}\n" for key, value in provenance.items())
        sections[Section.PROVENANCE] = "".join(lines).encode()
    sections[Section.WEIGHTS] = weights.bytes()
    return _file(sections, plan)


def _plain(text: str) -> str:
    """One line of UTF-8, whatever a file is called."""
    return " ".join(text.encode("utf-8", "replace").decode().split())


def _used(graph: Graph) -> list[int]:
    order = [graph.input, *(t for op in graph.ops for t in (op.input, op.output)), graph.output]
    return list(dict.fromkeys(order))


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

    def bias(self, bias: NDArray[np.int32]) -> int:
        return self.put(bias.astype("<i4").tobytes(), 4)

    def bytes(self) -> bytes:
        return bytes(self.data)


def _op(graph: Graph, op: Op, numbers: dict[int, int], weights: _Weights) -> bytes:
    code = _CODES.get(type(op))
    if code is None:
        raise CompileError(f"operator {op.index} {op.kind}: the format has no such operator")
    body = _fields(op, weights)
    head = layout.OP_HEAD.pack(code, 0, layout.OP_HEAD.size + len(body), numbers[op.input], numbers[op.output])
    return head + body


def _fields(op: Op, weights: _Weights) -> bytes:
    try:
        return _pack_fields(op, weights)
    except struct.error as e:
        raise CompileError(f"operator {op.index} {op.kind}: a field is too large for the format ({e})") from e


def _pack_fields(op: Op, weights: _Weights) -> bytes:
    match op:
        case Conv2D():
            bias, requant = weights.bias(op.bias), weights.requant(op.requant)
            data = weights.put(op.weights.tobytes(), 4)
            return struct.pack(
                "<III8B2bH", data, bias, requant, *op.kernel, *op.stride, *op.pad, *op.dilation, *op.act, 0
            )
        case FullyConnected():
            bias, requant = weights.bias(op.bias), weights.requant(op.requant)
            data = weights.put(op.weights.tobytes(), 4)
            return struct.pack("<III2bBB", data, bias, requant, *op.act, len(op.requant.multiplier) > 1, 0)
        case AveragePool2D():
            return struct.pack("<6B2b", *op.kernel, *op.stride, *op.pad, *op.act)
        case Mean():
            return struct.pack("<ibBH", op.multiplier, op.shift, 0, 0)
        case Logistic():
            return struct.pack("<ibBH", op.multiplier, op.shift, 0, min(op.radius, 0xFFFF))
        case Softmax():
            return struct.pack("<ibBh", op.multiplier, op.shift, 0, max(op.diff_min, -0x8000))
        case _:
            return b""


def _tensor(t: Tensor, plan: Plan) -> bytes:
    place = Place.ARENA if t.fill is None else Place.STATE
    offset = (plan.arena if t.fill is None else plan.state)[t.storage]
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
