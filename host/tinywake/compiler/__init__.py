# SPDX-License-Identifier: MIT
"""From an int8 .tflite to a .twm: read, fuse, stream, plan, pack. Needs no TensorFlow."""

__all__: list[str] = []
