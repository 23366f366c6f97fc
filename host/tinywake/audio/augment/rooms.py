# SPDX-License-Identifier: MIT
"""Rooms as impulse responses: echoes at random, or walls and places and their mirror images.

A response begins with the direct sound, 1.0 at sample 0, so that a room delays nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from tinywake.audio.augment.sound import Rng, Sound
from tinywake.audio.clips import RATE

__all__ = ["Room", "make_room", "room_response"]

_SOUND = 343.0  # m/s
_LONGEST = 1.2  # s of a response
_IMAGES = 0.06  # s after which single echoes have given way to a diffuse tail
_BLEND = 0.02  # s during which they do
_TAPS = 16  # samples on either side of an echo that falls between two samples
_BRIGHT = 3000.0  # Hz: above it the tail dies sooner, in air and curtains
_CLEAR = 0.15  # m from every wall

Place = tuple[float, float, float]  # metres along length, width and height


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


@dataclass(frozen=True)
class Room:
    """A box, a mouth and a microphone in it, and the time in which sound falls by 60 dB."""

    size: Place
    mouth: Place
    microphone: Place
    seconds: float
    bright: float = 1.0  # the same time above 3 kHz, as a share of `seconds`

    @property
    def reflection(self) -> float:
        """What a wall leaves of the amplitude, by Eyring's formula; at least 0.1, for no wall takes all."""
        x, y, z = self.size
        surface = 2 * (x * y + y * z + z * x)
        return max(0.1, float(np.exp(-12 * np.log(10) * x * y * z / (_SOUND * surface * self.seconds))))

    def response(self, rng: Rng) -> Sound:
        """[samples]: mirror images for 60 ms, then noise that decays from the strength they have on average."""
        direct = float(np.linalg.norm(np.subtract(self.mouth, self.microphone)))
        made = self._tail(direct / _SOUND, rng)
        blend = np.clip((np.arange(len(made)) / RATE - (_IMAGES - _BLEND)) / _BLEND, 0, 1)
        made *= np.sqrt(blend)
        early = self.images(_IMAGES)
        made[: len(early)] += early * np.sqrt(1 - blend[: len(early)])
        return np.asarray(made / made[0], dtype=np.float32)

    def images(self, seconds: float) -> NDArray[np.float64]:
        """[samples] of every echo within `seconds` after the direct sound; an image at 1 m has amplitude 1."""
        size, mouth, microphone = (np.array(place) for place in (self.size, self.mouth, self.microphone))
        direct = float(np.linalg.norm(mouth - microphone))
        reach = direct + seconds * _SOUND
        places, walls = [], []
        for axis in range(3):
            n = np.arange(-int(reach / (2 * size[axis])) - 1, int(reach / (2 * size[axis])) + 2)
            there = np.concatenate([2 * n * size[axis] + mouth[axis], 2 * n * size[axis] - mouth[axis]])
            places.append(there - microphone[axis])
            walls.append(np.concatenate([np.abs(2 * n), np.abs(2 * n - 1)]))
        x, y, z = np.meshgrid(*places, indexing="ij", sparse=True)
        met_x, met_y, met_z = np.meshgrid(*walls, indexing="ij", sparse=True)
        far = np.sqrt(x**2 + y**2 + z**2)
        heard = far < reach
        amplitude = self.reflection ** (met_x + met_y + met_z)[heard] / far[heard]
        return _at(amplitude, (far[heard] - direct) / _SOUND * RATE, int(seconds * RATE))

    def _tail(self, start: float, rng: Rng) -> NDArray[np.float64]:
        # 4 pi c^3 t^2 / V images arrive in a second, each of energy 1 / (c t)^2: 4 pi c / V, before the walls' losses.
        volume = self.size[0] * self.size[1] * self.size[2]
        since = np.arange(int(RATE * min(_LONGEST, self.seconds + _IMAGES))) / RATE + start
        noise = rng.standard_normal(len(since)) * np.sqrt(4 * np.pi * _SOUND / (volume * RATE))
        bright = signal.sosfilt(signal.butter(2, _BRIGHT, "highpass", fs=RATE, output="sos"), noise)
        dull = (noise - bright) * 10 ** (-3 * since / self.seconds)
        return np.asarray(dull + bright * 10 ** (-3 * since / (self.seconds * self.bright)))


def make_room(seconds: float, distance: tuple[float, float], rng: Rng) -> Room:
    """A room in a home; the mouth is within `distance` metres of the microphone, as far as there is place for it."""
    far = float(np.exp(rng.uniform(np.log(distance[0]), np.log(distance[1]))))
    for _ in range(50):
        size = rng.uniform((2.0, 2.0, 2.3), (9.0, 6.0, 3.2))
        microphone = rng.uniform(_CLEAR, size - _CLEAR)
        way = rng.standard_normal(3) * (1, 1, 0.3)  # people and devices are at about one height
        mouth = microphone + way * (far / np.linalg.norm(way))
        if np.all(mouth > _CLEAR) and np.all(mouth < size - _CLEAR):
            break
    else:  # from one corner to the other: less far than asked for
        microphone, mouth = np.full(3, _CLEAR), size - _CLEAR
    return Room(_place(size), _place(mouth), _place(microphone), seconds, float(rng.uniform(0.6, 1.0)))


def _place(values: NDArray[np.float64]) -> Place:
    return float(values[0]), float(values[1]), float(values[2])


def _at(amplitude: NDArray[np.float64], delay: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """[length] with a pulse at every delay, in samples and fractions of one."""
    sound = np.zeros(length)
    whole = np.rint(delay).astype(int)
    for tap in range(-_TAPS, _TAPS + 1):
        at = whole + tap
        inside = (at >= 0) & (at < length)
        apart = at[inside] - delay[inside]
        window = 0.5 + 0.5 * np.cos(np.pi * apart / (_TAPS + 1))
        np.add.at(sound, at[inside], amplitude[inside] * np.sinc(apart) * window)
    return sound
