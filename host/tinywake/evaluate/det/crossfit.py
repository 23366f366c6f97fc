# SPDX-License-Identifier: MIT
"""A threshold judged by people who did not choose it: folds of speakers, each counted with the others' threshold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tinywake.errors import ConfigError
from tinywake.evaluate.det.trial import Trial
from tinywake.evaluate.metrics import poisson_bounds

__all__ = ["CrossFit", "cross_fit", "folds_of"]


@dataclass(frozen=True)
class CrossFit:
    """What all folds missed and accepted together. thresholds: of each fold, as the other folds chose it."""

    per_hour: float
    thresholds: tuple[int, ...]
    missed: int
    positives: int
    false_accepts: int
    hours: float

    @property
    def misses(self) -> float:
        """Share of the positives."""
        return self.missed / self.positives

    def facts(self) -> dict[str, object]:
        """As JSON-able values."""
        return {
            "per_hour_at_most": self.per_hour,
            "folds": len(self.thresholds),
            "thresholds": list(self.thresholds),
            "misses": self.misses,
            "false_accepts": self.false_accepts,
            "false_accepts_per_hour": self.false_accepts / self.hours,
            "false_accepts_per_hour_95": list(poisson_bounds(self.false_accepts, self.hours)),
        }

    def line(self) -> str:
        """For people."""
        low, high = poisson_bounds(self.false_accepts, self.hours)
        return (
            f"cross-fitted by {len(self.thresholds)} folds of speakers (thresholds "
            f"{', '.join(map(str, self.thresholds))}) for {self.per_hour:g} an hour: {100 * self.misses:.1f} % missed, "
            f"{self.false_accepts} false accepts ({low:.2g} to {high:.2g} an hour at 95 %)"
        )


def folds_of(positives: Mapping[str, float], negatives: Mapping[str, float], count: int) -> dict[str, int]:
    """Speaker -> fold, so that folds are about equal: by clips with the word first, then by seconds without it.

    Raises ConfigError where there are too few speakers for it.
    """
    for kind, speakers in (("with the word", positives), ("without it", negatives)):
        if not 2 <= count <= len(speakers):
            raise ConfigError(
                f"--cross-fit {count}: needs 2 folds or more and a speaker in each; {kind} there are {len(speakers)}"
            )
    fold: dict[str, int] = {}
    for amounts in (positives, negatives):
        load = [sum(amounts.get(name, 0.0) for name, at in fold.items() if at == k) for k in range(count)]
        for name in sorted(amounts, key=lambda name: (-amounts[name], name)):
            if name not in fold:
                fold[name] = load.index(min(load))
                load[fold[name]] += amounts[name]
    return fold


def cross_fit(trial: Trial, per_hour: float, count: int) -> CrossFit:
    """Count each fold of speakers with the threshold for the budget on all others. Raises ConfigError."""
    seconds: Counter[str] = Counter()
    for name, length in zip(trial.others, trial.seconds.tolist(), strict=True):
        seconds[name] += length
    fold = folds_of(Counter(trial.speakers), seconds, count)
    with_word, without = (np.array([fold[name] for name in names]) for names in (trial.speakers, trial.others))
    thresholds, missed, accepted = [], 0, 0
    for k in range(count):
        for kind, here in (("with the word", with_word), ("without it", without)):
            if not (here == k).any() or (here == k).all():
                raise ConfigError(f"--cross-fit {count}: a fold has no clips {kind}; take fewer folds")
        threshold = trial.part(with_word != k, without != k).threshold_for(per_hour)
        judged = trial.part(with_word == k, without == k)
        thresholds.append(threshold)
        missed += int(judged.misses[threshold])
        accepted += int(judged.false_accepts[threshold])
    hours = float(trial.seconds.sum()) / 3600
    return CrossFit(per_hour, tuple(thresholds), missed, len(with_word), accepted, hours)
