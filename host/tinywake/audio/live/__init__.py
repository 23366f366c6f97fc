# SPDX-License-Identifier: MIT
"""Sound into and out of this computer."""

__all__: list[str] = []
