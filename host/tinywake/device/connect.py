# SPDX-License-Identifier: MIT
"""One way to a board, whether it is a program on this computer or hangs on a cable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tinywake.device.deploy import Choices, DeployReport, deploy
from tinywake.device.deploy.slots import select, try_open
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

    A board on a port gets back the model that it had selected, as far as that still opens: one that lay in ROMFS may
    have been written over.

    counting: a target by name is one for measuring, see Target.counting. Raises DeviceError or ToolError with one line.
    """
    if target in TARGETS:
        with open_target(target, counting=counting) as board:
            yield Connection(board.port, board.directory, deploy(board.port, model, board=board.board, start=False))
    elif "/" not in target and not re.fullmatch(r"COM\d+", target, re.IGNORECASE):
        raise ToolError(f"no target {target!r} here; known: host, {', '.join(TARGETS)}, or a serial port")
    else:
        report = deploy(target, model, start=False, choices=Choices(alone=True))
        try:
            yield Connection(target, None, report)
        except BaseException:  # Ctrl-C too
            with suppress(DeviceError):
                _give_back(target, report)
            raise
        _give_back(target, report)


def _give_back(port: str, report: DeployReport) -> None:
    before = report.models[0].before
    if before is not None and before != report.model_path:
        with RawRepl(port) as repl:
            if not try_open(repl, before):
                select(repl, "model", before)
