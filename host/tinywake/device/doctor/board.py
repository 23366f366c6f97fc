# SPDX-License-Identifier: MIT
"""What is on a board and what is wrong with it. It is interrupted for that, and started again after."""

from __future__ import annotations

from collections.abc import Iterator

from tinywake.device.boards import Board, board_names, load_board
from tinywake.device.deploy.plan import cannot_be, for_firmware, twins, wanted_files
from tinywake.device.deploy.probe import MODULES, PINS, Probe, look
from tinywake.device.doctor.files import look_at_files, may_import
from tinywake.device.doctor.findings import Finding, fault, fine, from_error, note
from tinywake.device.doctor.models import look_at_models
from tinywake.device.firmware import module_for
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError, ToolError

__all__ = ["look_at_board"]

_PSRAM = 1 << 20  # no chip has so much RAM of its own
_ROOM = 65536  # bytes: less, and the next deploy may not find room for a second model


def look_at_board(repl: RawRepl, name: str | None) -> Iterator[Finding]:
    """Look at a board whose prompt we hold. `name`: under boards/; None: as the pins on it say."""
    repl.reset()
    files = wanted_files(None, start=True)
    probe = look(repl, [*files, *twins(files), PINS, *MODULES.values()])
    files = for_firmware(files, probe)
    board = _board(name or probe.board)
    yield from _firmware(repl.port, probe)
    wrong = cannot_be(probe, name) if name else None
    if wrong:
        yield fault("board", wrong[0], f"leave --board out, or name another, as in {wrong[1]}")
        board = _board(probe.board)
    yield from _memory(probe, board)
    yield from _room(probe)
    yield from look_at_files(repl.port, probe, files, board)
    if may_import(repl.port, probe, files):
        yield from look_at_models(repl)


def _board(name: str | None) -> Board | None:
    return load_board(name) if name in board_names() else None


def _firmware(port: str, probe: Probe) -> Iterator[Finding]:
    firmware = probe.firmware
    if firmware.name == "circuitpython" and probe.machine.startswith("linux "):
        yield note("firmware", "MicroPython with CircuitPython's name and native ABI, which is for tests (x64)")
        return
    if firmware.name != "micropython":
        version = ".".join(map(str, firmware.version))
        yield fault(
            "firmware",
            f"{firmware.name} {version} answers, neither MicroPython nor CircuitPython",
            "tinywake deploy is for these two; tinywake flash puts MicroPython on the board",
        )
        return
    try:
        module_for(firmware, port)
    except (DeviceError, ToolError) as error:
        yield from_error("firmware", error, port)
    else:
        inside = ", with the module in it" if firmware.builtin else ""
        yield fine("firmware", f"{firmware}{inside} on {probe.machine or 'a board that does not say'}")


def _memory(probe: Probe, board: Board | None) -> Iterator[Finding]:
    heap = probe.heap_free + probe.heap_used
    if board is None or board.memory is None or board.memory.heap is None:
        yield fine("heap", f"{probe.heap_free:,} bytes free after a reset")
    elif board.memory.heap > _PSRAM > heap:
        yield fault(
            "heap",
            f"{heap:,} bytes in all where {board.name} has {board.memory.heap:,}: its PSRAM is not found",
            f"flash the firmware variant {board.name}; if that is on it, the module has no PSRAM: name another --board",
        )
    elif probe.heap_free < board.memory.heap // 2:
        yield note(
            "heap",
            f"only {probe.heap_free:,} bytes free after a reset; {board.name} has {board.memory.heap:,}",
            "boot.py or other firmware may take the rest",
        )
    else:
        yield fine("heap", f"{probe.heap_free:,} bytes free after a reset")


def _room(probe: Probe) -> Iterator[Finding]:
    if probe.room is None:
        yield note("files", "the firmware does not tell how much room there is")
    elif probe.room < _ROOM:
        yield fault(
            "files",
            f"the file system is full: {probe.room:,} bytes free",
            "remove what is not needed: python -m mpremote fs ls, fs rm",
        )
    else:
        yield fine("files", f"{probe.room:,} bytes free")
