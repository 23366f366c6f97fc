# SPDX-License-Identifier: MIT
"""Sound: clips, text-to-speech voices, augmentation, and the data sets made of them."""

__all__: list[str] = []
