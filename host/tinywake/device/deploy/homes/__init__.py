# SPDX-License-Identifier: MIT
"""Where a model lies on a board: which home it gets (choose), and how it comes there (romfs, xip)."""

__all__: list[str] = []
