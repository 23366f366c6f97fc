# SPDX-License-Identifier: MIT
"""`tinywake base`: weights that the training of any word begins with."""

from __future__ import annotations
