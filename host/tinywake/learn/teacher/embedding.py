# SPDX-License-Identifier: MIT
"""Google's speech embedding: 96 numbers every 80 ms, for what was said in the last 0.78 s.

J. Lin et al., "Training Keyword Spotters with Limited and Synthesized Speech Data", 2020, arXiv 2002.01322: trained to
tell 5,000 phrases apart on 200 million clips, 330,000 weights, Apache-2.0. The weights are read from the .tflite that
openWakeWord's wheel holds, which runs over windows of 76 frames. Its convolutions and pools are VALID over time, so
here it runs once over the whole sound: the same numbers for a fifth of the work.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinywake.audio.clips import RATE, Pcm
from tinywake.compiler.tflite.flatbuffer import File, Operator, load
from tinywake.errors import ModelError

__all__ = ["Embedding", "melspectrogram"]

_FFT, _WINDOW = 512, 400  # samples; a frame each 160
_HOP = 160
_MELS, _LOWEST_HZ, _HIGHEST_HZ = 32, 60.0, 3800.0
_RANGE_DB = 80.0  # below the loudest of the sound nothing is told apart
_LEAST = 1e-10  # of a power
_WANTED = "the network of Google's speech embedding, as openwakeword 0.5.1 has it"


@dataclass(frozen=True)
class _Layer:
    """kind: "conv", with a slope for what is below nothing and a floor, where it has them; or "pool"."""

    kind: str
    kernel: Any = None  # [time, mel, in, out], or the size of a pool
    bias: Any = None
    strides: tuple[int, int] = (1, 1)
    slope: float = 1.0
    floor: float | None = None


class Embedding:
    """int16 [samples] -> [steps, 96]: the first step has heard 76 frames of 10 ms, each further one eight more."""

    def __init__(self, path: Path) -> None:
        """Raises ModelError where the file is another network."""
        self._layers = _layers_of(load(path), path)
        self._run = tf.function(self._eager, input_signature=[tf.TensorSpec((None,), tf.float32)])

    def __call__(self, pcm: Pcm) -> NDArray[np.float32]:
        """Of at least 12,640 samples."""
        heard: NDArray[np.float32] = self._run(tf.constant(pcm, tf.float32)).numpy()
        return heard

    def _eager(self, pcm: Any) -> Any:
        x = melspectrogram(pcm)[None, :, :, None]
        for layer in self._layers:
            if layer.kind == "pool":
                x = tf.nn.max_pool2d(x, layer.kernel, layer.strides, "VALID")
                continue
            beside = layer.kernel.shape[1] // 2  # SAME over the mel axis, VALID over time
            x = tf.nn.conv2d(tf.pad(x, [[0, 0], [0, 0], [beside, beside], [0, 0]]), layer.kernel, 1, "VALID")
            x = tf.nn.leaky_relu(x + layer.bias, layer.slope)
            x = x if layer.floor is None else tf.maximum(x, layer.floor)
        return x[0, :, 0]


def melspectrogram(pcm: Any) -> Any:
    """Samples (int16 as float32) -> [frames, 32]: decibels / 10 + 2, at most 80 dB below the loudest of them."""
    spectrum = tf.nn.conv1d(pcm[None, :, None], _fourier(), _HOP, "VALID")[0]
    bins = _FFT // 2 + 1
    power = spectrum[:, :bins] ** 2 + spectrum[:, bins:] ** 2
    decibels = 10 / math.log(10) * tf.math.log(tf.maximum(power @ _filters(), _LEAST))
    return tf.maximum(decibels, tf.reduce_max(decibels) - _RANGE_DB) / 10 + 2


def _fourier() -> NDArray[np.float32]:
    """The windowed transform as kernels: [512 samples, 1, cosines and sines of 257 bins]."""
    n = np.arange(_FFT)
    hann = np.zeros(_FFT)
    hann[(_FFT - _WINDOW) // 2 :][:_WINDOW] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)
    turns = 2 * np.pi / _FFT * np.outer(n, np.arange(_FFT // 2 + 1))
    waves = np.concatenate([np.cos(turns), -np.sin(turns)], axis=1)
    return np.asarray((hann[:, None] * waves)[:, None], np.float32)


def _filters() -> NDArray[np.float32]:
    """Slaney's triangles, each of area 1: [257 bins, 32]."""
    log_step = math.log(6.4) / 27  # above 1 kHz, which is 15 mel
    low, high = 3 * _LOWEST_HZ / 200, 15 + math.log(_HIGHEST_HZ / 1000) / log_step
    mels = np.linspace(low, high, _MELS + 2)
    edges = np.where(mels < 15, 200 * mels / 3, 1000 * np.exp(log_step * (mels - 15)))
    hertz = np.arange(_FFT // 2 + 1)[:, None] * RATE / _FFT
    rising, falling = (hertz - edges[:-2]) / np.diff(edges)[:-1], (edges[2:] - hertz) / np.diff(edges)[1:]
    return np.asarray(np.maximum(0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2]), np.float32)


def _layers_of(file: File, path: Path) -> list[_Layer]:
    """The convolutions and pools of the .tflite in their order, with what follows a convolution."""
    values, layers = file.subgraphs[0].values, list[_Layer]()

    def constant(operator: Operator, number: int) -> NDArray[np.float32]:
        data = values[operator.inputs[number]].data
        if data is None:
            raise ModelError(f"{path}: operator {operator.index} {operator.name}: not {_WANTED}")
        return np.asarray(data, np.float32)

    for operator in file.subgraphs[0].operators:
        if operator.name == "CONV_2D":
            kernel, bias = constant(operator, 1).transpose(1, 2, 3, 0), constant(operator, 2)
            layers.append(_Layer("conv", kernel, bias))
        elif operator.name == "MAX_POOL_2D":
            size = (operator.option("FilterHeight"), operator.option("FilterWidth"))
            layers.append(_Layer("pool", size, strides=(operator.option("StrideH"), operator.option("StrideW"))))
        elif operator.name == "LEAKY_RELU":
            layers[-1] = replace(layers[-1], slope=float(operator.option("Alpha")))
        elif operator.name == "MAXIMUM":
            layers[-1] = replace(layers[-1], floor=float(constant(operator, 1).reshape(())))
        elif operator.name not in ("PAD", "RESHAPE"):
            raise ModelError(f"{path}: operator {operator.index} {operator.name}: not {_WANTED}")
    if len(layers) != 25 or layers[-1].kernel.shape != (3, 1, 96, 96):
        raise ModelError(f"{path}: not {_WANTED}")
    return layers
