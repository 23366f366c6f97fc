# SPDX-License-Identifier: MIT
"""boards/<NAME>/board.toml -> a frozen dataclass: what is needed to flash, build for, fill and emulate a board.

Its pins and microphone are in board.py beside it, which goes onto the board as tinywake/pins.py.
"""

from __future__ import annotations

from dataclasses import MISSING, asdict, dataclass, field
from pathlib import Path
from typing import Any

from tinywake.compiler.report import align
from tinywake.config import read_table, read_toml
from tinywake.device import places
from tinywake.device.firmware import BUILDABLE
from tinywake.errors import ConfigError

__all__ = ["HOMES", "Board", "Boards", "Memory", "board_names", "load_board"]

# Of a model (docs/memory.md). No stock firmware has ROMFS, which would be a third.
HOMES = {"heap": "one copy on the heap", "xip": "in flash, read in place"}


def _text(default: Any = MISSING) -> Any:
    return field(default=default, metadata={"low": None, "high": None, "least": 0})


def _bytes(default: Any = MISSING) -> Any:
    return field(default=default, metadata={"low": 1, "high": 1 << 32, "least": 0})


@dataclass(frozen=True)
class Memory:
    """[memory]: what a board has, and what its stock firmware leaves of it. Bytes."""

    ram: int = _bytes()
    heap: int = _bytes()  # free after boot
    flash: int = _bytes()
    storage: int = _bytes()  # of the flash: the file system; the firmware's part is in front of it
    home: str = _text()  # of a model, one of HOMES
    piece: int | None = _bytes(None)  # the most that the heap gives in one piece, where it comes in pieces
    firmware: int | None = _bytes(None)  # of its part, what it fills; needed for the home "xip"


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
    memory: Memory | None  # None: that of the computer it runs on

    @property
    def lacks(self) -> str | None:
        """What keeps deploy from serving it; None: nothing."""
        return None if self.arch in BUILDABLE else f"no native module for {self.arch} can be built yet"

    @property
    def tried(self) -> bool:
        """Whether tests run on it. On no board of silicon, so far."""
        return self.target is not None


class Boards:
    """All boards there are, for a list of them."""

    def __init__(self) -> None:
        self.known = [load_board(name) for name in board_names()]

    def facts(self) -> dict[str, object]:
        """As JSON-able values, by name."""
        return {
            board.name: {
                **asdict(board), "pins": str(board.pins), "lacks": board.lacks, "tried": board.tried,
            } for board in self.known
        }  # fmt: skip

    def lines(self) -> list[str]:
        """For people."""
        rows = [("board", "", "module", "heap free", "deploy")]
        for board in self.known:
            heap = f"{board.memory.heap:,}" if board.memory else ""
            deploy = board.lacks or ("yes" if board.tried else "not yet tried on silicon")
            rows.append((board.name, board.title, board.arch, heap, deploy))
        return align(rows, left=(0, 1, 2, 4))


def board_names() -> list[str]:
    """Every board there is, by name."""
    return sorted(path.parent.name for path in places.boards().glob("*/board.toml"))


def load_board(name: str) -> Board:
    """Read one board. Raises ConfigError for a name that is not one, and for a board.toml that is wrong."""
    directory = places.boards() / name
    path = directory / "board.toml"
    if name not in board_names():
        raise ConfigError(f"no board {name}; known: {', '.join(board_names())}")
    tables = read_toml(path)
    memory = tables.pop("memory", None)
    table = read_table(_Table, tables, path, "board")
    pins = directory / "board.py"
    if not pins.is_file():
        raise ConfigError(f"{pins} is missing: it says which pins and microphone the board has")
    return Board(
        name=name,
        title=table.title,
        chip=table.chip,
        arch=table.arch,
        flash=table.flash,
        target=table.target,
        pins=pins,
        memory=None if memory is None else _memory(memory, path),
    )


def _memory(table: object, path: Path) -> Memory:
    memory = read_table(Memory, table, path, "memory")
    if memory.home not in HOMES:
        raise ConfigError(f"{path}: memory.home = {memory.home!r} must be one of {', '.join(HOMES)}")
    if memory.home == "xip" and memory.firmware is None:
        raise ConfigError(f'{path}: memory.firmware is missing; with home = "xip" the model lies behind it')
    for part, whole in (("heap", "ram"), ("storage", "flash"), ("firmware", "flash")):
        if (getattr(memory, part) or 0) > getattr(memory, whole):
            raise ConfigError(f"{path}: memory.{part} is more than memory.{whole}")
    return memory
