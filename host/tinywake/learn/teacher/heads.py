# SPDX-License-Identifier: MIT
"""Heads on an embedding: small networks that find a recipe's words in what it hears, and say so of every stream."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from tinywake.audio.dataset import STEPS, Dataset
from tinywake.config import Recipe, Teacher
from tinywake.learn.batches import Batches
from tinywake.learn.losses import stream_losses
from tinywake.learn.saved import load_state, save_state
from tinywake.learn.teacher.lessons import Hints, Lessons, probable, standardised
from tinywake.learn.train import optimizer, part_of

__all__ = ["lessons_of", "logits_of_heads"]

_CHANNELS = 64
_TAPS, _SPACING = 7, 9  # of the convolution over time; frames of 10 ms from tap to tap
_RATE = 2e-3
_HEADS_APART = 100  # from one head's seed to the next one's
_AT_ONCE = 500  # streams that are scored at a time


def lessons_of(data: Dataset, recipe: Recipe, heads: NDArray[np.float16]) -> Lessons:
    """What the heads say of the training streams, and what the embedding heard there, for the recipe's network."""
    config, net = recipe.teacher, recipe.network
    told = probable(heads, config.temperature).mean(axis=0).astype(np.float32)
    hints = None
    if config.hints:
        steps = STEPS + net.head - 1
        heard = data.heard[:, -steps:]
        # The first ones may have heard less than the embedding needs: it says there what it says first.
        heard = np.pad(heard, [(0, 0), (steps - heard.shape[1], 0), (0, 0)], mode="edge")
        hints = Hints(standardised(heard), config.hints)
    return Lessons(told, config.soft, config.temperature, hints)


def logits_of_heads(
    data: Dataset, recipe: Recipe, kept: Path, progress: Callable[[float], None]
) -> NDArray[np.float16]:  # fmt: skip
    """Train the recipe's heads; what each says of every training stream: [heads, streams, steps, words].

    kept: a folder for what has been trained, head by head; the same data, recipe and machine give the same heads.
    progress: told the share that is done.
    """
    said = []
    for number in range(recipe.teacher.heads):
        part = kept / f"head{number}.npz"
        state = load_state(part)
        if state is None:
            seed = recipe.train.seed + _HEADS_APART * number
            state = {"said": _said_by_one(data, recipe, seed, part_of(progress, number, recipe.teacher.heads))}
            save_state(part, state)
        said.append(state["said"])
    return np.stack(said)


def _said_by_one(
    data: Dataset, recipe: Recipe, seed: int, progress: Callable[[float], None]
) -> NDArray[np.float16]:  # fmt: skip
    tf.config.experimental.enable_op_determinism()
    config: Teacher = recipe.teacher
    model = _head(data, recipe.network.stride, seed)
    learning = optimizer(model.trainable_variables, config.steps, _RATE)
    batches = Batches(data.labels, recipe.train.batch, seed)

    @tf.function  # type: ignore[untyped-decorator]
    def update(heard: Any, y: Any, which: Any) -> Any:
        with tf.GradientTape() as tape:
            losses = stream_losses(model(tf.cast(heard, tf.float32), training=True), y, which, recipe.detector.window)
            loss = tf.reduce_mean(losses)
        variables = model.trainable_variables
        learning.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return losses

    # Not compiled by XLA, which takes ten times as long for these products on a CPU.
    which = data.which.astype(np.int32)
    for index in range(config.steps):
        drawn = batches.draw()
        batches.learn(drawn, update(data.heard[drawn], data.labels[drawn], which[drawn]).numpy())
        if index % 10 == 0:
            progress(index / config.steps)
    pieces = [data.heard[at : at + _AT_ONCE] for at in range(0, len(data.heard), _AT_ONCE)]
    said = [model(tf.cast(piece, tf.float32), training=False).numpy() for piece in pieces]
    return np.concatenate(said).astype(np.float16)


def _head(data: Dataset, stride: int, seed: int) -> keras.Model:
    """Embeddings [batch, places, channels] -> logits of the last steps [batch, steps, words]."""
    keras.utils.set_random_seed(seed)
    places, channels = data.heard.shape[1:]
    spacing = max(1, round(_SPACING / stride))
    taps = max(1, min(_TAPS, 1 + (places - STEPS) // spacing))
    some = data.heard[::8].astype(np.float32)
    norm = layers.Normalization(mean=some.mean(axis=(0, 1)), variance=some.var(axis=(0, 1)))
    x = inputs = keras.Input((places, channels))
    x = layers.Dropout(0.1, seed=seed)(norm(x))
    for number, kernel in enumerate((1, taps)):
        x = layers.Conv1D(_CHANNELS, kernel, dilation_rate=spacing if kernel > 1 else 1)(x)
        x = layers.ReLU()(layers.LayerNormalization()(x))
        x = layers.Dropout(0.2, seed=seed + 1 + number)(x)
    return keras.Model(inputs, layers.Conv1D(data.outputs, 1)(x)[:, -STEPS:])
