# SPDX-License-Identifier: MIT
"""boards/<NAME>/board.toml -> a frozen dataclass: what is needed to flash, build for, fill and emulate a board.

Its pins and microphone are in board.py beside it, which goes onto the board as tinywake/pins.py.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, asdict, dataclass, field
from pathlib import Path
from typing import Any

from tinywake.compiler.report import align
from tinywake.device import places
from tinywake.device.firmware import BUILDABLE
from tinywake.errors import ConfigError
from tinywake.tables import read_table, read_toml

__all__ = ["HOMES", "STATES", "Board", "Boards", "Current", "Memory", "Release", "board_names", "load_board"]

# Of a model (docs/memory.md). No stock firmware has ROMFS.
HOMES = {"heap": "one copy on the heap", "xip": "in flash, read in place", "romfs": "in ROMFS, read in place"}
_NO_HEAP = ("not measured", "the computer's")  # of silicon; of a board that is a program
STATES = ("busy", "idle", "sleep", "deep sleep")  # of a chip; it hears in the first two


def _text(default: Any = MISSING) -> Any:
    return field(default=default, metadata={"low": None, "high": None, "least": 0})


def _bytes(default: Any = MISSING) -> Any:
    return field(default=default, metadata={"low": 1, "high": 1 << 32, "least": 0})


def _between(low: float, high: float) -> Any:
    return field(metadata={"low": low, "high": high, "least": 0})


@dataclass(frozen=True)
class Memory:
    """[memory]: what a board has, and what its stock firmware leaves of it. Bytes."""

    ram: int = _bytes()
    flash: int = _bytes()
    storage: int = _bytes()  # of the flash: the file system; the firmware's part is in front of it
    home: str = _text()  # of a model, one of HOMES
    heap: int | None = _bytes(None)  # free after boot; None: not measured yet
    piece: int | None = _bytes(None)  # the most that the heap gives in one piece, where it comes in pieces
    firmware: int | None = _bytes(None)  # of its part, what it fills; needed for the home "xip"


@dataclass(frozen=True)
class Current:
    """One of [[power]]: what the chip takes, from its datasheet."""

    state: str = _text()  # one of STATES
    milliamps: float = _between(0.0001, 1000)
    volts: float = _between(1, 6)
    at: str = _text()  # the table's conditions
    source: str = _text()  # document, its version, table
    mhz: float | None = field(
        default=None, metadata={"low": 1, "high": 1000, "least": 0}
    )  # its clock, where it has one


@dataclass(frozen=True)
class Release:
    """[firmware]: the stock firmware of a board. url, version and sha256 pin one; without them none is fetched."""

    page: str = _text()  # where people find it
    version: str | None = _text(None)
    url: str | None = _text(None)
    sha256: str | None = _text(None)


@dataclass(frozen=True)
class _Table:
    title: str = _text()
    chip: str = _text()
    arch: str = _text()
    flash: str = _text()
    target: str | None = _text(None)
    circuitpython: str | None = _text(None)
    clocks: tuple[int, ...] = field(default=(), metadata={"low": 1, "high": 1000, "least": 1})


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
    firmware: Release | None  # None: it cannot be flashed
    power: tuple[Current, ...] = ()  # what datasheets say; of the chip alone
    circuitpython: str | None = None  # its id there, as in boot_out.txt; None: none is known
    clocks: tuple[int, ...] = ()  # MHz, all that its firmware's machine.freq takes; none: any that is no fraction

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
            heap = f"{board.memory.heap:,}" if board.memory and board.memory.heap else _NO_HEAP[board.flash == "none"]
            deploy = board.lacks or _experience(board)
            rows.append((board.name, board.title, board.arch, heap, deploy))
        return align(rows, left=(0, 1, 2, 4))


def _experience(board: Board) -> str:
    if not board.tried:
        return "not yet tried on silicon"
    return "yes" if board.flash == "none" else "yes, tried in an emulator only"


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
    memory, firmware, power = (tables.pop(name, None) for name in ("memory", "firmware", "power"))
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
        firmware=None if firmware is None else _release(firmware, path),
        power=() if power is None else _currents(power, path),
        circuitpython=table.circuitpython,
        clocks=table.clocks,
    )


def _currents(tables: object, path: Path) -> tuple[Current, ...]:
    if not isinstance(tables, list):
        raise ConfigError(f"{path}: power must be a list of tables: write [[power]]")
    currents = tuple(read_table(Current, table, path, "power") for table in tables)
    for current in currents:
        if current.state not in STATES:
            raise ConfigError(f"{path}: power.state = {current.state!r} must be one of {', '.join(STATES)}")
    return currents


def _release(table: object, path: Path) -> Release:
    release = read_table(Release, table, path, "firmware")
    pinned = [name for name in ("version", "url", "sha256") if getattr(release, name) is not None]
    if pinned and len(pinned) < 3:
        raise ConfigError(f"{path}: firmware.version, url and sha256 pin a file together; here is only {pinned[0]}")
    if release.sha256 is not None and not re.fullmatch("[0-9a-f]{64}", release.sha256):
        raise ConfigError(f"{path}: firmware.sha256 must be 64 hexadecimal digits in lower case")
    return release


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
