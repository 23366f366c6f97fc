# SPDX-License-Identifier: MIT
"""An interpreter that loads the modules built for CircuitPython, as a board: one for tests, or the user's own."""

from __future__ import annotations

import os
from pathlib import Path

from tinywake.device import places
from tinywake.device.targets.circuitpython.named import VARIABLE, NamedInterpreter
from tinywake.device.targets.target import Target
from tinywake.device.targets.unix import UnixBoard, native_modules_load

__all__ = ["CircuitPythonBoard"]


class CircuitPythonBoard(Target):
    """The interpreter that CIRCUITPYTHON names; else one that is MicroPython in all but the ABI, and its own name."""

    board = "UNIX"

    def __init__(self, directory: Path | None = None, *, heap_kb: int = 512) -> None:
        """A board, not booted yet. `directory`: the file system, kept; else a temporary one."""
        own = os.environ.get(VARIABLE)
        self._board = NamedInterpreter(directory, heap_kb) if own else _ForTests(directory, heap_kb=heap_kb)
        self.directory = self._board.directory

    @classmethod
    def available(cls) -> str | None:
        """None where it can run, else one line: what is missing and how to get it."""
        if os.name != "posix":
            return "circuitpython: needs a Unix; on Windows use WSL"
        if places.checkout() is None:
            return "circuitpython: needs a checkout of the project, where make targets builds it"
        return NamedInterpreter.available() if os.environ.get(VARIABLE) else _ForTests.available()

    def start(self) -> None:
        """Boot: from here on the board answers on `port`."""
        self._board.start()
        self.port = self._board.port

    @property
    def running(self) -> bool:
        """Whether the board still runs."""
        return self._board.running

    def stop(self) -> None:
        """End the board; a temporary file system goes with it."""
        self._board.stop()


class _ForTests(UnixBoard):
    """What firmware/targets/circuitpython/build.sh builds, started as the unix board is."""

    @staticmethod
    def interpreter(usermod: bool = False) -> Path:
        return (places.checkout() or Path()) / "build" / "targets" / "circuitpython" / "micropython"

    @classmethod
    def available(cls) -> str | None:
        if not native_modules_load():
            return "circuitpython: native modules for this computer are built on x86_64 Linux only"
        return None if cls.interpreter().exists() else "circuitpython: the interpreter is not built: make targets"
