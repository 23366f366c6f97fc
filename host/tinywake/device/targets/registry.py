# SPDX-License-Identifier: MIT
"""The emulated boards by name.

with open_target("unix") as board:
    deploy(board.port, model, board=board.board)
"""

from __future__ import annotations

from tinywake.device.targets.qemu import QemuArmv6m, QemuArmv7em, QemuMicrobit, QemuRv32imc, QemuXtensawin
from tinywake.device.targets.rp2040 import RP2040Board
from tinywake.device.targets.target import Target
from tinywake.device.targets.unix import UnixBoard
from tinywake.errors import ToolError

__all__ = ["TARGETS", "open_target"]

TARGETS: dict[str, type[Target]] = {
    "unix": UnixBoard,
    "qemu-armv6m": QemuArmv6m,
    "qemu-armv7em": QemuArmv7em,
    "qemu-microbit": QemuMicrobit,
    "qemu-rv32imc": QemuRv32imc,
    "qemu-xtensawin": QemuXtensawin,
    "rp2040": RP2040Board,
}


def open_target(name: str, *, counting: bool = False) -> Target:
    """The emulated board of that name, not started yet. Raises ToolError where it cannot run here.

    counting: see Target.counting.
    """
    if name not in TARGETS:
        raise ToolError(f"no target {name}; known: {', '.join(TARGETS)}")
    lacking = TARGETS[name].available()
    if lacking:
        raise ToolError(lacking)
    return TARGETS[name].counting() if counting else TARGETS[name]()
