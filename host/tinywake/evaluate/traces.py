# SPDX-License-Identifier: MIT
"""What every operator of a compiled network computed, here or on a board: run a step, read its tensor, go on.

Nothing else works: an operator's output lies in memory that later operators use again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.graph import Part
from tinywake.compiler.twm.unpack import TwmFile, TwmOp, unpack
from tinywake.core import Model
from tinywake.device.connect import connected
from tinywake.device.line.compute import run_on
from tinywake.errors import ModelError
from tinywake.files import why_unread

__all__ = ["Layer", "Step", "Trace", "fit_input", "load_input", "steps_of", "trace_twm", "without_batch"]


@dataclass(frozen=True)
class Step:
    """An operator of a .twm after which its output tensor is complete.

    start, end: where that lies in the memory of a model that runs, state first: `net.arena[start:end]` on a board.
    """

    operator: int
    kind: str
    start: int
    end: int
    shape: tuple[int, int, int]  # h, w, c
    dtype: str
    origin: int | None  # the .tflite's tensor that it equals


@dataclass(frozen=True)
class Layer:
    """A tensor as its operator left it. values: [N, ...shape], one row an invoke."""

    operator: int
    kind: str
    tensor: int | None  # number in the .tflite; in a .twm, of the tensor that it equals
    name: str  # in the .tflite; a .twm knows none
    values: NDArray[Any]


@dataclass(frozen=True)
class Trace:
    """A run of N invokes. output: [N, ...output shape without the batch axis]."""

    layers: tuple[Layer, ...]
    output: NDArray[Any]


def steps_of(file: TwmFile) -> tuple[Step, ...]:
    """The steps of a network. A tensor that several COPY put together is complete after the last of them."""
    steps = []
    for number, op in enumerate(file.ops):
        if _goes_on(file, number):
            continue
        tensor = file.tensors[op.output]
        start = tensor.offset + (file.state_bytes if tensor.place == "arena" else 0)
        shape, dtype = tensor.hwc, tensor.dtype
        if op.part in (Part.FIRST, Part.MIDDLE):  # they leave their sums
            shape, dtype = (1, 1, tensor.count // 4), "int32"
        steps.append(Step(number, op.kind, start, start + tensor.count, shape, dtype, op.origin))
    return tuple(steps)


def _goes_on(file: TwmFile, number: int) -> bool:
    """Whether a later COPY adds to what this one has written."""
    op = file.ops[number]
    if op.kind != "COPY":
        return False
    for later in file.ops[number + 1 :]:
        if op.output in later.inputs:
            return False
        if later.output == op.output:
            return (later.kind, later.origin) == (op.kind, op.origin) and not _covers(file, later)
    return False


def _covers(file: TwmFile, copy: TwmOp) -> bool:
    """Whether a COPY writes all of its output: models/SPEC.md, 12 COPY."""
    return copy.copied.filled or copy.copied.elements >= file.tensors[copy.output].count


def trace_twm(model: Path, x: NDArray[Any], target: str = "host", *, layers: bool = True) -> Trace:
    """Run N invokes of a .twm, state reset once and then carried, and keep what every step computed.

    x: [N, ...input shape], batch axis included or not. target: "host", an emulated board, or a serial port. layers:
    False runs each invoke at once and keeps the outputs only. Raises ModelError where x does not fit, DeviceError or
    ToolError where the target does not run.
    """
    file = unpack(model)
    x = fit_input(str(model), x, file.input_shape, file.tensors[file.input].dtype)
    steps = steps_of(file) if layers else ()
    if target == "host":
        outputs, values = _on_host(Model.open(model), x, steps)
    else:
        with connected(target, model) as board:
            done = [0, *(step.operator + 1 for step in steps)]
            wanted = [(s.operator + 1 - before, s.start, s.end) for before, s in zip(done, steps, strict=False)]
            outputs, values = run_on(board.port, model.name, x.tobytes(), tensors=wanted, directory=board.directory)
    found = []
    for number, step in enumerate(steps):
        dtype = np.dtype(step.dtype).newbyteorder("<")
        data = np.frombuffer(b"".join(values[number :: len(steps)]), dtype).reshape(len(x), *step.shape)
        found.append(Layer(step.operator, step.kind, step.origin, "", data))
    dtype = np.dtype(file.tensors[file.output].dtype)
    return Trace(tuple(found), np.frombuffer(outputs, dtype).reshape(len(x), *without_batch(file.output_shape)))


def _on_host(network: Model, x: NDArray[Any], steps: tuple[Step, ...]) -> tuple[bytes, list[bytes]]:
    outputs, values = bytearray(), []
    network.reset()
    for one in x:
        network.load(one)
        done = 0
        for step in steps:
            network.run(done, step.operator + 1)
            values.append(network.arena[step.start : step.end].tobytes())
            done = step.operator + 1
        network.run(done, network.ops)
        outputs += network.store().tobytes()
    return bytes(outputs), values


def without_batch(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of one element of a batch."""
    return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape


def load_input(path: Path) -> NDArray[Any]:
    """The array of a .npy file. Raises ModelError where it is none."""
    try:
        array = np.load(path, allow_pickle=False)
    except OSError as e:
        raise ModelError(f"{path}: not a readable .npy file: {why_unread(e)}") from e
    except (ValueError, EOFError) as e:
        raise ModelError(f"{path}: not a readable .npy file ({e})") from e
    if not isinstance(array, np.ndarray):
        raise ModelError(f"{path}: holds several arrays; save one with numpy.save")
    return array


def fit_input(name: str, x: NDArray[Any], shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Return x as [N, ...shape without the batch axis]; raise ModelError where it is no such array."""
    one = without_batch(shape)
    if x.dtype != np.dtype(dtype):
        raise ModelError(f"{name}: the input must be {dtype}, not {x.dtype}; quantise it with the model's scale")
    if x.ndim < 1 or len(x) == 0 or x.shape[1:] not in (one, (1, *one)):
        raise ModelError(f"{name}: the input must be [N, {', '.join(map(str, one))}], not {list(x.shape)}")
    return np.ascontiguousarray(x).reshape(len(x), *one)
