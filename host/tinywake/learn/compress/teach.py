# SPDX-License-Identifier: MIT
"""Distillation: what trained networks say to every step of the training streams, and the loss of saying otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinywake.audio.dataset import Dataset
from tinywake.learn.compress.arrays import Arrays, cropped, model_of, network_of
from tinywake.learn.judge import logits

__all__ = ["soft_losses", "soft_targets"]


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
