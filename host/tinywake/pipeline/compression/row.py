# SPDX-License-Identifier: MIT
"""A network after one stage, as a row of the report: what it takes, and what it hears."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.graph import Conv2D, FullyConnected, Graph
from tinywake.compiler.report import align
from tinywake.config import Network
from tinywake.evaluate.metrics import DetCurve

__all__ = ["Row", "figures", "table", "weights_of"]

_COLUMNS = (
    "stage", "parameters", "non-zero", "file", "coded", "flash", "RAM", "MACs", "cycles",
    "missed", "in training", "false accepts/h", "people miss", "accepts/h of people",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """Bytes, counts of one step, and figures on the development split at the recipe's false accepts an hour."""

    stage: str
    network: Network
    parameters: int  # weights and biases in the file
    nonzero: int
    file_bytes: int
    coded_bytes: int  # of the file in its smallest form (models/SPEC.md, Coded files)
    macs: int
    missed: float  # share of the clips, of the int8 network
    missed_in_training: float  # the same of the network as it was trained: float, from "quantise" on on int8's grids
    false_accepts_per_hour: float  # counted at the threshold of those misses
    threshold: int  # in the file, 0..255
    curve: DetCurve  # of the int8 network
    flash_bytes: int = 0  # of a board, for the file
    ram_bytes: int = 0  # of a board, for the file and what it computes
    cycles: int | None = None
    unit: str = ""  # of the cycles; empty where they were not counted
    people: DetCurve | None = None  # of recorded people, where there are any

    def judged(self, per_hour: float) -> tuple[float, float]:
        """``figures`` of the people where there are any, else of the development split."""
        return figures(self.people or self.curve, per_hour)

    def facts(self, per_hour: float) -> dict[str, Any]:
        """As JSON-able values, without the curves."""
        plain = {name: value for name, value in asdict(self).items() if name not in ("curve", "people")}
        facts = {**plain, "network": asdict(self.network), "window": self.network.window}
        if self.people is not None:
            missed, counted = figures(self.people, per_hour)
            facts["people"] = {
                "missed": missed, "false_accepts_per_hour": counted, "positives": self.people.positives,
                "hours": self.people.hours,
            }  # fmt: skip
        return facts

    def record(self) -> dict[str, Any]:
        """All of it, for ``Row.of``."""
        people = None if self.people is None else _counts(self.people)
        return {**asdict(self), "curve": _counts(self.curve), "people": people}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Row:
        """What ``record`` gave, through JSON. Raises KeyError, TypeError or ValueError where it is none."""
        net, people = record["network"], record["people"]
        shape = Network(**{**net, "filters": tuple(net["filters"]), "kernels": tuple(net["kernels"])})
        curves = {"curve": _curve(record["curve"]), "people": None if people is None else _curve(people)}
        return cls(**{**record, "network": shape, **curves})


def _counts(curve: DetCurve) -> dict[str, Any]:
    counts = {"misses": curve.misses.tolist(), "false_accepts": curve.false_accepts.tolist()}
    return {**counts, "positives": curve.positives, "hours": curve.hours}


def _curve(record: Mapping[str, Any]) -> DetCurve:
    misses, accepts = (np.array(record[name], np.int64) for name in ("misses", "false_accepts"))
    return DetCurve(misses, accepts, record["positives"], record["hours"])


def figures(curve: DetCurve, per_hour: float) -> tuple[float, float]:
    """Share missed at so many false accepts an hour at most, and how many were counted there."""
    at = curve.threshold_for(per_hour)
    return float(curve.miss_rate[at]), float(curve.per_hour[at])


def weights_of(graph: Graph) -> list[NDArray[np.int8]]:
    """The weights of a compiled network's operators."""
    return [op.weights for op in graph.ops if isinstance(op, Conv2D | FullyConnected)]


def table(rows: Sequence[Row], per_hour: float) -> tuple[list[str], list[str]]:
    """The rows for people: as aligned lines, and as Markdown. Columns that no row can fill are left out."""
    unit = next((row.unit for row in rows if row.unit), "")
    every = [_cells(row, per_hour) for row in rows]
    filled = [n for n in range(len(_COLUMNS)) if any(cells[n] for cells in every)]
    heads = [unit if _COLUMNS[n] == "cycles" else _COLUMNS[n] for n in filled]
    cells = [[row[n] or "-" for n in filled] for row in every]
    lines = align([heads, *cells], left=(0,))
    marks = ["|".join(["", *heads, ""]), "|---|" + "--:|" * (len(heads) - 1)]
    marks += ["|".join(["", *row, ""]) for row in cells]
    note = f"missed and false accepts: on the development split, at the threshold that keeps {per_hour:g} an hour"
    known = next((row.people for row in rows if row.people), None)
    if known is not None:
        note += (
            f"; people: {known.positives} clips with the word and {known.hours:.2f} h without it by people who trained "
            f"nothing, at the threshold that keeps {per_hour:g} an hour there"
        )
    return [*lines, note], [*marks, "", note[0].upper() + note[1:] + "."]


def _cells(row: Row, per_hour: float) -> list[str]:
    """One a column; empty where nothing is known."""
    numbers = [row.parameters, row.nonzero, row.file_bytes, row.coded_bytes, row.flash_bytes, row.ram_bytes, row.macs]
    cycles = "" if row.cycles is None else f"{row.cycles:,}"
    shares = [f"{100 * row.missed:.1f} %", f"{100 * row.missed_in_training:.1f} %", f"{row.false_accepts_per_hour:.2g}"]
    people = ["", ""]
    if row.people is not None:
        missed, counted = figures(row.people, per_hour)
        people = [f"{100 * missed:.1f} %", f"{counted:.2g}"]
    return [row.stage, *(f"{n:,}" for n in numbers), cycles, *shares, *people]
