# SPDX-License-Identifier: MIT
"""What goes over the line: the way there (port), lines and events from a board (lines, events), its raw REPL (rawrepl),
its reset (restart), and work sent there: listening (hear) and running networks (compute)."""

__all__: list[str] = []
