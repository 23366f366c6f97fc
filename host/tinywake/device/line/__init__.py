# SPDX-License-Identifier: MIT
"""What goes over the line: events from a board (events), its raw REPL (rawrepl), mpremote (remote), and work sent
there: listening (hear) and running networks (compute)."""

__all__: list[str] = []
