# SPDX-License-Identifier: MIT
"""One way to a board, whether it is a program on this computer or hangs on a cable."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tinywake.device.circuitpy.deploy import Order
from tinywake.device.circuitpy.image.flash import flash_with
from tinywake.device.circuitpy.image.uf2 import circuitpython_in
from tinywake.device.deploy import Choices, DeployReport, deploy
from tinywake.device.deploy.copy import copy, sha256
from tinywake.device.deploy.homes.choose import Home
from tinywake.device.deploy.models.place import place
from tinywake.device.deploy.models.wanted import ANY, Wanted
from tinywake.device.deploy.probe import HASH
from tinywake.device.deploy.slots import chosen, empty_slot, forget, select, try_open
from tinywake.device.line.hear import Wired
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.firmware import blamed, meet
from tinywake.device.targets.registry import TARGETS, check_setup, open_target
from tinywake.device.targets.target import Setup, Target
from tinywake.errors import DeviceError, ToolError

__all__ = ["Connection", "connected"]

_IN_PLACE = ("/rom/", "/flash/")  # models that are no file of the board's file system


@dataclass(frozen=True)
class Connection:
    """A board that has module, app and model, and waits at its prompt.

    directory: its file system, where that is a folder of this computer. report: None where it booted with everything,
    as CircuitPython does on an emulated chip. mic: on an emulated chip's pins.
    """

    port: str
    directory: Path | None
    report: DeployReport | None
    mic: Wired | None = None


@contextmanager
def connected(
    target: str, model: Path, *, counting: bool = False, recorder: bool = False, setup: Setup | None = None
) -> Iterator[Connection]:
    """Deploy `model` to a target by name, or to a serial port, and end the target afterwards.

    A board on a port gets back the model that it had selected, with its second choice, or none where it had none. One
    that lay in ROMFS is written there again where the other one took its place.

    counting: a target by name is one for measuring, see Target.counting. recorder: it can record. setup: of a target by
    name. Raises DeviceError or ToolError with one line.
    """
    setup = setup or Setup()
    check_setup(target, setup)
    if target in TARGETS:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tinywake-clip-")))
            setup = replace(setup, clip=folder / "mic.wav")
            if setup.firmware:
                stack.enter_context(blamed(setup.firmware))
                setup = replace(setup, flash=folder / "flash.bin")
            board = open_target(target, counting=counting, setup=setup)
            ready = _with_drive(board, setup, Order(model, board.board, recorder=recorder))
            stack.enter_context(board)
            if setup.firmware:
                meet(board, circuitpython=ready)
            report = None if ready else _deployed(board, model, recorder)
            yield Connection(board.port, board.directory, report, board.mic if setup.through else None)
    elif "/" not in target and not re.fullmatch(r"COM\d+", target, re.IGNORECASE):
        raise ToolError(f"no target {target!r} here; known: host, {', '.join(TARGETS)}, or a serial port")
    else:
        kept = _Kept()
        try:
            report = deploy(
                target, model, start=False, choices=Choices(alone=True, recorder=recorder, before=kept.take)
            )
            yield Connection(target, None, report)
        except BaseException:  # Ctrl-C too
            with suppress(DeviceError):
                kept.give_back(target)
            raise
        kept.give_back(target)


def _with_drive(board: Target, setup: Setup, order: Order) -> bool:
    """Whether the firmware is CircuitPython: then all that deploy would write is on its drive before it boots."""
    circuitpython = circuitpython_in(setup.firmware.read_bytes()) if setup.firmware else None
    if circuitpython is None:
        return False
    assert setup.flash is not None
    setup.flash.write_bytes(flash_with(circuitpython, order))
    return True


def _deployed(board: Target, model: Path, recorder: bool) -> DeployReport:
    return deploy(board.port, model, board=board.board, start=False, choices=Choices(recorder=recorder))


class _Kept:
    """What a board had as its model, of which another one may take the place."""

    def __init__(self) -> None:
        self.paths: list[str] | None = None  # best first; None: not looked at yet, so nothing was changed
        self.second: dict[str, bytes] = {}  # path and content of what it falls back on
        self.rom: Wanted | None = None  # the selected one, where that lies in ROMFS

    def take(self, repl: RawRepl) -> None:
        """Read it."""
        paths = chosen(repl, "model")
        for path in paths[1:]:
            if not path.startswith(_IN_PLACE):
                with suppress(DeviceError):  # it is gone
                    self.second[path] = repl.get(path)
        there = _digest(repl, paths[0]) if paths and paths[0].startswith("/rom/") else None
        if there is not None:
            same = (data for data in self.second.values() if sha256(data) == there)
            self.rom = Wanted("model", paths[0].removeprefix("/rom/"), next(same, None) or repl.get(paths[0]))
        self.paths = paths

    def give_back(self, port: str) -> None:
        """Have it as it was. Raises DeviceError."""
        if self.paths is None:
            return
        before = next(iter(self.paths), None)
        with RawRepl(port) as repl:
            repl.reset()
            rom = self.rom is None or _digest(repl, f"/rom/{self.rom.name}") == sha256(self.rom.data)
            lost = {path: data for path, data in self.second.items() if _digest(repl, path) != sha256(data)}
            if rom and not lost and chosen(repl, "model") == self.paths:
                return
            if self.rom is not None and not rom:
                place(repl, [self.rom], Home("romfs", "it lay there"), ANY)
            opens = before is not None and not try_open(repl, before)
            if opens or before is None:
                select(repl, "model", before)
            repl.reset()
            for path in chosen(repl, "model"):
                if opens and path not in self.paths and not path.startswith(_IN_PLACE):
                    forget(repl, [path.rpartition("/")[0]])  # the other one makes room
                    empty_slot(repl, path)
            for path, data in self.second.items():
                if _digest(repl, path) != sha256(data):
                    copy(repl, {path: data})
                if opens or not try_open(repl, path):
                    select(repl, "model", path)  # and for the one before it to be the second choice again:
            if opens:
                select(repl, "model", before)


def _digest(repl: RawRepl, path: str) -> str | None:
    said: str | None = repl.ask(HASH + f"answer(digest({path!r}))")
    return said
