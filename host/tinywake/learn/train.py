# SPDX-License-Identifier: MIT
"""The training loop: a loss on streams, without alignment, and a moving average of the weights.

The score of a stream is the mean of the last outputs, as in the detector: a stream with the word must reach a high one
at some step at which it may (`dataset.CANDIDATE`); of the steps at which it must not, the highest ones weigh most.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinywake.audio.dataset import CANDIDATE, NEGATIVE, Dataset
from tinywake.config import Recipe
from tinywake.evaluate.metrics import DetCurve, Rule, det
from tinywake.learn.networks import Calibration, training_network

__all__ = ["Trained", "fit", "logits", "score_bytes", "set_threads"]

Progress = Callable[[str, float], None]

_HARDEST = 6  # steps of a stream that weigh most when it must stay silent
_BACKGROUND = 0.3  # weight of all its other steps
_GAINS, _SHIFTS = (0.5, 0.75, 1.0), (-2.0, -1.0, 0.0, 1.0)
_TAME = 1e-3  # weight of the squared logits: int8 has no room for very sure ones
_FAR = 1e4


@dataclass(frozen=True)
class Trained:
    """The best checkpoint, its weights averaged, and what maps its logits to probabilities that int8 can hold."""

    model: keras.Model
    calibration: Calibration
    curve: DetCurve  # float network, validation voices


def set_threads(threads: int) -> None:
    """Limit TensorFlow to so many threads. Once it has computed something, its threads stay as they are."""
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def fit(dataset: Dataset, recipe: Recipe, progress: Progress | None = None) -> Trained:
    """Train a network; the checkpoint is the one with the fewest misses at the recipe's false accepts.

    The same data, recipe and machine give the same weights.
    """
    tf.config.experimental.enable_op_determinism()
    train = recipe.train
    model = training_network(recipe.network, 1, train.dropout, train.seed)
    step = _Step(model, dataset, recipe)
    batches = _Batches(dataset.labels, train.batch, train.seed)
    best: tuple[tuple[float, float], list[NDArray[np.float32]], Calibration, DetCurve] | None = None
    checks = {round(train.steps * (0.5 + 0.5 * (n + 1) / train.checks)) for n in range(train.checks)}
    for index in range(train.steps):
        chosen = batches.draw()
        batches.learn(chosen, step(chosen, index))
        if progress and index % 10 == 0:
            progress("training", index / train.steps)
        if index + 1 in checks:
            weights = step.averaged()
            order, calibration, curve = _judge(model, weights, dataset, recipe)
            if best is None or order < best[0]:
                best = order, weights, calibration, curve
    assert best is not None
    model.set_weights(best[1])
    if progress:
        progress("training", 1.0)
    return Trained(model, best[2], best[3])


def logits(model: keras.Model, features: NDArray[np.int8]) -> NDArray[np.float32]:
    """int8 [streams, frames, 40] -> [streams, steps]."""

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
    def run(x: Any) -> Any:
        return model(tf.cast(x, tf.float32) + 128.0, training=False)[:, :, 0]

    size = max(1, min(len(features), 30_000 // features.shape[1]))
    padded = np.concatenate([features, np.zeros((-len(features) % size, *features.shape[1:]), np.int8)])
    parts = [run(tf.constant(padded[at : at + size])).numpy() for at in range(0, len(padded), size)]
    return np.concatenate(parts)[: len(features)]


def score_bytes(values: NDArray[np.float32], calibration: Calibration) -> NDArray[np.uint8]:
    """Logits as the scores 0..255 that the device would see, but for its rounding."""
    gain, shift = calibration
    scores = np.rint(256 / (1 + np.exp(-(gain * values + shift))))
    return np.asarray(np.clip(scores, 0, 255), dtype=np.uint8)


def _judge(
    model: keras.Model, weights: list[NDArray[np.float32]], dataset: Dataset, recipe: Recipe
) -> tuple[tuple[float, float], Calibration, DetCurve]:
    """How good a checkpoint is: misses at the budget, then how far the word stands out."""
    before = model.get_weights()
    model.set_weights(weights)
    wanted, unwanted = logits(model, dataset.positives), logits(model, dataset.negatives)
    model.set_weights(before)
    size = recipe.detector.window
    rule = Rule(size, recipe.detector.refractory_ms, 10 * recipe.network.stride)
    results = []
    for gain in _GAINS:
        for shift in _SHIFTS:
            calibration = (gain, shift)
            scores = [list(score_bytes(part, calibration)) for part in (wanted, unwanted)]
            curve = det(scores[0], scores[1], dataset.hours, rule)
            low, high = curve.room(recipe.detector.false_accepts_per_hour)
            results.append(((float(curve.miss_rate[low]), float(low - high)), calibration, curve))
    return min(results, key=lambda result: result[0])


class _Batches:
    """Half of a batch holds the word. Streams without it are drawn the more often, the higher they scored lately."""

    def __init__(self, labels: NDArray[np.uint8], batch: int, seed: int) -> None:
        holds = (labels == CANDIDATE).any(axis=1)
        self._with, self._without = np.flatnonzero(holds), np.flatnonzero(~holds)
        self._half = batch // 2
        self._rng = np.random.default_rng([seed, 5])
        self._loss = np.full(len(labels), 1.0)

    def draw(self) -> NDArray[np.int64]:
        hard = self._loss[self._without] + 0.05
        chance = 0.5 * hard / hard.sum() + 0.5 / len(hard)
        without = self._rng.choice(self._without, self._half, p=chance)
        return np.concatenate([self._rng.choice(self._with, self._half), without])

    def learn(self, chosen: NDArray[np.int64], losses: NDArray[np.float32]) -> None:
        self._loss[chosen] = np.minimum(losses, 3.0)


class _Step:
    """One update, compiled."""

    def __init__(self, model: keras.Model, dataset: Dataset, recipe: Recipe) -> None:
        train = recipe.train
        self._model, self._window, self._seed = model, recipe.detector.window, train.seed
        schedule = keras.optimizers.schedules.CosineDecay(
            1e-5, max(1, train.steps - train.steps // 20), alpha=0.01,
            warmup_target=train.learning_rate, warmup_steps=max(1, train.steps // 20),
        )  # fmt: skip
        self._optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-3, clipnorm=5.0)
        self._optimizer.build(model.trainable_variables)
        self._features, self._labels = tf.constant(dataset.features), tf.constant(dataset.labels)
        self._average = [tf.Variable(weight) for weight in model.get_weights()]
        self._decay = train.average
        self._update = tf.function(self._eager, jit_compile=True)

    def __call__(self, chosen: NDArray[np.int64], index: int) -> NDArray[np.float32]:
        """Train on the streams `chosen`; return the loss of each."""
        chosen_ = tf.constant(chosen, tf.int32)
        x, y = tf.gather(self._features, chosen_), tf.gather(self._labels, chosen_)
        decay = min(self._decay, (1.0 + index) / (10.0 + index))
        seed = tf.constant([self._seed, index], tf.int32)
        losses: NDArray[np.float32] = self._update(x, y, seed, tf.constant(decay, tf.float32)).numpy()
        return losses

    def averaged(self) -> list[NDArray[np.float32]]:
        return [weight.numpy() for weight in self._average]

    def _eager(self, x: Any, y: Any, seed: Any, decay: Any) -> Any:
        x = _mask(tf.cast(x, tf.float32) + 128.0, seed)
        with tf.GradientTape() as tape:
            losses = _losses(self._model(x, training=True)[:, :, 0], y, self._window)
            loss = tf.reduce_mean(losses)
        variables = self._model.trainable_variables
        self._optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        for kept, weight in zip(self._average, self._model.weights, strict=True):
            kept.assign(decay * kept + (1 - decay) * weight.value)
        return losses


def _losses(z: Any, y: Any, window: int) -> Any:
    """Loss of each stream: logits [batch, steps], labels [batch, steps] -> [batch]."""
    steps = z.shape[1] - window + 1
    rings = tf.stack([z[:, at : at + steps] for at in range(window)])
    # The detector averages probabilities. Logarithms of that mean and of what it lacks to 1:
    yes = tf.reduce_logsumexp(-tf.nn.softplus(-rings), axis=0) - math.log(window)
    no = tf.reduce_logsumexp(-tf.nn.softplus(rings), axis=0) - math.log(window)
    label = y[:, window - 1 :]
    may = tf.cast(label == CANDIDATE, tf.float32)
    must_not = tf.cast(label == NEGATIVE, tf.float32)
    holds = tf.reduce_max(may, axis=1)
    word = -tf.reduce_max(yes - _FAR * (1 - may), axis=1)
    each = -no * must_not
    hardest = tf.reduce_mean(tf.sort(each, axis=1)[:, -_HARDEST:], axis=1)
    rest = tf.reduce_sum(each, axis=1) / (tf.reduce_sum(must_not, axis=1) + 1.0)
    return tf.where(holds > 0, word, 0.0) + hardest + _BACKGROUND * rest + _TAME * tf.reduce_mean(z * z, axis=1)


def _mask(x: Any, seed: Any) -> Any:
    """SpecAugment: in half of the streams a band of channels, in half a stretch of frames, is set to nothing."""
    batch, frames, channels = x.shape
    draw = tf.random.stateless_uniform([6, batch], seed)
    for axis, size, most, at in ((1, frames, 15, 0), (2, channels, 6, 3)):
        width = draw[at] * most * tf.cast(draw[at + 1] < 0.5, tf.float32)
        start = draw[at + 2] * (size - width)
        place = tf.range(size, dtype=tf.float32)
        hidden = (place >= start[:, None]) & (place < (start + width)[:, None])
        x = x * (1.0 - tf.cast(tf.expand_dims(hidden, 3 - axis), tf.float32))
    return x
