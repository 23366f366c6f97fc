# SPDX-License-Identifier: MIT
"""A unix interpreter that the user names, under a prompt of ours (firmware/targets/circuitpython/prompt.py)."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from tinywake.device import places
from tinywake.device.targets.process import ProcessTarget
from tinywake.errors import DeviceError, ToolError

__all__ = ["VARIABLE", "NamedInterpreter"]

VARIABLE = "CIRCUITPYTHON"  # holds its path


class NamedInterpreter(ProcessTarget):
    """It sees the whole file system of this computer, and Ctrl-C reaches it only at its prompt."""

    board = "UNIX"

    def __init__(self, directory: Path | None, heap_kb: int) -> None:
        """A board, not booted yet. `directory`: the file system, kept; else a temporary one."""
        super().__init__()
        self._options = ["-X", f"heapsize={heap_kb}K"]
        self._temporary = None
        if directory is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="tinywake-board-", ignore_cleanup_errors=True)
        self._folder = Path(self._temporary.name if self._temporary else directory or "").resolve()
        self.directory = self._folder

    @classmethod
    def available(cls) -> str | None:
        """None where it can run, else one line: what is missing."""
        named = os.environ.get(VARIABLE, "")
        return None if shutil.which(named) else f"circuitpython: {VARIABLE}={named} is no program that can be run"

    def _command(self, line: int) -> list[str]:
        root, interpreter = places.checkout(), shutil.which(os.environ.get(VARIABLE, ""))
        if interpreter is None or root is None:
            raise ToolError(self.available() or "circuitpython: needs a checkout of the project")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DeviceError(f"{self._folder} cannot be the board's file system: {error.strerror}") from error
        here = root / "firmware" / "targets" / "circuitpython"
        return [str(here / "board.sh"), str(line), str(self._folder), str(here / "prompt.py"), interpreter,
                *self._options]  # fmt: skip

    def stop(self) -> None:
        """End the board; a temporary file system goes with it."""
        super().stop()
        if self._temporary is not None:
            self._temporary.cleanup()
