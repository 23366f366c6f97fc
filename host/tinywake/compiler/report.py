# SPDX-License-Identifier: MIT
"""What a compiled network costs, as plain data: for `compile --report`, `inspect`, pictures of the arena and bills.

Everything is read from the file itself, so that a report says the same before and after a .twm is written; a fresh
compilation adds what the file does not hold: the names of tensors and the arena's lower bound.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from tinywake.compiler.build import Compiled
from tinywake.compiler.graph import Part
from tinywake.compiler.occupancy import Occupant, covered, occupants
from tinywake.compiler.twm.unpack import TwmFile, TwmOp, parse

__all__ = ["OpCost", "Report", "align", "compiled_report", "file_report", "summary", "summary_lines"]

_TABLE = 256  # bytes


@dataclass(frozen=True)
class OpCost:
    """One operator of one invoke."""

    index: int
    kind: str
    name: str  # of the tensor it makes
    output: tuple[int, int, int]  # h, w, c
    macs: int
    weight_bytes: int  # weights, biases, requantisation, tables, constant inputs
    arena_bytes: int  # in use while it runs, state not included
    state_bytes: int  # of the state it reads or moves on


@dataclass(frozen=True)
class Report:
    """A compiled network's costs. Bytes."""

    file_bytes: int
    weight_bytes: int  # the section: what operators share counts once
    arena_bytes: int  # activations and scratch, without state
    state_bytes: int
    lower_bound: int | None  # of arena_bytes, where the compiler has just computed it
    ops: tuple[OpCost, ...]
    blocks: tuple[Occupant, ...]
    choices: tuple[str, ...] = ()  # that the compiler has just made for speed, a line each

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one invoke."""
        return sum(op.macs for op in self.ops)

    @property
    def peak(self) -> int:
        """The operator at which most of the arena is in use; of several the first."""
        return max(range(len(self.ops)), key=lambda step: self.ops[step].arena_bytes, default=0)

    def at(self, step: int) -> list[Occupant]:
        """What lies in the arena while an operator runs, the largest first."""
        return sorted((b for b in self.blocks if b.first <= step <= b.last), key=lambda b: (-b.bytes, b.offset))

    def name(self, block: Occupant) -> str:
        """What people call it: its tensor, where that is known."""
        return "input" if block.writer is None else self.ops[block.writer].name

    def facts(self) -> dict[str, object]:
        """As JSON-able values."""
        peak = self.peak
        return {
            "file_bytes": self.file_bytes,
            "weight_bytes": self.weight_bytes,
            "arena_bytes": self.arena_bytes,
            "state_bytes": self.state_bytes,
            "lower_bound": self.lower_bound,
            "macs": self.macs,
            "choices": list(self.choices),
            "peak": {
                "operator": peak,
                "bytes": self.ops[peak].arena_bytes if self.ops else 0,
                "tensors": [{"name": self.name(b), "bytes": b.bytes} for b in self.at(peak)],
            },
            "layers": [asdict(op) for op in self.ops],
            "blocks": [{"name": self.name(b), **asdict(b)} for b in self.blocks],
        }

    def lines(self) -> list[str]:
        """For people."""
        rows = [["", "operator", "output h w c", "MACs", "weights", "arena", "state", "makes"]]
        for op in self.ops:
            numbers = (op.macs, op.weight_bytes, op.arena_bytes, op.state_bytes)
            shape, name = " ".join(map(str, op.output)), "" if op.name == f"{op.index} {op.kind}" else op.name
            rows.append([str(op.index), op.kind, shape, *(f"{number:,}" for number in numbers), name])
        totals = (self.macs, self.weight_bytes, self.arena_bytes, self.state_bytes)
        rows.append(["", "in all", "", *(f"{number:,}" for number in totals), ""])
        if not any(row[-1] for row in rows[1:]):
            rows = [row[:-1] for row in rows]
        return [*align(rows, left=(1, 2, 7)), self.peak_line(), *self.choices]

    def peak_line(self) -> str:
        """Where the arena is fullest, and of what."""
        if not self.ops:
            return "no operators"
        op, blocks = self.ops[self.peak], self.at(self.peak)
        bound = "" if self.lower_bound is None else f" (lower bound {self.lower_bound:,})"
        held = ", ".join(f"{self.name(block)} {block.bytes:,}" for block in blocks)
        twice = sum(block.bytes for block in blocks) - op.arena_bytes
        shared = f", of which {twice:,} lie in the same place" if twice else ""
        most = f"most in use, {op.arena_bytes:,}, at {op.index} {op.kind}: {held}{shared}"
        return f"arena {self.arena_bytes:,} bytes{bound}; {most}"


def align(rows: Sequence[Sequence[str]], left: Sequence[int]) -> list[str]:
    """Lines of a table, columns two spaces apart; those in `left` begin where the others end: at their edge."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def compiled_report(compiled: Compiled) -> Report:
    """Of a network that has just been compiled."""
    graph, file = compiled.graph, parse(compiled.blob)
    labels = [
        (op.kind if written.kind == "TABLE" else written.kind, _short(graph.tensors[op.output].name))
        for op, written in zip(graph.ops, file.ops, strict=True)
    ]
    return replace(file_report(file, labels, compiled.plan.lower_bound), choices=compiled.choices)


def file_report(
    file: TwmFile, labels: Sequence[tuple[str, str]] | None = None, lower_bound: int | None = None
) -> Report:
    """Of a .twm. labels: each operator's kind and the name of its output; the file itself has no names."""
    if labels is None:
        labels = [(op.kind, f"{index} {op.kind}") for index, op in enumerate(file.ops)]
    blocks = occupants(file)
    return Report(
        file_bytes=file.file_bytes,
        weight_bytes=file.sections["WEIGHTS"],
        arena_bytes=file.arena_bytes - file.state_bytes,
        state_bytes=file.state_bytes,
        lower_bound=lower_bound,
        ops=tuple(
            OpCost(
                index=index,
                kind=kind,
                name=name,
                output=file.tensors[op.output].hwc,
                macs=_macs(file, op),
                weight_bytes=_weight_bytes(file, op),
                arena_bytes=covered(b for b in blocks if b.first <= index <= b.last),
                state_bytes=_state_bytes(file, op),
            )
            for index, (op, (kind, name)) in enumerate(zip(file.ops, labels, strict=True))
        ),
        blocks=blocks,
    )


def summary(file: TwmFile) -> dict[str, object]:
    """What a .twm says beside its costs, as JSON-able values."""
    facts: dict[str, object] = {
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


def summary_lines(facts: Mapping[str, object]) -> list[str]:
    """A summary for people, a line each."""
    return align([(key.replace("_", " "), _plain(value)) for key, value in facts.items()], left=(0, 1))


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key.replace('_', ' ')} {_plain(each)}" for key, each in value.items())
    if isinstance(value, list):
        return "; ".join(map(_plain, value)) if value and isinstance(value[0], Mapping) else " ".join(map(str, value))
    return str(value)


def _tensor(file: TwmFile, number: int) -> dict[str, object]:
    return {"type": file.tensors[number].dtype, "zero_point": file.tensors[number].zero_point}


def _short(name: str) -> str:
    """What a tensor is called in a report: `model/conv_1/Relu;model/conv_1/bias` is conv_1/Relu, `Call:0` is Call."""
    parts = re.sub(r":\d+$", "", name.split(";")[0].strip("/")).split("/")
    return "/".join(parts[-2:])


def _macs(file: TwmFile, op: TwmOp) -> int:
    """Every weight once for every output position."""
    x, y = (file.tensors[number] for number in (op.inputs[0], op.output))
    match op.kind:
        case "CONV_2D":
            return y.count * _kernel(op) * x.hwc[2]
        case "DEPTHWISE_CONV_2D":
            return y.count * _kernel(op)
        case "FULLY_CONNECTED":
            return y.hwc[2] * x.count
        case "FULLY_CONNECTED_PART":
            return _units(file, op) * x.count
        case _:
            return 0


def _weight_bytes(file: TwmFile, op: TwmOp) -> int:
    x, y = (file.tensors[number] for number in (op.inputs[0], op.output))
    units = y.hwc[2]
    constants = sum(t.count for t in map(file.tensors.__getitem__, op.inputs) if t.place == "weights")
    match op.kind:
        case "CONV_2D":
            return units * _kernel(op) * x.hwc[2] + 9 * units + constants
        case "DEPTHWISE_CONV_2D":
            return units * _kernel(op) + 9 * units + constants
        case "FULLY_CONNECTED":
            rows = y.hwc[0] * y.hwc[1]
            multipliers = units if op.per_channel else 1
            return units * (x.count // rows) + 4 * units + 5 * multipliers + constants
        case "FULLY_CONNECTED_PART":
            # All parts name bias and multipliers; the first uses the one, the last the others.
            units = _units(file, op)
            own = {Part.FIRST: 4 * units, Part.LAST: 5 * (units if op.per_channel else 1)}
            return units * x.count + own.get(op.part or Part.MIDDLE, 0)
        case "TABLE":
            return _TABLE + constants
        case _:
            return constants


def _units(file: TwmFile, op: TwmOp) -> int:
    """Of a FULLY_CONNECTED_PART: its second input holds an int32 for each."""
    return file.tensors[op.inputs[1]].count // 4


def _kernel(op: TwmOp) -> int:
    return math.prod(op.kernel)


def _state_bytes(file: TwmFile, op: TwmOp) -> int:
    used = {number: file.tensors[number] for number in (*op.inputs, op.output)}
    return sum(tensor.count for tensor in used.values() if tensor.place == "state")
