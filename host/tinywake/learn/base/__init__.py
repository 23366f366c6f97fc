# SPDX-License-Identifier: MIT
"""A base network: it learns what speech is made of before it learns a word."""

__all__: list[str] = []
