# SPDX-License-Identifier: MIT
"""What deploy did, for people and for programs; and what that takes of the board's RAM, measured there."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tinywake.device.boards import HOMES
from tinywake.device.deploy.models.wanted import Placed
from tinywake.device.deploy.plan import MAIN
from tinywake.device.firmware import Firmware
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError
from tinywake.gate import gate_named

__all__ = ["DeployReport", "Ram", "measure"]

_MEASURE = """
import gc
def free():
    gc.collect()
    return gc.mem_free()
said = [free()]
import _tinywake
said.append(free())
import tinywake.main as main
said.append(free())
kept = []
gate = None
for path in PATHS:
    gate = main.slots.level(path) if kept else None
    if gate is None:
        kept.append(main.Model(path))
        said.append(free())
trouble = ""
listener = None
if kept[0].labels:
    try:
        listener = main.Listener(kept[0], gate=kept[1] if len(kept) > 1 else gate)
        listener.report = main.Report(main.Link(main.port.write), kept[0], listener.native)
    except ValueError as error:
        trouble = str(error)
said.append(free())
arenas = [m.native.arena_bytes for m in kept]
kept = listener = None
gc.collect()
answer({"free": said, "arena": arenas, "trouble": trouble})
"""


@dataclass(frozen=True)
class Ram:
    """Heap that each thing takes, by gc.mem_free() on the board. Bytes."""

    free: int  # after a reset
    module: int  # code and constants of _tinywake
    app: int
    models: tuple[int, ...]  # of each: arena, and the file where its home is the heap; last a gate that was there
    arenas: tuple[int, ...]  # of these, the arena
    listener: int  # front end, detector, what a gate adds and what it says, without the microphone's ring
    left: int


@dataclass(frozen=True)
class DeployReport:
    """What deploy did."""

    port: str
    firmware: Firmware
    copied: tuple[str, ...]  # paths on the board
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]  # code of another version of the app
    bytes_copied: int
    module_bytes: int  # size of _tinywake.mpy; 0: compiled into the firmware
    models: tuple[Placed, ...]  # the one that hears first, then its gate
    energy_gate: str | None  # of one that is no model: "energy", or its dB
    ram: Ram
    other_models: tuple[str, ...]  # at the top of the file system, in no slot
    own_main: bool  # the board has a main.py that is the user's: it was left as it is
    listening: bool  # the app said so after the reset at the end, with the new model
    trouble: str  # what the board did instead, in a line; empty where it listens or was not started

    @property
    def model_path(self) -> str:
        """Where the model lies on the board."""
        return self.models[0].path

    @property
    def model_bytes(self) -> int:
        """Of the model's file."""
        return self.models[0].bytes

    @property
    def heap_before(self) -> int:
        """Free after a reset. Bytes."""
        return self.ram.free

    @property
    def heap_loaded(self) -> int:
        """Free with module and app imported and no model open. Bytes."""
        return self.ram.free - self.ram.module - self.ram.app

    def facts(self) -> dict[str, object]:
        """As JSON-able values."""
        first = self.models[0]
        same = {"name": first.name, "bytes": first.bytes, "sha256": first.sha256}  # as where a board goes on listening
        return {**asdict(self), **same, "firmware": str(self.firmware)}

    def lines(self) -> list[str]:
        """For people."""
        said = [
            f"{self.port}: {self.firmware}; copied {_files(len(self.copied))} ({self.bytes_copied:,} bytes), "
            f"{len(self.unchanged)} unchanged"
        ]
        for placed, taken, arena in zip(self.models, self.ram.models, self.ram.arenas, strict=False):
            said.append(
                f"{placed.role} {placed.name}: {HOMES[placed.home.name]} ({placed.home.why}); "
                f"{taken:,} bytes of RAM, of them arena {arena:,}"
            )
        ram = self.ram
        if self.energy_gate is not None:
            said.append(f"gate {gate_named(self.energy_gate)}: no model; what it takes is in the listener's")
        if len(ram.models) > len(self.models):
            said.append(
                f"the gate that the board has: {ram.models[-1]:,} bytes of RAM, of them arena {ram.arenas[-1]:,}"
            )
        said.append(
            f"heap: {ram.free:,} free after a reset, module {ram.module:,}, app {ram.app:,}, "
            f"{'models' if len(ram.models) > 1 else 'model'} {sum(ram.models):,}, listener {ram.listener:,}; "
            f"{ram.left:,} left, of which the microphone takes its ring"
        )
        return said + self.notes()

    def notes(self) -> list[str]:
        """What a person should know beside the numbers, a line each."""
        said = []
        if self.listening:
            said.append("the board listens, and will whenever it is powered: tinywake monitor " + self.port)
        elif self.trouble:
            said.append(f"the board does not listen yet: {self.trouble}")
        if self.own_main:
            does = "kept" if self.listening else "kept: let it import tinywake.main and call tinywake.main.start()"
            said.append(f"{MAIN} on the board is your own and was {does}")
        if self.removed:
            said.append(f"removed, of another version: {', '.join(self.removed)}")
        said += [f"second choice for the {each.role}: {each.second}" for each in self.models if each.second]
        if self.other_models:
            said.append(f"other models on the board, not in use: {', '.join(self.other_models)}")
        return said


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def measure(repl: RawRepl, paths: Sequence[str]) -> Ram:
    """Load module, app and models one after another and read the heap each time. The board must have been reset.

    `paths`: the model, and its gate where there is one, as the record names it. Raises DeviceError
    where they do not go together.
    """
    said: dict[str, Any] = repl.ask(f"PATHS = {list(paths)!r}\n" + _MEASURE)
    if said["trouble"]:
        raise DeviceError(f"{repl.port}: {said['trouble']}: deploy another gate, or none with --no-gate")
    free = [int(count) for count in said["free"]]
    taken = [before - after for before, after in itertools.pairwise(free)]
    return Ram(
        free=free[0],
        module=taken[0],
        app=taken[1],
        models=tuple(taken[2:-1]),
        arenas=tuple(int(count) for count in said["arena"]),
        listener=taken[-1],
        left=free[-1],
    )
