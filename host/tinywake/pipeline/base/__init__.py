# SPDX-License-Identifier: MIT
"""`tinywake base`: weights that the training of any word begins with."""

__all__: list[str] = []
