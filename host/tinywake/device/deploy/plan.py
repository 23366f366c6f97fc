# SPDX-License-Identifier: MIT
"""What a board should hold besides its models, and what of that has to be sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tinywake.device.boards import board_names, load_board
from tinywake.device.deploy.copy import sha256
from tinywake.device.deploy.probe import APP, HUF_MODULE, MODULE, PDM_MODULE, PINS, REC_MODULE, Probe
from tinywake.device.firmware import ABI, app_files, how_to_build, module_for
from tinywake.device.mpy import built_for
from tinywake.errors import DeviceError, ToolError

__all__ = [
    "MAIN", "Plan", "cannot_be", "for_firmware", "make_plan", "propose", "remove_by_hand", "twins", "wanted_files",
]  # fmt: skip

MAIN = "main.py"
_MAIN_TEXT = b"import tinywake.main\ntinywake.main.start()\n"


@dataclass(frozen=True)
class Plan:
    """Of module, app, pins and main.py: what to send and what is there."""

    copies: dict[str, bytes]  # path on the board -> content
    unchanged: tuple[str, ...]
    module_bytes: int  # 0: compiled into the firmware
    own_main: bool  # main.py there is the user's


def wanted_files(board: str | None, start: bool, *, text: bool = False) -> dict[str, bytes]:
    """Path on the board -> content, of everything but module and models. Raises ToolError or ConfigError.

    text: the app as it was written, for firmware that loads no bytecode.
    """
    files = {f"{APP}/{name}": data for name, data in app_files(text=text).items()}
    if board is not None:
        files[PINS] = load_board(board).pins.read_bytes()
    if start:
        files[MAIN] = _MAIN_TEXT
    return files


def twins(files: Iterable[str]) -> list[str]:
    """Where the app's files would lie in the other form, text or bytecode. A text hides the bytecode beside it."""
    app = [path for path in files if path.startswith(f"{APP}/") and path != PINS]
    return [path.removesuffix(".mpy") + ".py" if path.endswith(".mpy") else f"{path[:-3]}.mpy" for path in app]


def for_firmware(files: dict[str, bytes], probe: Probe) -> dict[str, bytes]:
    """Of wanted_files() those for this firmware: one with the module compiled in may load other bytecode, or none, and
    CircuitPython loads no bytecode that MicroPython's compiler made.
    """
    if probe.firmware.abi == ABI and probe.firmware.name == "micropython":
        return files
    rest = {path: data for path, data in files.items() if path == PINS or not path.startswith(f"{APP}/")}
    return {**wanted_files(None, start=False, text=True), **rest}


def make_plan(
    port: str, files: dict[str, bytes], probe: Probe, board: str | None = None, *, recorder: bool = False,
    coded: bool = False,
) -> Plan:  # fmt: skip
    """Compare with what is there. `recorder`: the board is to record, too; `coded`: to decode models.

    Raises DeviceError where the board cannot take it, or is not the one that is named (`board`), and ToolError without
    a module.
    """
    module = module_for(probe.firmware, port)
    for ours, first in probe.hidden.items():
        what = f"{first} ({built_for(probe.heads[first])})" if first in probe.heads else first
        raise DeviceError(f"{port}: {what} is imported in place of {ours}: {remove_by_hand(port, first)}")
    if board is not None:
        wrong = cannot_be(probe, board)
        if wrong:
            raise DeviceError(f"{port}: {wrong[0]}; name another, as in {wrong[1]}")
    if PINS not in files and probe.digests.get(PINS) is None:
        near = propose(probe)
        raise DeviceError(
            f"{port}: the board does not know its pins yet: name it, as in --board {near[0] if near else 'UNIX'}"
            + (f" (or {', '.join(near[1:])})" if near[1:] else "")
        )
    if recorder and not module and not probe.recorder:
        raise DeviceError(
            f"{port}: the firmware has _tinywake compiled in, but not _tinywake_rec, and cannot record: build it anew "
            "with this version's firmware/module, or flash stock MicroPython"
        )
    if module:
        needed = {PDM_MODULE: b'"pdm"' in files.get(PINS, b""), REC_MODULE: recorder, HUF_MODULE: coded}
        files = {**_modules(module, needed, probe), **files}
    wanted = {path: sha256(data) for path, data in files.items()}
    own_main = MAIN in files and probe.digests.get(MAIN) not in (None, wanted[MAIN])
    if own_main:
        files = {path: data for path, data in files.items() if path != MAIN}
    copies = {path: data for path, data in files.items() if probe.digests.get(path) != wanted[path]}
    stays = [] if PINS in files else [PINS]
    return Plan(
        copies=copies,
        unchanged=(*(path for path in files if path not in copies), *stays),
        module_bytes=len(files[MODULE]) if module else 0,
        own_main=own_main,
    )


def remove_by_hand(port: str, path: str) -> str:
    """How to get rid of a file or folder that is not ours, and may be somebody's only copy."""
    how = "rm -r" if "." not in path.rpartition("/")[2] else "rm"
    return f"if you do not need it: python -m mpremote connect {port} fs {how} :{path}"


def _modules(module: Path, needed: Mapping[str, bool], probe: Probe) -> dict[str, bytes]:
    """The native module, and those beside it that the board has, or needs."""
    found = {MODULE: module.read_bytes()}
    for path, wanted in needed.items():
        if wanted or probe.digests.get(path) is not None:
            beside = module.with_name(Path(path).name)
            if not beside.is_file():
                raise ToolError(f"{beside} is missing: {how_to_build(probe.firmware.arch)}")
            found[path] = beside.read_bytes()
    return found


def cannot_be(probe: Probe, board: str) -> tuple[str, str] | None:
    """Why the board that answers cannot be `board`, and what to name in its place; None: it can be.

    Its pins would be another's. An emulated chip is no board's, and a chip that no board here has may be any.
    """
    named, firmware = load_board(board), probe.firmware
    emulated, chip = _emulated(probe), _plain(_chip(probe))
    if emulated or named.flash == "none":
        other_chip = emulated != (named.flash == "none")
    else:
        other_chip = chip in {_plain(load_board(each).chip) for each in board_names()} and chip != _plain(named.chip)
    if other_chip or (not firmware.builtin and firmware.arch not in ("none", named.arch)):
        near = propose(probe)
        what = f"is no {board} ({named.chip}, {named.arch}): {probe.machine or firmware} answers"
        return what, f"--board {near[0] if near else 'NAME'}"
    return None


def _emulated(probe: Probe) -> bool:
    """One of the boards that are a program on a computer: their firmware is ours, or MicroPython's for computers."""
    return probe.machine.startswith(("QEMU with ", "linux ", "darwin "))


def _chip(probe: Probe) -> str:
    return probe.machine.rpartition(" with ")[2]


def _plain(chip: str) -> str:
    return chip.replace("-", "").upper()


def propose(probe: Probe) -> list[str]:
    """Names under boards/ that may be this board, likeliest first; by what its firmware says of itself."""
    if probe.build in board_names():
        return [probe.build]
    name, emulated = probe.machine.rpartition(" with ")[0], _emulated(probe)
    boards = [each for each in map(load_board, board_names()) if (each.flash == "none") == emulated]
    if not emulated and probe.machine:  # a chip that says its name is no other
        boards = [board for board in boards if _plain(board.chip) == _plain(_chip(probe))]
    else:
        boards = [board for board in boards if board.arch == probe.firmware.arch]
    psram = "SPIRAM" in probe.machine
    boards.sort(key=lambda board: (board.title != name, ("SPIRAM" in board.name) != psram, "GENERIC" not in board.name))
    return [board.name for board in boards]
