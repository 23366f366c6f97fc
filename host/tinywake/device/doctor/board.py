# SPDX-License-Identifier: MIT
"""What is on a board and what is wrong with it. It is interrupted for that, and started again after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tinywake.device.boards import Board, board_names, load_board
from tinywake.device.deploy.copy import sha256
from tinywake.device.deploy.plan import MAIN, for_firmware, propose, twins, wanted_files
from tinywake.device.deploy.probe import MODULE, PINS, Probe, look
from tinywake.device.deploy.report import measure
from tinywake.device.deploy.slots import heap_after_app
from tinywake.device.doctor.findings import Finding, fault, fine, from_error, note
from tinywake.device.firmware import module_for
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError, ToolError

__all__ = ["look_at_board"]

_PSRAM = 1 << 20  # no chip has so much RAM of its own
_ROOM = 65536  # bytes: less, and the next deploy may not find room for a second model
_DEPLOY = "tinywake deploy PORT --model MODEL.twm"

# Each file is read once, in small pieces, and needs no heap: the checksums of models/SPEC.md. What lies in
# the RP2's flash is no file: the app finds it, and it is read where it lies.
_MODELS = """
import os
from binascii import crc32
def wrong(path):
    try:
        f = InPlace(path) if path.startswith("/flash/") else open(path, "rb")
    except OSError:
        return "is missing"
    head = f.read(32)
    if len(head) < 32 or bytes(head[:4]) != b"TWM\\x1a":
        return "is no model"
    number = lambda at: int.from_bytes(head[at : at + 4], "little")
    table = f.read(12 * int.from_bytes(head[6:8], "little"))
    if crc32(table, crc32(head[:28])) != number(28):
        return "has a damaged header"
    left = number(8) - 32 - len(table)
    crc = 0
    while left > 0:
        piece = f.read(min(512, left))
        if not piece:
            return "is cut short"
        crc = crc32(piece, crc)
        left -= len(piece)
    return "" if crc == number(20) else "is damaged"
class InPlace:
    def __init__(self, path):
        from tinywake.port import port
        self.left = memoryview(port.read_file(path))
    def read(self, count):
        piece, self.left = self.left[:count], self.left[count:]
        return piece
from tinywake import slots
answer([[role, path, wrong(path)] for role in ("model", "gate") for path in slots.paths(role)
        if slots.level(path) is None])
"""


def look_at_board(repl: RawRepl, name: str | None) -> Iterator[Finding]:
    """Look at a board whose prompt we hold. `name`: under boards/; None: as the pins on it say."""
    repl.reset()
    files = wanted_files(None, start=True)
    probe = look(repl, [*files, *twins(files), PINS, MODULE])
    files = for_firmware(files, probe)
    board = _board(name or probe.board)
    yield from _firmware(repl.port, probe)
    yield from _memory(probe, board)
    yield from _room(probe)
    yield from _files(repl.port, probe, files, board)
    if _may_import(repl.port, probe, files):
        yield from _models(repl)


def _board(name: str | None) -> Board | None:
    return load_board(name) if name in board_names() else None


def _firmware(port: str, probe: Probe) -> Iterator[Finding]:
    firmware = probe.firmware
    if firmware.name != "micropython":
        version = ".".join(map(str, firmware.version))
        yield fault(
            "firmware",
            f"{firmware.name} {version} answers, not MicroPython",
            "tinywake deploy is for MicroPython; tinywake flash puts it on the board",
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


def _may_import(port: str, probe: Probe, files: dict[str, bytes]) -> bool:
    """Whether app and module are all there, and the module whole: to import half of one may never return."""
    if any(probe.digests.get(path) is None for path in files if path != MAIN) or _hidden(probe, files):
        return False
    try:
        module = module_for(probe.firmware, port)
    except (DeviceError, ToolError):
        return False
    return probe.digests.get(PINS) is not None and (
        module is None or probe.digests.get(MODULE) == sha256(module.read_bytes())
    )


def _hidden(probe: Probe, files: dict[str, bytes]) -> list[str]:
    """Texts that an older version or its user left beside our bytecode: MicroPython imports them first."""
    texts = [path for path in twins(files) if path.endswith(".py")]
    return [path for path in texts if probe.digests.get(path) and probe.digests.get(path[:-3] + ".mpy")]


def _files(port: str, probe: Probe, files: dict[str, bytes], board: Board | None) -> Iterator[Finding]:
    deploy = _DEPLOY.replace("PORT", port)
    app = [path for path in files if path != MAIN]
    if all(probe.digests.get(path) is None for path in app):
        near = propose(probe)
        yield note("app", "tinywake is not on the board yet", f"{deploy} --board {near[0] if near else 'NAME'}")
        return
    other = [path for path in app if probe.digests.get(path) != sha256(files[path])]
    hidden = _hidden(probe, files)
    if hidden:
        yield fault("app", f"{hidden[0]} is imported in place of this version's bytecode beside it", deploy)
    elif other:
        shown = ", ".join(other[:3]) + (", ..." if len(other) > 3 else "")
        yield fault("app", f"{len(other)} file(s) damaged, missing or of another version: {shown}", deploy)
    else:
        yield fine("app", "all files are this version's")
    yield from _module(port, probe, deploy)
    yield _pins(probe, board, deploy)
    if probe.digests.get(MAIN) is None:
        yield note("main.py", "there is none: the board does not listen by itself", deploy)
    elif probe.digests[MAIN] != sha256(files[MAIN]):
        yield note(
            "main.py",
            "is your own; deploy leaves it alone",
            "let it import tinywake.main and call tinywake.main.start()",
        )


def _module(port: str, probe: Probe, deploy: str) -> Iterator[Finding]:
    try:
        module = module_for(probe.firmware, port)
    except (DeviceError, ToolError):
        return  # said above
    if module is None:
        return
    there = probe.digests.get(MODULE)
    if there is None:
        yield fault("module", f"{MODULE} is missing", deploy)
    elif there != sha256(module.read_bytes()):
        yield fault("module", f"{MODULE} is damaged or of another version", deploy)
    else:
        yield fine("module", f"for {module.parent.name.partition('_')[0]}, whole")


def _pins(probe: Probe, board: Board | None, deploy: str) -> Finding:
    near = propose(probe)
    if probe.digests.get(PINS) is None:
        return fault("pins", f"{PINS} is missing", f"{deploy} --board {near[0] if near else 'NAME'}")
    if board is None:
        return note("pins", f"of a board that is not under boards/: {probe.board}")
    if near and board.name not in near and load_board(near[0]).chip != board.chip:
        return fault(
            "pins",
            f"are those of {board.name}, the firmware calls itself {probe.machine}",
            f"{deploy} --board {near[0]}",
        )
    if probe.digests[PINS] != sha256(board.pins.read_bytes()):
        return note("pins", f"of {board.name}, changed on the board")
    return fine("pins", f"of {board.name}")


def _models(repl: RawRepl) -> Iterator[Finding]:
    checked: list[list[Any]] = repl.ask(_MODELS)
    if not checked:
        yield note("model", "none is selected", _DEPLOY.replace("PORT", repl.port))
    usable: dict[str, str] = {}
    for role, path, wrong in checked:
        if not wrong:
            usable.setdefault(role, path)
            yield fine(role, f"{path} is whole")
        else:
            yield fault(role, f"{path} {wrong}", _DEPLOY.replace("PORT", repl.port))
    if "model" in usable:
        yield _fits(repl, list(usable.values()))


def _fits(repl: RawRepl, paths: list[str]) -> Finding:
    repl.reset()
    try:
        ram = measure(repl, paths)
    except DeviceError as error:
        what = str(error).removeprefix(f"{repl.port}: ")
        if "MemoryError" in what:
            return fault(
                "model",
                f"does not fit the heap: {what}; {heap_after_app(repl).words()}",
                "tinywake inspect MODEL.twm --board NAME says what takes how much",
            )
        return fault("model", f"does not open: {what}", _DEPLOY.replace("PORT", repl.port))
    return fine("model", f"opens; {ram.left:,} bytes of heap left with it, without the microphone")
