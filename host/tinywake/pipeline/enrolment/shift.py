# SPDX-License-Identifier: MIT
"""How far, and where to, a last layer moves for an owner.

The direction is Fisher's: from other speech to the owner's utterances, measured in what other speech does by itself.
Of all that give the owner so many logits it stirs other speech least. Then the bias falls until the highest scores of
other speech are no higher than before, so that what the owner gains is not paid for with false accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.twm.head import LARGEST, Head
from tinywake.evaluate.metrics import Rule, count_each
from tinywake.pipeline.enrolment.background import Background
from tinywake.pipeline.enrolment.ear import loudest

__all__ = ["Moved", "Shift"]

_RIDGE = 0.01  # of the mean variance, added to each: few minutes do not tell all of 600 dimensions
_TOP = 0.005  # share of other speech's steps that must not rise, on average
_STEP = 0.25  # logits by which the bias falls while other speech is accepted more often
_TRIES = 40

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Moved:
    """A last layer's new weights int8 [depth] and bias."""

    weights: NDArray[np.int8]
    bias: int


class Shift:
    """Moves of one head, held to one background. threshold: 0..255, of the detector."""

    def __init__(self, head: Head, background: Background, rule: Rule, threshold: int) -> None:
        self._head, self._background, self._rule, self._threshold = head, background, rule, threshold
        x = background.inputs
        self._mean = x.mean(axis=0, dtype=np.float64)
        spread = np.zeros((head.depth, head.depth))
        for at in range(0, len(x), 4096):
            block = (x[at : at + 4096] - self._mean).astype(np.float32)
            spread += block.T @ block
        spread /= len(x)
        spread[np.diag_indices(head.depth)] += _RIDGE * max(float(np.trace(spread)) / head.depth, 1e-6)
        self._inverse = np.linalg.inv(spread)
        self._bounds = np.concatenate([[0], np.cumsum(background.lengths)])
        self._top = max(20, round(_TOP * len(x)))
        before = head.logits(x)
        self._highest = self._mean_of_top(before)
        self.accepted = self._events(before)  # in the background, before any move
        self.peaks = np.sort([self._peak(part) for part in self._pieces(before)])

    def resembles(self, inputs: NDArray[np.int8]) -> float:
        """Share of the pieces of other speech that sound less like the word than this clip does."""
        return float(np.searchsorted(self.peaks, self._peak(self._head.logits(inputs))) / len(self.peaks))

    def word(self, inputs: NDArray[np.int8]) -> _Floats:
        """What the last layer reads where a clip sounds most like the word: [depth]."""
        window = min(self._rule.window, len(inputs))
        means = np.convolve(self._head.logits(inputs), np.ones(window) / window, "valid")
        at = int(np.argmax(means))
        return np.asarray(inputs[at : at + window].mean(axis=0, dtype=np.float64))

    def move(self, words: Sequence[_Floats], gain: float) -> Moved:
        """The layer that gives these words, on average, so many logits more, before the bias makes up for others."""
        head = self._head
        away = np.mean(words, axis=0) - self._mean
        direction = self._inverse @ away
        direction *= gain / max(float(direction @ away), 1e-9)
        changed = np.rint(head.weights[head.unit] + direction / head.step)
        weights = np.clip(changed, -LARGEST, LARGEST).astype(np.int8)
        more = weights.astype(np.float64) - head.weights[head.unit]
        bias = int(head.bias[head.unit]) - round(float(more @ self._mean))
        logits = head.logits(self._background.inputs, weights, bias)
        fall = max(0.0, self._mean_of_top(logits) - self._highest)
        for _ in range(_TRIES):
            if self._events(logits - fall) <= self.accepted:
                break
            fall += _STEP
        return Moved(weights, bias - round(fall / head.step))

    def scores(self, moved: Moved | None, inputs: NDArray[np.int8]) -> NDArray[np.uint8]:
        """Of every step, as the core gives them but for the rounding of one."""
        return self._scores(self._logits(moved, inputs))

    def score(self, moved: Moved | None, inputs: NDArray[np.int8]) -> int:
        """The detector's highest mean in a clip, 0..255; None: as the layer is."""
        return loudest(self.scores(moved, inputs), self._rule.window)

    def heard(self, moved: Moved | None, clips: Sequence[NDArray[np.int8]]) -> int:
        """In how many clips the word is heard."""
        return sum(self.score(moved, inputs) > self._threshold for inputs in clips)

    def accepts(self, moved: Moved | None) -> int:
        """False accepts in the background."""
        return self._events(self._logits(moved, self._background.inputs))

    def _logits(self, moved: Moved | None, inputs: NDArray[np.int8]) -> _Floats:
        return self._head.logits(inputs) if moved is None else self._head.logits(inputs, moved.weights, moved.bias)

    def _scores(self, logits: _Floats) -> NDArray[np.uint8]:
        scores = np.rint(256 / (1 + np.exp(-np.clip(logits, -30, self._head.most))))
        return np.asarray(np.minimum(scores, 255), np.uint8)

    def _events(self, logits: _Floats) -> int:
        scores = self._scores(logits)
        clips = [scores[a:b] for a, b in zip(self._bounds, self._bounds[1:], strict=False)]
        likely = [clip for clip in clips if loudest(clip, self._rule.window) >= self._threshold]
        return int(count_each(likely, self._rule)[:, self._threshold].sum())

    def _mean_of_top(self, logits: _Floats) -> float:
        top = min(self._top, len(logits))
        return float(np.partition(logits, len(logits) - top)[-top:].mean())

    def _pieces(self, logits: _Floats) -> list[_Floats]:
        """Of four seconds at most, as long as a sentence: how high an hour gets says little about an utterance.

        The quiet end of a clip is no piece of its own, or nearly everything would stand above it.
        """
        size = max(2 * self._rule.window, 4000 // self._rule.step_ms)
        clips = [logits[a:b] for a, b in zip(self._bounds, self._bounds[1:], strict=False)]
        return [
            clip[at : at + size]
            for clip in clips
            for at in range(0, len(clip), size)
            if not at or len(clip) - at >= size // 2
        ]

    def _peak(self, logits: _Floats) -> float:
        window = self._rule.window
        if len(logits) < window:
            return float(logits.mean()) if len(logits) else -np.inf
        return float(np.convolve(logits, np.ones(window) / window, "valid").max())
