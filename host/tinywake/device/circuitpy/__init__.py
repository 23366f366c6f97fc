# SPDX-License-Identifier: MIT
"""Boards that run CircuitPython: docs/circuitpython.md.

facts (what a board says of itself, what it lacks), hearing (who has a microphone input), find (its drive, its port),
files (writing there), app (our files as it wants them), deploy (all of that in order).
"""

__all__: list[str] = []
