# SPDX-License-Identifier: MIT
"""The network as int8 will compute it: norms folded into the convolutions, every layer's result on a grid of 256 steps.

Its layers have the names and arrays of the training network's, so either can be made of the other's: what is left of a
norm is its beta, the bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from numpy.typing import NDArray

from tinywake.audio.features import CHANNELS, SCALE
from tinywake.config import Network
from tinywake.learn.compress.arrays import Arrays, fill, network_of
from tinywake.learn.networks import TimeDepthwise

__all__ = ["folded", "grid_network"]

_EPSILON = 1e-3  # of batch normalisation, as in the training network
_MEMORY = 0.99  # of a range, from one batch to the next
_STEPS = 255


def folded(arrays: Mapping[str, NDArray[np.float32]]) -> Arrays:
    """The same function with norms that only add: gamma cancels what the norm divides by, its mean is 0."""
    result = dict(arrays)
    for name, beta in arrays.items():
        norm, _, part = name.partition(".")
        if "norm" not in norm or part != "1":
            continue
        conv = "first" if norm == "first_norm" else norm.replace("norm", "mix")
        gamma, mean, variance = (arrays[f"{norm}.{part}"] for part in (0, 2, 3))
        scale = gamma / np.sqrt(variance + np.float32(_EPSILON))
        one = np.ones_like(gamma)
        result |= {
            f"{conv}.0": arrays[f"{conv}.0"] * scale,
            f"{norm}.0": np.sqrt(one + np.float32(_EPSILON)),
            f"{norm}.1": beta - mean * scale,
            f"{norm}.2": 0 * one,
            f"{norm}.3": one,
        }
    return {name: np.asarray(value, np.float32) for name, value in result.items()}


class _Bias(layers.BatchNormalization):  # type: ignore[misc]
    """A folded norm: the same arrays, but only beta learns, and batches change nothing."""

    def build(self, shape: Any) -> None:
        super().build(shape)
        self.gamma.trainable = False

    def call(self, x: Any, training: bool | None = None, mask: Any = None) -> Any:
        return x + self.beta


class _Grid(layers.Layer):  # type: ignore[misc]
    """Rounds to 256 steps between the least and the greatest of the values lately seen, and 0."""

    def build(self, shape: Any) -> None:
        self.ends = self.add_weight(shape=(2,), initializer="zeros", trainable=False, name="ends")

    def call(self, x: Any, training: bool | None = None) -> Any:
        if training:
            seen = ops.stack([ops.min(x), ops.max(x)])
            known = ops.any(self.ends != 0)
            self.ends.assign(ops.where(known, _MEMORY * self.ends + (1 - _MEMORY) * seen, seen))
        low, high = ops.minimum(self.ends[0], 0.0), ops.maximum(self.ends[1], 0.0)
        step = ops.maximum((high - low) / _STEPS, 1e-9)
        zero = ops.round(-low / step)
        rounded = (ops.clip(ops.round(x / step) + zero, 0, _STEPS) - zero) * step
        inside = ops.clip(x, low, high)  # whose gradient ends where the grid does
        return inside + tf.stop_gradient(rounded - inside)


def grid_network(arrays: Arrays, stride: int, seed: int, dropout: float) -> keras.Model:
    """The training network of ``folded`` arrays with grids: int8 features as float -> logits.

    The grids' ranges are arrays as well, if there are any.
    """
    net: Network = network_of(arrays, stride)
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input((None, CHANNELS), name="features")
    x = layers.Conv1D(net.first_filters, net.first_kernel, stride, use_bias=False, name="first")(x * SCALE)
    x = _Grid(name="first_grid")(ops.relu(_Bias(epsilon=_EPSILON, name="first_norm")(x)))
    for n, (filters, kernel) in enumerate(zip(net.filters, net.kernels, strict=True)):
        x = _Grid(name=f"time_grid_{n}")(TimeDepthwise(kernel, name=f"time_{n}")(x))
        x = layers.Conv1D(filters, 1, use_bias=False, name=f"mix_{n}")(x)
        x = _Grid(name=f"mix_grid_{n}")(ops.relu(_Bias(epsilon=_EPSILON, name=f"norm_{n}")(x)))
        if dropout:
            x = layers.SpatialDropout1D(dropout, seed=seed + n, name=f"drop_{n}")(x)
    x = layers.Conv1D(arrays["head.1"].shape[0], net.head, name="head")(x)
    model = keras.Model(inputs, _Grid(name="head_grid")(x), name="grids")
    grids = {f"{layer.name}.0": np.zeros(2, np.float32) for layer in model.layers if isinstance(layer, _Grid)}
    fill(model, {**grids, **arrays})
    return model
