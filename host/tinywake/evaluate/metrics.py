# SPDX-License-Identifier: MIT
"""Scores -> events, misses and false accepts per hour, by the very rule of the detector on the board.

The rule: a ring, zero at first, holds the last `window` scores (integers 0..255, one a step, only steps that are
ready). It is a hit when its sum exceeds threshold * window and the detector is armed. A hit disarms it until the sum
has fallen to the threshold or below, and for the refractory time. `threshold` is an integer 0..255 here. A test holds
that this is what firmware/core/detector.c does.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DetCurve",
    "Rule",
    "count_each",
    "count_events",
    "det",
    "events",
    "misses_by_speaker",
    "poisson_bounds",
    "sums",
]

Scores = NDArray[np.uint8]  # [steps]


@dataclass(frozen=True)
class Rule:
    """The detector without its threshold."""

    window: int = 5  # steps
    refractory_ms: int = 1000
    step_ms: int = 30

    @property
    def refractory(self) -> int:
        """Steps from a hit to the first one that may be the next, rounded up."""
        return -(-self.refractory_ms // self.step_ms)


@dataclass(frozen=True)
class DetCurve:
    """Misses against false accepts for every threshold 0..255; arrays are [256]."""

    misses: NDArray[np.int64]  # clips with the word in which nothing was heard
    false_accepts: NDArray[np.int64]  # events where the word is not
    positives: int  # clips
    hours: float  # of sound without the word

    @property
    def miss_rate(self) -> NDArray[np.float64]:
        """Share of the clips, 0..1."""
        return np.asarray(self.misses / max(1, self.positives))

    @property
    def per_hour(self) -> NDArray[np.float64]:
        """False accepts an hour."""
        return np.asarray(self.false_accepts / self.hours)

    def threshold_for(self, per_hour: float) -> int:
        """The lowest threshold from which on there are at most so many false accepts an hour."""
        too_many = np.flatnonzero(self.per_hour > per_hour + 1e-9)
        return int(min(255, too_many[-1] + 1)) if len(too_many) else 0

    def misses_at(self, per_hour: float) -> float:
        """Share of the word missed with `threshold_for(per_hour)`."""
        return float(self.miss_rate[self.threshold_for(per_hour)])

    def room(self, per_hour: float, tolerance: float = 0.02) -> tuple[int, int]:
        """Lowest and highest threshold that keep the budget and miss at most `tolerance` more than the lowest does."""
        low = self.threshold_for(per_hour)
        good = np.flatnonzero(self.miss_rate <= self.miss_rate[low] + tolerance)
        return low, int(max(low, good[-1]))

    def table(self, rates: Sequence[float] = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)) -> list[tuple[float, int, float, int]]:
        """Rows of (budget an hour, threshold, miss rate, false accepts counted)."""
        rows = []
        for rate in rates:
            threshold = self.threshold_for(rate)
            rows.append((rate, threshold, float(self.miss_rate[threshold]), int(self.false_accepts[threshold])))
        return rows


def sums(scores: Scores, window: int) -> NDArray[np.int64]:
    """Sum of the ring at each step, [steps]."""
    total = np.concatenate([np.zeros(window, np.int64), np.cumsum(scores, dtype=np.int64)])
    return np.asarray(total[window:] - total[:-window][: len(scores)], dtype=np.int64)


def events(scores: Scores, threshold: int, rule: Rule) -> list[int]:
    """Steps at which the detector fires, counted from the first ready step."""
    above = sums(scores, rule.window) > threshold * rule.window
    edges = np.flatnonzero(np.diff(np.concatenate([[0], above.astype(np.int8), [0]])))
    hits: list[int] = []
    next_allowed = 0
    for begin, end in zip(edges[::2], edges[1::2], strict=True):  # a stay above the threshold: one event at most
        at = max(int(begin), next_allowed)
        if at < end:
            hits.append(at)
            next_allowed = at + rule.refractory
    return hits


def count_events(scores: Scores, rule: Rule) -> NDArray[np.int64]:
    """Number of events for every threshold 0..255, [256]."""
    return np.asarray(count_each([scores], rule)[0])


def count_each(clips: Sequence[Scores], rule: Rule) -> NDArray[np.int64]:
    """The same of many clips at once, each from a fresh start: [clips, 256]."""
    counts = np.zeros((len(clips), 256), np.int64)
    # One array of all clips: what is between two clips is never above, so no stay reaches from one into the next.
    line = np.concatenate([np.append(sums(scores, rule.window), -1) for scores in clips] or [np.zeros(0, np.int64)])
    owner = np.repeat(np.arange(len(clips)), [len(scores) + 1 for scores in clips])
    for threshold in range(min(256, -(-int(line.max(initial=0)) // rule.window))):
        edges = np.flatnonzero(np.diff(line > threshold * rule.window, prepend=False))
        begins, ends = edges[::2], edges[1::2]
        last, next_allowed = -1, 0
        for clip, begin, end in zip(owner[begins].tolist(), begins.tolist(), ends.tolist(), strict=True):
            at = begin if clip != last or begin >= next_allowed else next_allowed
            if at < end:
                counts[clip, threshold] += 1
                next_allowed = at + rule.refractory
            last = clip
    return counts


def det(positives: Sequence[Scores], negatives: Sequence[Scores], hours: float, rule: Rule | None = None) -> DetCurve:
    """Compare clips that hold the word once with sound that does not hold it, `hours` long (> 0).

    A clip is heard when there is at least one event in it. Raises ValueError without positives or hours.
    """
    if not positives or hours <= 0:
        raise ValueError("det needs at least one clip with the word, and sound without it")
    rule = rule or Rule()
    peaks = [int(total.max()) if len(total := sums(scores, rule.window)) else -1 for scores in positives]
    levels = np.arange(256)[:, None] * rule.window
    misses = (np.array(peaks)[None, :] <= levels).sum(axis=1)
    false_accepts = count_each(negatives, rule).sum(axis=0)
    return DetCurve(misses.astype(np.int64), false_accepts, len(positives), hours)


def misses_by_speaker(
    positives: Sequence[Scores], speakers: Sequence[str], threshold: int, rule: Rule
) -> Mapping[str, tuple[int, int]]:
    """For each speaker, in order of name: (clips missed, clips)."""
    table: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for scores, speaker in zip(positives, speakers, strict=True):
        missed, total = table[speaker]
        table[speaker] = (missed + (not events(scores, threshold, rule)), total + 1)
    return dict(sorted(table.items()))


def poisson_bounds(count: int, hours: float, confidence: float = 0.95) -> tuple[float, float]:
    """Events an hour that are consistent with `count` in `hours`: exact (Garwood) limits."""
    tail = (1 - confidence) / 2
    low = 0.0 if count == 0 else _solve(lambda mean: 1 - _poisson_below(count - 1, mean), tail, count)
    high = _solve(lambda mean: 1 - _poisson_below(count, mean), 1 - tail, count)
    return low / hours, high / hours


def _poisson_below(count: int, mean: float) -> float:
    """Probability of at most `count` events."""
    logs = [k * math.log(mean) - mean - math.lgamma(k + 1) for k in range(count + 1)] if mean > 0 else [0.0]
    return min(1.0, sum(math.exp(value) for value in logs))


def _solve(rising: Callable[[float], float], goal: float, count: int) -> float:
    """Where a function of the mean that rises from 0 to 1 reaches `goal`."""
    low, high = 0.0, 20.0 + 4.0 * count
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < goal else (low, middle)
    return (low + high) / 2
