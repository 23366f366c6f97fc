# SPDX-License-Identifier: MIT
"""A compiled model made smaller, models/SPEC.md, Coded files: pieces divides it, books has its codes, encode writes."""

__all__: list[str] = []
