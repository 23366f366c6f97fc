# SPDX-License-Identifier: MIT
"""Distillation: what trained networks say to every step of the training streams, and the loss of saying otherwise.

A hint is what a teacher's head reads, step by step: features, which the features of the network that learns are to say
as well, through a linear map that is learnt with them and then thrown away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinywake.audio.dataset import Dataset
from tinywake.learn.compress.arrays import Arrays, cropped, model_of, network_of
from tinywake.learn.judge import logits

__all__ = ["Hinted", "Hints", "features_of", "hints_of", "soft_losses", "soft_targets"]


def soft_targets(data: Dataset, teachers: Sequence[Arrays], stride: int, temperature: float) -> NDArray[np.float32]:
    """The mean of the teachers' probabilities at that temperature, [streams, steps, labels].

    They hear the streams as they are, without the holes that are torn into them for the network that learns. Raises
    ConfigError for a teacher that sees more frames than the streams were made for.
    """
    total: NDArray[np.float64] | float = 0.0
    for arrays in teachers:
        heard = cropped(data, network_of(arrays, stride))
        said = logits(model_of(arrays, stride, 0), heard.features)
        total = total + 1 / (1 + np.exp(-said.astype(np.float64) / temperature))
    return np.asarray(total / len(teachers), np.float32)


def soft_losses(z: Any, told: Any, temperature: float) -> Any:
    """Cross-entropy of logits and ``soft_targets``, both [batch, steps, labels] -> [batch].

    Times the square of the temperature, so that its gradient is of the size that it has at 1.
    """
    each = tf.nn.sigmoid_cross_entropy_with_logits(labels=told, logits=z / temperature)
    return temperature**2 * tf.reduce_sum(tf.reduce_mean(each, axis=1), axis=1)


@dataclass(frozen=True)
class Hints:
    """features: [streams, steps, channels], each channel with mean 0 and variance 1. weight: of the loss."""

    features: NDArray[np.float16]
    weight: float


def hints_of(data: Dataset, teacher: Arrays, stride: int, weight: float) -> Hints:
    """What the teacher's head reads of the streams as they are. Raises ConfigError as ``soft_targets`` does."""
    heard = cropped(data, network_of(teacher, stride))
    features = logits(features_of(model_of(teacher, stride, 0)), heard.features)
    features -= features.mean(axis=(0, 1))
    features /= np.maximum(features.std(axis=(0, 1)), 1e-6)  # a channel that never speaks stays silent
    return Hints(features.astype(np.float16), weight)


def features_of(model: keras.Model) -> keras.Model:
    """The network up to what its head reads: [batch, steps, channels]."""
    return keras.Model(model.input, model.get_layer("head").input)


class Hinted:
    """A network that learns, with its features beside its logits, and the linear map from them to the teacher's."""

    def __init__(self, model: keras.Model, hints: Hints | None, streams: int, seed: int) -> None:
        """streams: of the training. Without hints there is nothing to learn here, and no loss."""
        features = features_of(model).output
        self.model = keras.Model(model.input, [features, model.output])
        self.wanted = np.zeros((streams, 0), np.float16) if hints is None else hints.features
        self._weight = 0.0 if hints is None else hints.weight
        self.variables: list[keras.Variable] = []
        if hints is not None:
            channels, theirs = features.shape[-1], hints.features.shape[-1]
            begin = np.random.default_rng([seed, 13]).normal(0, channels**-0.5, (channels, theirs))
            self.variables.append(keras.Variable(begin.astype(np.float32), name="hint_kernel"))
            self.variables.append(keras.Variable(np.zeros(theirs, np.float32), name="hint_bias"))

    def loss(self, features: Any, wanted: Any) -> Any:
        """Both [batch, steps, channels] -> the weight times the share of the teacher's variance that is not said."""
        if not self.variables:
            return 0.0
        kernel, bias = (variable.value for variable in self.variables)
        return self._weight * tf.reduce_mean((features @ kernel + bias - tf.cast(wanted, tf.float32)) ** 2)
