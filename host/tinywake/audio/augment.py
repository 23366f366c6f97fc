# SPDX-License-Identifier: MIT
"""What happens to speech before a device hears it: rooms, noise, microphones, level. No recordings are needed.

Every choice comes from the generator that is passed in, so a stream's number and the recipe's seed decide its sound.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from tinywake.audio.clips import RATE, Pcm
from tinywake.config import Augment

__all__ = ["Channel", "babble", "coloured_noise", "fade", "room_response", "tune"]

Sound = NDArray[np.float32]  # [samples], full scale is 1.0
Rng = np.random.Generator

_ACTIVE = 0.05  # of the peak: samples above it count as speech when its level is measured


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
    noise = _level(noise)
    if rng.random() < 0.2:
        base = rng.choice([50.0, 60.0, 100.0, 120.0])
        noise = noise + sum(rng.uniform(0, 0.06) * np.sin(2 * np.pi * base * k * time) for k in range(1, 9))
    if rng.random() < 0.25:
        for at in rng.integers(0, samples, int(samples / RATE * rng.uniform(0.5, 6)) + 1):
            length = min(int(rng.integers(40, 1600)), samples - at)
            burst = rng.standard_normal(length) * np.exp(-np.linspace(0, 6, length))
            noise[at : at + length] += rng.uniform(0.1, 0.8) * burst
    return _level(noise)


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
    return _level(sound)


def babble(speech: Sequence[Pcm], samples: int, rng: Rng) -> Sound:
    """Three to eight people talking at once; level 0.1."""
    total = np.zeros(samples, np.float32)
    for _ in range(int(rng.integers(3, 9))):
        at = -int(rng.integers(0, RATE * 2))
        gain = rng.uniform(0.3, 1.0)
        while at < samples:
            talk = _level(speech[int(rng.integers(len(speech)))].astype(np.float32)) * gain
            part = talk[max(0, -at) : samples - at]
            total[max(0, at) : max(0, at) + len(part)] += part
            at += len(talk) + int(rng.integers(0, RATE // 2))
    return _level(total)


def room_response(seconds: float, rng: Rng) -> Sound:
    """Impulse response whose energy falls by 60 dB in `seconds`: direct sound, early echoes, diffuse tail."""
    samples = int(RATE * min(seconds, 1.0))
    time = np.arange(samples) / RATE
    tail = rng.standard_normal(samples) * 10 ** (-3 * time / seconds)
    gap = int(rng.uniform(0.002, 0.012) * RATE)
    tail[:gap] = 0
    for at in rng.integers(gap, gap + RATE // 25, 6):
        if at < samples:
            tail[at] += rng.choice([-1, 1]) * rng.uniform(1, 5)
    tail *= 10 ** (-rng.uniform(0, 15) / 20) / np.sqrt((tail**2).sum() + 1e-12)
    tail[0] = 1.0
    return tail.astype(np.float32)


def fade(sound: Sound, samples: int = RATE // 100) -> Sound:
    """The same with 10 ms ramps at both ends, so that a cut is no click."""
    length = min(samples, len(sound) // 2)
    if length:
        ramp = np.linspace(0, 1, length, dtype=np.float32)
        sound = sound.copy()
        sound[:length] *= ramp
        sound[-length:] *= ramp[::-1]
    return sound


def _level(sound: NDArray[np.floating]) -> Sound:
    """The same at an active level of 0.1."""
    peak = float(np.abs(sound).max(initial=0.0))
    active = sound[np.abs(sound) > _ACTIVE * peak] if peak else sound
    level = float(np.sqrt((active.astype(np.float64) ** 2).mean())) if peak else 0.0
    return (sound * (0.1 / level)).astype(np.float32) if level > 1e-12 else sound.astype(np.float32)


class Channel:
    """From clean speech to what the microphone delivers, by a recipe's [augment]."""

    def __init__(self, config: Augment, seed: int, speech: Sequence[Pcm], noises: Sequence[Pcm]) -> None:
        """Prepare noise and rooms. `speech` is for babble; `noises`, recordings or none, join the generated ones."""
        rng = np.random.default_rng([seed, 77])
        length = RATE * 8
        self._config = config
        made = [coloured_noise(length, rng) for _ in range(40)] + [tune(length, rng) for _ in range(10)]
        made += [babble(speech, length, rng) for _ in range(24)] if speech else []
        self._noises = [made, [_level(n.astype(np.float32)) for n in noises]]
        self._rooms = [room_response(rng.uniform(*config.reverb_s), rng) for _ in range(64)]

    def __call__(self, clean: Sound, rng: Rng) -> Pcm:
        """The int16 that arrives for `clean`, of the same length. Silence becomes noise alone."""
        config, samples = self._config, len(clean)
        sound = _level(clean)
        if rng.random() < config.room:
            sound = _level(_convolve(sound, self._rooms[int(rng.integers(len(self._rooms)))]))
        quiet = rng.random() >= config.noise
        snr = 50.0 if quiet else rng.uniform(*config.snr_db)
        sound = sound + self._noise(samples, rng) * 10 ** (-snr / 20)
        if rng.random() < config.band:
            sound = _microphone(sound, rng)
        sound /= max(float(np.abs(sound).max()), 1e-6)
        sound *= 10 ** (rng.uniform(*config.peak_db) / 20)
        if rng.random() < config.clipping:
            limit = float(np.abs(sound).max()) * rng.uniform(0.15, 0.6)
            sound = np.clip(sound, -limit, limit).astype(np.float32)
        hiss = rng.uniform(0, 2) / 32768 * rng.standard_normal(samples)  # the converter's own noise
        return np.clip(np.rint((sound + hiss) * 32767), -32768, 32767).astype(np.int16)

    def _noise(self, samples: int, rng: Rng) -> Sound:
        made, given = self._noises
        source = given if given and rng.random() < 0.5 else made
        noise = source[int(rng.integers(len(source)))]
        start = int(rng.integers(len(noise)))
        repeats = -(-(samples + start) // len(noise))
        return np.tile(noise, repeats)[start : start + samples]


def _convolve(sound: Sound, response: Sound) -> Sound:
    size = fft.next_fast_len(len(sound) + len(response), real=True)
    product = fft.rfft(sound, size) * fft.rfft(response, size)
    return np.asarray(fft.irfft(product, size)[: len(sound)], dtype=np.float32)


def _microphone(sound: Sound, rng: Rng) -> Sound:
    """A random curve of a cheap microphone; for some, the narrow band of a telephone."""
    size = fft.next_fast_len(len(sound) + 512, real=True)
    spectrum = fft.rfft(sound, size)
    hertz = np.arange(len(spectrum)) * RATE / size
    knots = np.log([60, 150, 400, 1000, 2500, 5000, 8000])
    decibels = np.interp(np.log(hertz + 30.0), knots, rng.uniform(-8, 8, len(knots)))
    low = np.exp(rng.uniform(np.log(40), np.log(350)))
    decibels -= 10 * np.log10(1 + (low / (hertz + 1.0)) ** 4)
    if rng.random() < 0.5:
        high = rng.uniform(3200, 7500)
        decibels -= 10 * np.log10(1 + (hertz / high) ** 16)
    return np.asarray(fft.irfft(spectrum * 10 ** (decibels / 20), size)[: len(sound)], dtype=np.float32)
