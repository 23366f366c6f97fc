# SPDX-License-Identifier: MIT
"""Wav files that were cut short: libsndfile reads what is there, and does not say what is missing."""

from __future__ import annotations

from pathlib import Path
from struct import unpack_from

__all__ = ["cut_short"]

_HEAD, _CHUNK = 12, 8
_OPEN_END = 0x7FFF_F000  # bytes; from here on a program wrote the length before it knew it, as into a pipe
_MOST_CHUNKS = 64
_FORMAT = 16  # bytes of fmt that every wav file has


def cut_short(path: Path) -> str | None:
    """A line for people where a wav file's header promises more samples than there are; None: nothing to say."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEAD)
            if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
                return None
            rate, frame = 0, 0
            for _ in range(_MOST_CHUNKS):
                chunk = file.read(_CHUNK)
                if len(chunk) < _CHUNK:
                    return None
                length = int(unpack_from("<I", chunk, 4)[0])
                if chunk[:4] == b"data":
                    return _missing(path, length, size - file.tell(), rate * frame)
                behind = file.tell() + length + length % 2
                body = file.read(min(length, _FORMAT))
                file.seek(behind)
                if chunk[:4] == b"fmt " and len(body) >= _FORMAT:
                    rate, frame = unpack_from("<I", body, 4)[0], unpack_from("<H", body, 12)[0]
    except OSError:
        pass  # read_clip() says it
    return None


def _missing(path: Path, promised: int, there: int, second: int) -> str | None:
    """second: bytes."""
    if not 0 <= there < promised < _OPEN_END or not second:
        return None
    return f"note: {path}: cut short: its header promises {promised / second:.1f} s, {there / second:.1f} s are there"
