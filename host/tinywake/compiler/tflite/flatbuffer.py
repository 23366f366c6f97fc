# SPDX-License-Identifier: MIT
"""What a .tflite says: tensors, operators and their options as plain data, every offset and length checked.

Nothing here knows what an operator means. What cannot be read raises ModelError in one line, whatever the bytes are,
and nothing is allocated that the file does not hold.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from tinywake.errors import ModelError
from tinywake.files import what_else, why_unread

__all__ = ["File", "Operator", "Subgraph", "Value", "load"]

_LARGEST_FILE = 1 << 31
_MOST = {"tensors": 65535, "operators": 65535, "dimensions": 8, "inputs or outputs of an operator": 4096}

_TYPES = {v: k for k, v in vars(tflite.TensorType).items() if isinstance(v, int)}
_OPTIONS = {v: k for k, v in vars(tflite.BuiltinOptions).items() if isinstance(v, int)}
_NAMES = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
_NUMPY: dict[str, Any] = {
    "BOOL": np.bool_, "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
    "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
    "FLOAT16": np.float16, "FLOAT32": np.float32, "FLOAT64": np.float64,
}  # fmt: skip
# What a damaged file makes the flatbuffers library raise.
_DAMAGE = (struct.error, LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


@dataclass(frozen=True)
class Value:
    """A tensor: `data` where it is constant, `dynamic` the axes whose length the exporter left open."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    data: NDArray[Any] | None
    dynamic: tuple[int, ...] = ()
    odd: str = ""  # what it has that no reader here understands

    @property
    def numpy(self) -> np.dtype[Any] | None:
        """The numpy type of its elements, where there is one."""
        return np.dtype(_NUMPY[self.dtype]) if self.dtype in _NUMPY else None


@dataclass(frozen=True)
class Operator:
    """An operator. Inputs and outputs are tensor indices; -1: not given."""

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any = None  # a table of the flatbuffer

    def option(self, field: str) -> Any:
        """A field of its options, by its name in the flatbuffer's schema."""
        if self.options is None:
            raise ModelError(f"operator {self.index} {self.name}: has no options; export it again")
        try:
            value = getattr(self.options, field)()
        except _DAMAGE as e:
            raise ModelError(f"operator {self.index} {self.name}: damaged options ({_line(e)})") from e
        return value.decode(errors="replace") if isinstance(value, bytes) else value


@dataclass(frozen=True)
class Subgraph:
    """Tensors, and operators in the order in which they run."""

    values: tuple[Value, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class File:
    """The first subgraph is the network."""

    subgraphs: tuple[Subgraph, ...]


def load(path: Path) -> File:
    """Read the whole file. Raises ModelError."""
    try:
        if path.stat().st_size >= _LARGEST_FILE:
            raise ModelError(f"{path}: larger than 2 GB; no microcontroller holds such a network")
        data = path.read_bytes()
    except OSError as e:
        raise ModelError(f"{path}: {why_unread(e)}") from e
    if len(data) < 8 or data[4:8] != b"TFL3":
        what = what_else(data) or " (no TFL3 mark at byte 4); export it with tf.lite.TFLiteConverter"
        raise ModelError(f"{path}: not a .tflite file{what}")
    try:
        return _Parser(data).file()
    except ModelError as e:
        raise ModelError(f"{path}: {e}") from e
    except _DAMAGE as e:
        raise ModelError(f"{path}: damaged .tflite ({_line(e)}); export or copy it again") from e


def _line(e: Exception) -> str:
    """What is wrong, for people: a reader's exception says which bytes it missed, or at what it stumbled."""
    missed = re.search(r"at least (\d+) bytes .*actual buffer size is (\d+)", str(e))
    if missed:
        return f"it ends at byte {int(missed[2]):,} and points to byte {int(missed[1]):,}: cut short?"
    return "something in it is not where it says"


def _counted(count: int, what: str) -> int:
    if count > _MOST[what]:
        raise ModelError(f"damaged .tflite ({count} {what}, at most {_MOST[what]}); export or copy it again")
    return count


def _vector(table: Any, field: str, dtype: Any) -> NDArray[Any]:
    """A vector of numbers, seen in place."""
    found = getattr(table, f"{field}AsNumpy")() if getattr(table, f"{field}Length")() else np.zeros(0, dtype)
    return np.asarray(found)


def _indices(table: Any, field: str, tensors: int) -> tuple[int, ...]:
    _counted(getattr(table, f"{field}Length")(), "inputs or outputs of an operator")
    found = tuple(_vector(table, field, np.int32).tolist())
    outside = [i for i in found if not -1 <= i < tensors]
    if outside:
        raise ModelError(f"damaged .tflite (tensor {outside[0]} of {tensors}); export or copy it again")
    return found


class _Parser:
    def __init__(self, data: bytes) -> None:
        self.model = tflite.Model.GetRootAs(data, 0)
        self.text_left = 2 * len(data)  # names may be shared, but not so that they become more than the file

    def file(self) -> File:
        if self.model.Version() != 3:
            raise ModelError(f"schema version {self.model.Version()}, not 3; export it with a current converter")
        count = self.model.SubgraphsLength()
        if not 1 <= count <= 1024:
            raise ModelError(f"damaged .tflite ({count} subgraphs); export or copy it again")
        return File(tuple(self.subgraph(self.model.Subgraphs(i)) for i in range(count)))

    def text(self, raw: bytes | None) -> str:
        self.text_left -= len(raw or b"")
        if self.text_left < 0:
            raise ModelError("damaged .tflite (names longer than the file); export or copy it again")
        return (raw or b"")[:500].decode(errors="replace")

    def subgraph(self, sub: Any) -> Subgraph:
        tensors = _counted(sub.TensorsLength(), "tensors")
        return Subgraph(
            values=tuple(self.value(sub.Tensors(i)) for i in range(tensors)),
            operators=tuple(
                self.operator(i, sub.Operators(i), tensors) for i in range(_counted(sub.OperatorsLength(), "operators"))
            ),
            inputs=_indices(sub, "Inputs", tensors),
            outputs=_indices(sub, "Outputs", tensors),
        )

    def value(self, t: Any) -> Value:
        name = self.text(t.Name())
        _counted(t.ShapeLength(), "dimensions")
        _counted(t.ShapeSignatureLength(), "dimensions")
        shape = tuple(_vector(t, "Shape", np.int32).tolist())
        signature = _vector(t, "ShapeSignature", np.int32).tolist()
        q = t.Quantization()
        dtype = _TYPES.get(t.Type(), f"type {t.Type()}")
        data, odd = self.data(name, t.Buffer(), shape, dtype)
        return Value(
            name=name,
            shape=shape,
            dtype=dtype,
            scales=np.zeros(0, np.float32) if q is None else _vector(q, "Scale", np.float32),
            zero_points=np.zeros(0, np.int64) if q is None else _vector(q, "ZeroPoint", np.int64),
            data=data,
            dynamic=tuple(a for a, n in enumerate(signature) if n < 0),
            odd="sparse" if t.Sparsity() is not None else odd,
        )

    def data(self, name: str, index: int, shape: tuple[int, ...], dtype: str) -> tuple[NDArray[Any] | None, str]:
        """The constant values, and what is unusual about where they are."""
        if index >= self.model.BuffersLength():
            raise ModelError(f"tensor {name!r}: damaged .tflite (buffer {index} of {self.model.BuffersLength()})")
        buffer = self.model.Buffers(index)
        if buffer.Offset() > 1:
            return None, "outside the flatbuffer"
        length = buffer.DataLength()
        if dtype not in _NUMPY or (not length and 0 not in shape):
            return None, "of a type without numbers" if length else ""
        needed = math.prod(shape) * np.dtype(_NUMPY[dtype]).itemsize
        if needed != length or min(shape, default=0) < 0:
            raise ModelError(f"tensor {name!r}: damaged .tflite (shape {list(shape)} of {dtype}, but {length} bytes)")
        raw = buffer.DataAsNumpy() if length else np.zeros(0, np.uint8)
        return np.frombuffer(raw, _NUMPY[dtype]).reshape(shape), ""

    def operator(self, index: int, op: Any, tensors: int) -> Operator:
        number = op.OpcodeIndex()
        if number >= self.model.OperatorCodesLength():
            raise ModelError(f"operator {index}: damaged .tflite (code {number} of {self.model.OperatorCodesLength()})")
        code = self.model.OperatorCodes(number)
        builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = _NAMES.get(builtin, f"number {builtin}")
        if name == "CUSTOM":
            name = f"CUSTOM {self.text(code.CustomCode())!r}"
        table, options = op.BuiltinOptions(), None
        kind = getattr(tflite, _OPTIONS.get(op.BuiltinOptionsType(), ""), None)
        if table is not None and kind is not None:
            options = kind()
            options.Init(table.Bytes, table.Pos)
        return Operator(index, name, _indices(op, "Inputs", tensors), _indices(op, "Outputs", tensors), options)
