# SPDX-License-Identifier: MIT
"""Models onto a board: what is wanted, what can be known before (check), into slots and homes (place, rom, flash).

What does not open there (opens) leaves all as it was.
"""

__all__: list[str] = []
