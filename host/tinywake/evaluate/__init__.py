# SPDX-License-Identifier: MIT
"""From scores to events, misses and false accepts per hour."""

__all__: list[str] = []
