# SPDX-License-Identifier: MIT
"""An emulated Pico with a button: one port over all its restarts, flash that lasts, and BOOTSEL."""

from __future__ import annotations

from pathlib import Path

from tinywake.device.targets.rp2040 import RP2040Board

__all__ = ["Pico"]


class Pico:
    """An emulated Pico that keeps its flash, under one name for its port, and can be sent into BOOTSEL."""

    board = "RPI_PICO"
    directory = None

    def __init__(self, folder: Path) -> None:
        self.port = str(folder / "port")
        self.written: list[bytes] = []
        self._folder = folder
        self._board: RP2040Board | None = None

    def __enter__(self) -> Pico:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._board:
            self._board.stop()

    def bootsel(self, port: str, uf2: bytes) -> None:
        assert port == self.port
        self.written.append(uf2)
        drop = self._folder / "drop.uf2"
        drop.write_bytes(uf2)
        if self._board:
            self._board.stop()
        self._start(drop)

    def _start(self, *drops: Path) -> None:
        self._board = RP2040Board(self._folder / "flash.bin", drops=drops)
        self._board.start()
        Path(self.port).unlink(missing_ok=True)
        Path(self.port).symlink_to(self._board.port)
