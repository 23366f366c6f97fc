# SPDX-License-Identifier: MIT
"""Module, app, pins and main.py on a board: whole, of this version, made for it, and what is imported at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tinywake import __version__
from tinywake.device.boards import Board
from tinywake.device.deploy.copy import sha256
from tinywake.device.deploy.plan import MAIN, cannot_be, propose, remove_by_hand, twins
from tinywake.device.deploy.probe import APP, MODULE, MODULES, PINS, Probe
from tinywake.device.doctor.findings import Finding, fault, fine, note
from tinywake.device.firmware import module_for
from tinywake.device.mpy import built_for, why_refused
from tinywake.errors import DeviceError, ToolError

__all__ = ["DEPLOY", "look_at_files", "may_import"]

DEPLOY = "tinywake deploy PORT --model MODEL.twm"


def may_import(port: str, probe: Probe, files: dict[str, bytes]) -> bool:
    """Whether app and module are all there, and the module whole: to import half of one may never return."""
    if probe.hidden or not (probe.app or _app_is_there(probe, files)):
        return False
    try:
        module = module_for(probe.firmware, port)
    except (DeviceError, ToolError):
        return False
    return module is None or probe.digests.get(MODULE) == sha256(module.read_bytes())


def _app_is_there(probe: Probe, files: dict[str, bytes]) -> bool:
    app = [PINS, *(path for path in files if path != MAIN)]
    return not _texts(probe, files) and not any(
        probe.digests.get(path) is None or _refused(probe, path) for path in app
    )


def look_at_files(port: str, probe: Probe, files: dict[str, bytes], board: Board | None) -> Iterator[Finding]:
    """`files`: path -> what should be there; `board`: whose pins they should be, None: it is not known."""
    deploy = DEPLOY.replace("PORT", port)
    yield from _hidden(port, probe)
    if probe.app:
        yield from _built_in(port, probe, deploy)
        return
    app = [path for path in files if path != MAIN]
    if all(probe.digests.get(path) is None for path in app):
        near = propose(probe)
        yield note("app", "tinywake is not on the board yet", f"{deploy} --board {near[0] if near else 'NAME'}")
        if probe.digests.get(MODULE):
            yield from _modules(port, probe, deploy)
        return
    yield _app(probe, files, deploy)
    yield from _modules(port, probe, deploy)
    yield _pins(probe, board, deploy)
    if probe.digests.get(MAIN) is None:
        yield note("main.py", "there is none: the board does not listen by itself", deploy)
    elif probe.digests[MAIN] != sha256(files[MAIN]):
        yield note(
            "main.py",
            "is your own; deploy leaves it alone",
            "let it import tinywake.main and call tinywake.main.start()",
        )


def _built_in(port: str, probe: Probe, deploy: str) -> Iterator[Finding]:
    """Of firmware with the app in it, as that of a ready image: what lies beside it is not used."""
    if probe.app == __version__:
        yield fine("app", f"{probe.app}, in the firmware: nothing of it is needed in the file system")
    else:
        yield note(
            "app",
            f"{probe.app}, in the firmware; this tool is made for {__version__}",
            "make and copy a new image (docs/flash.md), or take stock firmware and deploy to it",
        )
    if any(path.startswith(f"{APP}/") for path, digest in probe.digests.items() if digest):
        yield note("app", f"{APP} is not used: the firmware's comes first", remove_by_hand(port, APP))
    yield from _modules(port, probe, deploy)
    yield fine("pins", f"of {probe.board}, in the firmware")
    if probe.digests.get(MAIN) is not None:
        yield note("main.py", "of the file system runs in place of the firmware's", remove_by_hand(port, MAIN))


def _hidden(port: str, probe: Probe) -> Iterator[Finding]:
    for ours, first in probe.hidden.items():
        topic = "module" if ours.endswith(".mpy") else "app"
        head = probe.heads.get(first)
        what = f"{first} ({built_for(head)})" if head is not None else first
        yield fault(topic, f"{what} is imported in place of {ours}", remove_by_hand(port, first))


def _texts(probe: Probe, files: dict[str, bytes]) -> list[str]:
    """What an older version or its user left beside our bytecode: MicroPython imports texts first."""
    texts = [path for path in twins(files) if path.endswith(".py")]
    return [path for path in texts if probe.digests.get(path) and probe.digests.get(path[:-3] + ".mpy")]


def _app(probe: Probe, files: dict[str, bytes], deploy: str) -> Finding:
    other = [path for path in files if path != MAIN and probe.digests.get(path) != sha256(files[path])]
    texts = _texts(probe, files)
    if texts:
        return fault("app", f"{texts[0]} is imported in place of this version's bytecode beside it", deploy)
    for path in other:
        refused = _refused(probe, path)
        if refused:
            return fault("app", f"{path} {refused}", deploy)
    if other:
        shown = ", ".join(other[:3]) + (", ..." if len(other) > 3 else "")
        return fault("app", f"{len(other)} file(s) damaged, missing or of another version: {shown}", deploy)
    return fine("app", "all files are this version's")


def _refused(probe: Probe, path: str) -> str | None:
    """Why the board does not load a file of the app, where that is bytecode."""
    return why_refused(probe.heads[path], probe.firmware, native=False) if path in probe.heads else None


def _modules(port: str, probe: Probe, deploy: str) -> Iterator[Finding]:
    try:
        module = module_for(probe.firmware, port)
    except (DeviceError, ToolError):
        return  # said of the firmware
    if module is None:
        return
    yield _module(probe, MODULE, module, deploy)
    for path in MODULES.values():
        if path != MODULE and probe.digests.get(path) is not None:  # the others only boards have that need them
            yield _module(probe, path, module.with_name(Path(path).name), deploy)


def _module(probe: Probe, path: str, ours: Path, deploy: str) -> Finding:
    there = probe.digests.get(path)
    if there is None:
        return fault("module", f"{path} is missing", deploy)
    refused = why_refused(probe.heads.get(path, b""), probe.firmware, native=True)
    if refused:
        return fault("module", f"{path} {refused}", deploy)
    if not ours.is_file() or there != sha256(ours.read_bytes()):
        return fault("module", f"{path} ({built_for(probe.heads[path])}) is damaged or of another version", deploy)
    return fine("module", f"{path} for {ours.parent.name.partition('_')[0]}, whole")


def _pins(probe: Probe, board: Board | None, deploy: str) -> Finding:
    near = propose(probe)
    if probe.digests.get(PINS) is None:
        return fault("pins", f"{PINS} is missing", f"{deploy} --board {near[0] if near else 'NAME'}")
    if board is None:
        return note("pins", f"of a board that is not under boards/: {probe.board}")
    if probe.board == board.name and cannot_be(probe, board.name):
        return fault(
            "pins",
            f"are those of {board.name}, the firmware calls itself {probe.machine}",
            f"{deploy} --board {near[0] if near else 'NAME'}",
        )
    if probe.board != board.name:
        return fault("pins", f"are those of {probe.board}, not of {board.name}", f"{deploy} --board {board.name}")
    if probe.digests[PINS] != sha256(board.pins.read_bytes()):
        return note("pins", f"of {board.name}, changed on the board")
    return fine("pins", f"of {board.name}")
