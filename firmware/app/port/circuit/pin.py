# SPDX-License-Identifier: MIT
"""Pins as a board file names them."""

import board
import microcontroller

__all__ = ("pin",)


def pin(which: "int | str") -> microcontroller.Pin:
    """By the number of its GPIO, or by what is printed beside it ("GP10", "D9"), which is its name in `board`."""
    found: "microcontroller.Pin | None"
    if isinstance(which, int):
        found = getattr(microcontroller.pin, "GPIO%d" % which, None)  # type: ignore[attr-defined] # no stub has it
    else:
        found = getattr(board, which, None)
    if found is None:
        raise ValueError("pins.py: this board has no pin %s" % which)
    return found
