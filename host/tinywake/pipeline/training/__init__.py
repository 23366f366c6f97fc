# SPDX-License-Identifier: MIT
"""`tinywake train`: streams, a teacher's word about them, a network, its files."""

__all__: list[str] = []
