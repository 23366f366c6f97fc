# SPDX-License-Identifier: MIT
"""From clean speech to what a microphone delivers: rooms, noise, curves, level. No recordings are needed.

Every choice comes from the generator that is passed in, so a stream's number and the recipe's seed decide its sound.
What a recipe does not ask for draws nothing: it leaves the other choices as they were.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinywake.audio.augment.codec import check_codecs, through_codec, through_telephone
from tinywake.audio.augment.curves import cheap_microphone, low_pass, random_curve
from tinywake.audio.augment.noise import babble, coloured_noise, mix, tune
from tinywake.audio.augment.rooms import make_room, room_response
from tinywake.audio.augment.sound import Rng, Sound, convolve, level
from tinywake.audio.clips import RATE, Pcm
from tinywake.config import Augment

__all__ = ["Channel"]


class Channel:
    """From clean speech to what the microphone delivers, by a recipe's [augment]."""

    def __init__(self, config: Augment, seed: int, speech: Sequence[Pcm], noises: Sequence[Pcm]) -> None:
        """Prepare noise and rooms. `speech` is for babble; `noises`, recordings or none, join the generated ones.

        Raises ToolError where a codec that is asked for cannot be had.
        """
        if config.codec:
            check_codecs(config.codecs)
        rng = np.random.default_rng([seed, 77])
        length = RATE * 8
        self._config, self._speech = config, speech
        made = [coloured_noise(length, rng) for _ in range(40)] + [tune(length, rng) for _ in range(10)]
        made += [babble(speech, length, rng) for _ in range(24)] if speech else []
        self._noises = [made, [level(n.astype(np.float32)) for n in noises]]
        self._rooms = _rooms(config, seed) if config.rooms else []
        self._rooms = self._rooms or [room_response(rng.uniform(*config.reverb_s), rng) for _ in range(64)]

    def __call__(self, clean: Sound, rng: Rng) -> Pcm:
        """The int16 that arrives for `clean`, of the same length. Silence becomes noise alone."""
        config = self._config
        sound = level(clean)
        if rng.random() < config.room:
            sound = level(convolve(sound, self._rooms[int(rng.integers(len(self._rooms)))]))
        sound = self._noisy(sound, rng)
        if rng.random() < config.band:
            sound = random_curve(sound, rng)
        if _happens(config.microphone, rng):
            sound = cheap_microphone(sound, rng)
        if _happens(config.low_pass, rng):
            sound = low_pass(sound, rng.uniform(*config.low_pass_hz))
        return self._recorded(self._converted(sound, rng), rng)

    def _noisy(self, sound: Sound, rng: Rng) -> Sound:
        config, samples = self._config, len(sound)
        quiet = rng.random() >= config.noise
        snr = 50.0 if quiet else rng.uniform(*config.snr_db)
        if self._speech and not quiet and _happens(config.babble, rng):
            return mix(sound, babble(self._speech, samples, rng, config.talkers), snr)
        return sound + self._noise(samples, rng) * 10 ** (-snr / 20)

    def _converted(self, sound: Sound, rng: Rng) -> Pcm:
        """Amplifier and converter: level, clipping, a constant part, their own noise."""
        config = self._config
        sound = sound / max(float(np.abs(sound).max()), 1e-6)
        sound *= 10 ** (rng.uniform(*config.peak_db) / 20)
        if rng.random() < config.clipping:
            limit = float(np.abs(sound).max()) * rng.uniform(0.15, 0.6)
            sound = np.clip(sound, -limit, limit).astype(np.float32)
        if _happens(config.dc, rng):
            sound = sound + np.float32(rng.choice([-1, 1]) * rng.uniform(*config.dc_level))
        hiss = rng.uniform(0, 2) / 32768 * rng.standard_normal(len(sound))
        return np.clip(np.rint((sound + hiss) * 32767), -32768, 32767).astype(np.int16)

    def _recorded(self, pcm: Pcm, rng: Rng) -> Pcm:
        config = self._config
        if _happens(config.telephone, rng):
            pcm = through_telephone(pcm)
        if _happens(config.codec, rng):
            pcm = through_codec(pcm, config.codecs[int(rng.integers(len(config.codecs)))])
        return pcm

    def _noise(self, samples: int, rng: Rng) -> Sound:
        made, given = self._noises
        source = given if given and rng.random() < 0.5 else made
        noise = source[int(rng.integers(len(source)))]
        start = int(rng.integers(len(noise)))
        repeats = -(-(samples + start) // len(noise))
        return np.tile(noise, repeats)[start : start + samples]


def _happens(share: float, rng: Rng) -> bool:
    return share > 0 and bool(rng.random() < share)


def _rooms(config: Augment, seed: int) -> list[Sound]:
    rng = np.random.default_rng([seed, 78])
    rooms = [make_room(rng.uniform(*config.reverb_s), config.distance_m, rng) for _ in range(config.rooms)]
    return [room.response(rng) for room in rooms]
