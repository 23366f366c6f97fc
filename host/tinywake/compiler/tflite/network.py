# SPDX-License-Identifier: MIT
"""What has been read so far: tensors and operators of the graph, constants, and what is wrong.

The functions that read operators (in operators/) take a Network and an Operator. They look inputs up, declare outputs,
emit operators of the graph, and raise Problem for what this compiler does not run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.graph import Op, Reshape, Table, Tensor
from tinywake.compiler.tflite.flatbuffer import File, Operator, Value
from tinywake.errors import ModelError

__all__ = ["MOVABLE", "Network", "Problem", "Variable"]

MOVABLE = ("INT8", "UINT8")  # what operators may take that only move bytes
_SCALES = 1e-20, 1e20  # beyond them requantisation means nothing
_LARGEST = 1 << 24  # elements of a tensor, in a .twm
_RANK = 6
_MOST_NUMBERS = 4096
_LEVELS = {"INT8": (-128, 127), "UINT8": (0, 255)}
_QUANTISE = (
    "convert with full integer quantisation (representative_dataset, supported_ops = [TFLITE_BUILTINS_INT8], "
    "inference_input_type = inference_output_type = tf.int8)"
)


class Problem(Exception):  # noqa: N818 - not an error until the file has been read to its end
    """Something that this compiler does not run, and what to change. `once`: to be said once, however often met."""

    def __init__(self, message: str, *, once: bool = False) -> None:
        super().__init__(message)
        self.once = once


@dataclass
class Variable:
    """Streaming state: what an initialisation puts into it, and the graph's tensor once there is one."""

    container: str
    name: str
    assigned: int | None = None  # the first tensor of the network that is assigned to it
    first: NDArray[Any] | None = None
    state: int | None = None


class Network:
    """The network under construction. Tensor numbers up to the file's are the file's; new ones follow."""

    def __init__(self, file: File) -> None:
        self.file = file
        self.values = file.subgraphs[0].values
        self.operators = file.subgraphs[0].operators
        self.tensors: dict[int, Tensor] = {}
        self.ops: list[Op] = []
        self.constants: dict[int, NDArray[Any]] = {i: v.data for i, v in enumerate(self.values) if v.data is not None}
        self.reals: dict[int, NDArray[np.float32]] = {}  # float tensors kept as bytes: what each byte stands for
        self.variables: list[Variable] = []
        self.handles: dict[int, Variable] = {}  # by the tensors that stand for them
        self.read_already: set[int] = set()  # operators that another one has taken in
        self.readers: dict[int, list[Operator]] = {}
        self.writers: dict[int, Operator] = {i: op for op in self.operators for i in op.outputs}
        for op in self.operators:
            for i in set(op.inputs):
                self.readers.setdefault(i, []).append(op)
        self._next = len(self.values)
        self._wrong_types: dict[str, str] = {}

    # ---- inputs

    def value(self, op: Operator, position: int) -> int:
        """The tensor index of an input that must be given."""
        if position >= len(op.inputs) or op.inputs[position] < 0:
            raise ModelError(f"operator {op.index} {op.name}: has no input {position}; export it again")
        return op.inputs[position]

    def input(self, op: Operator, position: int = 0, types: Iterable[str] = ("INT8",)) -> int:
        """The tensor of an input: computed by an earlier operator, or a constant."""
        index = self.value(op, position)
        if index in self.constants and index not in self.tensors:
            data = self.constants[index]
            tensor = self._quantised(self.values[index], index, types, data.shape)
            self.tensors[index] = replace(tensor, data=np.ascontiguousarray(data))
        if index not in self.reals or types is not MOVABLE:
            self._check_type(self.values[index], types)
        if index not in self.tensors:
            raise Problem(f"input {self.values[index].name!r} is not computed by an earlier operator")
        return index

    def numbers(self, op: Operator, position: int) -> list[int]:
        """The values of an input that must be constant integers."""
        index = self.value(op, position)
        data = self.constants.get(index)
        if data is None or data.dtype.kind not in "iu":
            raise Problem(f"input {self.values[index].name!r} must be constant; export the network with fixed shapes")
        if data.size > _MOST_NUMBERS:
            raise Problem(f"input {self.values[index].name!r} has {data.size} numbers; at most {_MOST_NUMBERS}")
        return [int(n) for n in data.ravel()]

    def axis(self, axis: int, rank: int) -> int:
        """The axis, counted from the front."""
        if not -rank <= axis < rank:
            raise Problem(f"is along axis {axis} of {rank}")
        return axis % rank

    # ---- outputs

    def output(self, op: Operator, position: int = 0, types: Iterable[str] = ("INT8",)) -> int:
        """Declare an output with what the file says of it, and return its number."""
        index = self.free(op, position)
        self.tensors[index] = self._quantised(self.values[index], index, types, self.values[index].shape)
        return index

    def moved(self, op: Operator, source: int, position: int = 0) -> int:
        """Declare an output that will hold bytes of `source`, unchanged: it must mean the same by them."""
        index = self.free(op, position)
        if source in self.reals:
            self._check_shape(self.values[index], self.values[index].shape)
            self.real(index, source, self.reals[source])
            return index
        x = self.tensors[source]
        y = self._quantised(self.values[index], index, (x.dtype.upper(),), self.values[index].shape)
        self.same(x, y)
        self.tensors[index] = y
        return index

    def real(self, index: int, source: int, reals: NDArray[np.float32]) -> None:
        """Declare a float tensor of the file as bytes of `source`, and keep what each of the 256 bytes stands for."""
        v = self.values[index]
        self.tensors[index] = replace(
            self.tensors[source], name=v.name, shape=v.shape, storage=index, fill=None, data=None, origin=None
        )
        self.reals[index] = reals

    def target(self, op: Operator, position: int = 0) -> int:
        """The tensor index of an output that must be given."""
        if position >= len(op.outputs) or op.outputs[position] < 0:
            raise ModelError(f"operator {op.index} {op.name}: has no output {position}; export it again")
        return op.outputs[position]

    def free(self, op: Operator, position: int = 0) -> int:
        """The same, of one that nothing has computed before."""
        index = self.target(op, position)
        if index in self.tensors or index in self.constants:
            raise ModelError(f"operator {op.index} {op.name}: output {self.values[index].name!r} is written twice")
        return index

    def declared(self, index: int) -> Tensor:
        """What the file says of a tensor that operators compute."""
        return self._quantised(self.values[index], index, MOVABLE, self.values[index].shape)

    def add(self, like: Tensor, shape: Iterable[int], **changes: Any) -> int:
        """A tensor that is not in the file, with the quantisation of another."""
        number, shape = self._next, tuple(shape)
        self._next += 1
        plain = replace(
            like, name=f"{like.name} {list(shape)}", shape=shape, storage=number, fill=None, data=None, origin=None
        )
        self.tensors[number] = replace(plain, **changes)
        return number

    def new(self, like: int, shape: Iterable[int], **changes: Any) -> int:
        """The same, like a tensor of the graph."""
        number = self.add(self.tensors[like], shape, **changes)
        if like in self.reals:
            self.reals[number] = self.reals[like]
        return number

    def emit(self, op: Op) -> None:
        """Append an operator to the graph."""
        self.ops.append(op)

    def view(self, op: Operator, x: int, shape: Iterable[int]) -> int:
        """The same bytes in another shape."""
        shape = tuple(shape)
        tensor = self.tensors[x]
        if tensor.shape == shape:
            return x
        if tensor.data is not None:
            return self.new(x, shape, data=tensor.data.reshape(shape))
        number = self.new(x, shape)
        self.emit(Reshape(op.index, (x,), number))
        return number

    def table(self, op: Operator, x: int, y: int, table: NDArray[np.uint8]) -> None:
        """A function of one element; nothing but another name where it changes no byte."""
        a, b = self.tensors[x], self.tensors[y]
        if a.count != b.count:
            raise Problem(f"output {b.name!r} has {b.count} elements, its input {a.count}; export it again")
        if a.dtype == b.dtype and np.array_equal(table, np.arange(256)):
            self.emit(Reshape(op.index, (x,), y))
        else:
            self.emit(Table(op.index, (x,), y, op.name, table))

    # ---- checks

    def same(self, x: Tensor, y: Tensor) -> None:
        """Operators that do not rescale need equal scales."""
        if (x.dtype, x.scale, x.zero_point) != (y.dtype, y.scale, y.zero_point):
            raise Problem(
                f"tensors {x.name!r} and {y.name!r} must have the same scale and zero point; convert them together"
            )

    def _check_type(self, v: Value, types: Iterable[str]) -> None:
        if v.dtype in types:
            return
        if v.dtype not in self._wrong_types:
            others = sum(o.dtype == v.dtype and o.data is None for o in self.values) - 1
            which = f"tensor {v.name!r} is" if others < 1 else f"tensor {v.name!r} and {others} more are"
            self._wrong_types[v.dtype] = f"{which} {v.dtype}, not {' or '.join(types)}; {_QUANTISE}"
        raise Problem(self._wrong_types[v.dtype], once=True)

    def _check_shape(self, v: Value, shape: tuple[int, ...]) -> None:
        if any(n < 1 for n in shape):
            raise Problem(f"tensor {v.name!r} has shape {list(shape)}; export with a fixed shape and batch size 1")
        if len(shape) > _RANK or math.prod(shape) > _LARGEST:
            raise Problem(
                f"tensor {v.name!r} of shape {list(shape)} is too large; a .twm has 2^24 elements, 6 dimensions"
            )

    def _quantised(self, v: Value, index: int, types: Iterable[str], shape: tuple[int, ...]) -> Tensor:
        self._check_type(v, types)
        if v.odd:
            raise Problem(f"tensor {v.name!r} is {v.odd}; convert without that")
        if len(v.scales) != 1 or len(v.zero_points) != 1:
            raise Problem(f"tensor {v.name!r} has no single quantisation scale; {_QUANTISE}")
        scale, zero = float(v.scales[0]), int(v.zero_points[0])
        low, high = _LEVELS[v.dtype]
        if not _SCALES[0] < scale < _SCALES[1] or not low <= zero <= high:
            raise Problem(
                f"tensor {v.name!r}: scale {scale:g}, zero point {zero} are no 8-bit quantisation; {_QUANTISE}"
            )
        self._check_shape(v, shape)
        return Tensor(v.name, tuple(shape), v.dtype.lower(), scale, zero, storage=index, origin=index)
