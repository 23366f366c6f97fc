# SPDX-License-Identifier: MIT
"""What `tinywake search` says: the networks that no other one beats, for people and programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinywake.compiler.report import align
from tinywake.pipeline.compression.row import Row
from tinywake.pipeline.search.tries import counts

__all__ = ["SearchResult", "front_of", "spread"]


@dataclass(frozen=True)
class SearchResult:
    """rows: every network, the cheapest first. recipes: file -> number of the network's trial."""

    folder: Path
    label: str
    rows: tuple[tuple[int, Row], ...]
    recipes: dict[str, int]
    per_hour: float

    @property
    def front(self) -> list[tuple[int, Row]]:
        """The networks that no other one beats."""
        return front_of(self.rows, self.per_hour)

    def facts(self) -> dict[str, object]:
        """As JSON-able values. search.json holds the same, apart from the folder."""
        best = {number for number, _ in self.front}
        return {
            "folder": str(self.folder),
            "label": self.label,
            "false_accepts_per_hour": self.per_hour,
            "networks": [
                {"trial": number, "front": number in best, **row.facts(self.per_hour)} for number, row in self.rows
            ],
            "recipes": self.recipes,
        }

    def lines(self) -> list[str]:
        """For people."""
        unit = self.rows[0][1].unit
        table = [["trial", "first", "filters", "kernels", "head", "frames", "file", "coded", "MACs", unit, "missed",
                  "false accepts/h"]]  # fmt: skip
        for number, row in self.front:
            net, (missed, counted) = row.network, row.judged(self.per_hour)
            table.append([
                str(number), f"{net.first_filters}x{net.first_kernel}", " ".join(map(str, net.filters)),
                " ".join(map(str, net.kernels)), str(net.head), str(net.window), f"{row.file_bytes:,}",
                f"{row.coded_bytes:,}", f"{row.macs:,}", f"{counts(row):,}", f"{100 * missed:.1f} %", f"{counted:.2g}",
            ])  # fmt: skip
        by = "by people who trained nothing" if self.rows[0][1].people else "on the development split"
        return [
            *align(table, left=(1, 2, 3)),
            f"{len(self.front)} of {len(self.rows)} networks: no other one is both cheaper and better; missed {by} "
            f"at the threshold that keeps {self.per_hour:g} an hour",
            f"{self.folder}: search.json, search.png; "
            + ", ".join(f"{name} (trial {n})" for name, n in self.recipes.items()),
        ]


def front_of(rows: Sequence[tuple[int, Row]], per_hour: float) -> list[tuple[int, Row]]:
    """Of rows, the cheapest first, those that miss less than all before them."""
    front: list[tuple[int, Row]] = []
    least = float("inf")
    for number, row in rows:
        missed = row.judged(per_hour)[0]
        if missed < least:
            if front and counts(front[-1][1]) == counts(row):
                front.pop()
            front.append((number, row))
            least = missed
    return front


def spread(front: Sequence[tuple[int, Row]], count: int) -> list[tuple[int, Row]]:
    """At most so many of them, both ends among them, evenly by their place."""
    if len(front) <= count:
        return list(front)
    if count == 1:
        return [front[-1]]
    return [front[round(n * (len(front) - 1) / (count - 1))] for n in range(count)]
