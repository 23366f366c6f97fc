"""What a board file (boards/<BOARD>/board.py) tells the app: docs/adding-a-board.md."""

from typing import Any

BOARD: str
MIC: dict[str, Any]
