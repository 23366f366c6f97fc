# SPDX-License-Identifier: MIT
"""A compiled network on arrays, here or on a board: the same bytes from either, and on request every layer's."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.twm.unpack import TwmFile, unpack
from tinywake.errors import ToolError
from tinywake.evaluate.traces import Trace, steps_of, trace_twm
from tinywake.files import save, write_beside

__all__ = ["run_network"]


def run_network(model: Path, x: NDArray[Any], target: str = "host", dump: Path | None = None) -> NDArray[Any]:
    """Return the outputs [N, ...output shape] of N invokes, state reset once and then carried.

    x: [N, ...input shape] in the network's own type (int8), with the batch axis of 1 or without it; the outputs have
    it where x has it, and the network's own type. Raises ModelError where x does not fit.

    dump: a folder for what every operator computed: NNN-KIND.npy [N, h, w, c], input.npy, output.npy, and index.json,
    which says what they are. What an earlier dump left there is removed.
    """
    file = unpack(model)
    batched = x.shape[1:] == file.input_shape
    if dump is not None:
        _make_folder(dump)
    trace = trace_twm(model, x, target, layers=dump is not None)
    output = trace.output.reshape(len(x), *file.output_shape) if batched else trace.output
    if dump is not None:
        _write_dump(dump, file, trace, {"model": model.name, "target": target, "invokes": len(x)}, x, output)
    return output


def _make_folder(folder: Path) -> None:
    """Before the run: on a board it may take minutes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "index.json").exists():
            (folder / "index.json").unlink()
            for old in folder.glob("[0-9][0-9][0-9]*-*.npy"):
                old.unlink()
    except OSError as error:
        raise ToolError(f"{folder}: cannot be written ({error.strerror or error})") from error


def _write_dump(
    folder: Path, file: TwmFile, trace: Trace, about: dict[str, object], x: NDArray[Any], y: NDArray[Any]
) -> None:
    steps = {step.operator: step for step in steps_of(file)}
    layers = {layer.operator: layer for layer in trace.layers}
    operators = []
    for number, op in enumerate(file.ops):
        entry = {"operator": number, "kind": op.kind, "inputs": op.inputs, "output": op.output, "file": None}
        if number in steps:
            name, step = f"{number:03}-{op.kind}.npy", steps[number]
            save(folder / name, partial(np.save, arr=layers[number].values))
            entry |= {"file": name, "shape": step.shape, "type": step.dtype, "arena": (step.start, step.end)}
            entry["zero_point"] = file.tensors[op.output].zero_point
            entry["tflite_tensor"] = op.origin
        operators.append(entry)
    ends = {}
    for name, array, number, scale in (
        ("input", x, file.input, file.input_scale), ("output", y, file.output, file.output_scale)
    ):  # fmt: skip
        tensor = file.tensors[number]
        save(folder / f"{name}.npy", partial(np.save, arr=array))
        ends[name] = {"file": f"{name}.npy", "shape": array.shape[1:], "type": tensor.dtype, "tensor": number,
                      "zero_point": tensor.zero_point, "scale": scale}  # fmt: skip
    lines = [f" {json.dumps(key)}: {json.dumps(value)},\n" for key, value in (about | ends).items()]
    text = "".join(lines) + ' "operators": [\n  ' + ",\n  ".join(map(json.dumps, operators)) + "\n ]\n"
    write_beside(folder / "index.json", lambda part: part.write_text("{\n" + text + "}\n"))
