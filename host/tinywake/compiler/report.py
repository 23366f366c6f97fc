# SPDX-License-Identifier: MIT
"""What a compiled model costs, as plain data: for `compile --report`, `inspect` and model cards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinywake.compiler.build import Compiled
from tinywake.compiler.graph import Conv2D, FullyConnected
from tinywake.compiler.twm.unpack import TwmFile, unpack

__all__ = ["OpCost", "compiled_costs", "summary"]


@dataclass(frozen=True)
class OpCost:
    """One operator of one invoke."""

    index: int
    kind: str
    output: tuple[int, int, int]  # h, w, c
    macs: int
    weight_bytes: int  # weights, biases and requantisation


def compiled_costs(compiled: Compiled) -> list[OpCost]:
    """Operators in the order in which they run."""
    graph = compiled.graph
    costs = []
    for index, op in enumerate(graph.ops):
        numbers = 0
        if isinstance(op, Conv2D | FullyConnected):
            numbers = op.weights.nbytes + op.bias.nbytes + op.requant.multiplier.nbytes + op.requant.shift.nbytes
        costs.append(OpCost(index, op.kind, graph.tensors[op.output].hwc, op.macs(graph), numbers))
    return costs


def summary(path: Path) -> dict[str, object]:
    """The facts of a .twm file, as JSON-able values. Raises FormatError for what a reader must reject."""
    file: TwmFile = unpack(path)
    facts: dict[str, object] = {
        "file": str(path),
        "file_bytes": file.file_bytes,
        "arena_bytes": file.arena_bytes - file.state_bytes,
        "state_bytes": file.state_bytes,
        "sections": file.sections,
        "input": {"shape": list(file.input_shape), "scale": file.input_scale, **_tensor(file, file.input)},
        "output": {"shape": list(file.output_shape), "scale": file.output_scale, **_tensor(file, file.output)},
        "operators": [op.kind for op in file.ops],
        "warmup_invokes": file.warmup,
        "provenance": file.provenance,
    }
    if file.detector is not None:
        facts["frames_per_invoke"] = file.frames
        facts["step_ms"] = file.step_ms
        facts["detector"] = {
            "window": file.detector.window,
            "refractory_ms": file.detector.refractory_ms,
            "ignore_ms": file.detector.ignore_ms,
            "labels": [{"name": n.name, "threshold": n.threshold, "wake": n.wake} for n in file.detector.labels],
        }
    return facts


def _tensor(file: TwmFile, number: int) -> dict[str, object]:
    return {"type": file.tensors[number].dtype, "zero_point": file.tensors[number].zero_point}
