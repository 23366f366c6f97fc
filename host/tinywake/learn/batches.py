# SPDX-License-Identifier: MIT
"""Which streams a step of training takes: half of them hold a word, and of the others the hard ones come more often."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinywake.audio.dataset import CANDIDATE
from tinywake.learn.losses import stream_losses

__all__ = ["Batches", "Ranking"]

_EASY = 0.05  # added to every loss: nothing is never drawn
_MOST = 3.0  # a loss above it counts as this one: some streams are beyond help
_AT_ONCE = 250  # streams that are scored at a time, when all of them are


class Batches:
    """Draws. Streams without a word are drawn the more often, the higher their loss was when it was last known."""

    def __init__(self, labels: NDArray[np.uint8], batch: int, seed: int) -> None:
        """`labels`: [streams, steps], as in a Dataset."""
        holds = (labels == CANDIDATE).any(axis=1)
        self._with, self.without = np.flatnonzero(holds), np.flatnonzero(~holds)
        self._half = batch // 2
        self._rng = np.random.default_rng([seed, 5])
        self._loss = np.full(len(labels), 1.0)

    def draw(self) -> NDArray[np.int64]:
        """Numbers of streams, [batch]."""
        hard = self._loss[self.without] + _EASY
        chance = 0.5 * hard / hard.sum() + 0.5 / len(hard)
        without = self._rng.choice(self.without, self._half, p=chance)
        return np.concatenate([self._rng.choice(self._with, self._half), without])

    def learn(self, chosen: NDArray[np.int64], losses: NDArray[np.float32]) -> None:
        """Losses of some streams, [n]."""
        self._loss[chosen] = np.minimum(losses, _MOST)

    def state(self) -> dict[str, NDArray[Any]]:
        """All that decides the draws to come."""
        return {"loss": self._loss, "generator": np.array(json.dumps(self._rng.bit_generator.state))}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on as if from `state`."""
        self._loss = state["loss"].copy()
        self._rng.bit_generator.state = json.loads(str(state["generator"]))


class Ranking:
    """So many times in a training all streams without a word are scored, so that the hardest are drawn more often."""

    def __init__(self, model: keras.Model, data: Sequence[Any], window: int, batches: Batches, pace: tuple[int, int]):
        """data: features, labels and words of all streams, as tensors. window: of the detector, steps. pace: steps of
        the training, and so many times in it."""
        steps, times = pace
        self._every = max(1, steps // (times + 1)) if times else 0
        self._model, self._data, self._window, self._batches = model, data, window, batches
        self._score = tf.function(self._plain, jit_compile=True)

    def after(self, done: int) -> None:
        """Score them, as the network is, where that is due after `done` steps; it is before the first one as well."""
        if self._every and done % self._every == 0:
            self._batches.learn(self._batches.without, self._losses(self._batches.without))

    def _losses(self, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        size = min(_AT_ONCE, len(chosen))
        padded = np.concatenate([chosen, np.repeat(chosen[-1:], -len(chosen) % size)])
        pieces = [tf.constant(padded[at : at + size], tf.int32) for at in range(0, len(padded), size)]
        parts = [self._score(*(tf.gather(part, piece) for part in self._data)).numpy() for piece in pieces]
        return np.concatenate(parts)[: len(chosen)]

    def _plain(self, x: Any, y: Any, which: Any) -> Any:
        return stream_losses(self._model(tf.cast(x, tf.float32) + 128.0, training=False), y, which, self._window)
