# SPDX-License-Identifier: MIT
"""What is wrong with a board that runs CircuitPython: session (its drive, its prompt), look (what is on it)."""

from tinywake.device.doctor.circuitpy.session import circuitpy_there, look_at_drive, look_at_drives

__all__ = ["circuitpy_there", "look_at_drive", "look_at_drives"]
