# SPDX-License-Identifier: MIT
"""Numbers that audio, training and the device share: frames, and the map from the front end to the network's int8."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.clips import Pcm

__all__ = [
    "CHANNELS",
    "FRAME",
    "SCALE",
    "WINDOW",
    "ZERO_POINT",
    "Extract",
    "frames_of",
    "samples_of",
    "spread",
    "to_int8",
    "warp",
]

CHANNELS = 40
FRAME = 160  # samples from frame to frame: 10 ms
WINDOW = 480  # samples that one frame sees: 30 ms
SCALE = 26 / 256  # of the network's int8 input; exact in float32
ZERO_POINT = -128

Extract = Callable[[Pcm], NDArray[np.uint16]]  # int16 [samples] -> uint16 [frames, 40], from a fresh front end


def frames_of(samples: int) -> int:
    """Frames that the front end makes of so many samples."""
    return max(0, (samples - WINDOW) // FRAME + 1)


def samples_of(frames: int) -> int:
    """Samples that make so many frames (at least one)."""
    return (frames - 1) * FRAME + WINDOW


def to_int8(features: NDArray[np.uint16]) -> NDArray[np.int8]:
    """ESPHome's integer map of front-end output to network input; the device has the same one (models/SPEC.md)."""
    mapped = (features.astype(np.int32) * 256 + 333) // 666 + ZERO_POINT
    return np.clip(mapped, -128, 127).astype(np.int8)


def spread(features: NDArray[np.uint16], frames: int) -> NDArray[np.uint16]:
    """[n, 40] over [frames, 40]: the same speech, slower or faster at the same pitch."""
    return _between(features, np.linspace(0, len(features) - 1, frames))


def warp(features: NDArray[np.uint16], factor: float) -> NDArray[np.uint16]:
    """[frames, 40] as if the vocal tract were `factor` times as long: channel c is read at c * factor."""
    return _between(features.T, np.clip(np.arange(CHANNELS) * factor, 0, CHANNELS - 1)).T


def _between(rows: NDArray[np.uint16], at: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Rows [n, m] read at places between them: [len(at), m]."""
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, len(rows) - 1)
    part = (at - low)[:, None]
    mixed = rows[low] * (1 - part) + rows[high] * part
    return np.asarray(np.rint(mixed), dtype=np.uint16)
