# SPDX-License-Identifier: MIT
"""What an evaluation plays: clips and who speaks in them, the quiet around them, noise over them."""

__all__: list[str] = []
