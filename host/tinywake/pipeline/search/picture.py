# SPDX-License-Identifier: MIT
"""The search as a picture: what a step costs, and how much of the word is missed; a line through the best."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinywake.evaluate.plots import write_png
from tinywake.pipeline.compression.row import Row
from tinywake.pipeline.search.result import SearchResult
from tinywake.pipeline.search.tries import counts

__all__ = ["plot_search"]


def plot_search(result: SearchResult, path: Path) -> None:
    """A PNG whose bytes depend on the result alone."""
    from matplotlib.figure import Figure  # slow to import, and only plots need it

    def points(rows: Sequence[tuple[int, Row]]) -> tuple[list[int], list[float]]:
        return [counts(row) for _, row in rows], [100 * row.judged(result.per_hour)[0] for _, row in rows]

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(*points(result.rows), "o", color="#9db8d6", label=f"{len(result.rows)} networks")
    axes.plot(*points(result.front), "o-", color="#b5502f", label="no other is cheaper and better")
    for number, row in result.front:
        axes.annotate(str(number), (counts(row), 100 * row.judged(result.per_hour)[0]), fontsize="small",
                      xytext=(4, 4), textcoords="offset points")  # fmt: skip
    axes.set_xlabel(f"{result.rows[0][1].unit}, a step")
    axes.set_ylabel(f"missed at {result.per_hour:g} false accepts an hour (%)")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize="small")
    axes.set_title(result.label.replace("$", r"\$"))
    write_png(figure, path)
