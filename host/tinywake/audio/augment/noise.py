# SPDX-License-Identifier: MIT
"""Noise without recordings: steady and modulated colours, something like music, and people talking."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import fft

from tinywake.audio.augment.sound import ACTIVE_LEVEL, Rng, Sound, active_level, level
from tinywake.audio.clips import RATE, Pcm

__all__ = ["babble", "coloured_noise", "mix", "tune"]


def coloured_noise(samples: int, rng: Rng) -> Sound:
    """Steady noise of a random slope (blue to brown), often modulated, sometimes with hum or clicks; level 0.1."""
    spectrum = fft.rfft(rng.standard_normal(samples).astype(np.float32))
    hertz = np.arange(len(spectrum)) * RATE / samples + 20.0
    shape = hertz ** rng.uniform(-1.2, 0.3)
    if rng.random() < 0.4:  # a resonance: fans, water, traffic
        centre, width = np.exp(rng.uniform(np.log(150), np.log(5000))), rng.uniform(0.15, 0.8)
        shape *= 1 + rng.uniform(2, 12) * np.exp(-0.5 * (np.log(hertz / centre) / width) ** 2)
    noise = fft.irfft(spectrum * shape, samples)
    time = np.arange(samples) / RATE
    if rng.random() < 0.5:
        noise = noise * (1 + rng.uniform(0.2, 0.9) * np.sin(2 * np.pi * (rng.uniform(0.2, 8) * time + rng.random())))
    noise = level(noise)
    if rng.random() < 0.2:
        base = rng.choice([50.0, 60.0, 100.0, 120.0])
        noise = noise + sum(rng.uniform(0, 0.06) * np.sin(2 * np.pi * base * k * time) for k in range(1, 9))
    if rng.random() < 0.25:
        for at in rng.integers(0, samples, int(samples / RATE * rng.uniform(0.5, 6)) + 1):
            length = min(int(rng.integers(40, 1600)), samples - at)
            burst = rng.standard_normal(length) * np.exp(-np.linspace(0, 6, length))
            noise[at : at + length] += rng.uniform(0.1, 0.8) * burst
    return level(noise)


def tune(samples: int, rng: Rng) -> Sound:
    """Something like music: chords of decaying harmonics; level 0.1."""
    sound = np.zeros(samples, np.float32)
    at, root = 0, rng.uniform(80, 220)
    while at < samples:
        length = int(RATE * rng.choice([0.2, 0.3, 0.4, 0.8]))
        time = np.arange(min(length * 2, samples - at)) / RATE
        for semitones in rng.choice([0, 3, 4, 5, 7, 9, 12, 16, 19, 24], 3, replace=False):
            pitch = root * 2 ** (semitones / 12)
            for harmonic in range(1, int(rng.integers(3, 8))):
                if pitch * harmonic < 7500:
                    wave = np.sin(2 * np.pi * pitch * harmonic * time) * np.exp(-time * rng.uniform(2, 8)) / harmonic
                    sound[at : at + len(time)] += wave.astype(np.float32)
        at += length
    return level(sound)


def babble(speech: Sequence[Pcm], samples: int, rng: Rng, talkers: tuple[int, int] = (3, 8)) -> Sound:
    """People talking at once, so many from `talkers`; level 0.1."""
    total = np.zeros(samples, np.float32)
    for _ in range(int(rng.integers(talkers[0], talkers[1] + 1))):
        at = -int(rng.integers(0, RATE * 2))
        gain = rng.uniform(0.3, 1.0)
        while at < samples:
            talk = level(speech[int(rng.integers(len(speech)))].astype(np.float32)) * gain
            part = talk[max(0, -at) : samples - at]
            total[max(0, at) : max(0, at) + len(part)] += part
            at += len(talk) + int(rng.integers(0, RATE // 2))
    return level(total)


def mix(sound: Sound, noise: Sound, snr_db: float) -> Sound:
    """`sound` with `noise` so loud that their active levels differ by exactly `snr_db`; silence adds nothing."""
    speech, other = active_level(sound), active_level(noise)
    if other < 1e-12:
        return sound
    return sound + noise * np.float32((speech or ACTIVE_LEVEL) / other * 10 ** (-snr_db / 20))
