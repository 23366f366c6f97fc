# SPDX-License-Identifier: MIT
"""A stand-in for CircuitPython's board, which hides any board.py: pins by what is printed beside them."""

from microcontroller import pin

GP9 = pin.GPIO9
GP10 = pin.GPIO10
GP11 = pin.GPIO11
D12 = pin.GPIO12
