# SPDX-License-Identifier: MIT
"""What `tinywake compress` says: the table, for people, programs and the card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinywake.pipeline.compression.row import Row, table

__all__ = ["CompressResult"]


@dataclass(frozen=True)
class CompressResult:
    """The table, and the network that was kept. compress.json holds the same, apart from the path."""

    model: Path
    label: str
    rows: tuple[Row, ...]  # the trained network's first
    kept: int  # number of the row whose network is model.twm
    per_hour: float
    board: str
    stopped: str = ""  # why not all stages were done
    uncounted: str = ""  # why there are no cycles

    def facts(self) -> dict[str, object]:
        """As JSON-able values."""
        return {
            "model": str(self.model),
            "label": self.label,
            "false_accepts_per_hour": self.per_hour,
            "board": self.board,
            "rows": [row.facts(self.per_hour) for row in self.rows],
            "kept": self.rows[self.kept].stage,
            "stopped": self.stopped,
            "uncounted": self.uncounted,
        }

    def lines(self) -> list[str]:
        """For people."""
        first, last = self.rows[0], self.rows[self.kept]
        missed, before = (100 * row.judged(self.per_hour)[0] for row in (last, first))
        return [
            *table(self.rows, self.per_hour)[0],
            *self._notes(),
            f"{self.model}: {last.file_bytes:,} bytes after {last.stage}, {first.file_bytes:,} before; "
            f"missed {missed:.1f} %, {before:.1f} % before",
        ]

    def section(self) -> str:
        """For the card, in Markdown."""
        lines = ["## What each stage of `tinywake compress` cost", "", *table(self.rows, self.per_hour)[1]]
        lines += [f"\n{note[0].upper()}{note[1:]}." for note in self._notes()]
        lines += ["", f"The file is the network after {self.rows[self.kept].stage}; compress.png shows the stages."]
        return "\n".join(lines) + "\n"

    def _notes(self) -> list[str]:
        board = f"flash and RAM: what {self.board} gives for the file and what it computes"
        return [each for each in (board, self.uncounted, self.stopped) if each]
