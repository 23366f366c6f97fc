# SPDX-License-Identifier: MIT
"""The network of a recipe with phonemes for an output, and how far what it says is from what was said.

Connectionist temporal classification (Graves et al., 2006): nobody says at which step a phoneme is spoken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from tinywake.audio.transcribed import PHONEMES
from tinywake.config import Network
from tinywake.learn.networks import training_network

__all__ = ["Speller", "error_rate", "stream_losses"]

_BLANK = len(PHONEMES)


class Speller:
    """What stands before the head of a word's network, and a head that names the phoneme of each step."""

    def __init__(self, net: Network, dropout: float, seed: int) -> None:
        self.whole = training_network(net, 1, dropout, seed)  # its own head learns nothing
        self.trunk = keras.Model(self.whole.input, self.whole.get_layer("head").input)
        self._head = layers.Conv1D(_BLANK + 1, 1, name="phonemes")
        self._head.build((None, None, net.filters[-1]))

    @property
    def trainable(self) -> list[Any]:
        """Weights that learn."""
        return [*self.trunk.trainable_variables, *self._head.trainable_variables]

    @property
    def weights(self) -> list[Any]:
        """All of them, the statistics of batch normalisation too."""
        return [*self.trunk.weights, *self._head.weights]

    def __call__(self, features: Any, training: bool) -> Any:
        """int8 features as float (q + 128), [batch, frames, 40] -> logits [batch, steps, phonemes and blank]."""
        return self._head(self.trunk(features, training=training))


def stream_losses(z: Any, phonemes: Any) -> Any:
    """Logits [batch, steps, phonemes and blank], phonemes [batch, most] filled up with -1 -> loss a phoneme [batch]."""
    count = tf.reduce_sum(tf.cast(phonemes >= 0, tf.int32), axis=1)
    steps = tf.fill([z.shape[0]], z.shape[1])
    losses = tf.nn.ctc_loss(tf.maximum(phonemes, 0), tf.transpose(z, [1, 0, 2]), count, steps, blank_index=_BLANK)
    return losses / tf.maximum(1.0, tf.cast(count, tf.float32))


def error_rate(z: NDArray[np.float32], phonemes: NDArray[np.int16]) -> float:
    """Phonemes that are wrong, missing or too many, for each that was said: the best path's, without a language."""
    wrong = said = 0
    for steps, row in zip(z.argmax(axis=2), phonemes, strict=True):
        heard = [int(now) for before, now in zip([-1, *steps[:-1]], steps, strict=True) if now not in (before, _BLANK)]
        wanted = [int(phoneme) for phoneme in row if phoneme >= 0]
        wrong += _distance(heard, wanted)
        said += len(wanted)
    return wrong / max(1, said)


def _distance(first: Sequence[int], second: Sequence[int]) -> int:
    """Levenshtein's."""
    row = list(range(len(second) + 1))
    for i, one in enumerate(first, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(second, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (one != other))
    return row[-1]
