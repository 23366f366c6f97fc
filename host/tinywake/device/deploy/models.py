# SPDX-License-Identifier: MIT
"""Models onto a board, each into its slot and on to its home. What does not open there leaves all as it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinywake.device.deploy.copy import sha256
from tinywake.device.deploy.homes.choose import Home
from tinywake.device.deploy.homes.romfs import write_romfs
from tinywake.device.deploy.homes.xip import Space, send, survey
from tinywake.device.deploy.probe import HASH
from tinywake.device.deploy.slots import Slot, empty_slot, fill_slot, select, try_open
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError

__all__ = ["Placed", "Wanted", "into_flash", "place", "read_model"]

_ROM = "/rom"

_IN_ROM = """
try:
    there = {name: digest("/rom/" + name) for name in os.listdir("/rom")}
except OSError:
    there = {}
from tinywake import slots
gate = slots.paths("gate")
size = digested = None
if len(gate) > 1 and gate[0].startswith("/rom/"):
    size = os.stat(gate[1])[6]
    digested = digest(gate[1])
answer({"there": there, "gate": gate, "size": size, "digest": digested})
"""


@dataclass(frozen=True)
class Wanted:
    """A model that a board shall have."""

    role: str  # "model" hears the word, "gate" tells when to look for it
    name: str  # of the file, here and there
    data: bytes


@dataclass(frozen=True)
class Placed:
    """A model that a board has."""

    role: str
    name: str
    path: str  # on the board
    bytes: int
    sha256: str
    home: Home
    sent: bool  # it was not there
    second: str | None  # what the board listens with if this one does not open; None: nothing


def read_model(role: str, path: Path) -> Wanted:
    """Read a .twm for a role. Raises DeviceError for a file that cannot be a model on a board."""
    if not path.is_file():
        raise DeviceError(f"{path}: no such model")
    if path.suffix != ".twm" or not path.name.isprintable():
        raise DeviceError(f"{path}: not a name for a model on a board: compile or rename it to NAME.twm")
    return Wanted(role, path.name, path.read_bytes())


def place(repl: RawRepl, models: Sequence[Wanted], home: Home) -> tuple[Placed, ...]:
    """Put models into their home, open each there and select it, in the order given.

    The app must be on the board. Raises DeviceError; what the board listened with before is then still selected.
    """
    slots = {model: fill_slot(repl, model.role, model.name, model.data) for model in models}
    paths = {model: slot.path for model, slot in slots.items()}
    in_rom = home.name == "romfs" and _rom_sources(repl, slots)
    for model, slot in slots.items():
        if in_rom == {}:
            break  # ROMFS holds them all
        trouble = try_open(repl, slot.path)
        if not trouble:
            select(repl, model.role, slot.path)
        elif home.name == "heap" or not trouble.startswith("MemoryError"):
            raise _refused(repl, model, slot, trouble)
    if home.name == "romfs":
        paths = {model: f"{_ROM}/{model.name}" for model in models}
        if in_rom:
            _into_rom(repl, in_rom)
        for model, path in paths.items():
            trouble = try_open(repl, path)
            if trouble:
                raise _refused(repl, model, slots[model], trouble)
            select(repl, model.role, path)
    return tuple(_placed(repl, model, paths[model], home, slots[model].sent) for model in models)


def into_flash(
    port: str, space: Space, model: Wanted, placed: Placed, bootsel: Callable[[str, bytes], None] | None
) -> Placed:
    """Move a model on from its slot into the RP2040's flash, where it is read in place; the slot is second choice.

    Raises DeviceError; the slot stays selected.
    """
    lying = space.find(model.name, model.data)
    if lying is None:
        send(port, space, model.name, model.data, bootsel)
    with RawRepl(port) as repl:
        repl.reset()
        now = survey(repl)
        lying = now.find(model.name, model.data) if now else None
        if lying is None:
            raise DeviceError(f"{port}: {model.name} is not in flash after writing: try again, or leave --home out")
        trouble = try_open(repl, lying.path)
        if trouble:
            raise DeviceError(f"{port}: {lying.path} does not open ({trouble}): try again, or leave --home out")
        select(repl, model.role, lying.path)
        return _placed(repl, model, lying.path, placed.home, placed.sent)


def _placed(repl: RawRepl, model: Wanted, path: str, home: Home, sent: bool) -> Placed:
    paths: list[str] = repl.ask(f"from tinywake import slots\nanswer(slots.paths({model.role!r}))")
    second = next((each for each in paths if each != path), None)
    return Placed(model.role, model.name, path, len(model.data), sha256(model.data), home, sent, second)


def _refused(repl: RawRepl, model: Wanted, slot: Slot, trouble: str) -> DeviceError:
    if slot.sent:
        empty_slot(repl, slot.path)
    keeps = f"it keeps {slot.before}" if slot.before else f"it has no {model.role} yet"
    if trouble.startswith("MemoryError"):
        trouble = f"{trouble}: too large for its heap, see tinywake inspect --board NAME"
    return DeviceError(f"{repl.port}: {model.name} does not open on the board ({trouble}); {keeps}")


def _rom_sources(repl: RawRepl, slots: dict[Wanted, Slot]) -> dict[str, tuple[str, int, str]]:
    """What ROMFS shall hold, if it does not yet: name -> path to copy it from, bytes, SHA-256. A gate there stays."""
    said: dict[str, Any] = repl.ask(HASH + _IN_ROM)
    sources = {model.name: (slot.path, len(model.data), sha256(model.data)) for model, slot in slots.items()}
    if len(sources) < len(slots):
        raise DeviceError(f"{repl.port}: model and gate have the same file name: rename one")
    if said["digest"] and all(model.role != "gate" for model in slots):
        sources[said["gate"][0].rpartition("/")[2]] = (said["gate"][1], int(said["size"]), said["digest"])
    return {} if said["there"] == {name: digest for name, (_, _, digest) in sources.items()} else sources


def _into_rom(repl: RawRepl, sources: dict[str, tuple[str, int, str]]) -> None:
    found = write_romfs(repl, {name: (path, size) for name, (path, size, _) in sources.items()})
    bad = [name for name, (_, _, digest) in sources.items() if found.get(name) != digest]
    if bad:
        raise DeviceError(f"{repl.port}: {bad[0]} reads back damaged from ROMFS: try again, or with --home heap")
