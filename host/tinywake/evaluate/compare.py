# SPDX-License-Identifier: MIT
"""Two runs of a network on the same inputs, layer by layer: the first tensor that differs, and by how much.

A run is a file and where it runs: a .tflite in one of the oracles, a .twm on any target. Tensors are matched operator
by operator where both runs have the same operators, else by the .tflite's tensor numbers, which a .twm keeps in its
section ORIGINS.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.report import align
from tinywake.compiler.twm.unpack import unpack
from tinywake.errors import ModelError
from tinywake.evaluate.oracles import ORACLES, Interface, is_tflite, tflite_interface, trace_tflite
from tinywake.evaluate.traces import Layer, Trace, trace_twm, without_batch

__all__ = ["Comparison", "Row", "Run", "compare", "parse_run"]


@dataclass(frozen=True)
class Run:
    """A file and where it runs: an oracle for a .tflite, a target for a .twm."""

    path: Path
    where: str
    tflite: bool

    def __str__(self) -> str:
        return f"{self.path.name}@{self.where}"


@dataclass(frozen=True)
class Row:
    """One tensor in both runs. first: invoke, then the index in `shape`, of the first element that differs."""

    operators: tuple[int | None, int | None]  # its number in each run; None: the network's output
    kinds: tuple[str, str]
    tensor: int | None  # number and name in the .tflite, where known
    name: str
    shape: tuple[int, ...]
    elements: int  # of all invokes
    differing: int
    largest: int | float  # difference
    first: tuple[int, ...] | None
    values: tuple[int | float, int | float] | None  # there


@dataclass(frozen=True)
class Comparison:
    """Rows in the order in which the first run computes them, the output last."""

    runs: tuple[str, str]
    invokes: int
    matched: str  # how tensors were matched
    rows: tuple[Row, ...]
    alone: tuple[tuple[str, ...], tuple[str, ...]]  # what each run computes that the other does not

    @property
    def first(self) -> Row | None:
        """Where the difference begins: in the first invoke with one (state carries it on) the first tensor."""
        differing = [row for row in self.rows if row.first is not None]
        return min(differing, key=lambda row: row.first[0] if row.first else 0, default=None)

    def facts(self) -> dict[str, Any]:
        """All of it, JSON-able."""
        first = self.first
        return {**asdict(self), "equal": first is None, "first": None if first is None else asdict(first)}

    def lines(self) -> list[str]:
        """A table, and what it says in a sentence or two."""
        cells = [("a", "b", "tensor", "shape", "differing", "by up to", "first at"), *map(_cells, self.rows)]
        lines = [f"{side}: {run}" for side, run in zip("ab", self.runs, strict=True)]
        lines += align(cells, left=range(len(cells[0])))
        compared = len(self.rows) - 1
        for side, alone in zip("ab", self.alone, strict=True):
            if alone:
                lines.append(f"only in {side}, {len(alone)} of {len(alone) + compared}: {', '.join(alone)}")
        lines.append(f"compared: {compared} tensors, {self.matched}, and the output, over {self.invokes} invokes")
        return [*lines, self._verdict()]

    def _verdict(self) -> str:
        row = self.first
        if row is None or row.first is None or row.values is None:
            return "equal"
        what = "the output" if row.operators[0] is None else f"{row.operators[0]} {row.kinds[0]}"
        tensor = f" {_label(row.tensor, row.name)}".rstrip()
        invoke, *at = row.first
        return (
            f"first difference: {what},{tensor} {at} of invoke {invoke}: {row.values[0]} in a, {row.values[1]} in b; "
            f"{row.differing:,} of its {row.elements:,} elements differ, by up to {row.largest}"
        )


def _label(tensor: int | None, name: str) -> str:
    """A tensor's number and name; of the many names of a fused one the first, and of a long one the end."""
    short = name.split(";")[0]
    short = short if len(short) <= 36 else "…" + short[-35:]
    return " ".join(part for part in ("" if tensor is None else str(tensor), short) if part)


def _cells(row: Row) -> tuple[str, ...]:
    same = row.kinds[0] == row.kinds[1]
    own, other = ("output" if n is None else f"{n:3} {kind}" for n, kind in zip(row.operators, row.kinds, strict=True))
    other = other if not same or row.operators[1] is None else f"{row.operators[1]:3}"
    head = own, other, _label(row.tensor, row.name), "x".join(map(str, row.shape))
    if row.first is None:
        return *head, "-", "", ""
    share = f"{100 * row.differing / row.elements:.2g} %"
    return *head, share, f"{row.largest}", f"invoke {row.first[0]} {list(row.first[1:])}"


def parse_run(text: str) -> Run:
    """A run as people write it: FILE or FILE@WHERE; a .tflite runs in "tflm", a .twm on "host" where nothing is said.

    Raises ModelError where there is no such file, or where it cannot run there.
    """
    name, where = text, ""
    while not Path(name).is_file():
        name, at, _ = name.rpartition("@")
        if not at:
            raise ModelError(f"{text}: there is no such file; write FILE or FILE@WHERE")
        where = text[len(name) + 1 :]
    path = Path(name)
    own = is_tflite(path)
    if own and where and where not in ORACLES:
        raise ModelError(f"{text}: a .tflite runs in {' or '.join(ORACLES)}; compile it to run it on {where}")
    if not own and where in ORACLES:
        raise ModelError(f"{text}: {where} runs .tflite files; a .twm runs on host, unix or a serial port")
    return Run(path, where or ("tflm" if own else "host"), own)


def compare(a: Run, b: Run, x: NDArray[Any] | None = None, *, count: int = 8, seed: int = 0) -> Comparison:
    """Run both on the same inputs, state carried from one to the next, and compare all that both compute.

    x: [N, ...input shape]; None: `count` random ones. Raises ModelError where the networks take different inputs.
    """
    takes = _interface(a), _interface(b)
    if takes[0].dtype != takes[1].dtype or math.prod(takes[0].shape) != math.prod(takes[1].shape):
        shown = " and ".join(f"{run} takes {t.dtype} {list(t.shape)}" for run, t in zip((a, b), takes, strict=True))
        streamed = next((run for run in (a, b) if _streams(run)), None)
        hint = f"; {streamed} was compiled with --stream: its layers see only new frames" if streamed else ""
        raise ModelError(f"{shown}: there is nothing to compare{hint}")
    x = _random(takes[0], count, seed) if x is None else x
    traces = _trace(a, x), _trace(b, x.reshape(len(x), *without_batch(takes[1].shape)) if len(x) else x)
    pairs, matched = _pairs(*traces, numbered=not (a.tflite and b.tflite))
    rows = [_row(one, other) for one, other in pairs]
    rows.append(_output_row(traces[0].output, traces[1].output))
    alone = tuple(
        tuple(_called(layer) for layer in trace.layers if not any(layer is pair[side] for pair in pairs))
        for side, trace in enumerate(traces)
    )
    return Comparison((str(a), str(b)), len(x), matched, tuple(rows), (alone[0], alone[1]))


def _interface(run: Run) -> Interface:
    if run.tflite:
        return tflite_interface(run.path)
    file = unpack(run.path)
    return Interface(file.input_shape, file.tensors[file.input].dtype)


def _streams(run: Run) -> bool:
    return not run.tflite and unpack(run.path).warmup > 0


def _random(interface: Interface, count: int, seed: int) -> NDArray[Any]:
    rng = np.random.default_rng(seed)
    shape = count, *without_batch(interface.shape)
    if np.dtype(interface.dtype).kind == "f":
        return rng.standard_normal(shape).astype(interface.dtype)
    limits = np.iinfo(interface.dtype)
    return rng.integers(limits.min, limits.max, shape, interface.dtype, endpoint=True)


def _trace(run: Run, x: NDArray[Any]) -> Trace:
    return trace_tflite(run.path, x, run.where) if run.tflite else trace_twm(run.path, x, run.where)


def _pairs(a: Trace, b: Trace, *, numbered: bool) -> tuple[list[tuple[Layer, Layer]], str]:
    """The tensors that both have, in the order of `a`, and how they were found.

    numbered: tensor numbers are those of one .tflite.
    """
    if [_signature(layer) for layer in a.layers] == [_signature(layer) for layer in b.layers]:
        return list(zip(a.layers, b.layers, strict=True)), "operator by operator"
    known = {layer.tensor: layer for layer in reversed(b.layers) if numbered and layer.tensor is not None}
    pairs = [(layer, known.pop(layer.tensor)) for layer in a.layers if layer.tensor in known]
    if not pairs:
        return [], "as the runs have no operators in common (with --stream they see other rows)"
    return pairs, "by their numbers in the .tflite"


def _without_padding(a: Layer, b: Layer) -> tuple[Layer, Layer]:
    """The channels that both have, where the compiler has filled one's up to a multiple of 4 (compiler/channels.py)."""
    sizes = a.values.shape[-1], b.values.shape[-1]
    few, many = sorted(sizes)
    filled = few < many == -(-few // 4) * 4 and a.values.size * sizes[1] == b.values.size * sizes[0]
    return (_first_channels(a, few), _first_channels(b, few)) if filled else (a, b)


def _first_channels(layer: Layer, count: int) -> Layer:
    return replace(layer, values=np.ascontiguousarray(layer.values[..., :count]))


def _signature(layer: Layer) -> tuple[Any, ...]:
    return layer.kind, layer.values.shape[1:]


def _called(layer: Layer) -> str:
    return f"{layer.operator} {layer.kind}"


def _row(a: Layer, b: Layer) -> Row:
    a, b = _without_padding(a, b)
    if a.values[0].size != b.values[0].size:
        raise ModelError(
            f"tensor {a.tensor} has {a.values[0].size} elements in one and {b.values[0].size} in the other: "
            "these are not the same network"
        )
    named = a if a.name else b  # a .tflite knows its tensors' names and shapes
    shape = without_batch(named.values.shape[1:])
    tensor = a.tensor if b.tensor is None else b.tensor
    return _compared((a.operator, b.operator), (a.kind, b.kind), tensor, named.name, shape, a.values, b.values)


def _output_row(a: NDArray[Any], b: NDArray[Any]) -> Row:
    if a[0].size != b[0].size:
        raise ModelError(f"outputs of {a[0].size} and {b[0].size} elements: these are not the same network")
    return _compared((None, None), ("", ""), None, "", a.shape[1:], a, b)


def _compared(
    operators: tuple[int | None, int | None], kinds: tuple[str, str], tensor: int | None, name: str,
    shape: tuple[int, ...], a: NDArray[Any], b: NDArray[Any],
) -> Row:  # fmt: skip
    """Values are compared as numbers, whatever their types."""
    wide = np.float64 if "f" in (a.dtype.kind, b.dtype.kind) else np.int64
    one, other = a.reshape(-1), b.reshape(-1)
    unequal = np.flatnonzero(one != other)
    if not len(unequal):
        return Row(operators, kinds, tensor, name, shape, one.size, 0, 0, None, None)
    left, right = one[unequal].astype(wide), other[unequal].astype(wide)
    first = np.unravel_index(unequal[0], (len(a), *shape))
    return Row(
        operators, kinds, tensor, name, shape, one.size, len(unequal), np.abs(left - right).max().item(),
        tuple(map(int, first)), (left[0].item(), right[0].item()),
    )  # fmt: skip
