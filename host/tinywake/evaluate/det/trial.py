# SPDX-License-Identifier: MIT
"""One model, one label, on one set of clips: what each clip says about every threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tinywake.evaluate.metrics import DetCurve, Rule, Scores, count_each, events, sums

__all__ = ["Trial"]

_LEVELS = np.arange(256)


@dataclass(frozen=True)
class Trial:
    """Scores of every clip, and what is known of it. Of positives, then of negatives, each in its order.

    seconds: of each negative, without what is around it. speakers: of each positive; others: of each negative.
    """

    positives: Sequence[Scores]
    negatives: Sequence[Scores]
    speakers: Sequence[str]
    others: Sequence[str]
    seconds: NDArray[np.float64]
    rule: Rule

    @cached_property
    def missed(self) -> NDArray[np.bool_]:
        """[positives, 256]: nothing was heard at this threshold."""
        peaks = [int(total.max()) if len(total := sums(s, self.rule.window)) else -1 for s in self.positives]
        return np.asarray(np.array(peaks)[:, None] <= _LEVELS * self.rule.window)

    @cached_property
    def accepted(self) -> NDArray[np.int64]:
        """[negatives, 256]: events at this threshold."""
        return count_each(self.negatives, self.rule)

    @cached_property
    def curve(self) -> DetCurve:
        """Of all clips."""
        return self.part(np.ones(len(self.positives), np.bool_), np.ones(len(self.negatives), np.bool_))

    def part(self, positives: NDArray[np.bool_], negatives: NDArray[np.bool_]) -> DetCurve:
        """Of the clips chosen by two masks."""
        return DetCurve(
            self.missed[positives].sum(axis=0, dtype=np.int64),
            self.accepted[negatives].sum(axis=0, dtype=np.int64),
            int(positives.sum()),
            float(self.seconds[negatives].sum()) / 3600,
        )

    def by_speaker(self) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.int64]]:
        """Speakers of the positives by name; how many clips each missed, [speakers, 256]; how many they have."""
        names, at = np.unique(np.array(self.speakers, dtype=object).astype(str), return_inverse=True)
        missed = np.zeros((len(names), 256), np.int64)
        np.add.at(missed, at, self.missed)
        return tuple(map(str, names)), missed, np.bincount(at, minlength=len(names))

    def hits(self, threshold: int) -> list[list[int]]:
        """Steps of the events of each positive."""
        return [events(scores, threshold, self.rule) for scores in self.positives]
