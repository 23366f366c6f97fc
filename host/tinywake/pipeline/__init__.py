# SPDX-License-Identifier: MIT
"""What needs all the stages: from a recipe to a model, and the demonstration."""

__all__: list[str] = []
