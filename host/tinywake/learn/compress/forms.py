# SPDX-License-Identifier: MIT
"""What weights may be while a network trains: anything, zero in part, or a few multiples of their channel's largest.

The training keeps free weights; the network computes with their nearest allowed ones, and what the loss says of those
moves the free ones (straight-through). As training goes on a form becomes stricter; from ``settled`` on it stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinywake.learn.compress.arrays import Arrays

__all__ = ["Codebooks", "Form", "Sparse", "int8_levels"]

_FULL = 127  # the largest int8 weight: what converting makes of a channel's largest


class Form:
    """Anything is allowed."""

    settled = 0.0  # share of the training from which on nothing becomes stricter

    def __init__(self) -> None:
        self.held: dict[str, tf.Variable] = {}  # what decides the allowed weights, by names of its own

    def nearest(self, name: str, free: Any) -> Any:
        """The allowed weights nearest to `free`. Called where TensorFlow compiles."""
        return free

    def tighten(self, done: float, free: Mapping[str, NDArray[np.float32]]) -> None:
        """Become as strict as a share `done` of the training asks, for these free weights."""


class Sparse(Form):
    """A share of each convolution's weights is zero, those least in their output channel: gradually more."""

    settled = 0.6

    def __init__(self, arrays: Arrays, share: float) -> None:
        """share: of the weights of the convolutions but the head; the few taps over time stay."""
        super().__init__()
        self._share = share
        names = [name for name in arrays if re.fullmatch(r"first\.0|mix_\d+\.0", name)]
        self.held = {name: tf.Variable(np.ones_like(arrays[name]), trainable=False) for name in names}

    def nearest(self, name: str, free: Any) -> Any:
        """See Form."""
        return free * self.held[name] if name in self.held else free

    def tighten(self, done: float, free: Mapping[str, NDArray[np.float32]]) -> None:
        """See Form."""
        share = self._share * (1 - (1 - min(1.0, done / self.settled)) ** 3)
        for name, mask in self.held.items():
            size = np.abs(free[name])
            axes = tuple(range(size.ndim - 1))
            size = size / np.sqrt((size**2).mean(axis=axes) + 1e-30)
            order = np.argsort(size, axis=None, kind="stable")
            keep = np.ones(size.size, np.float32)
            keep[order[: round(share * size.size)]] = 0.0
            mask.assign(keep.reshape(size.shape))


class Codebooks(Form):
    """int8's numbers, or a few of them for each tensor: a channel's largest weight times one of the levels.

    Levels are multiples of 1/127 and 0, 1 and -1 are among them, so that the converter, which makes 127 of every
    channel's largest weight, finds these very numbers. What is zero at first stays zero.
    """

    settled = 0.7

    def __init__(self, arrays: Arrays, values: int | None) -> None:
        """values: so many levels a tensor; None: all of int8's."""
        super().__init__()
        self._values = values
        names = [name for name in arrays if re.fullmatch(r"(first|head|mix_\d+|time_\d+)\.0", name)]
        for name in names:
            self.held[name] = tf.Variable((arrays[name] != 0).astype(np.float32), trainable=False)
            if values is not None:
                levels = int8_levels(_relative(arrays[name]), values)
                self.held[f"{name} levels"] = tf.Variable(levels, trainable=False)

    def nearest(self, name: str, free: Any) -> Any:
        """See Form."""
        if name not in self.held:
            return free
        free = free * self.held[name]
        largest = tf.reduce_max(tf.abs(free), axis=tuple(range(len(free.shape) - 1)), keepdims=True)
        share = free / tf.maximum(largest, 1e-12)
        if self._values is None:
            return tf.round(share * _FULL) / _FULL * largest
        levels = self.held[f"{name} levels"]
        at = tf.argmin(tf.abs(share[..., None] - levels), axis=-1)
        return tf.gather(levels, at) * largest * self.held[name]

    def tighten(self, done: float, free: Mapping[str, NDArray[np.float32]]) -> None:
        """See Form."""
        if self._values is None or done > self.settled:
            return
        for name, mask in self.held.items():
            if not name.endswith(" levels"):
                levels = self.held[f"{name} levels"]
                shares = _relative(free[name] * mask.numpy())
                levels.assign(int8_levels(shares, self._values, levels.numpy()))


def _relative(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights as shares of their output channel's largest, -1..1."""
    largest = np.abs(weights).max(axis=tuple(range(weights.ndim - 1)), keepdims=True)
    return np.asarray(weights / np.maximum(largest, 1e-12), np.float32)


def int8_levels(
    shares: NDArray[np.float32], values: int, begin: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """`values` levels for numbers -1..1, by k-means with -1, 0 and 1 held: multiples of 1/127, in order.

    begin: levels to go on from, else evenly spread ones. Where fewer are needed some are there twice.
    """
    counts = np.bincount(np.rint(shares * _FULL).astype(np.int64).ravel() + _FULL, minlength=2 * _FULL + 1)
    numbers = np.arange(-_FULL, _FULL + 1)
    levels = np.linspace(-_FULL, _FULL, values) if begin is None else np.rint(begin * _FULL).astype(np.float64)
    held = {0: -_FULL, len(levels) - 1: _FULL, int(np.abs(levels).argmin()): 0}
    for at, value in held.items():
        levels[at] = value
    for _ in range(20):
        nearest = np.abs(numbers[:, None] - levels).argmin(axis=1)
        for at in set(range(values)) - set(held):
            mine = nearest == at
            if counts[mine].sum():
                levels[at] = np.average(numbers[mine], weights=counts[mine])
    return np.asarray(np.sort(np.rint(levels)) / _FULL, np.float32)
