# SPDX-License-Identifier: MIT
"""A board with CircuitPython at its prompt, or as a drive alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tinywake.device.circuitpy.facts import Facts, ask_facts
from tinywake.device.circuitpy.files import DriveFiles, PromptFiles, board_digests
from tinywake.device.circuitpy.find import Drive, circuitpy_drives, find
from tinywake.device.doctor.circuitpy.look import look_at_facts, look_at_files
from tinywake.device.doctor.findings import Finding, fault, fine, from_error, note
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError

__all__ = ["circuitpy_there", "look_at_drive", "look_at_drives"]


def look_at_drives() -> Iterator[Finding]:
    """The drives of boards with CircuitPython that are mounted here."""
    for drive in circuitpy_drives():
        yield note(
            "drives", f"{drive.path}: {drive.facts}, UID {drive.facts.uid}", f"tinywake doctor --drive {drive.path}"
        )


def look_at_drive(path: Path, board: str | None) -> Iterator[Finding]:
    """A drive that is named, without its port."""
    try:
        found = find(None, path)
    except DeviceError as error:
        yield from_error("drive", error, str(path))
        return
    assert found is not None
    assert found.drive is not None
    yield from look_at_facts(found.drive.facts, board)
    yield from _drive(found.drive)
    files = DriveFiles(path)
    try:
        yield from look_at_files(found.drive.facts, files, files.digests)
    except DeviceError as error:
        yield from_error("drive", error, str(path))


def circuitpy_there(repl: RawRepl, board: str | None) -> Iterator[Finding] | None:
    """What there is to say of the board whose prompt we hold; None where it runs another interpreter."""
    repl.reset()
    facts = ask_facts(repl)
    return None if facts is None else _look(repl, facts, board)


def _look(repl: RawRepl, facts: Facts, board: str | None) -> Iterator[Finding]:
    yield from look_at_facts(facts, board)
    drive = next((each for each in circuitpy_drives() if facts.uid and each.facts.uid == facts.uid), None)
    files: DriveFiles | PromptFiles = PromptFiles(repl)
    if facts.read_only is False:
        yield note("drive", "the board's own code may write, so this computer may not: deploy goes through the prompt")
    elif drive is not None:
        yield from _drive(drive)
    else:
        yield fault("drive", "CIRCUITPY is not mounted here, and only there can be written", "mount it")
    yield from look_at_files(facts, files, partial(board_digests, repl))


def _drive(drive: Drive) -> Iterator[Finding]:
    if drive.read_only:
        yield fault(
            "drive",
            f"{drive.path} is mounted read-only",
            "mount it anew; if boot.py keeps it for the board's own code (storage.remount), take that out and reset",
        )
    else:
        yield fine("drive", f"{drive.path}")
