# SPDX-License-Identifier: MIT
"""`tinywake compress`: stages that make a trained network smaller, and what each of them costs."""

__all__: list[str] = []
