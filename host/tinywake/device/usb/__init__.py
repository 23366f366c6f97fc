# SPDX-License-Identifier: MIT
"""Serial ports of this computer: which there are and what they belong to (find), and who holds one (holders)."""

__all__: list[str] = []
