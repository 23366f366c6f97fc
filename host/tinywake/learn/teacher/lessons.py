# SPDX-License-Identifier: MIT
"""Distillation: the loss of not saying what teachers say of a training stream, beside the loss by its labels.

A teacher says how probable the word is, step by step; a hint is what it hears: features, which the features of the
network that learns are to say as well, through a linear map that is learnt with them and then thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

__all__ = ["Hints", "Lessons", "Pupil", "features_of", "probable", "soft_losses", "standardised"]


@dataclass(frozen=True)
class Hints:
    """features: [streams, steps, channels], each channel with mean 0 and variance 1. weight: of the loss.

    A step is one that the network's head reads: the last is the last of the stream.
    """

    features: NDArray[np.float16]
    weight: float


@dataclass(frozen=True)
class Lessons:
    """told: probabilities at that temperature, [streams, steps, words]. soft: their share of the loss, 0..1."""

    told: NDArray[np.float32]
    soft: float
    temperature: float
    hints: Hints | None = None


def probable(logits: NDArray[Any], temperature: float) -> NDArray[np.float64]:
    """What logits of teachers say at that temperature."""
    return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64) / temperature)))


def standardised(features: NDArray[Any]) -> NDArray[np.float16]:
    """[streams, steps, channels] with mean 0 and variance 1 of each channel; one that never speaks stays silent."""
    plain = features.astype(np.float32)
    plain -= plain.mean(axis=(0, 1))
    plain /= np.maximum(plain.std(axis=(0, 1)), 1e-6)
    return plain.astype(np.float16)


def soft_losses(z: Any, told: Any, temperature: float) -> Any:
    """Cross-entropy of logits and what was told, both [batch, steps, words] -> [batch].

    Times the square of the temperature, so that its gradient is of the size that it has at 1.
    """
    each = tf.nn.sigmoid_cross_entropy_with_logits(labels=told, logits=z / temperature)
    return temperature**2 * tf.reduce_sum(tf.reduce_mean(each, axis=1), axis=1)


def features_of(model: keras.Model) -> keras.Model:
    """The network up to what its head reads: [batch, steps, channels]."""
    return keras.Model(model.input, model.get_layer("head").input)


class Pupil:
    """A network that learns, and what it is taught besides the labels; without lessons nothing."""

    def __init__(self, model: keras.Model, lessons: Lessons | None, streams: int, seed: int) -> None:
        """streams: of the training. variables: of the linear map, which learn with the network's."""
        features = features_of(model).output
        hints = lessons.hints if lessons else None
        self._model, self._lessons = keras.Model(model.input, [features, model.output]), lessons
        self.variables: list[keras.Variable] = []
        told = np.zeros((streams, 0, 0), np.float32) if lessons is None else lessons.told
        wanted = np.zeros((streams, 0, 0), np.float16) if hints is None else hints.features
        self.said: tuple[NDArray[Any], NDArray[Any]] = (told, wanted)  # of every stream, for `losses`
        if hints is not None:
            channels, theirs = features.shape[-1], wanted.shape[-1]
            begin = np.random.default_rng([seed, 13]).normal(0, channels**-0.5, (channels, theirs))
            self.variables.append(keras.Variable(begin.astype(np.float32), name="hint_kernel"))
            self.variables.append(keras.Variable(np.zeros(theirs, np.float32), name="hint_bias"))

    def __call__(self, x: Any) -> tuple[Any, Any]:
        """Features and logits, both [batch, steps, ...], as it trains."""
        features, z = self._model(x, training=True)
        return features, z

    def loss(self, hard: Any, features: Any, z: Any, told: Any, wanted: Any) -> Any:
        """Losses by the labels [batch], features and logits, and what `said` has of these streams -> the loss."""
        loss, lessons = tf.reduce_mean(hard), self._lessons
        if lessons is None:
            return loss
        if lessons.soft:
            soft = soft_losses(z, told, lessons.temperature)
            loss = (1 - lessons.soft) * loss + lessons.soft * tf.reduce_mean(soft)
        if lessons.hints is not None:
            kernel, bias = (variable.value for variable in self.variables)
            unsaid = tf.reduce_mean((features @ kernel + bias - tf.cast(wanted, tf.float32)) ** 2)
            loss += lessons.hints.weight * unsaid  # the share of the variance that is not found
        return loss
