# SPDX-License-Identifier: MIT
"""From float scales to the integers that TensorFlow Lite Micro's Prepare functions compute, exactly.

Sources: QuantizeMultiplier, PreprocessSoftmaxScaling and CalculateInputRadius of TFLite's quantization_util.cc, and
the Prepare functions of TFLM's kernels. Scales are float32; the reference combines them in double, except where a
function below says float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tinywake.compiler.graph import Requant

__all__ = [
    "ACTIVATIONS",
    "activation_range",
    "add_scaling",
    "conv_requant",
    "hard_swish_scaling",
    "logistic_scaling",
    "mean_scaling",
    "quantise_multiplier",
    "ratio_scaling",
    "softmax_scaling",
]

Pair = tuple[int, int]  # multiplier, shift: multiplier * 2^(shift - 31)

# Fused activations as (lowest, highest) real value.
ACTIVATIONS: dict[str, tuple[float | None, float | None]] = {
    "NONE": (None, None),
    "RELU": (0.0, None),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}


def _round_half_away(x: float) -> int:
    return math.floor(abs(x) + 0.5) * (1 if x >= 0 else -1)


def quantise_multiplier(real: float) -> Pair:
    """Return (multiplier below 2^31, shift from -31) with real = multiplier * 2^(shift - 31), as nearly as possible."""
    if real == 0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = _round_half_away(fraction * (1 << 31))
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    return (multiplier, shift) if shift >= -31 else (0, 0)


def _requant(reals: Sequence[float]) -> Requant:
    pairs = [quantise_multiplier(real) for real in reals]
    return Requant(np.array([m for m, _ in pairs], np.int32), np.array([min(s, 127) for _, s in pairs], np.int8))


def conv_requant(input_scale: float, filter_scales: Sequence[float], output_scale: float) -> Requant:
    """Per channel, or one for all: input scale * filter scale / output scale."""
    return _requant([float(input_scale) * float(s) / float(output_scale) for s in filter_scales])


def ratio_scaling(*scales: float) -> Pair:
    """The product of all but the last scale over the last: of every kernel that has no rule of its own."""
    return quantise_multiplier(math.prod(scales[:-1]) / scales[-1])


def add_scaling(left: float, right: float, output: float) -> tuple[Pair, Pair, Pair]:
    """ADD and SUB: each input against twice the larger scale, and that against the output at 2^20."""
    twice = 2 * max(left, right)
    reals = left / twice, right / twice, twice / ((1 << 20) * output)
    return quantise_multiplier(reals[0]), quantise_multiplier(reals[1]), quantise_multiplier(reals[2])


def hard_swish_scaling(input_scale: float, output_scale: float) -> tuple[Pair, Pair]:
    """HARD_SWISH: for the output, and for -3..3 as -32768..32768. Multipliers have 15 bits."""
    pairs = [quantise_multiplier(input_scale / 128 / s) for s in (output_scale, 3 / 32768)]
    (a, b), (c, d) = ((min((m + (1 << 15)) >> 16, 32767), shift) for m, shift in pairs)
    return (a, b), (c, d)


def activation_range(activation: str, scale: float, zero_point: int) -> tuple[int, int]:
    """Clamp of an int8 output: activation is one of ACTIVATIONS."""
    low, high = (None if b is None else _level(b, scale, zero_point) for b in ACTIVATIONS[activation])
    return max(-128, low if low is not None else -128), min(127, high if high is not None else 127)


def _level(real: float, scale: float, zero_point: int) -> int:
    return zero_point + _round_half_away(float(np.float32(real) / np.float32(scale)))


def mean_scaling(input_scale: float, output_scale: float, count: int) -> Pair:
    """Return (multiplier, shift) with the 1 / count in it."""
    multiplier, shift = quantise_multiplier(float(input_scale) / float(output_scale))
    bits = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << bits) // count, shift - bits


def _input_radius(integer_bits: int, left_shift: int) -> int:
    return math.floor(((1 << integer_bits) - 1) * (1 << (31 - integer_bits)) / (1 << left_shift))


def logistic_scaling(input_scale: float) -> tuple[int, int, int]:
    """Return (multiplier, shift, radius) of LOGISTIC and TANH: the input scale as Q4.27."""
    fraction, shift = math.frexp(float(input_scale) * (1 << 27))
    multiplier = min(_round_half_away(fraction * (1 << 31)), (1 << 31) - 1)
    return multiplier, shift, _input_radius(4, max(shift, 0))


def softmax_scaling(input_scale: float, beta: float) -> tuple[int, int, int]:
    """Return (multiplier, shift, diff_min) of SOFTMAX: beta times the input scale as Q5.26."""
    real = min(float(beta) * float(input_scale) * (1 << 26), (1 << 31) - 1.0)
    multiplier, shift = quantise_multiplier(real)
    return multiplier, shift, -_input_radius(5, shift)
