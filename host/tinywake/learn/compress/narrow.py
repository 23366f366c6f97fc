# SPDX-License-Identifier: MIT
"""Channels and whole blocks out of a network, and which of them it misses least."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinywake.audio.dataset import CANDIDATE, Dataset
from tinywake.learn.compress.arrays import Arrays, named
from tinywake.learn.losses import stream_losses

__all__ = ["channel_worth", "layers_of", "mean_loss", "narrowed", "removable", "width", "without_block"]

_WORD = 4  # channels: a Pico's kernels take so many at a time
_SAMPLE, _BATCH = 512, 32  # streams that decide what is missed least


def width(now: int, share: float) -> int:
    """Channels that are left of `now` when `share` of them leave: whole words of them, rounded up."""
    words = math.ceil(round(now * (1 - share), 6) / _WORD)
    return min(now, max(1, words) * _WORD)


def layers_of(arrays: Arrays) -> list[str]:
    """The layers whose channels can leave: all convolutions but the head."""
    return [name[:-2] for name in arrays if re.fullmatch(r"first\.0|mix_\d+\.0", name)]


def narrowed(arrays: Arrays, layer: str, kept: Sequence[int]) -> Arrays:
    """The network with only the channels `kept` of a layer: its own, its norm's, and what reads them."""
    at = np.asarray(kept)
    number = -1 if layer == "first" else int(layer.split("_")[1])
    norm = "first_norm" if layer == "first" else f"norm_{number}"
    reader = f"mix_{number + 1}.0" if f"mix_{number + 1}.0" in arrays else "head.0"
    cut = {name: value[..., at] for name, value in arrays.items() if name.split(".")[0] in (layer, norm)}
    time = f"time_{number + 1}.0"
    if time in arrays:
        cut[time] = arrays[time][:, at]
    cut[reader] = arrays[reader][:, at]
    return {**arrays, **cut}


def removable(arrays: Arrays) -> list[int]:
    """The blocks that can leave as they are: as many channels in as out, and not the only one."""
    blocks = len(layers_of(arrays)) - 1
    return [n for n in range(blocks) if blocks > 1 and arrays[f"mix_{n}.0"].shape[1] == arrays[f"mix_{n}.0"].shape[2]]


def without_block(arrays: Arrays, block: int) -> Arrays:
    """The network without a block; it sees fewer frames."""
    result: Arrays = {}
    for name, value in arrays.items():
        layer, _, part = name.partition(".")
        kind, _, number = layer.rpartition("_")
        if not number.isdigit():
            result[name] = value
        elif int(number) != block:
            result[f"{kind}_{int(number) - (int(number) > block)}.{part}"] = value
    return result


def mean_loss(model: keras.Model, data: Dataset, window: int, seed: int) -> float:
    """Loss of a network on some training streams. window: of the detector, steps."""

    @tf.function  # type: ignore[untyped-decorator]
    def losses(x: Any, y: Any, which: Any) -> Any:
        return stream_losses(model(x, training=False), y, which, window)

    return float(np.mean([losses(*part).numpy() for part in _parts(data, seed)]))


def channel_worth(model: keras.Model, data: Dataset, window: int, seed: int) -> dict[str, NDArray[np.float64]]:
    """For each layer of ``layers_of`` how much the loss would change without each channel, to first order.

    A factor on a channel behind its norm has the gradient gamma * dL/dgamma + beta * dL/dbeta; its square is averaged
    over batches of training streams.
    """
    variables = named(model)
    norms = {"first" if name == "first_norm.0" else f"mix_{name[5:-2]}": name[:-2] for name in variables
             if re.fullmatch(r"first_norm\.0|norm_\d+\.0", name)}  # fmt: skip
    pairs = {layer: (variables[f"{norm}.0"], variables[f"{norm}.1"]) for layer, norm in norms.items()}
    flat = [variable.value for pair in pairs.values() for variable in pair]

    @tf.function  # type: ignore[untyped-decorator]
    def gradients(x: Any, y: Any, which: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(stream_losses(model(x, training=False), y, which, window))
        return tape.gradient(loss, flat)

    worth = {layer: np.zeros(gamma.shape[0]) for layer, (gamma, _) in pairs.items()}
    for part in _parts(data, seed):
        found = [each.numpy() for each in gradients(*part)]
        for number, (layer, (gamma, beta)) in enumerate(pairs.items()):
            slope = gamma.numpy() * found[2 * number] + beta.numpy() * found[2 * number + 1]
            worth[layer] += slope.astype(np.float64) ** 2
    return worth


def _parts(data: Dataset, seed: int) -> Iterator[tuple[Any, Any, Any]]:
    """Batches of training streams, half of them with the word: features, labels of the steps, numbers of the words."""
    rng = np.random.default_rng([seed, 11])
    holds = (data.labels == CANDIDATE).any(axis=1)
    chosen = np.concatenate([rng.choice(np.flatnonzero(each), _SAMPLE // 2) for each in (holds, ~holds)])
    for part in rng.permutation(chosen).reshape(-1, _BATCH):
        which = tf.constant(data.which[part], tf.int32)
        yield tf.cast(data.features[part], tf.float32) + 128.0, tf.constant(data.labels[part]), which
