# SPDX-License-Identifier: MIT
"""32-bit I2S slots to int16 samples, at the speed of machine code."""

import micropython

__all__ = ("pack32",)


@micropython.viper
def pack32(out: ptr16, slots: ptr16, count: int, shift: int):  # noqa: F821
    """out[i] = slots[i] >> shift, saturated; slots are little-endian int32, shift is 8..16."""
    for i in range(count):
        high = slots[2 * i + 1]
        if high >= 32768:
            high -= 65536
        value = high << (16 - shift) | slots[2 * i] >> shift
        if value > 32767:
            value = 32767
        elif value < -32768:
            value = -32768
        out[i] = value
