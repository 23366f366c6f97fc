# SPDX-License-Identifier: MIT
"""CircuitPython's native ABI on this computer: a board, and an interpreter of the user's as one."""

from tinywake.device.targets.circuitpython.board import CircuitPythonBoard

__all__ = ["CircuitPythonBoard"]
