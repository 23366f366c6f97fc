# SPDX-License-Identifier: MIT
"""What training makes small: a loss of each stream, without alignment, and the holes that are torn into its features.

The score of a stream is the mean of the last outputs, as in the detector: a stream with a word must reach a high one at
some step at which it may (`dataset.CANDIDATE`); of the steps at which it must not, the highest ones weigh most. Where
there are several outputs, a stream is one of each: with the word for one of them, without it for the others.
"""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from tinywake.audio.dataset import CANDIDATE, NEGATIVE

__all__ = ["masked", "stream_losses"]

_HARDEST = 6  # steps of a stream that weigh most when it must stay silent
_BACKGROUND = 0.3  # weight of all its other steps
_TAME = 1e-3  # weight of the squared logits: int8 has no room for very sure ones
_FAR = 1e4


def stream_losses(z: Any, y: Any, which: Any, window: int) -> Any:
    """Logits [batch, steps, labels], labels of the steps [batch, steps], whose they are [batch] -> losses [batch]."""
    batch, steps, labels = z.shape
    mine = tf.one_hot(which, labels, dtype=y.dtype)[:, :, None]  # [batch, labels, 1]
    each = mine * y[:, None, :] + (1 - mine) * NEGATIVE
    flat = tf.transpose(z, [0, 2, 1])
    losses = _losses(tf.reshape(flat, [batch * labels, steps]), tf.reshape(each, [batch * labels, steps]), window)
    return tf.reduce_sum(tf.reshape(losses, [batch, labels]), axis=1)


def _losses(z: Any, y: Any, window: int) -> Any:
    """Loss of each stream for one output: logits and labels [batch, steps] -> [batch]."""
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


def masked(x: Any, seed: Any) -> Any:
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
