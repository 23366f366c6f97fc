# SPDX-License-Identifier: MIT
"""How words are pronounced, and which sound like the wake word without being it."""

__all__: list[str] = []
