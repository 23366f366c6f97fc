# SPDX-License-Identifier: MIT
"""All that doctor asks, in order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from tinywake.device.boards import load_board
from tinywake.device.doctor.board import look_at_board
from tinywake.device.doctor.circuitpy import circuitpy_there, look_at_drive, look_at_drives
from tinywake.device.doctor.computer import look_at_computer, look_at_ports
from tinywake.device.doctor.findings import Diagnosis, Finding, fine, from_error, note
from tinywake.device.doctor.port import closed, explain
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.line.restart import restart
from tinywake.errors import DeviceError

__all__ = ["diagnose"]

_MAY_HANG = ("app", "module")  # damaged code; all else that is at fault is told by the board itself, or does no harm


def diagnose(port: str | None = None, board: str | None = None, drive: Path | None = None) -> Diagnosis:
    """Look at this computer and, where a port is named, at the board there: it is interrupted and started again.

    `drive`: in place of a port, the drive of a board with CircuitPython; nothing is interrupted then.
    `board`: its name under boards/; None: as the pins on it say. Raises ConfigError for a name that is none.
    """
    if board is not None:
        load_board(board)
    if port is not None:
        found = _look_at(port, board)
    elif drive is not None:
        found = look_at_drive(drive, board)
    else:
        found = chain(look_at_ports(), look_at_drives())
    return Diagnosis((*look_at_computer(), *found))


def _look_at(port: str, board: str | None) -> Iterator[Finding]:
    wrong = closed(port)
    if wrong:
        yield wrong
        return
    try:
        repl = RawRepl(port)
    except DeviceError as error:
        yield explain(port, error)
        return
    yield fine("port", f"{port}: a prompt answers")
    found = []
    try:
        with repl:
            for finding in circuitpy_there(repl, board) or look_at_board(repl, board):
                found.append(finding)
                yield finding
    except DeviceError as error:
        yield explain(port, error) if "raw-paste" in str(error) else from_error("board", error, port)
        return
    if not any(finding.level == "fault" and finding.topic in _MAY_HANG for finding in found):
        yield from _started(port)
    else:
        yield note("board", "was left at its prompt: what it would start may hang")


def _started(port: str) -> Iterator[Finding]:
    try:
        after = restart(port)
    except DeviceError as error:
        yield from_error("board", error, port)
        return
    if after.listening:
        yield fine("board", "listens again")
    else:
        yield note("board", f"does not listen after a reset: {after.trouble}")
