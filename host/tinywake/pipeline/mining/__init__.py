# SPDX-License-Identifier: MIT
"""`tinywake mine`: false accepts and near misses out of hours of sound, heard again, labelled, learnt from."""

__all__: list[str] = []
