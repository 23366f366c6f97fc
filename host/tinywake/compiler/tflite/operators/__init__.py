# SPDX-License-Identifier: MIT
"""One function an operator: from what the .tflite says to operators of the graph."""

from __future__ import annotations

__all__: list[str] = []
