# SPDX-License-Identifier: MIT
"""CircuitPython's firmware for an emulated chip, and its drive before it boots.

uf2 (what a firmware's file says), fat (a drive's sectors), flash (both together, with app and model on the drive).
"""

__all__: list[str] = []
