# SPDX-License-Identifier: MIT
"""Read a .twm back: for `inspect`, reports and tests. The core has checked the file before this looks at it."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tinywake.coded import decoded, is_coded
from tinywake.compiler.graph import Part
from tinywake.compiler.twm import layout
from tinywake.compiler.twm.layout import OpCode, Place, Section
from tinywake.compiler.twm.listening import Detector, Label
from tinywake.core import Model

__all__ = ["Copied", "TwmFile", "TwmOp", "TwmTensor", "parse", "unpack"]


@dataclass(frozen=True)
class TwmTensor:
    """A record of TENSORS."""

    offset: int
    hwc: tuple[int, int, int]
    dtype: str
    place: str
    zero_point: int
    fill: int

    @property
    def count(self) -> int:
        """Number of elements, and of bytes."""
        h, w, c = self.hwc
        return h * w * c


class Copied(NamedTuple):
    """What a COPY does, in elements."""

    in_offset: int
    out_offset: int
    counts: tuple[int, int, int]
    run: int
    in_strides: tuple[int, int, int]
    out_strides: tuple[int, int, int]
    filled: bool

    @property
    def elements(self) -> int:
        """How many it copies."""
        return math.prod(self.counts) * self.run


@dataclass(frozen=True)
class TwmOp:
    """A record of OPS: operator name, tensor numbers, and the bytes behind its head."""

    kind: str
    inputs: tuple[int, ...]
    output: int
    fields: bytes
    origin: int | None  # the .tflite tensor that its output equals

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width, of a convolution."""
        _, _, _, height, width, *_ = layout.CONV.unpack(self.fields)
        return height, width

    @property
    def part(self) -> Part | None:
        """Which part of a sum, of a FULLY_CONNECTED_PART."""
        return Part(layout.PART.unpack_from(self.fields)[1]) if self.kind == "FULLY_CONNECTED_PART" else None

    @property
    def per_channel(self) -> bool:
        """Whether a FULLY_CONNECTED, or a part of one, has a multiplier a unit."""
        at = 0 if self.part is None else layout.PART.size
        return bool(layout.FULLY_CONNECTED.unpack_from(self.fields, at)[5])

    @property
    def scratch_bytes(self) -> int:
        """Of the arena beside its tensors, for the kernel alone."""
        if self.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            return int(layout.CONV.unpack(self.fields)[-1])
        if self.kind in ("FULLY_CONNECTED", "FULLY_CONNECTED_PART"):
            return int(layout.FULLY_CONNECTED.unpack_from(self.fields, layout.PART.size if self.part else 0)[-1])
        return 0

    @property
    def copied(self) -> Copied:
        """What a COPY does."""
        start, to, a, b, c, run, *strides, filled, _, _ = layout.COPY.unpack(self.fields)
        return Copied(start, to, (a, b, c), run, tuple(strides[:3]), tuple(strides[3:]), bool(filled))


@dataclass(frozen=True)
class TwmFile:
    """What a .twm says. Sizes in bytes; scales as in the .tflite."""

    file_bytes: int
    arena_bytes: int
    state_bytes: int
    sections: dict[str, int]
    tensors: tuple[TwmTensor, ...]
    ops: tuple[TwmOp, ...]
    input: int
    output: int
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    input_scale: float
    output_scale: float
    warmup: int
    frames: int
    step_ms: int  # audio an invoke takes; 0 without a front end
    detector: Detector | None
    provenance: dict[str, str]


_TWO_INPUTS = (OpCode.ADD, OpCode.MUL, OpCode.FULLY_CONNECTED_PART)


def unpack(path: Path) -> TwmFile:
    """Read a file. Raises FormatError for what a reader must reject."""
    Model.open(path)
    return parse(path.read_bytes())


def parse(data: bytes) -> TwmFile:
    """What the bytes say, which a reader has accepted; of a coded file, what its image says."""
    if is_coded(data):
        data = bytes(decoded(data))
    _, _, _, count, file_bytes, arena, state, *_ = layout.HEADER.unpack_from(data)
    found: dict[int, bytes] = {}
    for i in range(count):
        kind, _, offset, length = layout.SECTION.unpack_from(data, layout.HEADER.size + i * layout.SECTION.size)
        found[kind] = data[offset : offset + length]
    names = {s.value: s.name for s in Section}
    io = layout.IO_HEAD.unpack_from(found[Section.IO])
    ranks = io[8], io[9]
    dims = struct.unpack_from(f"<{sum(ranks)}H", found[Section.IO], layout.IO_HEAD.size)
    return TwmFile(
        file_bytes=file_bytes,
        arena_bytes=arena,
        state_bytes=state,
        sections={names.get(k, f"0x{k:04x}"): len(body) for k, body in found.items()},
        tensors=tuple(_tensor(t) for t in layout.TENSOR.iter_unpack(found[Section.TENSORS])),
        ops=tuple(_ops(found[Section.OPS], found.get(Section.ORIGINS, b""))),
        input=io[0],
        output=io[1],
        input_shape=dims[: ranks[0]],
        output_shape=dims[ranks[0] :],
        input_scale=io[4] * 2.0 ** io[6],
        output_scale=io[5] * 2.0 ** io[7],
        warmup=io[2],
        frames=io[3],
        step_ms=_step_ms(io[3], found.get(Section.FRONTEND)),
        detector=_detector(found[Section.DETECTOR]) if Section.DETECTOR in found else None,
        provenance=_provenance(found.get(Section.PROVENANCE, b"")),
    )


def _step_ms(frames: int, frontend: bytes | None) -> int:
    if frontend is None:
        return 0
    rate, _, hop = struct.unpack_from("<HHH", frontend, 2)
    return int(frames * hop * 1000 // rate)


def _tensor(record: tuple[int, ...]) -> TwmTensor:
    offset, h, w, c, kind, place, zero, fill, _ = record
    return TwmTensor(offset, (h, w, c), layout.TensorType(kind).name.lower(), Place(place).name.lower(), zero, fill)


def _ops(section: bytes, origins: bytes) -> list[TwmOp]:
    ops: list[TwmOp] = []
    at = 0
    while at < len(section):
        code, _, length, x, y = layout.OP_HEAD.unpack_from(section, at)
        fields = section[at + layout.OP_HEAD.size : at + length]
        inputs: tuple[int, ...] = (x,)
        if code in _TWO_INPUTS:
            inputs = (x, *struct.unpack_from("<H", fields))
        origin = int.from_bytes(origins[2 * len(ops) : 2 * len(ops) + 2] or b"\xff\xff", "little")
        ops.append(TwmOp(OpCode(code).name, inputs, y, fields, None if origin == layout.NO_ORIGIN else origin))
        at += length
    return ops


def _detector(section: bytes) -> Detector:
    count, window, refractory, ignore, _, _ = struct.unpack_from("<BBHHBB", section)
    labels, at = [], 8
    for _ in range(count):
        wake, threshold, length = section[at : at + 3]
        labels.append(Label(section[at + 3 : at + 3 + length].decode(errors="replace"), threshold, bool(wake)))
        at += 3 + length
    return Detector(tuple(labels), window, refractory, ignore)


def _provenance(section: bytes) -> dict[str, str]:
    lines = section.decode(errors="replace").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)
