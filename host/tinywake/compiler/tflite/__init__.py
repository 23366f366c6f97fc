# SPDX-License-Identifier: MIT
"""The way in: a .tflite as a graph, its scales already integers."""

__all__: list[str] = []
