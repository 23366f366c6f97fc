# SPDX-License-Identifier: MIT
"""What ROMFS holds and shall hold: models of both roles, each with a copy in its slot to be written from, or back."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinywake.device.deploy.copy import sha256
from tinywake.device.deploy.homes.romfs import write_romfs
from tinywake.device.deploy.models.wanted import Slots, Wanted, gate_stays
from tinywake.device.deploy.probe import HASH
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError

__all__ = ["Rom", "check_names", "gate_in_rom", "into_rom", "lacks_arenas", "restore_rom", "rom_for"]

# What ROMFS holds, and of the models selected there the copies in the slots: name, path, bytes, SHA-256 of each.
_IN_ROM = """
try:
    there = {name: digest("/rom/" + name) for name in os.listdir("/rom")}
except OSError:
    there = {}
from tinywake import slots
held = {}
for role in ("gate", "model"):
    paths = slots.paths(role)
    if len(paths) > 1 and paths[0].startswith("/rom/") and paths[1].endswith(paths[0][4:]) and digest(paths[1]):
        held[role] = [paths[0][5:], paths[1], os.stat(paths[1])[6], digest(paths[1])]
answer({"there": there, "held": held})
"""

_ALLOCATES = """
import gc, tinywake
gc.collect()
try:
    kept = [bytearray(size) for size in SIZES]
    answer("")
except MemoryError as error:
    answer("MemoryError: %s" % error)
"""
_SLACK = 8192  # bytes of heap beside the arenas; what a listener lacks beyond that shows when it is opened

_Source = tuple[str, int, str]  # path on the board, bytes, SHA-256


@dataclass(frozen=True)
class Rom:
    """Contents of ROMFS, name -> source."""

    new: dict[str, _Source]  # what it shall hold; empty: it does
    old: dict[str, _Source]  # what of it is selected, from the copies in the slots


def gate_in_rom(repl: RawRepl, models: Sequence[Wanted], gate: str) -> tuple[str, int] | None:
    """Name and bytes of a gate that lies in ROMFS and stays there beside these models; None: there is none."""
    if not gate_stays(gate) or any(model.role == "gate" for model in models):
        return None
    held = repl.ask(HASH + _IN_ROM)["held"].get("gate")
    return None if held is None else (str(held[0]), int(held[2]))


def check_names(port: str, models: Sequence[Wanted], gate: tuple[str, int] | None) -> None:
    """Raises DeviceError where two of them would be one file in ROMFS. gate: what gate_in_rom() says."""
    names = [model.name for model in models] + ([gate[0]] if gate else [])
    if len(set(names)) < len(names):
        there = f"the gate that the board has is {names[-1]}, too" if gate else "model and gate have the same file name"
        raise DeviceError(f"{port}: {there}, and ROMFS holds one of a name: rename one, or leave both on the heap with "
                          "--home heap")  # fmt: skip


def rom_for(repl: RawRepl, slots: Slots, gate: str) -> Rom:
    """What ROMFS shall hold and holds. A gate there stays, unless another comes or it is to go."""
    said: dict[str, Any] = repl.ask(HASH + _IN_ROM)
    held: dict[str, tuple[str, _Source]] = {
        role: (name, (path, int(size), digest)) for role, (name, path, size, digest) in said["held"].items()
    }
    new: dict[str, _Source] = {
        model.name: (slot.path, len(model.data), sha256(model.data)) for model, slot in slots.items()
    }
    if "gate" in held and gate_stays(gate) and all(model.role != "gate" for model in slots):
        name, source = held["gate"]
        new[name] = source
    there = said["there"] == {name: digest for name, (_, _, digest) in new.items()}
    return Rom({} if there else new, dict(held.values()))


def lacks_arenas(repl: RawRepl, models: Sequence[Wanted]) -> str:
    """For models that could not be opened before ROMFS is written: why their arenas find no room; empty: they do."""
    sizes = [model.arena for model in models]
    repl.reset()
    trouble: str = repl.ask(f"SIZES = {[*sizes, _SLACK]!r}\n" + _ALLOCATES)
    return trouble


def into_rom(repl: RawRepl, rom: Rom) -> None:
    """Write it, and read it back. Raises DeviceError; ROMFS then has what it had, as far as that is to be had."""
    try:
        found = write_romfs(repl, {name: (path, size) for name, (path, size, _) in rom.new.items()})
    except DeviceError:
        with contextlib.suppress(DeviceError):
            restore_rom(repl, rom)
        raise
    except KeyboardInterrupt:
        raise DeviceError(
            f"{repl.port}: interrupted while ROMFS was written: it holds no model now, and the board listens with the "
            "copies in its slots as far as its heap has room: run tinywake deploy again"
        ) from None
    bad = [name for name, (_, _, digest) in rom.new.items() if found.get(name) != digest]
    if bad:
        restore_rom(repl, rom)
        raise DeviceError(f"{repl.port}: {bad[0]} reads back damaged from ROMFS: try again, or with --home heap")


def restore_rom(repl: RawRepl, rom: Rom) -> None:
    """Write what ROMFS held, unless its copies have made way: then a slot has what is selected."""
    repl.reset()
    wanted = {path: digest for path, _, digest in rom.old.values()}
    there: dict[str, str | None] = repl.ask(HASH + f"answer({{path: digest(path) for path in {list(wanted)!r}}})")
    if wanted and there == wanted:
        write_romfs(repl, {name: (path, size) for name, (path, size, _) in rom.old.items()})
