# SPDX-License-Identifier: MIT
"""32-bit I2S slots to int16 samples, at the speed of machine code."""

import micropython

__all__ = ("pack32",)


@micropython.viper
def pack32(out: ptr16, slots: ptr16, count: int, step: int, shift: int, late: int, constant: int) -> int:  # noqa: F821
    """out[i] = (a slot less its constant part) >> shift, saturated; returns the constant part for the next call.

    slots: little-endian int32, `step` 16-bit halves apart. shift: 8..17. late: 1 where the data comes a bit late.
    The constant part is tracked in 1/64 of a 24-bit step: a high pass at 16 kHz / (2 pi 512) = 5 Hz.
    """
    at = 0
    for i in range(count):
        low = slots[at]
        high = slots[at + 1]
        at += step
        if late:
            high = (high << 1 | low >> 15) & 0xFFFF
            low = low << 1 & 0xFFFF
        if high >= 32768:
            high -= 65536
        value = high << 8 | low >> 8
        constant += ((value << 6) - constant) >> 9
        value = (value - (constant >> 6)) >> (shift - 8)
        if value > 32767:
            value = 32767
        elif value < -32768:
            value = -32768
        out[i] = value
    return constant
