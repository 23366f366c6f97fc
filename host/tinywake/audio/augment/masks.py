# SPDX-License-Identifier: MIT
"""SpecAugment: pieces of the features that are not there, so that no single piece decides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.augment.sound import Rng
from tinywake.audio.features import CHANNELS
from tinywake.config import Augment

__all__ = ["mask"]


def mask(features: NDArray[np.uint16], config: Augment, rng: Rng) -> NDArray[np.uint16]:
    """[frames, 40] with some bands of frames and of channels at their mean over the stream; without masks, the same."""
    frames = len(features)
    if not config.time_masks and not config.frequency_masks:
        return features
    mean = np.rint(features.mean(axis=0)).astype(np.uint16)
    masked = features.copy()
    for _ in range(int(rng.integers(0, config.time_masks * max(1, frames // 100) + 1))):
        width = int(rng.integers(1, config.time_mask_frames + 1))
        at = int(rng.integers(0, max(1, frames - width)))
        masked[at : at + width] = mean
    for _ in range(int(rng.integers(0, config.frequency_masks + 1))):
        width = int(rng.integers(1, config.frequency_mask_channels + 1))
        at = int(rng.integers(0, CHANNELS - width + 1))
        masked[:, at : at + width] = mean[at : at + width]
    return masked
