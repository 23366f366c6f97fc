"""Small .tflite files, written by hand: any tensors, any operators, right or wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import tflite

__all__ = ["O", "Sub", "T", "forge", "single"]


@dataclass(frozen=True)
class T:
    """A tensor: quantised where it has scales, constant where it has data."""

    shape: tuple[int, ...]
    dtype: str = "INT8"
    scale: float | Sequence[float] | None = None
    zero: int | Sequence[int] = 0
    data: Any = None
    name: str | None = None
    signature: tuple[int, ...] | None = None
    buffer: int | None = None  # another number than the file would give it
    axis: int = 0


@dataclass(frozen=True)
class O:  # noqa: E742
    """An operator: its name, tensor indices, and options as (table, fields)."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: tuple[str, dict[str, Any]] | None = None
    custom: str | None = None


@dataclass(frozen=True)
class Sub:
    """A subgraph."""

    tensors: list[T]
    ops: list[O]
    inputs: tuple[int, ...] = (0,)
    outputs: tuple[int, ...] = ()


_NUMPY = {"INT8": np.int8, "UINT8": np.uint8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
          "FLOAT32": np.float32, "FLOAT16": np.float16, "BOOL": np.bool_}  # fmt: skip


@dataclass
class _Forge:
    b: Any = field(default_factory=lambda: flatbuffers.Builder(1024))
    buffers: list[bytes] = field(default_factory=lambda: [b""])
    codes: list[tuple[str, str | None]] = field(default_factory=list)

    def offsets(self, items: list[int]) -> int:
        self.b.StartVector(4, len(items), 4)
        for item in reversed(items):
            self.b.PrependUOffsetTRelative(item)
        return int(self.b.EndVector())

    def vector(self, values: Any, dtype: Any) -> int:
        return int(self.b.CreateNumpyVector(np.asarray(values, dtype).reshape(-1)))

    def tensor(self, t: T, number: int) -> int:
        b = self.b
        name = b.CreateString(t.name or f"t{number}")
        shape = self.vector(t.shape, np.int32)
        signature = None if t.signature is None else self.vector(t.signature, np.int32)
        quantisation = None
        if t.scale is not None:
            scales = np.atleast_1d(np.asarray(t.scale, np.float32))
            zeros = np.broadcast_to(np.asarray(t.zero, np.int64), scales.shape) if np.ndim(t.zero) == 0 else t.zero
            scale_at, zero_at = self.vector(scales, np.float32), self.vector(zeros, np.int64)
            tflite.QuantizationParametersStart(b)
            tflite.QuantizationParametersAddScale(b, scale_at)
            tflite.QuantizationParametersAddZeroPoint(b, zero_at)
            tflite.QuantizationParametersAddQuantizedDimension(b, t.axis)
            quantisation = tflite.QuantizationParametersEnd(b)
        buffer = 0
        if t.data is not None:
            buffer = len(self.buffers)
            raw = t.data if isinstance(t.data, bytes) else np.asarray(t.data, _NUMPY[t.dtype]).tobytes()
            self.buffers.append(raw)
        tflite.TensorStart(b)
        tflite.TensorAddShape(b, shape)
        tflite.TensorAddType(b, getattr(tflite.TensorType, t.dtype))
        tflite.TensorAddBuffer(b, buffer if t.buffer is None else t.buffer)
        tflite.TensorAddName(b, name)
        if quantisation is not None:
            tflite.TensorAddQuantization(b, quantisation)
        if signature is not None:
            tflite.TensorAddShapeSignature(b, signature)
        return int(tflite.TensorEnd(b))

    def options(self, kind: str, fields: dict[str, Any]) -> int:
        b = self.b
        made = {}
        for key, value in fields.items():
            if isinstance(value, str):
                made[key] = b.CreateString(value)
            elif isinstance(value, list | tuple):
                made[key] = self.vector(value, np.int32)
            else:
                made[key] = value
        getattr(tflite, f"{kind}Start")(b)
        for key, value in made.items():
            getattr(tflite, f"{kind}Add{key}")(b, value)
        return int(getattr(tflite, f"{kind}End")(b))

    def operator(self, o: O) -> int:
        b = self.b
        if (o.name, o.custom) not in self.codes:
            self.codes.append((o.name, o.custom))
        code = self.codes.index((o.name, o.custom))
        inputs, outputs = self.vector(o.inputs, np.int32), self.vector(o.outputs, np.int32)
        options = None if o.options is None else self.options(*o.options)
        tflite.OperatorStart(b)
        tflite.OperatorAddOpcodeIndex(b, code)
        tflite.OperatorAddInputs(b, inputs)
        tflite.OperatorAddOutputs(b, outputs)
        if o.options is not None and options is not None:
            tflite.OperatorAddBuiltinOptionsType(b, getattr(tflite.BuiltinOptions, o.options[0]))
            tflite.OperatorAddBuiltinOptions(b, options)
        return int(tflite.OperatorEnd(b))

    def subgraph(self, s: Sub) -> int:
        b = self.b
        tensors = self.offsets([self.tensor(t, n) for n, t in enumerate(s.tensors)])
        ops = self.offsets([self.operator(o) for o in s.ops])
        inputs, outputs = self.vector(s.inputs, np.int32), self.vector(s.outputs, np.int32)
        tflite.SubGraphStart(b)
        tflite.SubGraphAddTensors(b, tensors)
        tflite.SubGraphAddInputs(b, inputs)
        tflite.SubGraphAddOutputs(b, outputs)
        tflite.SubGraphAddOperators(b, ops)
        return int(tflite.SubGraphEnd(b))

    def code(self, name: str, custom: str | None) -> int:
        b = self.b
        number = int(name) if name.isdigit() else getattr(tflite.BuiltinOperator, name)
        text = None if custom is None else b.CreateString(custom)
        tflite.OperatorCodeStart(b)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(number, 127))
        tflite.OperatorCodeAddBuiltinCode(b, number)
        tflite.OperatorCodeAddVersion(b, 1)
        if text is not None:
            tflite.OperatorCodeAddCustomCode(b, text)
        return int(tflite.OperatorCodeEnd(b))

    def buffer(self, raw: bytes) -> int:
        b = self.b
        at = None
        if raw:
            self.b.StartVector(1, len(raw), 16)  # TFLM reads weights in place
            b.head = b.head - len(raw)
            b.Bytes[b.head : b.head + len(raw)] = raw
            at = b.EndVector()
        tflite.BufferStart(b)
        if at is not None:
            tflite.BufferAddData(b, at)
        return int(tflite.BufferEnd(b))

    def model(self, subs: Sequence[Sub], version: int) -> bytes:
        b = self.b
        subgraphs = self.offsets([self.subgraph(s) for s in subs])
        codes = self.offsets([self.code(*c) for c in self.codes])
        buffers = self.offsets([self.buffer(raw) for raw in self.buffers])
        tflite.ModelStart(b)
        tflite.ModelAddVersion(b, version)
        tflite.ModelAddOperatorCodes(b, codes)
        tflite.ModelAddSubgraphs(b, subgraphs)
        tflite.ModelAddBuffers(b, buffers)
        b.Finish(tflite.ModelEnd(b), file_identifier=b"TFL3")
        return bytes(b.Output())


def forge(*subs: Sub, version: int = 3) -> bytes:
    """The bytes of a .tflite with these subgraphs."""
    return _Forge().model(subs, version)


def single(name: str, x: T, y: T, *others: T, options: tuple[str, dict[str, Any]] | None = None) -> bytes:
    """One operator from x (and `others`, mostly constants) to y."""
    inputs = (0, *range(2, 2 + len(others)))
    return forge(Sub([x, y, *others], [O(name, inputs, (1,), options)], (0,), (1,)))
