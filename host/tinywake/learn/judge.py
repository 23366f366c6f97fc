# SPDX-License-Identifier: MIT
"""How good a checkpoint is: misses at the budget of false accepts, on the validation voices, by the detector's rule.

Several words have one threshold and one budget together: what any output accepts counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinywake.audio.dataset import Dataset
from tinywake.config import Recipe
from tinywake.evaluate.metrics import DetCurve, Rule, count_each, det
from tinywake.learn.networks import Calibration

__all__ = ["GAIN", "Judgement", "curve_of", "judge", "logits", "rule_of", "score_bytes"]

GAIN = 0.5  # of logits, so that scores tell apart what is 11 of them above or below the threshold
_MIDDLE = 0.5  # where the threshold is to lie, unless the recipe says where
_SEEN = 8  # of 256: nearer to either end a threshold only says on which side to look


@dataclass(frozen=True)
class Judgement:
    """order: less is better: misses at the budget, then how little the word stands out."""

    order: tuple[float, float]
    calibration: Calibration
    curve: DetCurve

    def state(self) -> dict[str, NDArray[Any]]:
        """As arrays."""
        curve = self.curve
        numbers = np.array([*self.order, *self.calibration, curve.positives, curve.hours])
        return {"judged": numbers, "counts": np.stack([curve.misses, curve.false_accepts])}

    @classmethod
    def of(cls, state: Mapping[str, NDArray[Any]]) -> Judgement | None:
        """What `state` gave; None where nothing had been judged."""
        if "judged" not in state:
            return None
        first, second, gain, shift, positives, hours = (float(value) for value in state["judged"])
        return cls(
            (first, second), (gain, shift), DetCurve(state["counts"][0], state["counts"][1], int(positives), hours)
        )


def rule_of(recipe: Recipe) -> Rule:
    """The detector of a recipe."""
    return Rule(recipe.detector.window, recipe.detector.refractory_ms, 10 * recipe.network.stride)


def curve_of(
    wanted: Sequence[NDArray[np.uint8]], unwanted: Sequence[NDArray[np.uint8]], dataset: Dataset, rule: Rule
) -> DetCurve:
    """Scores [steps, words] of the validation streams: the misses of every word's clips, what all outputs accept.

    An output that takes another word for its own costs nothing here: the budget is for sound without any word, and
    words may hold each other.
    """
    hours = max(dataset.hours, float(np.finfo(float).tiny))
    misses, accepts = np.zeros((2, 256), np.int64)
    for word in range(dataset.outputs):
        accepts += count_each([scores[:, word] for scores in unwanted], rule).sum(axis=0)
        clips = [scores[:, word] for scores, said in zip(wanted, dataset.spoken, strict=True) if said == word]
        if clips:
            misses += det(clips, [], hours, rule).misses
    return DetCurve(misses, accepts, len(wanted), hours)


def judge(model: keras.Model, weights: list[NDArray[np.float32]], dataset: Dataset, recipe: Recipe) -> Judgement:
    """Judge a network with other weights than its own, which it keeps.

    Its calibration puts the threshold that keeps the budget at the recipe's, or at half of what a score can be.
    """
    before = model.get_weights()
    model.set_weights(weights)
    wanted, unwanted = logits(model, dataset.positives), logits(model, dataset.negatives)
    model.set_weights(before)
    rule, budget = rule_of(recipe), recipe.detector.false_accepts_per_hour

    def heard(calibration: Calibration) -> DetCurve:
        scores = [list(score_bytes(part, calibration)) for part in (wanted, unwanted)]
        return curve_of(scores[0], scores[1], dataset, rule)

    # Scores have 256 steps, few of them at either end: the threshold is to be where there are many.
    centre = 0.0  # the logit that keeps the budget
    for _ in range(2):
        at = np.clip(heard((GAIN, -GAIN * centre)).threshold_for(budget), _SEEN, 256 - _SEEN)
        centre += _logit(at / 256) / GAIN
    level = _logit(np.clip(recipe.detector.threshold or _MIDDLE, _SEEN / 256, 1 - _SEEN / 256))
    calibration = (GAIN, level - GAIN * centre)
    curve = heard(calibration)
    low, high = curve.room(budget)
    return Judgement((float(curve.miss_rate[low]), float(low - high)), calibration, curve)


def _logit(share: float) -> float:
    return float(np.log(share / (1 - share)))


def logits(model: keras.Model, features: NDArray[np.int8]) -> NDArray[np.float32]:
    """int8 [streams, frames, 40] -> [streams, steps, words]."""

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
    def run(x: Any) -> Any:
        return model(tf.cast(x, tf.float32) + 128.0, training=False)

    size = max(1, min(len(features), 30_000 // features.shape[1]))
    padded = np.concatenate([features, np.zeros((-len(features) % size, *features.shape[1:]), np.int8)])
    parts = [run(tf.constant(padded[at : at + size])).numpy() for at in range(0, len(padded), size)]
    return np.concatenate(parts)[: len(features)]


def score_bytes(values: NDArray[np.float32], calibration: Calibration) -> NDArray[np.uint8]:
    """Logits as the scores 0..255 that the device would see, but for its rounding."""
    gain, shift = calibration
    scores = np.rint(256 / (1 + np.exp(-(gain * values + shift))))
    return np.asarray(np.clip(scores, 0, 255), dtype=np.uint8)
