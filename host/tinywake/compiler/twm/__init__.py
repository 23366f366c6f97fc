# SPDX-License-Identifier: MIT
"""The way out: models/SPEC.md in Python. layout has its names, pack writes, unpack reads."""

__all__: list[str] = []
