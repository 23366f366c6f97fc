# SPDX-License-Identifier: MIT
"""A wav file that is whole at any time: whatever ends the program, or fills the disk, it holds what came before."""

from __future__ import annotations

import struct
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from tinywake.errors import ToolError

__all__ = ["RATE", "WavFile"]

RATE = 16000
_HEAD = struct.Struct("<4sI4s4sIHHIIHH4sI")
_LONGEST = (1 << 31) // 2 - RATE  # samples: readers take sizes as signed


class WavFile:
    """16 kHz, mono, 16 bits. A new file: one that is there is never written over."""

    def __init__(self, path: Path) -> None:
        """Raise ToolError where it cannot be written."""
        self.path = path
        self.samples = 0  # in the file
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("x+b", buffering=0)
        except OSError as error:
            raise ToolError(f"{path}: cannot be written ({error.strerror})") from error
        try:
            self._write(0, self._head())
        except ToolError:
            self._file.close()
            path.unlink(missing_ok=True)
            raise

    def put(self, at: int, samples: npt.NDArray[np.int16]) -> None:
        """Write samples where they belong; silence goes between the end and there. Raises ToolError: a full disk."""
        if at > self.samples:
            self.put(self.samples, np.zeros(at - self.samples, np.int16))
        if at + len(samples) > _LONGEST:
            raise ToolError(f"{self.path}: a wav file holds no more; begin another one")
        try:
            self._write(_HEAD.size + 2 * at, samples.astype("<i2").tobytes())
        finally:
            size = self._file.seek(0, 2) - _HEAD.size
            if size // 2 > self.samples:
                self.samples = size // 2
                self._write(0, self._head())

    def close(self) -> None:
        """What a full disk cut in the middle of a sample goes."""
        if not self._file.closed:
            self._file.truncate(_HEAD.size + 2 * self.samples)
            self._file.close()

    def __enter__(self) -> WavFile:
        """The file is open already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close it."""
        self.close()

    def _write(self, at: int, data: bytes) -> None:
        try:
            self._file.seek(at)
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            whole = f"it is whole up to {self.samples / RATE:.2f} s"
            raise ToolError(f"{self.path}: cannot be written ({error.strerror}); {whole}") from error

    def _head(self) -> bytes:
        size = 2 * self.samples
        return _HEAD.pack(
            b"RIFF", _HEAD.size - 8 + size, b"WAVE", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16, b"data", size
        )
