# SPDX-License-Identifier: MIT
"""Models onto a board, each into its slot and on to its home. What does not open there leaves all as it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tinywake.device.deploy.copy import sha256
from tinywake.device.deploy.homes.choose import Home
from tinywake.device.deploy.models.check import check_fits
from tinywake.device.deploy.models.opens import refused, trouble_with
from tinywake.device.deploy.models.rom import into_rom, lacks_arenas, restore_rom, rom_for
from tinywake.device.deploy.models.wanted import FITS, Placed, Wanted, by_sound
from tinywake.device.deploy.slots import chosen, fill_slot, find_slot, select
from tinywake.device.line.rawrepl import RawRepl

__all__ = ["place", "second_choice", "select_all"]

_ROM = "/rom"


def place(repl: RawRepl, models: Sequence[Wanted], home: Home, gate: str = FITS) -> tuple[Placed, ...]:
    """Put models into their home, open them there together and select each, in the order given.

    gate: what happens to the one on the board, where none is given: one of FITS, ANY and NONE, or the one that is no
    file. The app must be on the board. Raises DeviceError; what the board listened with before is then still selected.
    """
    before = {model: next(iter(chosen(repl, model.role)), None) for model in models}
    slots = {model: find_slot(repl, model.role, model.name, model.data) for model in models}
    if any(slot.sent for slot in slots.values()):
        check_fits(repl, slots, home, gate)
    for model, slot in slots.items():
        fill_slot(repl, slot, model.data)
    paths = {model: slot.path for model, slot in slots.items()}
    rom = rom_for(repl, slots, gate) if home.name == "romfs" else None
    if rom is None or rom.new:  # else ROMFS holds them all
        trouble = trouble_with(repl, paths, gate)
        if not trouble:
            select_all(repl, paths, gate)
        elif home.name == "heap" or not trouble[1].startswith("MemoryError"):
            raise refused(repl, slots, *trouble)
        if rom:
            lacks = lacks_arenas(repl, models) if trouble else ""
            if lacks:
                raise refused(repl, slots, models[-1], lacks)
            into_rom(repl, rom)
    if rom:
        paths = {model: f"{_ROM}/{model.name}" for model in models}
        trouble = trouble_with(repl, paths, gate)
        if trouble:
            if rom.new:
                restore_rom(repl, rom)
            raise refused(repl, slots, *trouble)
        select_all(repl, paths, gate)
    return tuple(
        Placed(
            model.role, model.name, path, len(model.data), sha256(model.data), home,
            sent=slots[model].sent, second=second_choice(repl, model.role, path), before=before[model],
        )
        for model, path in paths.items()
    )  # fmt: skip


def select_all(repl: RawRepl, paths: Mapping[Wanted, str], gate: str) -> None:
    """Each for its role; a gate that is no file first, as one that is a model."""
    repl.reset()  # what was tried is still on the heap
    if by_sound(gate):
        select(repl, "gate", gate)
    for model, path in paths.items():
        select(repl, model.role, path)


def second_choice(repl: RawRepl, role: str, path: str) -> str | None:
    """What a role has besides `path`."""
    return next((each for each in chosen(repl, role) if each != path), None)
