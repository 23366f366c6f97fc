# SPDX-License-Identifier: MIT
"""Everybody judged by a training that has not met them: the folds of one recipe as one curve.

Folds share the threshold, as a user of the file does: misses, false accepts and hours of all folds are added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinywake.evaluate.det.bounds import miss_bounds
from tinywake.evaluate.det.speakers import SpeakerShare
from tinywake.evaluate.metrics import DetCurve
from tinywake.evaluate.plots import Trust, plot_det
from tinywake.pipeline.evaluation.noted import whom_it_hears_badly
from tinywake.pipeline.evaluation.result import Evaluation, said
from tinywake.pipeline.evaluation.run import Questions, evaluate

__all__ = ["BUDGETS", "Pooled", "each_at_its_own", "judged", "pooled", "stage_lines", "summed"]

BUDGETS = (0.5, 1.0, 2.0, 5.0)


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
            first, counted = said(clean, self.miss_bounds, at)
            others = [
                f"{100 * curve.misses_at(budget):.1f} %" for name, curve in self.curves.items() if name != "clean"
            ]
            rows.append(f"| {budget:g} | {at} | {' | '.join([first, *others])} | {counted} |")
        at = clean.threshold_for(BUDGETS[0])
        shares = [
            SpeakerShare("", int(missed[at]), int(clips)) for missed, clips in zip(self.missed, self.clips, strict=True)
        ]
        return [*rows, "", whom_it_hears_badly(shares, at)]

    def plot(self, path: Path, title: str) -> None:
        """Every condition's curve as a PNG; the band is that of the clean one."""
        clean = self.curves["clean"]
        trust = {"clean": Trust(self.miss_bounds, [clean.threshold_for(BUDGETS[0])])}
        curves = {name + ("" if name == "clean" else ", 10 dB"): curve for name, curve in self.curves.items()}
        plot_det(curves, path, title, trust)

    @property
    def miss_bounds(self) -> np.ndarray | None:
        """Of the clean curve, [2, 256], as `tinywake eval` has them."""
        return miss_bounds(self.missed, self.clips)


def judged(model: Path, fold: Path, *, noise: bool = True) -> Evaluation:
    """A fold's model on the people of the fold; with household noise and babble at 10 dB besides."""
    grid = {"noise": (str(fold / "noise.csv"), "babble"), "snr": "10"} if noise else {}
    asked = Questions(budgets=BUDGETS, **grid)
    return evaluate([model], [fold / "positives.csv"], [fold / "negatives.csv"], asked).models[0]


def pooled(parts: Sequence[Evaluation]) -> Pooled:
    """All folds together."""
    curves = {"clean": summed([part.curve for part in parts])}
    for cells in zip(*(part.cells for part in parts), strict=True):
        curves[cells[0].kind] = summed([cell.curve for cell in cells])
    missed, clips = (np.concatenate(each) for each in zip(*(part.each for part in parts if part.each), strict=True))
    return Pooled(curves, missed, clips)


def each_at_its_own(parts: Sequence[Evaluation], thresholds: Sequence[int]) -> str:
    """For a card: what becomes of the people where each training has a threshold that was chosen without them."""
    heard = [(part, part.each, at) for part, at in zip(parts, thresholds, strict=True) if part.each]
    missed = np.concatenate([each[0][:, [at]] for _, each, at in heard])
    clips = np.concatenate([each[1] for _, each, _ in heard])
    accepted = sum(int(part.curve.false_accepts[at]) for part, _, at in heard)
    hours = sum(part.curve.hours for part, _, _ in heard)
    curve = DetCurve(missed.sum(axis=0), np.array([accepted]), int(clips.sum()), hours)
    share, counted = said(curve, miss_bounds(missed, clips), 0)
    chosen = ", ".join(str(at) for at in thresholds)
    return f"missed, clean: {share}; false accepts: {counted}; thresholds {chosen}"


def summed(curves: Sequence[DetCurve]) -> DetCurve:
    """Of several folds as one."""
    return DetCurve(
        np.sum([curve.misses for curve in curves], axis=0),
        np.sum([curve.false_accepts for curve in curves], axis=0),
        sum(curve.positives for curve in curves),
        sum(curve.hours for curve in curves),
    )


def stage_lines(rows: Sequence[tuple[str, DetCurve]]) -> list[str]:
    """What each stage of `tinywake compress` costs the people of the folds, for a card."""
    heads = " | ".join(f"missed at {budget:g}/h" for budget in BUDGETS)
    lines = [f"| these people, after | {heads} | mean |", "|---|" + "--:|" * (len(BUDGETS) + 1)]
    for stage, curve in rows:
        missed = [100 * curve.misses_at(budget) for budget in BUDGETS]
        cells = " | ".join(f"{each:.1f} %" for each in (*missed, sum(missed) / len(missed)))
        lines.append(f"| {stage} | {cells} |")
    return lines
