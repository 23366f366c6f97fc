# SPDX-License-Identifier: MIT
"""Functions of one element as TensorFlow Lite Micro's reference kernels compute them: all 256 answers.

A table is indexed by the raw byte of the input and gives the raw byte of the output.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.graph import Tensor
from tinywake.compiler.tflite import fixed
from tinywake.compiler.tflite.quantise import activation_range, hard_swish_scaling, logistic_scaling, ratio_scaling

__all__ = [
    "absolute",
    "dequantise",
    "elu",
    "hard_swish",
    "leaky_relu",
    "logistic",
    "negative",
    "prelu",
    "quantise",
    "relu",
    "relu6",
    "requantise",
    "tanh",
]

Table = NDArray[np.uint8]
_Int = NDArray[np.int64]
_LIMITS = {"int8": (-128, 127), "uint8": (0, 255)}


def _levels(x: Tensor) -> _Int:
    """What the 256 bytes say, less the zero point."""
    return np.arange(256, dtype=np.uint8).view(x.dtype).astype(np.int64) - x.zero_point


def _bytes(y: Tensor, values: _Int, low: int = -(1 << 31), high: int = (1 << 31) - 1) -> Table:
    """Saturated to the output's type and to low..high, which win if they contradict each other."""
    least, most = _LIMITS[y.dtype]
    clamped = np.minimum(np.maximum(values, max(least, low)), min(most, high))
    return clamped.astype(y.dtype).view(np.uint8)


def requantise(x: Tensor, y: Tensor) -> Table:
    """QUANTIZE between 8-bit types."""
    return _bytes(y, fixed.multiply(_levels(x), *ratio_scaling(x.scale, y.scale)) + y.zero_point)


def relu(x: Tensor, y: Tensor, activation: str = "RELU") -> Table:
    """RELU: requantised, then clamped; RELU_N1_TO_1 as LiteRT computes it, there being no such kernel in TFLM."""
    scaled = fixed.multiply(_levels(x), *ratio_scaling(x.scale, y.scale)) + y.zero_point
    return _bytes(y, scaled, *activation_range(activation, y.scale, y.zero_point))


def relu6(x: Tensor, y: Tensor) -> Table:
    """RELU6: clamped, and never requantised, whatever the output's scale."""
    return _bytes(y, _levels(x) + x.zero_point, *activation_range("RELU6", x.scale, x.zero_point))


def leaky_relu(x: Tensor, y: Tensor, alpha: float) -> Table:
    """LEAKY_RELU; a negative alpha as the negative of a positive one, which shows where halves are rounded."""
    above, below = ratio_scaling(x.scale, y.scale), ratio_scaling(x.scale, abs(alpha), y.scale)
    levels = _levels(x)
    negative = fixed.multiply(levels, *below) * (-1 if alpha < 0 else 1)
    scaled = np.where(levels >= 0, fixed.multiply(levels, *above), negative)
    return _bytes(y, scaled + y.zero_point)


def prelu(x: Tensor, y: Tensor, alpha: int, alpha_scale: float) -> Table:
    """PRELU with one alpha for all elements: an integer less its zero point, and its scale."""
    above = ratio_scaling(x.scale, y.scale)
    below = ratio_scaling(x.scale, alpha_scale, y.scale)
    levels = _levels(x)
    scaled = np.where(levels >= 0, fixed.multiply(levels, *above), fixed.multiply(levels * alpha, *below))
    return _bytes(y, scaled + y.zero_point)


def negative(x: Tensor) -> Table:
    """What is below zero; zero for the rest."""
    return _bytes(x, np.minimum(_levels(x), 0) + x.zero_point)


def absolute(x: Tensor, y: Tensor) -> Table:
    """ABS."""
    levels = np.abs(_levels(x))
    if np.float32(x.scale) != np.float32(y.scale):
        levels = fixed.multiply(levels, *ratio_scaling(x.scale, y.scale))
    return _bytes(y, levels + y.zero_point)


def logistic(x: Tensor, y: Tensor) -> Table:
    """LOGISTIC: output scale 1/256, zero point -128."""
    multiplier, shift, radius = logistic_scaling(x.scale)
    levels = _levels(x)
    inner = fixed.divide(fixed.logistic(fixed.multiply(levels, multiplier, shift)), 23) - 128
    return _bytes(y, np.where(levels <= -radius, -128, np.where(levels >= radius, 127, inner)))


def tanh(x: Tensor, y: Tensor) -> Table:
    """TANH: output scale 1/128, zero point 0."""
    multiplier, shift, radius = logistic_scaling(x.scale)
    levels = _levels(x)
    inner = fixed.divide(fixed.tanh(fixed.multiply(levels, multiplier, shift)), 24)
    return _bytes(y, np.where(levels <= -radius, -128, np.where(levels >= radius, 127, inner)))


def hard_swish(x: Tensor, y: Tensor) -> Table:
    """HARD_SWISH, in 16-bit registers: x times (x + 3) / 6, the second factor between 0 and 1."""
    (factor, exponent), (reluish, reluish_exponent) = hard_swish_scaling(x.scale, y.scale)
    if not -15 <= exponent <= 0 or reluish_exponent < -15:
        raise ValueError("the scales of input and output are too far apart, or from 1")
    fine = _levels(x) << 7
    outer = (fine * factor + (1 << 14)) >> 15
    gate = fine
    if reluish_exponent > 0:
        gate = np.clip(gate << (reluish_exponent - 1), -32768, 32767)
    gate = (gate * reluish + (1 << 14)) >> 15
    if reluish_exponent > 0:
        gate = np.clip(gate << 1, -32768, 32767)
    gate = (fixed.divide(gate, max(-reluish_exponent, 0)) + (1 << 15)) >> 1
    product = gate * outer
    product = np.sign(product) * (np.abs(product) >> 15)  # towards zero
    return _bytes(y, fixed.divide(product, -exponent) + y.zero_point)


def elu(x: Tensor, y: Tensor) -> Table:
    """ELU, in float32 as the kernel fills its own table."""
    real = np.float32(x.scale) * _levels(x).astype(np.float32)
    below = np.array([math.exp(min(r, 0.0)) for r in real.tolist()]).astype(np.float32) - np.float32(1)
    return _rounded(np.where(real < 0, below, real) * (np.float32(1) / np.float32(y.scale)), y)


def quantise(real: NDArray[np.float32], y: Tensor) -> Table:
    """QUANTIZE of float32: what each byte of the input stands for, in the output's bytes."""
    return _rounded(real / np.float32(y.scale), y)


def dequantise(x: Tensor) -> NDArray[np.float32]:
    """DEQUANTIZE to float32: what each byte stands for."""
    real: NDArray[np.float32] = (np.float64(x.scale) * _levels(x)).astype(np.float32)
    return real


def _rounded(scaled: NDArray[np.float32], y: Tensor) -> Table:
    """The nearest level, halves away from zero."""
    real = np.nan_to_num(scaled.astype(np.float64))
    whole = np.copysign(np.floor(np.abs(real) + 0.5), real) + y.zero_point
    return _bytes(y, np.clip(whole, -(2.0**31), 2.0**31).astype(np.int64))
