# SPDX-License-Identifier: MIT
"""What the scores of many clips say: bounds, speakers, cross-fitting, latency, false accepts."""

__all__: list[str] = []
