# SPDX-License-Identifier: MIT
"""The emulated boards by name.

with open_target("unix") as board:
    deploy(board.port, model, board=board.board)
"""

from __future__ import annotations

from tinywake.device.targets.target import Target
from tinywake.device.targets.unix import UnixBoard
from tinywake.errors import ToolError

__all__ = ["TARGETS", "open_target"]

TARGETS: dict[str, type[Target]] = {"unix": UnixBoard}


def open_target(name: str) -> Target:
    """The emulated board of that name, not started yet. Raises ToolError where it cannot run here."""
    if name not in TARGETS:
        raise ToolError(f"no target {name}; known: {', '.join(TARGETS)}")
    lacking = TARGETS[name].available()
    if lacking:
        raise ToolError(lacking)
    return TARGETS[name]()
