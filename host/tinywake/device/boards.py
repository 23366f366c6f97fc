# SPDX-License-Identifier: MIT
"""boards/<NAME>/board.toml -> a frozen dataclass: what is needed to flash, build for and emulate a board.

Its pins and microphone are in board.py beside it, which goes onto the board as tinywake/pins.py.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any

from tinywake.config import read_table, read_toml
from tinywake.device import places
from tinywake.errors import ConfigError

__all__ = ["Board", "board_names", "load_board"]


def _text(default: Any = MISSING) -> Any:
    return field(default=default, metadata={"low": None, "high": None, "least": 0})


@dataclass(frozen=True)
class _Table:
    title: str = _text()
    chip: str = _text()
    arch: str = _text()
    flash: str = _text()
    target: str | None = _text(None)


@dataclass(frozen=True)
class Board:
    """One supported board."""

    name: str  # its directory under boards/
    title: str  # what people call it
    chip: str
    arch: str  # of the native module
    flash: str  # how firmware gets there; "none": it cannot
    target: str | None  # the emulated target that stands for it
    pins: Path  # its board.py


def board_names() -> list[str]:
    """Every board there is, by name."""
    return sorted(path.parent.name for path in places.boards().glob("*/board.toml"))


def load_board(name: str) -> Board:
    """Read one board. Raises ConfigError for a name that is not one, and for a board.toml that is wrong."""
    directory = places.boards() / name
    path = directory / "board.toml"
    if not path.is_file():
        raise ConfigError(f"no board {name}; known: {', '.join(board_names())}")
    table = read_table(_Table, read_toml(path), path, "board")
    pins = directory / "board.py"
    if not pins.is_file():
        raise ConfigError(f"{pins} is missing: it says which pins and microphone the board has")
    return Board(name, table.title, table.chip, table.arch, table.flash, table.target, pins)
