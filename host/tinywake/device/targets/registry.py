# SPDX-License-Identifier: MIT
"""The emulated boards by name.

with open_target("unix") as board:
    deploy(board.port, model, board=board.board)
"""

from __future__ import annotations

from tinywake.device.targets.circuitpython import CircuitPythonBoard
from tinywake.device.targets.qemu import QemuArmv6m, QemuArmv7em, QemuMicrobit, QemuRv32imc, QemuXtensawin
from tinywake.device.targets.rp2040 import RP2040Board
from tinywake.device.targets.target import Setup, Target
from tinywake.device.targets.unix import UnixBoard
from tinywake.errors import ToolError

__all__ = ["TARGETS", "check_setup", "open_target"]

TARGETS: dict[str, type[Target]] = {
    "unix": UnixBoard,
    "qemu-armv6m": QemuArmv6m,
    "qemu-armv7em": QemuArmv7em,
    "qemu-microbit": QemuMicrobit,
    "qemu-rv32imc": QemuRv32imc,
    "qemu-xtensawin": QemuXtensawin,
    "rp2040": RP2040Board,
    "circuitpython": CircuitPythonBoard,
}


def open_target(name: str, *, counting: bool = False, setup: Setup | None = None) -> Target:
    """The emulated board of that name, not started yet. Raises ToolError where it cannot run here, or not like that.

    counting: see Target.counting.
    """
    if name not in TARGETS:
        raise ToolError(f"no target {name}; known: {', '.join(TARGETS)}")
    setup = setup or Setup()
    check_setup(name, setup)
    lacking = TARGETS[name].available()
    if lacking:
        raise ToolError(lacking)
    return TARGETS[name].counting() if counting else TARGETS[name].set_up(setup)


def check_setup(target: str, setup: Setup) -> None:
    """Raises ToolError where a target, "host" and ports included, cannot be set up like that."""
    able = {name: each for name, each in TARGETS.items() if each.runs_any and each.microphones}
    for option, value in (("--firmware", setup.firmware), ("--through", setup.through)):
        if value is not None and target not in able:
            raise ToolError(f"{target}: {option} is for emulated chips that have it: --target {', '.join(able)}")
    if setup.through is not None and setup.through not in able[target].microphones:
        raise ToolError(f"no microphone {setup.through!r} for {target}; known: {', '.join(able[target].microphones)}")
