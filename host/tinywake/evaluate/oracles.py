# SPDX-License-Identifier: MIT
"""What others' interpreters compute from a .tflite, tensor by tensor: TensorFlow Lite Micro and LiteRT.

Both run their reference kernels. TensorFlow Lite Micro is what this project equals byte for byte; LiteRT rounds a fully
connected layer once instead of twice.
"""

from __future__ import annotations

import importlib
import math
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.tflite.flatbuffer import load
from tinywake.errors import ModelError, ToolError
from tinywake.evaluate.traces import Layer, Trace, fit_input, without_batch
from tinywake.files import why_unread

__all__ = ["ORACLES", "Interface", "is_tflite", "tflite_interface", "trace_tflite"]

_DTYPES = {"INT8", "UINT8", "INT16", "INT32", "FLOAT32"}  # resources and strings are no arrays


@dataclass(frozen=True)
class Interface:
    """What a network takes: shape, batch included, and type."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class _Output:
    """A tensor that an operator computes."""

    operator: int
    kind: str
    tensor: int
    name: str


def is_tflite(path: Path) -> bool:
    """Whether the file bears the mark of a .tflite. Raises ModelError where there is no reading it."""
    try:
        with path.open("rb") as file:
            return file.read(8)[4:] == b"TFL3"
    except OSError as e:
        raise ModelError(f"{path}: {why_unread(e)}") from e


def tflite_interface(path: Path) -> Interface:
    """The one input of a .tflite."""
    return _read(path)[0]


def trace_tflite(path: Path, x: NDArray[Any], oracle: str = "tflm") -> Trace:
    """Run N invokes of a .tflite from a fresh interpreter and keep every tensor that its operators compute.

    x: [N, ...input shape], batch axis included or not. oracle: a key of ORACLES. Raises ModelError where the
    interpreter cannot run it, ToolError where that is not installed.
    """
    interface, outputs, sink = _read(path)
    x = fit_input(str(path), x, interface.shape, interface.dtype).reshape(len(x), *interface.shape)
    values: list[list[NDArray[Any]]] = [[] for _ in (*outputs, sink)]
    with _native_messages() as last_message:
        try:
            run = ORACLES[oracle](path)
            for one in x:
                get = run(one)
                for kept, tensor in zip(values, (*(o.tensor for o in outputs), sink), strict=True):
                    kept.append(get(tensor).copy())
        except (RuntimeError, ValueError) as e:
            why = last_message() or str(e)
            raise ModelError(f"{path}: {oracle} cannot run it ({why})") from e
    arrays = [np.array(kept) for kept in values]
    layers = (Layer(o.operator, o.kind, o.tensor, o.name, a) for o, a in zip(outputs, arrays, strict=False))
    return Trace(tuple(layers), arrays[-1].reshape(len(x), *without_batch(arrays[-1].shape[1:])))


def _read(path: Path) -> tuple[Interface, list[_Output], int]:
    """The input, what the operators compute in the order in which they run, and the output's number."""
    network = load(path).subgraphs[0]
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise ModelError(f"{path}: needs exactly one input and one output")
    source = network.values[network.inputs[0]]
    if source.dtype not in _DTYPES:
        raise ModelError(f"{path}: its input is {source.dtype}, which cannot be compared")
    outputs = [
        _Output(op.index, op.name, tensor, network.values[tensor].name)
        for op in network.operators
        for tensor in op.outputs
        if tensor >= 0 and network.values[tensor].dtype in _DTYPES
    ]
    return Interface(source.shape, source.dtype.lower()), outputs, network.outputs[0]


_Get = Callable[[int], NDArray[Any]]  # a tensor by its number
_Run = Callable[[NDArray[Any]], _Get]  # one invoke


def _tflm(path: Path) -> _Run:
    try:
        runtime = importlib.import_module("tflite_micro").runtime
    except ImportError as e:
        raise ToolError("tflite-micro is not installed: pip install tflite-micro, or compare with @litert") from e
    # All tensors side by side, and room: it does not raise where its arena is too small, it crashes.
    elements = sum(math.prod(value.shape) for value in load(path).subgraphs[0].values)
    interpreter = runtime.Interpreter.from_file(
        str(path),
        arena_size=(16 << 20) + 8 * elements,
        intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,
    )

    def run(x: NDArray[Any]) -> _Get:
        interpreter.set_input(x, 0)
        interpreter.invoke()
        return lambda tensor: np.asarray(interpreter.GetTensor(tensor, 0)["tensor_data"])

    return run


def _litert(path: Path) -> _Run:
    # TensorFlow holds the same interpreter, and whoever trains has it.
    for module in ("ai_edge_litert.interpreter", "tensorflow.lite.python.interpreter"):
        try:
            litert = importlib.import_module(module)
            break
        except ImportError:
            continue
    else:
        raise ToolError("LiteRT is not installed: pip install ai-edge-litert")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = litert.Interpreter(
            model_path=str(path),
            experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF,
            experimental_preserve_all_tensors=True,
        )
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]

    def run(x: NDArray[Any]) -> _Get:
        interpreter.set_tensor(source, x)
        interpreter.invoke()
        return lambda tensor: np.asarray(interpreter.get_tensor(tensor))

    return run


ORACLES: dict[str, Callable[[Path], _Run]] = {"tflm": _tflm, "litert": _litert}


@contextmanager
def _native_messages() -> Iterator[Callable[[], str]]:
    """Keep what C++ writes to standard error off the terminal; its last line often says what an exception does not."""
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)

        def last_message() -> str:
            file.seek(0)
            lines = file.read().decode(errors="replace").strip().splitlines()
            return lines[-1].strip() if lines else ""

        try:
            yield last_message
        finally:
            os.dup2(kept, 2)
            os.close(kept)
