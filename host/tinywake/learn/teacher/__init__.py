# SPDX-License-Identifier: MIT
"""A network that has heard far more people than any recipe has, and heads on it that know the recipe's words."""

__all__: list[str] = []
