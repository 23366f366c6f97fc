# SPDX-License-Identifier: MIT
"""What a gate in front of a wake word costs and saves, from scores with and without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.report import align
from tinywake.evaluate.metrics import DetCurve, Rule, events, poisson_bounds

__all__ = ["Gated", "Work", "delays"]


@dataclass
class Work:
    """What networks did in a stretch of sound, summed up. word, gate: invokes."""

    seconds: float = 0.0
    steps: int = 0
    awake: int = 0  # of the steps: those in which the wake word's network was
    word: int = 0
    gate: int = 0

    def macs(self, word: int, gate: int) -> float:
        """Multiply-accumulates a second, where an invoke of the two takes so many."""
        return (self.word * word + self.gate * gate) / self.seconds


@dataclass(frozen=True)
class Gated:
    """The same clips behind a gate. `work` and the MACs a second are of the sound without the word."""

    gate: str
    curve: DetCurve
    work: Work
    macs_alone: float  # a second, of the wake word's network without a gate
    macs: float  # of both, the steps that are made up for after a sleep included
    ram_bytes: int  # that it adds: its state, the latest inputs of the wake word, and the arena of its model
    file_bytes: int  # of its model, in flash or, where that is not read in place, in RAM
    later_ms: tuple[int, ...]  # how much later each word is heard, of those heard either way

    @property
    def awake(self) -> float:
        """Share of the steps."""
        return self.work.awake / max(1, self.work.steps)

    def facts(self, curve: DetCurve, threshold: int) -> dict[str, object]:
        """As JSON-able values; beside `curve`, which has no gate, at its thresholds."""
        counted = int(self.curve.false_accepts[threshold])
        return {
            "gate": self.gate,
            "misses": float(self.curve.miss_rate[threshold]),
            "false_accepts": counted,
            "false_accepts_per_hour_95": list(poisson_bounds(counted, self.curve.hours)),
            "det": [
                {
                    "threshold": at,
                    "misses": float(self.curve.miss_rate[at]),
                    "false_accepts": int(self.curve.false_accepts[at]),
                }
                for _, at, _, _ in curve.table()
            ],
            "awake": self.awake,
            "macs_per_second": {"without": self.macs_alone, "with": self.macs},
            "ram_bytes": self.ram_bytes,
            "file_bytes": self.file_bytes,
            "later_ms": {"median": self._later(50), "most": self._later(100)},
        }

    def _later(self, percentile: int) -> int | None:
        return int(np.percentile(self.later_ms, percentile, method="nearest")) if self.later_ms else None

    def lines(self, curve: DetCurve, threshold: int) -> list[str]:
        """For people; beside `curve`, which has no gate, at one threshold."""
        columns = [
            [f"{100 * each.miss_rate[threshold]:.1f} % missed", f"{each.false_accepts[threshold]} false accepts",
             f"{each.per_hour[threshold]:.2f} an hour", f"awake {100 * awake:.1f} %", f"{macs:,.0f} MACs/s"]
            for each, awake, macs in ((curve, 1.0, self.macs_alone), (self.curve, self.awake, self.macs))
        ]  # fmt: skip
        named = [["without a gate", *columns[0]], [f"behind {self.gate}", *columns[1]]]
        rows = align(named, left=range(len(named[0])))
        file = f", and {self.file_bytes:,} bytes of file" if self.file_bytes else ""
        late = f"; a word is heard {self._later(50)} ms later (at most {self._later(100)})" if self.later_ms else ""
        return [f"at threshold {threshold}:", *rows, f"the gate takes {self.ram_bytes:,} bytes of RAM{file}{late}"]


def delays(
    alone: Sequence[NDArray[np.uint8]], gated: Sequence[NDArray[np.uint8]], threshold: int, rule: Rule
) -> tuple[int, ...]:
    """How many ms later the first hit of each clip is behind the gate, where there is one in both: scores [steps]."""
    pairs = ((events(a, threshold, rule), events(b, threshold, rule)) for a, b in zip(alone, gated, strict=True))
    return tuple((late[0] - early[0]) * rule.step_ms for early, late in pairs if early and late)
