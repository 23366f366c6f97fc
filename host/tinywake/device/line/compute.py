# SPDX-License-Identifier: MIT
"""Run a network on a board: inputs over the line (or into the board's directory), outputs and tensors back."""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tinywake.device.line.files import BoardFiles
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError

__all__ = ["run_on"]

_X, _Y = "run-x.bin", "run-y.bin"  # on the board, in its working directory


def run_on(
    port: str,
    model: str,
    x: bytes,
    *,
    tensors: Sequence[tuple[int, int, int]] = (),
    directory: Path | None = None,
    timeout: float = 60.0,
) -> tuple[bytes, list[bytes]]:
    """Outputs, end to end, of `model` (its name on the board) for inputs that stand end to end in `x`.

    `tensors`: what else comes back of each invoke, one after the other; each (operators, start, end): after so many
    more operators, bytes start..end-1 of the arena. `directory`: the board's file system, where it is a folder of
    this computer. `timeout`: seconds without a sign of life. Raises DeviceError where the board cannot open or run it.
    """
    said = _Tensors(tensors)
    wanted = "".join(f"{tensor}," for tensor in said.wanted)
    code = f"import tinywake.batch\ntinywake.batch.run({model!r}, {_X!r}, {_Y!r}, ({wanted})) and None"
    with RawRepl(port, timeout) as repl:
        files = BoardFiles(repl, directory)
        try:
            files.put(_X, x)
            repl.exec(code, said.feed)
            if not said.whole:
                raise DeviceError(f"{port}: a tensor arrived damaged; check the cable and run again")
            return files.get(_Y), said.values
        finally:
            with suppress(DeviceError):
                files.remove(_X, _Y)


class _Tensors:
    """What firmware/app/batch.py prints: of each tensor lines of base64, then "=" and their CRC-16; "." at last."""

    def __init__(self, wanted: Sequence[tuple[int, int, int]]) -> None:
        self.wanted = tuple(wanted)
        self.values: list[bytes] = []
        self._damaged = False
        self._line = bytearray()
        self._tensor = bytearray()

    @property
    def whole(self) -> bool:
        """Whether all that came is as it was sent: every tensor of every invoke."""
        return not (self._damaged or self._tensor or (self.wanted and len(self.values) % len(self.wanted)))

    def feed(self, data: bytes) -> None:
        """Take bytes as they come."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._take(bytes(self._line + line).strip())
            self._line.clear()
        self._line += rest

    def _take(self, line: bytes) -> None:
        if line == b".":  # only a sign of life
            return
        if not line.startswith(b"="):
            try:
                self._tensor += binascii.a2b_base64(line)
            except ValueError:
                self._damaged = True
            return
        _, start, end = self.wanted[len(self.values) % len(self.wanted)]
        check = b"=%04x" % binascii.crc_hqx(self._tensor, 0xFFFF)
        self._damaged |= len(self._tensor) != end - start or line != check
        self.values.append(bytes(self._tensor))
        self._tensor.clear()
