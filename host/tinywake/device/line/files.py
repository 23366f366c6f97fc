# SPDX-License-Identifier: MIT
"""Files in a board's working directory: over the line, or at once where that directory is a folder of this computer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError

__all__ = ["BoardFiles", "model_name"]


@dataclass(frozen=True)
class BoardFiles:
    """directory: the board's file system, where it is a folder of this computer (the unix board)."""

    board: RawRepl
    directory: Path | None

    def put(self, name: str, data: bytes) -> None:
        """Write a file."""
        if self.directory is None:
            try:
                self.board.put(name, data)
            except DeviceError as error:
                what = str(error).removeprefix(f"{self.board.port}: ")
                raise DeviceError(f"{self.board.port}: copying {name}: {what}") from error
        else:
            (self.directory / name).write_bytes(data)

    def get(self, name: str) -> bytes:
        """Read a file."""
        return self.board.get(name) if self.directory is None else (self.directory / name).read_bytes()

    def remove(self, *names: str) -> None:
        """Remove those files that are there."""
        if self.directory is None:
            self.board.exec(f"import os\nfor f in {names!r}:\n    if f in os.listdir(): os.remove(f)")
        else:
            for name in names:
                (self.directory / name).unlink(missing_ok=True)


def model_name(path: str) -> str:
    """What people call the model in a file on a board: neither its folder nor .twm."""
    return path.rpartition("/")[2].removesuffix(".twm")
