# SPDX-License-Identifier: MIT
"""Models onto a board, each into its slot and on to its home. What does not open there leaves all as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinywake import core
from tinywake.device.deploy.copy import sha256
from tinywake.device.deploy.homes.choose import Home
from tinywake.device.deploy.homes.romfs import write_romfs
from tinywake.device.deploy.homes.xip import Space, left_beside, send, survey
from tinywake.device.deploy.probe import HASH
from tinywake.device.deploy.slots import (
    Slot,
    chosen,
    empty_slot,
    fill_slot,
    find_slot,
    forget,
    has_room,
    heap_after_app,
    select,
    try_listen,
    try_open,
)
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError, FormatError, ModelError

__all__ = [
    "ANY",
    "FITS",
    "NONE",
    "Bootsel",
    "Placed",
    "Wanted",
    "check_listens",
    "gate_in_rom",
    "into_flash",
    "place",
    "read_model",
]

_ROM = "/rom"

Bootsel = Callable[[str, bytes], None]  # gives a UF2 file to the board on a port

# What place() does with a gate that the board has:
FITS = "fits"  # it must open together with the model
ANY = "any"  # it stays and is not looked at
NONE = "none"  # it goes: it need not fit

_NOT_COPIED = "MemoryError: it was not copied"  # as the board's own words begin
_TOO_LARGE = (
    "too large for its heap: a smaller model, a home in which it is read in place (--home) or another board; "
    "tinywake inspect --board NAME says what takes how much"
)

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
class _Rom:
    """Contents of ROMFS, name -> source."""

    new: dict[str, _Source]  # what it shall hold; empty: it does
    old: dict[str, _Source]  # what of it is selected, from the copies in the slots


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
    before: str | None  # the path that was selected until now; None: there was none


def read_model(role: str, path: Path) -> Wanted:
    """Read a .twm for a role. Raises DeviceError for a file that cannot be a model on a board."""
    if not path.is_file():
        raise DeviceError(f"{path}: no such model")
    if path.suffix != ".twm" or not path.name.isprintable():
        raise DeviceError(f"{path}: not a name for a model on a board: compile or rename it to NAME.twm")
    return Wanted(role, path.name, path.read_bytes())


def check_listens(models: Sequence[Wanted]) -> None:
    """Raises DeviceError where models, the one that hears last, cannot listen together.

    What is damaged is left to place(), which can say what the board keeps.
    """
    try:
        *gate, word = (_opened(model.name, model.data) for model in models)
    except FormatError:
        return
    try:
        core.Listener(word, core.Gate(gate[0]) if gate else None)
    except ModelError as error:
        raise DeviceError(str(error)) from error


def place(repl: RawRepl, models: Sequence[Wanted], home: Home, gate: str = FITS) -> tuple[Placed, ...]:
    """Put models into their home, open them there together and select each, in the order given.

    gate: what happens to the one on the board, where none is given. The app must be on the board. Raises DeviceError;
    what the board listened with before is then still selected.
    """
    before = {model: next(iter(chosen(repl, model.role)), None) for model in models}
    slots = {model: find_slot(repl, model.role, model.name, model.data) for model in models}
    if any(slot.sent for slot in slots.values()):
        _check(repl, slots, home, gate)
    for model, slot in slots.items():
        fill_slot(repl, slot, model.data)
    paths = {model: slot.path for model, slot in slots.items()}
    rom = _rom(repl, slots, gate) if home.name == "romfs" else None
    if rom is None or rom.new:  # else ROMFS holds them all
        trouble = _trouble(repl, paths, gate)
        if not trouble:
            _select(repl, paths)
        elif home.name == "heap" or not trouble[1].startswith("MemoryError"):
            raise _refused(repl, slots, *trouble)
        if rom:
            if trouble:
                _check_arenas(repl, slots)
            _into_rom(repl, rom)
    if rom:
        paths = {model: f"{_ROM}/{model.name}" for model in models}
        trouble = _trouble(repl, paths, gate)
        if trouble:
            if rom.new:
                _restore(repl, rom)
            raise _refused(repl, slots, *trouble)
        _select(repl, paths)
    return tuple(
        Placed(
            model.role, model.name, path, len(model.data), sha256(model.data), home,
            sent=slots[model].sent, second=_second(repl, model.role, path), before=before[model],
        )
        for model, path in paths.items()
    )  # fmt: skip


def gate_in_rom(repl: RawRepl, models: Sequence[Wanted], gate: str) -> tuple[str, int] | None:
    """Name and bytes of a gate that lies in ROMFS and stays there beside these models; None: there is none."""
    if gate == NONE or any(model.role == "gate" for model in models):
        return None
    held = repl.ask(HASH + _IN_ROM)["held"].get("gate")
    return None if held is None else (str(held[0]), int(held[2]))


def into_flash(
    port: str, space: Space, model: Wanted, placed: Sequence[Placed], gate: str, bootsel: Bootsel | None
) -> Placed:
    """Move a model on from its slot into the RP2040's flash, where it is read in place; the slot is second choice.

    placed, gate: as place() gave and took them; a gate that was given is selected with the model, if it was not yet.
    Raises DeviceError; the slot stays selected.
    """
    lying = space.find(model.name, model.data)
    if lying is None:
        with RawRepl(port) as repl:
            left = {each.path for each in left_beside(space, len(model.data))}
            gone = [path for path in chosen(repl, model.role) if path.startswith("/flash/") and path not in left]
            forget(repl, [path.rpartition("/")[0] for path in gone])
        send(port, space, model.name, model.data, bootsel)
    with RawRepl(port) as repl:
        repl.reset()
        now = survey(repl)
        lying = now.find(model.name, model.data) if now else None
        if lying is None:
            raise DeviceError(f"{port}: {model.name} is not in flash after writing: try again, or leave --home out")
        *given, word = placed
        gates = [each.path for each in given] or _gates(repl, gate)
        trouble = try_listen(repl, lying.path, gates)
        if trouble:
            way_out = _way_out(gates) or ": try again, or leave --home out"
            raise DeviceError(f"{port}: {lying.path} does not open ({trouble}){way_out}")
        repl.reset()
        for each in given:
            select(repl, each.role, each.path)
        select(repl, model.role, lying.path)
        return replace(word, path=lying.path, second=_second(repl, model.role, lying.path))


def _check(repl: RawRepl, slots: Mapping[Wanted, Slot], home: Home, gate: str) -> None:
    """All that can be known before a slot is written, whose model is then no longer to be had. Raises DeviceError."""
    nothing = {model: replace(slot, sent=False) for model, slot in slots.items()}
    *given, word = slots
    opened = {}
    for model in slots:
        try:
            opened[model] = _opened(model.name, model.data)
        except FormatError as error:
            raise _refused(repl, nothing, model, str(error)) from error
    behind = [opened[each] for each in given] or _gate_there(repl, gate)
    if behind and opened[word].listens:
        try:
            core.Listener(opened[word], core.Gate(behind[0]))
        except ModelError as error:
            raise _refused(repl, nothing, word, str(error) + _way_out(["gate"])) from error
    has_room(repl, {slot.path: model.data for model, slot in slots.items() if slot.sent})
    if home.name == "heap":
        needs = {model: (len(model.data), opened[model].arena_bytes) for model in slots}
        heap = heap_after_app(repl)
        for model, need in needs.items():
            if heap.lacks(need):
                raise _refused(repl, nothing, model, _NOT_COPIED)
        if heap.lacks([size for need in needs.values() for size in need]):
            raise _refused(repl, nothing, word, _NOT_COPIED + _way_out(["gate"]))
        repl.reset()  # the app gives its room to what copies


def _opened(name: str, data: bytes) -> core.Model:
    model = core.Model(data, Path(name).stem)
    model.verify()
    return model


def _gate_there(repl: RawRepl, gate: str) -> list[core.Model]:
    """The first of the board's gates that is whole, where one stays and counts."""
    for path in _gates(repl, gate):
        with contextlib.suppress(FormatError, DeviceError):
            return [_opened(Path(path).name, repl.get(path))]
    return []


def _second(repl: RawRepl, role: str, path: str) -> str | None:
    return next((each for each in chosen(repl, role) if each != path), None)


def _select(repl: RawRepl, paths: Mapping[Wanted, str]) -> None:
    repl.reset()  # what was tried is still on the heap
    for model, path in paths.items():
        select(repl, model.role, path)


def _gates(repl: RawRepl, gate: str) -> list[str]:
    return chosen(repl, "gate") if gate == FITS else []


def _trouble(repl: RawRepl, paths: Mapping[Wanted, str], gate: str) -> tuple[Wanted, str] | None:
    """What does not open, by itself or together with the others, and what the board says of it."""
    for model, path in paths.items():
        trouble = try_open(repl, path)
        if trouble:
            return model, trouble
    *given, word = paths
    gates = [paths[each] for each in given] or _gates(repl, gate)
    trouble = try_listen(repl, paths[word], gates)
    return (word, trouble + _way_out(gates)) if trouble else None


def _way_out(gates: Sequence[str]) -> str:
    return ": deploy another gate, or none with --no-gate" if gates else ""


def _refused(repl: RawRepl, slots: Mapping[Wanted, Slot], model: Wanted, trouble: str) -> DeviceError:
    repl.reset()
    for slot in slots.values():
        if slot.sent:
            empty_slot(repl, slot.path)
    before = chosen(repl, model.role)
    kept = next((path for path in before if not try_open(repl, path)), None)
    none = f"what it has as {model.role} does not open either" if before else f"it has no {model.role} yet"
    if trouble.startswith("MemoryError"):
        what, colon, way_out = trouble.partition(": deploy another gate")
        way_out = colon + way_out or f": {_TOO_LARGE}"
        trouble = f"{what}: {', '.join(map(_needs, slots))}; {heap_after_app(repl).words()}{way_out}"
    return DeviceError(
        f"{repl.port}: {model.name} does not open on the board ({trouble}); {f'it keeps {kept}' if kept else none}"
    )


def _needs(model: Wanted) -> str:
    """In one piece each; the file none where it is read in place."""
    arena = int.from_bytes(model.data[12:16], "little")  # models/SPEC.md, Header
    return f"{model.name} takes {len(model.data):,} bytes and an arena of {arena:,}"


def _rom(repl: RawRepl, slots: Mapping[Wanted, Slot], gate: str) -> _Rom:
    """What ROMFS shall hold and holds. A gate there stays, unless another comes or it is to go."""
    said: dict[str, Any] = repl.ask(HASH + _IN_ROM)
    held: dict[str, tuple[str, _Source]] = {
        role: (name, (path, int(size), digest)) for role, (name, path, size, digest) in said["held"].items()
    }
    new: dict[str, _Source] = {
        model.name: (slot.path, len(model.data), sha256(model.data)) for model, slot in slots.items()
    }
    if len(new) < len(slots):
        raise DeviceError(f"{repl.port}: model and gate have the same file name: rename one")
    if "gate" in held and gate != NONE and all(model.role != "gate" for model in slots):
        name, source = held["gate"]
        new[name] = source
    there = said["there"] == {name: digest for name, (_, _, digest) in new.items()}
    return _Rom({} if there else new, dict(held.values()))


def _check_arenas(repl: RawRepl, slots: Mapping[Wanted, Slot]) -> None:
    """Before ROMFS is written with models that could not be opened yet: that their arenas find room on the heap."""
    sizes = [int.from_bytes(model.data[12:16], "little") for model in slots]  # models/SPEC.md, Header
    repl.reset()
    trouble: str = repl.ask(f"SIZES = {[*sizes, _SLACK]!r}\n" + _ALLOCATES)
    if trouble:
        raise _refused(repl, slots, list(slots)[-1], trouble)


def _into_rom(repl: RawRepl, rom: _Rom) -> None:
    try:
        found = write_romfs(repl, {name: (path, size) for name, (path, size, _) in rom.new.items()})
    except DeviceError:
        with contextlib.suppress(DeviceError):
            _restore(repl, rom)
        raise
    except KeyboardInterrupt:
        raise DeviceError(
            f"{repl.port}: interrupted while ROMFS was written: it holds no model now, and the board listens with the "
            "copies in its slots as far as its heap has room: run tinywake deploy again"
        ) from None
    bad = [name for name, (_, _, digest) in rom.new.items() if found.get(name) != digest]
    if bad:
        _restore(repl, rom)
        raise DeviceError(f"{repl.port}: {bad[0]} reads back damaged from ROMFS: try again, or with --home heap")


def _restore(repl: RawRepl, rom: _Rom) -> None:
    """Write what ROMFS held, unless its copies have made way: then a slot has what is selected."""
    repl.reset()
    wanted = {path: digest for path, _, digest in rom.old.values()}
    there: dict[str, str | None] = repl.ask(HASH + f"answer({{path: digest(path) for path in {list(wanted)!r}}})")
    if wanted and there == wanted:
        write_romfs(repl, {name: (path, size) for name, (path, size, _) in rom.old.items()})
