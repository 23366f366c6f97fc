# SPDX-License-Identifier: MIT
"""Everybody judged by a training that has not met them: the folds of one recipe as one curve.

Folds share the threshold, as a user of the file does: misses, false accepts and hours of all folds are added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from tinywake.evaluate.metrics import DetCurve, poisson_bounds
from tinywake.pipeline.evaluation.result import Evaluation
from tinywake.pipeline.evaluation.run import Questions, evaluate

__all__ = ["BUDGETS", "Pooled", "judged", "pooled"]

BUDGETS = (0.5, 1.0, 2.0, 5.0)
_DRAWS = 2000
_BAD = 0.2  # a speaker of whom more is missed is one whom the network hears badly


@dataclass(frozen=True)
class Pooled:
    """curves: by condition, "clean" first. clips, missed: of each speaker, clean, at each threshold: [people, 256]."""

    curves: dict[str, DetCurve]
    missed: np.ndarray
    clips: np.ndarray

    def lines(self) -> list[str]:
        """For a card: no speaker is named."""
        clean = self.curves["clean"]
        heads = [f"missed, {name}" + ("" if name == "clean" else " 10 dB") for name in self.curves]
        rows = [
            f"{clean.positives} clips of {len(self.clips)} people with the word, {clean.hours:.2f} h without it; every "
            "column has the threshold that keeps the budget on its own sound.",
            "",
            f"| false accepts an hour at most | threshold, clean | {' | '.join(heads)} | counted (an hour, 95 %) |",
            "|--:|--:|" + "--:|" * (len(heads) + 1),
        ]
        for budget in BUDGETS:
            at = clean.threshold_for(budget)
            counted = int(clean.false_accepts[at])
            low, high = poisson_bounds(counted, clean.hours)
            first, last = self.bounds(at)
            cells = [f"{100 * curve.misses_at(budget):.1f} %" for curve in self.curves.values()]
            cells[0] += f" ({first:.1f}-{last:.1f})"
            rows.append(f"| {budget:g} | {at} | {' | '.join(cells)} | {counted} ({low:.2g}-{high:.2g}) |")
        at = clean.threshold_for(BUDGETS[0])
        rates = self.missed[:, at] / self.clips
        bad = rates > _BAD
        rows += [
            "",
            f"Who it hears badly, at threshold {at}: of {len(rates)} people it misses {100 * median(rates):.0f} % "
            f"(median) to {100 * max(rates):.0f} % (worst); {int(bad.sum())} of them more than {100 * _BAD:.0f} %, who "
            f"make {int(self.missed[bad, at].sum())} of {int(self.missed[:, at].sum())} misses.",
        ]
        return rows

    def bounds(self, at: int) -> tuple[float, float]:
        """Per cent missed at a threshold, 95 %, by drawing people again (bootstrap)."""
        rng = np.random.default_rng(1)
        drawn = rng.integers(0, len(self.clips), (_DRAWS, len(self.clips)))
        rates = 100 * self.missed[:, at][drawn].sum(axis=1) / self.clips[drawn].sum(axis=1)
        return float(np.quantile(rates, 0.025)), float(np.quantile(rates, 0.975))


def judged(model: Path, fold: Path, *, noise: bool = True) -> Evaluation:
    """A fold's model on the people of the fold; with household noise and babble at 10 dB besides."""
    grid = {"noise": (str(fold / "noise.csv"), "babble"), "snr": "10"} if noise else {}
    asked = Questions(budgets=BUDGETS, **grid)
    return evaluate([model], [fold / "positives.csv"], [fold / "negatives.csv"], asked).models[0]


def pooled(parts: Sequence[Evaluation]) -> Pooled:
    """All folds together."""
    curves = {"clean": _sum([part.curve for part in parts])}
    for cells in zip(*(part.cells for part in parts), strict=True):
        curves[cells[0].kind] = _sum([cell.curve for cell in cells])
    missed, clips = (np.concatenate(each) for each in zip(*(part.each for part in parts if part.each), strict=True))
    return Pooled(curves, missed, clips)


def _sum(curves: Sequence[DetCurve]) -> DetCurve:
    return DetCurve(
        np.sum([curve.misses for curve in curves], axis=0),
        np.sum([curve.false_accepts for curve in curves], axis=0),
        sum(curve.positives for curve in curves),
        sum(curve.hours for curve in curves),
    )
