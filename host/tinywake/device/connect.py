# SPDX-License-Identifier: MIT
"""One way to a board, whether it is a program on this computer or hangs on a cable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tinywake.device.deploy import DeployReport, deploy
from tinywake.device.targets.registry import TARGETS, open_target
from tinywake.errors import ToolError

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

    counting: a target by name is one for measuring, see Target.counting. Raises DeviceError or ToolError with one line.
    """
    if target in TARGETS:
        with open_target(target, counting=counting) as board:
            yield Connection(board.port, board.directory, deploy(board.port, model, board=board.board, start=False))
    elif "/" not in target and not re.fullmatch(r"COM\d+", target, re.IGNORECASE):
        raise ToolError(f"no target {target!r} here; known: host, {', '.join(TARGETS)}, or a serial port")
    else:
        yield Connection(target, None, deploy(target, model, start=False))
