# SPDX-License-Identifier: MIT
"""Which streams a step of training takes: half of them hold a word, and of the others the hard ones come more often."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.dataset import CANDIDATE

__all__ = ["Batches"]

_EASY = 0.05  # added to every loss: nothing is never drawn
_MOST = 3.0  # a loss above it counts as this one: some streams are beyond help


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
