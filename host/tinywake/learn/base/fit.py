# SPDX-License-Identifier: MIT
"""The training of a base network; it goes on where it was interrupted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinywake.audio.transcribed import Transcribed
from tinywake.config import Recipe
from tinywake.learn.base.phonemes import Speller, error_rate, stream_losses
from tinywake.learn.losses import masked
from tinywake.learn.saved import Variables, load_state, save_state
from tinywake.learn.train import averaging, optimizer

__all__ = ["Spelling", "fit"]

Progress = Callable[[str, float], None]
_KEEP = 250  # steps from one saved state to the next
_JUDGED = 64  # streams at a time


@dataclass(frozen=True)
class Spelling:
    """A network whose layers, but for the head, know phonemes. error: of phonemes, on voices that trained nothing."""

    model: keras.Model
    error: float


def fit(
    streams: Transcribed, recipe: Recipe, progress: Progress | None = None, *, kept: Path | None = None
) -> Spelling:
    """Train with the recipe's [network] and [train]: steps, batch, rate, dropout, average, seed.

    kept: a file for what an interrupted run needs to go on. The same streams, recipe and machine give the same weights.
    """
    tf.config.experimental.enable_op_determinism()
    train = recipe.train
    speller = Speller(recipe.network, train.dropout, train.seed)
    step = _Step(speller, streams, recipe)
    rng, first = np.random.default_rng([train.seed, 6]), 0
    order = rng.integers(0, streams.training, (train.steps, train.batch))
    state = load_state(kept)
    if state is not None and step.held.fits(state):
        first = int(state["next"])
        step.held.restore(state)
    for index in range(first, train.steps):
        step(order[index], index)
        if progress and index % 10 == 0:
            progress("training", index / train.steps)
        if kept is not None and (index + 1) % _KEEP == 0:
            save_state(kept, {"next": np.array(index + 1), **step.held.state()})
    step.settle()
    judged = slice(streams.training, None)
    return Spelling(speller.whole, error_rate(step.logits(streams.features[judged]), streams.phonemes[judged]))


class _Step:
    """One update, compiled."""

    def __init__(self, speller: Speller, streams: Transcribed, recipe: Recipe) -> None:
        train = recipe.train
        self._speller, self._streams, self._seed, self._decay = speller, streams, train.seed, train.average
        self._optimizer = optimizer(speller.trainable, train.steps, train.learning_rate)
        self._average = [tf.Variable(weight) for weight in speller.weights]
        self.held = Variables(model=speller.weights, optimizer=self._optimizer.variables, average=self._average)
        self._update = tf.function(self._eager, jit_compile=True)
        self._plain = tf.function(lambda x: speller(tf.cast(x, tf.float32) + 128.0, False), jit_compile=True)

    def __call__(self, chosen: NDArray[np.int64], index: int) -> None:
        x, y = self._streams.features[chosen], self._streams.phonemes[chosen].astype(np.int32)
        seed = tf.constant([self._seed, index], tf.int32)
        self._update(tf.constant(x), tf.constant(y), seed, averaging(self._decay, index))

    def logits(self, features: NDArray[np.int8]) -> NDArray[np.float32]:
        padded = np.concatenate([features, np.repeat(features[-1:], -len(features) % _JUDGED, axis=0)])
        parts = [self._plain(tf.constant(padded[at : at + _JUDGED])).numpy() for at in range(0, len(padded), _JUDGED)]
        return np.concatenate(parts)[: len(features)]

    def settle(self) -> None:
        """Take the averaged weights."""
        for weight, average in zip(self._speller.weights, self._average, strict=True):
            weight.assign(average)

    def _eager(self, x: Any, y: Any, seed: Any, decay: Any) -> None:
        x = masked(tf.cast(x, tf.float32) + 128.0, seed)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(stream_losses(self._speller(x, True), y))
        variables = self._speller.trainable
        self._optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        for kept, weight in zip(self._average, self._speller.weights, strict=True):
            kept.assign(decay * kept + (1 - decay) * weight.value)
