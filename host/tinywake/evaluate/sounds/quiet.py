# SPDX-License-Identifier: MIT
"""The quiet around a clip: a board hears something before a word, and after it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from tinywake.audio.clips import RATE, Pcm

__all__ = ["AFTER_MS", "Framed", "framed"]

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
    rng = np.random.default_rng(zlib.crc32(pcm.tobytes()))
    after, before = (np.rint(rng.normal(0, _NOISE, ms * RATE // 1000)).astype(np.int16) for ms in (AFTER_MS, lead_ms))
    return Framed(before, pcm, after)
