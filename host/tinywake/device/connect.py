# SPDX-License-Identifier: MIT
"""One way to a board, whether it is a program on this computer or hangs on a cable."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tinywake.device.deploy import Choices, DeployReport, deploy
from tinywake.device.deploy.copy import copy
from tinywake.device.deploy.slots import chosen, select, try_open
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.registry import TARGETS, open_target
from tinywake.errors import DeviceError, ToolError

__all__ = ["Connection", "connected"]


@dataclass(frozen=True)
class Connection:
    """A board that has module, app and model, and waits at its prompt.

    directory: its file system, where that is a folder of this computer.
    """

    port: str
    directory: Path | None
    report: DeployReport


@contextmanager
def connected(target: str, model: Path, *, counting: bool = False) -> Iterator[Connection]:
    """Deploy `model` to a target by name, or to a serial port, and end the target afterwards.

    A board on a port gets back the model that it had selected, as far as that still opens (one that lay in ROMFS may
    have been written over), and its second choice.

    counting: a target by name is one for measuring, see Target.counting. Raises DeviceError or ToolError with one line.
    """
    if target in TARGETS:
        with open_target(target, counting=counting) as board:
            yield Connection(board.port, board.directory, deploy(board.port, model, board=board.board, start=False))
    elif "/" not in target and not re.fullmatch(r"COM\d+", target, re.IGNORECASE):
        raise ToolError(f"no target {target!r} here; known: host, {', '.join(TARGETS)}, or a serial port")
    else:
        second: dict[str, bytes] = {}
        choices = Choices(alone=True, before=lambda repl: second.update(_second_choice(repl)))
        report = deploy(target, model, start=False, choices=choices)
        try:
            yield Connection(target, None, report)
        except BaseException:  # Ctrl-C too
            with suppress(DeviceError):
                _give_back(target, report, second)
            raise
        _give_back(target, report, second)


def _second_choice(repl: RawRepl) -> dict[str, bytes]:
    """Path and content of the model that a board falls back on, whose slot the new one may take; empty: it has none."""
    paths = [path for path in chosen(repl, "model")[1:] if not path.startswith(("/rom/", "/flash/"))]
    return {path: repl.get(path) for path in paths}


def _give_back(port: str, report: DeployReport, second: Mapping[str, bytes]) -> None:
    before = report.models[0].before
    if before is None or before == report.model_path:
        return
    with RawRepl(port) as repl:
        opens = not try_open(repl, before)
        if opens:
            select(repl, "model", before)
        repl.reset()
        for path, data in second.items():
            copy(repl, {path: data})
            if opens or not try_open(repl, path):
                select(repl, "model", path)  # and for the one before it to be the second choice again:
        if opens:
            select(repl, "model", before)
