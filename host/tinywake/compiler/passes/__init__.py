# SPDX-License-Identifier: MIT
"""Graph to graph: each pass keeps what the network computes, bit for bit."""

__all__: list[str] = []
