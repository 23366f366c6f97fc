# SPDX-License-Identifier: MIT
"""The quiet around a clip: a board hears something before a word, and after it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinywake.audio.clips import RATE, Pcm, read_blocks

__all__ = ["AFTER_MS", "Framed", "framed", "framed_blocks"]

AFTER_MS = 500
_NOISE = 6.0  # standard deviation of the quiet, in steps of 16 bits: about -75 dB


@dataclass(frozen=True)
class Framed:
    """What is before a clip, the clip, what is behind it."""

    before: Pcm
    clip: Pcm
    after: Pcm

    @property
    def sound(self) -> Pcm:
        """All of it."""
        return np.concatenate([self.before, self.clip, self.after])


def framed(pcm: Pcm, lead_ms: int) -> Framed:
    """Quiet noise around a clip, which depends on the clip alone."""
    before, after = _quiet(zlib.crc32(pcm.tobytes()), lead_ms)
    return Framed(before, pcm, after)


def framed_blocks(path: Path, lead_ms: int) -> Iterator[Pcm]:
    """The same sound of a recording of any length, some seconds at a time; it is read twice. Raises AudioError."""
    checksum = 0
    for pcm in read_blocks(path):
        checksum = zlib.crc32(pcm.tobytes(), checksum)
    before, after = _quiet(checksum, lead_ms)
    yield before
    yield from read_blocks(path)
    yield after


def _quiet(checksum: int, lead_ms: int) -> tuple[Pcm, Pcm]:
    rng = np.random.default_rng(checksum)
    after, before = (np.rint(rng.normal(0, _NOISE, ms * RATE // 1000)).astype(np.int16) for ms in (AFTER_MS, lead_ms))
    return before, after
