# SPDX-License-Identifier: MIT
"""Boards that are programs on this computer: what they have in common (target), each of them, and the list."""

__all__: list[str] = []
