# SPDX-License-Identifier: MIT
"""What is on a board with CircuitPython and what is wrong with it; nothing there is imported or written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tinywake.coded import is_coded
from tinywake.device.circuitpy.app import KINDS, PINS, app_for_circuitpython, kinds_for, module_path, modules_for
from tinywake.device.circuitpy.deploy.plan import MAIN, board_of, hiding
from tinywake.device.circuitpy.deploy.record import read_record
from tinywake.device.circuitpy.facts import Facts, which_to_install, why_no_modules
from tinywake.device.circuitpy.files import Files
from tinywake.device.circuitpy.hearing import why_deaf
from tinywake.device.deploy.copy import sha256
from tinywake.device.doctor.findings import Finding, fault, fine, note
from tinywake.device.firmware import Firmware, read_mpy
from tinywake.device.mpy import HEAD_BYTES, built_for, why_refused
from tinywake.errors import DeviceError, ToolError

__all__ = ["look_at_facts", "look_at_files"]

_ROOM = 65536  # bytes: less, and the next deploy may not find room for a second model
_DEPLOY = "tinywake deploy --model MODEL.twm"
_STARTS = "tinywake.main.run()"

Hash = Callable[[list[str]], Mapping[str, str | None]]


def look_at_facts(facts: Facts, name: str | None) -> Iterator[Finding]:
    """Its version, its state, whether it can hear. `name`: under boards/; None: by its id."""
    old = why_no_modules(facts)
    if old:
        remedy = which_to_install(facts.chip) + " (tinywake flash --firmware FILE)"
        yield fault("firmware", f"CircuitPython {facts.version} {old.partition(':')[0]}", remedy)
    else:
        yield fine("firmware", f"{facts} ({facts.arch})")
    if facts.safe_mode:
        yield fault(
            "firmware",
            f"the board is in safe mode ({facts.safe_mode}) and runs no {MAIN}",
            "press its reset button; if it comes back to it, docs/circuitpython.md",
        )
    if facts.heap_free is not None:
        yield fine("heap", f"{facts.heap_free:,} bytes free after a reset")
    try:
        board = board_of("the board", facts, name)
    except DeviceError as error:
        yield fault("board", str(error).partition(": ")[2], "leave --board out, or name another")
        board = None
    pins = board.pins.read_bytes() if board else b""
    deaf = why_deaf(facts, "pdm" if b'"pdm"' in pins else "i2s")
    if deaf:
        yield fault(
            "microphone", deaf, "it runs networks, but does not listen: docs/circuitpython.md says which chips do"
        )
    elif facts.modules is not None:
        yield fine("microphone", f"the build has {', '.join(facts.modules)}")
    else:
        yield note("microphone", "the drive does not say what is in the build", "name the board's port, too")


def look_at_files(facts: Facts, files: Files, hashed: Hash) -> Iterator[Finding]:
    """What is there, by its hashes: as the board sees it where that answers."""
    yield from _room(files)
    for path, what in hiding(files):
        yield fault(
            "module" if "_tinywake" in path else "app",
            f"{path} ({what}) is imported in place of ours",
            f"remove {path}",
        )
    wanted = app_for_circuitpython()
    there = hashed(list(wanted))
    missing = [path for path in wanted if there[path] != sha256(wanted[path])]
    if all(there[path] is None for path in wanted):
        yield note("app", "tinywake is not on the board yet", _DEPLOY)
        return
    if missing:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        yield fault("app", f"{len(missing)} file(s) damaged, missing or of another version: {shown}", _DEPLOY)
    else:
        yield fine("app", "all files are this version's")
    pins = files.read(PINS)
    yield fault("pins", f"{PINS} is missing", f"{_DEPLOY} --board NAME") if pins is None else _pins(pins)
    yield from _modules(facts, files, pins or b"", hashed)
    yield from _models(files, hashed)
    yield from _start(files)


def _room(files: Files) -> Iterator[Finding]:
    room = files.room()
    if room is None:
        yield note("files", "the system does not tell how much room there is")
    elif room[0] * room[1] < _ROOM:
        yield fault("files", f"the drive is full: {room[0] * room[1]:,} bytes free", "remove what is not needed")
    else:
        yield fine("files", f"{room[0] * room[1]:,} bytes free")


def _pins(pins: bytes) -> Finding:
    board = next((line.split('"')[1] for line in pins.decode("utf-8", "replace").splitlines()
                  if line.startswith("BOARD") and line.count('"') > 1), None)  # fmt: skip
    return fine("pins", f"of {board}") if board else note("pins", f"{PINS} names no BOARD")


def _modules(facts: Facts, files: Files, pins: bytes, hashed: Hash) -> Iterator[Finding]:
    try:
        built = modules_for(facts.arch)
    except ToolError as error:
        yield note("module", str(error))
        return
    paths = {kind: module_path(facts.arch, kind) for kind in KINDS}
    there = hashed(list(paths.values()))
    wanted = kinds_for(pins, built, ["_huf"] if _coded(files) else [])
    for kind, path in paths.items():
        if there[path] is None:
            if kind in wanted:
                yield fault("module", f"{path} is missing", _DEPLOY)
            continue
        head = (files.read(path) or b"")[:HEAD_BYTES]
        refused = why_refused(head, _firmware(facts), native=True)
        if refused:
            yield fault("module", f"{path} {refused}", _DEPLOY)
        elif there[path] != sha256(built.get(kind, b"")):
            yield fault("module", f"{path} ({built_for(head)}) is damaged or of another version", _DEPLOY)
        else:
            yield fine("module", f"{path}, whole")


def _coded(files: Files) -> bool:
    """Whether a model that may be opened is coded."""
    record = read_record(files)
    return any(is_coded(files.read(path) or b"") for path in record.named() if "/" in path)


def _firmware(facts: Facts) -> Firmware:
    abi = read_mpy(facts.mpy)[1] if facts.mpy else None
    return Firmware("circuitpython", (), abi, facts.arch, builtin=False)


def _models(files: Files, hashed: Hash) -> Iterator[Finding]:
    record = read_record(files)
    roles = [key for key in record.entries if "." not in key]
    if "model" not in roles:
        yield fault("model", "none is selected", _DEPLOY)
    for role in roles:
        path = record.entries[role]
        if "/" not in path:
            yield fine(role, f"{path}, which is no file")
            continue
        digest = hashed([path])[path]
        said = record.digest(path)
        if digest is None:
            yield fault(role, f"{path} is missing", _DEPLOY)
        elif said and not digest.startswith(said):
            yield fault(role, f"{path} is damaged: its SHA-256 is not the one of the record", _DEPLOY)
        else:
            yield fine(role, path)


def _start(files: Files) -> Iterator[Finding]:
    top = files.names("")
    first = next((each for each in ("code.txt", MAIN, "main.py", "main.txt") if each in top), None)
    if first is None:
        yield note(MAIN, "there is none: the board does not listen by itself", f"{_DEPLOY} --main")
        return
    silent = [each for each in (MAIN, "main.py") if each in top and each != first]
    if silent:
        yield note(first, f"is run in place of {' and '.join(silent)}")
    if _STARTS.encode() not in (files.read(first) or b""):
        yield note(first, "is your own", f"let it call {_STARTS}, or use the library as docs/circuitpython.md has it")
    else:
        yield fine(first, "starts tinywake")
