# SPDX-License-Identifier: MIT
"""What the other modules share: the type of a sound, its level, cuts without clicks, filters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from tinywake.audio.clips import RATE

__all__ = ["ACTIVE_LEVEL", "Rng", "Sound", "active_level", "convolve", "fade", "level", "shape"]

Sound = NDArray[np.float32]  # [samples], full scale is 1.0
Rng = np.random.Generator

ACTIVE_LEVEL = 0.1  # that `level` gives to a sound
_ACTIVE = 0.05  # of the peak: samples above it count as speech when its level is measured


def active_level(sound: NDArray[np.floating]) -> float:
    """Root of the mean square of the samples above a twentieth of the peak; 0 for silence."""
    peak = float(np.abs(sound).max(initial=0.0))
    active = sound[np.abs(sound) > _ACTIVE * peak]
    return float(np.sqrt((active.astype(np.float64) ** 2).mean())) if peak else 0.0


def level(sound: NDArray[np.floating]) -> Sound:
    """The same at an active level of ACTIVE_LEVEL; silence stays silence."""
    has = active_level(sound)
    return (sound * (ACTIVE_LEVEL / has)).astype(np.float32) if has > 1e-12 else sound.astype(np.float32)


def fade(sound: Sound, samples: int = RATE // 100) -> Sound:
    """The same with 10 ms ramps at both ends, so that a cut is no click."""
    length = min(samples, len(sound) // 2)
    if length:
        ramp = np.linspace(0, 1, length, dtype=np.float32)
        sound = sound.copy()
        sound[:length] *= ramp
        sound[-length:] *= ramp[::-1]
    return sound


def convolve(sound: Sound, response: Sound) -> Sound:
    """What `response` makes of `sound`, cut to its length."""
    size = fft.next_fast_len(len(sound) + len(response), real=True)
    product = fft.rfft(sound, size) * fft.rfft(response, size)
    return np.asarray(fft.irfft(product, size)[: len(sound)], dtype=np.float32)


def shape(sound: Sound, decibels: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Sound:
    """The same with each frequency changed by `decibels(hertz)`, without delay."""
    size = fft.next_fast_len(len(sound) + 512, real=True)
    spectrum = fft.rfft(sound, size)
    hertz = np.arange(len(spectrum)) * RATE / size
    return np.asarray(fft.irfft(spectrum * 10 ** (decibels(hertz) / 20), size)[: len(sound)], dtype=np.float32)
