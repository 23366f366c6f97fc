# SPDX-License-Identifier: MIT
"""Curves of microphones and of what lies behind them, as gains over frequency."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.augment.sound import Rng, Sound, shape

__all__ = ["cheap_microphone", "low_pass", "random_curve"]

Hertz = NDArray[np.float64]  # or the gain there, in dB


def random_curve(sound: Sound, rng: Rng) -> Sound:
    """Any curve within 8 dB, without the lowest tones; for half of them, without the highest either."""
    knots = np.log([60, 150, 400, 1000, 2500, 5000, 8000])
    heights = rng.uniform(-8, 8, len(knots))
    low = np.exp(rng.uniform(np.log(40), np.log(350)))
    high = rng.uniform(3200, 7500) if rng.random() < 0.5 else None

    def decibels(hertz: Hertz) -> Hertz:
        gain = np.interp(np.log(hertz + 30.0), knots, heights)
        gain -= 10 * np.log10(1 + (low / (hertz + 1.0)) ** 4)
        return gain if high is None else gain - 10 * np.log10(1 + (hertz / high) ** 16)

    return shape(sound, decibels)


def cheap_microphone(sound: Sound, rng: Rng) -> Sound:
    """A small capsule in a case: a lower limit of 6 or 12 dB an octave, the resonance of its port, a tilt."""
    corner = np.exp(rng.uniform(np.log(50), np.log(450)))
    order = int(rng.integers(1, 3))
    centre, height, width = rng.uniform(2500, 7500), rng.uniform(3, 14), rng.uniform(0.08, 0.4)
    tilt = rng.uniform(-3, 3)  # dB an octave around 1 kHz

    def decibels(hertz: Hertz) -> Hertz:
        octaves = np.log2(np.maximum(hertz, 20.0) / 1000)
        resonance = height * np.exp(-0.5 * (np.log(np.maximum(hertz, 20.0) / centre) / width) ** 2)
        lower = 10 * np.log10(1 + (corner / np.maximum(hertz, 1.0)) ** (2 * order))
        return np.asarray(tilt * octaves + resonance - lower)

    return shape(sound, decibels)


def low_pass(sound: Sound, limit: float) -> Sound:
    """Without what is above `limit` Hz: 3 dB less there, 48 dB less an octave above."""
    return shape(sound, lambda hertz: np.asarray(-10 * np.log10(1 + (hertz / limit) ** 16)))
