# SPDX-License-Identifier: MIT
"""tinywake: train a wake word, compile it to a few kilobytes, hear it on a MicroPython board."""

__all__ = ["__version__"]

__version__ = "0.1.0"
