# SPDX-License-Identifier: MIT
"""Run a network on a board: inputs over the line (or into the board's directory), outputs back."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError

__all__ = ["run_on"]

_X, _Y = "run-x.bin", "run-y.bin"  # on the board, in its working directory


def run_on(port: str, model: str, x: bytes, *, directory: Path | None = None, timeout: float = 60.0) -> bytes:
    """Outputs, end to end, of `model` (its name on the board) for inputs that stand end to end in `x`.

    `directory`: the board's file system, where it is a folder of this computer. `timeout`: seconds without a sign of
    life. Raises DeviceError where the board cannot open or run it.
    """
    with RawRepl(port, timeout) as repl:
        try:
            _put(repl, directory, x)
            repl.exec(f"import tinywake.batch\ntinywake.batch.run({model!r}, {_X!r}, {_Y!r}) and None")
            return repl.get(_Y) if directory is None else (directory / _Y).read_bytes()
        finally:
            with suppress(DeviceError):
                repl.exec(f"import os\nfor f in ({_X!r}, {_Y!r}):\n    if f in os.listdir(): os.remove(f)")


def _put(repl: RawRepl, directory: Path | None, x: bytes) -> None:
    if directory is None:
        repl.put(_X, x)
    else:
        (directory / _X).write_bytes(x)
