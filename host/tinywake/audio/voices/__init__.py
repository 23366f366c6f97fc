# SPDX-License-Identifier: MIT
"""Text-to-speech: voices and their splits, the engines that have them, what they say, and a cache of clips."""

__all__: list[str] = []
