# SPDX-License-Identifier: MIT
"""`tinywake search`: widths, depth and kernel lengths against misses and the counted cost of a step."""

__all__: list[str] = []
