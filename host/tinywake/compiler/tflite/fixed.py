# SPDX-License-Identifier: MIT
"""The reference's fixed-point arithmetic on whole arrays: what gemmlowp computes in 32-bit registers, here in int64.

A number with n integer bits is an int32 `raw` that stands for raw * 2^(n - 31).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["divide", "exp", "high", "logistic", "multiply", "shift_left", "tanh", "two_over_one_plus"]

_Int = NDArray[np.int64]

_MOST = (1 << 31) - 1
_ONE_THIRD = 715827883  # 0 integer bits
_EXP_MINUS_EIGHTH = 1895147668  # 0 integer bits
# exp(-2^k) for k = -2..4, 0 integer bits.
_EXP_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
_FORTY_EIGHT_17THS, _THIRTY_TWO_17THS = 1515870810, 1010580540  # 2 integer bits


def high(a: _Int, b: _Int | int) -> _Int:
    """a * b / 2^31, to nearest, ties up."""
    product: _Int = (a * b + (1 << 30)) >> 31
    return np.minimum(product, _MOST)  # -2^31 times itself


def divide(a: _Int, exponent: int | _Int) -> _Int:
    """a / 2^exponent, to nearest, ties away from zero."""
    mask = (1 << exponent) - 1
    up = (a & mask) > (mask >> 1) + (a < 0)
    quotient: _Int = (a >> exponent) + up
    return quotient


def shift_left(a: _Int, bits: int) -> _Int:
    """a * 2^bits, as large as an int32 can be."""
    shifted: _Int = np.clip(a << bits, -_MOST - 1, _MOST)
    return shifted


def _wrap(a: _Int) -> _Int:
    return a.astype(np.int32).astype(np.int64)


def multiply(x: _Int, multiplier: int | _Int, shift: int | _Int) -> _Int:
    """x * multiplier * 2^(shift - 31), rounded twice: x comes in 32 bits and is shifted left in 32 bits."""
    result: _Int = divide(high(_wrap(x << np.maximum(shift, 0)), multiplier), np.maximum(-shift, 0))
    return result


def exp(a: _Int, integer_bits: int) -> _Int:
    """e^a for a <= 0 with `integer_bits`; 0 integer bits."""
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    part = (a & (quarter - 1)) - quarter  # -1/4 to 0; the rest is a sum of powers of two
    x = shift_left(part, integer_bits) + (1 << 28)
    x2 = high(x, x)
    x3, x4 = high(x2, x), high(x2, x2)
    series = divide(high(divide(x4, 2) + x3, _ONE_THIRD) + x2, 1)
    result = _EXP_MINUS_EIGHTH + high(x + series, _EXP_MINUS_EIGHTH)
    rest = part - a
    for exponent, factor in zip(range(-2, integer_bits), _EXP_POWERS, strict=False):
        result = np.where(rest & (1 << (fraction_bits + exponent)), high(result, factor), result)
    return np.where(a == 0, _MOST, result)


def two_over_one_plus(a: _Int) -> _Int:
    """2 / (1 + a) for a in 0..1, 0 integer bits, by three steps of Newton and Raphson; 2 integer bits."""
    half = (a + _MOST + 1) >> 1
    x = _FORTY_EIGHT_17THS + high(half, -_THIRTY_TWO_17THS)
    for _ in range(3):
        x = x + shift_left(high(x, (1 << 29) - high(half, x)), 2)
    return x


def logistic(a: _Int) -> _Int:
    """1 / (1 + e^-a) for a with 4 integer bits; 0 integer bits."""
    positive = shift_left(two_over_one_plus(exp(-np.abs(a), 4)), 1)
    return np.where(a == 0, 1 << 30, np.where(a > 0, positive, _MOST - positive))


def tanh(a: _Int) -> _Int:
    """The hyperbolic tangent of a with 4 integer bits; 0 integer bits."""
    positive = shift_left(two_over_one_plus(exp(-np.abs(a), 5)) - (1 << 29), 2)
    return np.where(a == 0, 0, np.where(a > 0, positive, -positive))
