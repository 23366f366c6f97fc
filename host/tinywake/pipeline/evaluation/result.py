# SPDX-License-Identifier: MIT
"""What was measured of one model, as values and for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.report import align
from tinywake.evaluate.det.alarms import Alarm, alarm_lines
from tinywake.evaluate.det.crossfit import CrossFit
from tinywake.evaluate.det.latency import Latency
from tinywake.evaluate.det.speakers import SpeakerShare, speaker_facts, speaker_lines
from tinywake.evaluate.gating import Gated
from tinywake.evaluate.metrics import DetCurve, poisson_bounds

__all__ = ["Cell", "Evaluation", "said"]

_Bounds = NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """All clips in one kind of noise. miss_bounds: [2, 256], or None for one speaker."""

    kind: str
    snr_db: float
    curve: DetCurve
    miss_bounds: _Bounds | None


@dataclass(frozen=True)
class Evaluation:
    """One label of one model on one set of clips."""

    model: str
    label: str
    threshold: int  # the one in the file, 0..255
    at: int  # the one that speakers, latency, false accepts and noise are judged at
    budgets: tuple[float, ...]  # false accepts an hour; the first one chose `at`, where it was chosen
    curve: DetCurve
    miss_bounds: _Bounds | None  # [2, 256]; None for one speaker, NaN where none or all are missed
    speakers: tuple[SpeakerShare, ...]  # at `at`, the worst first
    latency: Latency
    alarms: tuple[Alarm, ...]
    lead_ms: int  # of quiet before every clip
    budget: float = 0.5  # of the grid's own thresholds
    cells: tuple[Cell, ...] = ()
    crossfit: CrossFit | None = None
    gated: Gated | None = None  # the same behind a gate
    notes: tuple[str, ...] = ()  # what the figures cannot say
    each: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None  # of each speaker: missed [people, 256], clips

    @property
    def misses(self) -> float:
        """Share of the clips that are missed at the file's threshold."""
        return float(self.curve.miss_rate[self.threshold])

    @property
    def false_accepts(self) -> int:
        """Events in the negatives at the file's threshold."""
        return int(self.curve.false_accepts[self.threshold])

    @property
    def false_accept_bounds(self) -> tuple[float, float]:
        """95 % Poisson limits of the false accepts an hour."""
        return poisson_bounds(self.false_accepts, self.curve.hours)

    def facts(self) -> dict[str, Any]:
        """As JSON-able values."""
        facts: dict[str, Any] = {
            "model": self.model,
            "label": self.label,
            "positives": self.curve.positives,
            "hours": self.curve.hours,
            "threshold": self.threshold,
            "misses": self.misses,
            "misses_95": _pair(self.miss_bounds, self.threshold),
            "false_accepts": self.false_accepts,
            "false_accepts_per_hour": float(self.curve.per_hour[self.threshold]),
            "false_accepts_per_hour_95": list(self.false_accept_bounds),
            "det": [
                {"per_hour_at_most": budget, **_point(self.curve, self.miss_bounds, threshold)}
                for budget, threshold, _, _ in self.curve.table(self.budgets)
            ],
            "at_threshold": self.at,
            "speakers": {share.speaker: [share.missed, share.clips] for share in self.speakers},
            "speakers_summary": speaker_facts(self.speakers),
            "latency": self.latency.facts(),
            "false_accept_list": [
                {"file": str(alarm.path), "t_ms": alarm.t_ms, "score": alarm.score / 256} for alarm in self.alarms
            ],
            "lead_ms": self.lead_ms,
            "notes": list(self.notes),
        }
        if self.cells:
            facts["noise"] = [self._cell_facts(cell) for cell in self.cells]
        if self.crossfit is not None:
            facts["cross_fit"] = self.crossfit.facts()
        if self.gated is not None:
            facts["gated"] = self.gated.facts(self.curve, self.threshold)
        return facts

    def _cell_facts(self, cell: Cell) -> dict[str, object]:
        own = cell.curve.threshold_for(self.budget)
        return {
            "kind": cell.kind,
            "snr_db": cell.snr_db,
            **_point(cell.curve, cell.miss_bounds, self.at),
            "own": {"per_hour_at_most": self.budget, **_point(cell.curve, cell.miss_bounds, own)},
        }

    def lines(self) -> list[str]:
        """For people."""
        low, high = self.false_accept_bounds
        table = [["false accepts/h at most", "threshold", "misses (95 %)", "false accepts counted (an hour, 95 %)"]]
        for budget, threshold, _, _ in self.curve.table(self.budgets):
            table.append([f"{budget:g}", str(threshold), *said(self.curve, self.miss_bounds, threshold)])
        return [
            f"{self.label} ({self.model}): {self.curve.positives} clips with the word, {self.curve.hours:.2f} h "
            f"without it, each behind {self.lead_ms} ms of quiet",
            *align(table, left=(0, 1, 2, 3)),
            f"at the model's own threshold {self.threshold}: {100 * self.misses:.1f} % missed, {self.false_accepts} "
            f"false accepts ({low:.2g} to {high:.2g} an hour at 95 %)",
            *([self.crossfit.line()] if self.crossfit is not None else []),
            *([f"at threshold {self.at}, for {self.budgets[0]:g} an hour:"] if self.at != self.threshold else []),
            *speaker_lines(self.speakers),
            *self.latency.lines(),
            *self._cell_lines(),
            *alarm_lines(self.alarms, self.at),
            *(() if self.gated is None else self.gated.lines(self.curve, self.threshold)),
            *(f"note: {note}" for note in self.notes),
        ]

    def _cell_lines(self) -> list[str]:
        if not self.cells:
            return []
        table = [["noise", "SNR", f"missed at {self.at}", "false accepts", f"missed at {self.budget:g}/h", "threshold"]]
        for name, snr, cell in (
            ("none", "", Cell("", 0, self.curve, self.miss_bounds)),
            *((cell.kind, f"{cell.snr_db:g} dB", cell) for cell in self.cells),
        ):
            own = cell.curve.threshold_for(self.budget)
            missed, accepted = said(cell.curve, cell.miss_bounds, self.at)
            table.append([name, snr, missed, accepted, said(cell.curve, cell.miss_bounds, own)[0], str(own)])
        return ["with one threshold, and with each its own:", *align(table, left=(0, 2, 3, 4, 5))]


def _pair(bounds: _Bounds | None, threshold: int) -> list[float] | None:
    if bounds is None or np.isnan(bounds[0, threshold]):
        return None
    return [float(bounds[0, threshold]), float(bounds[1, threshold])]


def _point(curve: DetCurve, bounds: _Bounds | None, threshold: int) -> dict[str, object]:
    counted = int(curve.false_accepts[threshold])
    return {
        "threshold": threshold,
        "misses": float(curve.miss_rate[threshold]),
        "misses_95": _pair(bounds, threshold),
        "false_accepts": counted,
        "false_accepts_per_hour": float(curve.per_hour[threshold]),
        "false_accepts_per_hour_95": list(poisson_bounds(counted, curve.hours)),
    }


def said(curve: DetCurve, bounds: _Bounds | None, threshold: int) -> Sequence[str]:
    """Misses and false accepts at a threshold with their bounds, for a table."""
    counted = int(curve.false_accepts[threshold])
    low, high = poisson_bounds(counted, curve.hours)
    missed = f"{100 * curve.miss_rate[threshold]:.1f} %"
    pair = _pair(bounds, threshold)
    if pair is not None:
        missed += f" ({100 * pair[0]:.1f}-{100 * pair[1]:.1f})"
    return missed, f"{counted} ({curve.per_hour[threshold]:.2g}; {low:.2g}-{high:.2g})"
