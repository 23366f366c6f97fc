# SPDX-License-Identifier: MIT
"""`tinywake demo`: a word from nothing to heard on an emulated board, and the clips it is played."""

__all__: list[str] = []
