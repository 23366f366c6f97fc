# SPDX-License-Identifier: MIT
"""Recordings looked at before they are used: what each clip measures, and which hold the same sound."""

__all__: list[str] = []
