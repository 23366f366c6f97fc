# SPDX-License-Identifier: MIT
"""Numbers of so many bits each, one after the other, the highest bit first."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bits"]

_Ints = NDArray[np.int64]


class Bits:
    """What has been put."""

    def __init__(self) -> None:
        self._values: list[_Ints] = []
        self._widths: list[_Ints] = []

    def put(self, values: Iterable[int] | _Ints, widths: Iterable[int] | _Ints) -> None:
        """Values, each of its own width of 0 to 48 bits."""
        self._values.append(np.asarray(values, np.int64))
        self._widths.append(np.asarray(widths, np.int64))

    def elias(self, number: int) -> None:
        """Elias's gamma code of a number from 1 on."""
        self.put([number], [2 * number.bit_length() - 1])

    def bytes(self) -> bytes:
        """All of it, and zeros up to a whole byte."""
        values, widths = np.concatenate(self._values), np.concatenate(self._widths)
        ends = np.cumsum(widths)
        flat = np.zeros(int(ends[-1]), np.uint8)
        for bit in range(int(widths.max(initial=0))):  # the lowest is 0
            has = widths > bit
            flat[ends[has] - 1 - bit] = values[has] >> bit & 1
        return np.packbits(flat).tobytes()
