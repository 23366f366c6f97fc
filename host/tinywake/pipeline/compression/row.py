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

__all__ = ["Row", "entropy_bytes", "figures", "table", "weights_of"]

_COLUMNS = (
    "stage", "parameters", "non-zero", "file", "coded, about", "flash", "RAM", "MACs", "cycles",
    "missed", "in training", "false accepts/h",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """Bytes, counts of one step, and figures on the development split at the recipe's false accepts an hour."""

    stage: str
    network: Network
    parameters: int  # weights and biases in the file
    nonzero: int
    file_bytes: int
    coded_bytes: int  # of the file, were each tensor's weights coded by their entropy: an estimate, without code books
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

    def facts(self) -> dict[str, Any]:
        """As JSON-able values, without the curve."""
        plain = {name: value for name, value in asdict(self).items() if name != "curve"}
        return {**plain, "network": asdict(self.network), "window": self.network.window}

    def record(self) -> dict[str, Any]:
        """All of it, for ``Row.of``."""
        curve = self.curve
        counts = {"misses": curve.misses.tolist(), "false_accepts": curve.false_accepts.tolist()}
        return {**asdict(self), "curve": {**counts, "positives": curve.positives, "hours": curve.hours}}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Row:
        """What ``record`` gave, through JSON. Raises KeyError, TypeError or ValueError where it is none."""
        curve, net = record["curve"], record["network"]
        misses, accepts = (np.array(curve[name], np.int64) for name in ("misses", "false_accepts"))
        shape = Network(**{**net, "filters": tuple(net["filters"]), "kernels": tuple(net["kernels"])})
        return cls(
            **{**record, "network": shape, "curve": DetCurve(misses, accepts, curve["positives"], curve["hours"])}
        )


def figures(curve: DetCurve, per_hour: float) -> tuple[float, float]:
    """Share missed at so many false accepts an hour at most, and how many were counted there."""
    at = curve.threshold_for(per_hour)
    return float(curve.miss_rate[at]), float(curve.per_hour[at])


def weights_of(graph: Graph) -> list[NDArray[np.int8]]:
    """The weights of a compiled network's operators."""
    return [op.weights for op in graph.ops if isinstance(op, Conv2D | FullyConnected)]


def entropy_bytes(weights: Sequence[NDArray[np.int8]]) -> int:
    """What the tensors would take if every value took as many bits as its share in its tensor says."""
    bits = 0.0
    for tensor in weights:
        counts = np.unique(tensor, return_counts=True)[1]
        bits -= float((counts * np.log2(counts / tensor.size)).sum())
    return int(np.ceil(bits / 8))


def table(rows: Sequence[Row], per_hour: float) -> tuple[list[str], list[str]]:
    """The rows for people: as aligned lines, and as Markdown. Columns that no row can fill are left out."""
    counted = any(row.cycles is not None for row in rows)
    unit = next((row.unit for row in rows if row.unit), "")
    heads = [unit if name == "cycles" else name for name in _COLUMNS if counted or name != "cycles"]
    cells = [_cells(row, counted) for row in rows]
    lines = align([heads, *cells], left=(0,))
    marks = ["|".join(["", *heads, ""]), "|---|" + "--:|" * (len(heads) - 1)]
    marks += ["|".join(["", *row, ""]) for row in cells]
    note = (
        f"missed and false accepts: on the development split, at the threshold that keeps {per_hour:g} an hour; coded, "
        "about: the file with every tensor at its entropy, an estimate"
    )
    return [*lines, note], [*marks, "", note[0].upper() + note[1:] + "."]


def _cells(row: Row, counted: bool) -> list[str]:
    numbers = [row.parameters, row.nonzero, row.file_bytes, row.coded_bytes, row.flash_bytes, row.ram_bytes, row.macs]
    cycles = ["-" if row.cycles is None else f"{row.cycles:,}"] if counted else []
    shares = [f"{100 * row.missed:.1f} %", f"{100 * row.missed_in_training:.1f} %"]
    return [row.stage, *(f"{n:,}" for n in numbers), *cycles, *shares, f"{row.false_accepts_per_hour:.2g}"]
