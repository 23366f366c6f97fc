# SPDX-License-Identifier: MIT
"""Read an int8 .tflite into the graph, without TensorFlow; or say all that stands in the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tinywake.compiler.graph import Graph
from tinywake.compiler.tflite.flatbuffer import File, Operator, load
from tinywake.compiler.tflite.folding import fold
from tinywake.compiler.tflite.network import Network, Problem
from tinywake.compiler.tflite.operators import (
    convolutions,
    dilation,
    elementwise,
    islands,
    reductions,
    shapes,
    slices,
    variables,
)
from tinywake.errors import CompileError, ModelError

__all__ = ["problems", "read_tflite"]

_READERS: dict[str, Callable[[Network, Operator], None]] = {
    **convolutions.READERS,
    **reductions.READERS,
    **elementwise.READERS,
    **shapes.READERS,
    **slices.READERS,
    **variables.READERS,
    **dilation.READERS,
    **islands.READERS,
}
_Part = TypeVar("_Part")
_MOST_FOLDED = 1 << 25  # elements of all constants computed here


def read_tflite(path: Path) -> Graph:
    """Read a network with one 8-bit input and one 8-bit output.

    Raises ModelError where the file cannot be read as a .tflite, CompileError where it holds something that this
    compiler does not run; the message names operator, index and tensor, and is the first of `problems`.
    """
    graph, found = _read(path)
    if graph is None:
        more = f" (and {len(found) - 1} more: compile --report lists them)" if len(found) > 1 else ""
        raise CompileError(found[0] + more)
    return graph


def problems(path: Path) -> list[str]:
    """All that keeps a .tflite from being compiled, one line each; empty where it can be read.

    Raises ModelError where the file cannot be read as a .tflite.
    """
    return _read(path)[1]


def _read(path: Path) -> tuple[Graph | None, list[str]]:
    """The graph, or what is wrong with the network."""
    reading = _Reading(load(path))
    try:
        graph = reading.graph()
    except ModelError as e:
        raise ModelError(f"{path}: {e}") from e
    found = [f"{path}: {problem}" for problem in reading.found]
    return (None if found else graph), found


class _Reading:
    """One reading of a file: it goes on after a problem, so that all of them are found."""

    def __init__(self, file: File) -> None:
        self.sub = file.subgraphs[0]
        self.net = Network(file)
        self.found: list[str] = []
        self.once: set[str] = set()
        self.broken: set[int] = set()  # tensors of which nothing is known because of a problem
        self.folded = 0

    def graph(self) -> Graph | None:
        for kind, tensors in (("input", self.sub.inputs), ("output", self.sub.outputs)):
            if len(tensors) != 1 or tensors[0] < 0:
                names = ", ".join(repr(self.sub.values[i].name) for i in tensors[:8] if i >= 0) or "none"
                self.found.append(
                    f"needs exactly one {kind}, not {len(tensors)} ({names}); concatenate them, or split the network"
                )
        for index in self.sub.inputs:
            self.attempt(self.source, index)
        for op in self.sub.operators:
            if op.index not in self.net.read_already and not self.attempt(
                self.operator, op, f"operator {op.index} {op.name}: "
            ):
                self.pretend(op)
        for index in self.sub.outputs:
            self.attempt(self.sink, index)
        if self.found:
            return None
        ops, source, sink = tuple(self.net.ops), self.sub.inputs[0], self.sub.outputs[0]
        used = {source, sink}.union(*((*op.inputs, op.output) for op in ops))
        return Graph({i: t for i, t in self.net.tensors.items() if i in used}, ops, source, sink)

    def attempt(self, step: Callable[[_Part], None], part: _Part, where: str = "") -> bool:
        """Take a step. Where it fails, note why."""
        try:
            step(part)
        except Problem as e:
            if not (e.once and str(e) in self.once):
                self.found.append(f"{where}{e}")
            if e.once:
                self.once.add(str(e))
            return False
        return True

    def pretend(self, op: Operator) -> None:
        """Go on as if the operator had computed its outputs."""
        for index in op.outputs:
            if index >= 0 and index not in self.net.tensors and index not in self.net.constants:
                try:
                    self.net.tensors[index] = self.net.declared(index)
                except Problem:
                    self.broken.add(index)

    def source(self, index: int) -> None:
        """The network's input."""
        if index < 0:
            return
        value = self.sub.values[index]
        try:
            tensor = self.net.declared(index)
        except Problem:
            self.broken.add(index)
            raise
        self.net.tensors[index] = tensor
        self.net.constants.pop(index, None)
        others = [axis for axis in value.dynamic if axis > 0 or tensor.shape[:1] != (1,)]
        if others:
            raise Problem(
                f"input {value.name!r} has shape {list(value.shape)} with axes {others} left open; give them a length"
            )
        if len(tensor.shape) > 1 and tensor.shape[0] != 1:
            raise Problem(f"input {value.name!r} has shape {list(value.shape)}; export with batch size 1")

    def sink(self, index: int) -> None:
        """The network's output."""
        net, name = self.net, self.sub.values[index].name
        if index < 0 or index in self.broken:
            return
        if index in net.reals:
            net.declared(index)  # says that it is float
        if index not in net.tensors or net.tensors[index].data is not None:
            raise Problem(f"output {name!r} is not computed by any operator")

    def operator(self, op: Operator) -> None:
        if self.fold(op):
            return
        reader = _READERS.get(op.name)
        if op.name in islands.FLOAT_READERS and op.inputs and op.inputs[0] in self.net.reals:
            reader = islands.FLOAT_READERS[op.name]
        if reader is None:
            raise Problem("is not supported by this compiler; see docs/operators.md for those that are")
        if any(index in self.broken for index in op.inputs):
            self.pretend(op)
        else:
            reader(self.net, op)

    def fold(self, op: Operator) -> bool:
        """Compute the operator's outputs here and now, where all that it needs is known."""
        net = self.net
        given = [i for i in op.inputs if i >= 0]
        if not given or not op.outputs or op.outputs[0] < 0:
            return False
        first = net.tensors[given[0]].shape if given[0] in net.tensors else self.sub.values[given[0]].shape
        inputs = [net.constants.get(i) for i in given]
        results = fold(op, inputs, first, self.sub.values[op.outputs[0]].numpy)
        if results is None:
            return False
        self.folded += sum(r.size for r in results)
        if len(results) < len(op.outputs) or self.folded > _MOST_FOLDED:
            raise Problem("makes more constants than a network can have; export with fixed shapes")
        for position, result in enumerate(results[: len(op.outputs)]):
            net.constants[net.free(op, position)] = result
        return True
