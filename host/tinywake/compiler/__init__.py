# SPDX-License-Identifier: MIT
"""From an int8 .tflite to a .twm: read (tflite), rewrite (passes), place (plan), write (twm). Needs no TensorFlow."""

__all__: list[str] = []
