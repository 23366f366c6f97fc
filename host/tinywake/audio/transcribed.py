# SPDX-License-Identifier: MIT
"""Speech whose phonemes are known, as streams: what a base network learns from before it is told of any word.

Transcribed recordings and what the recipe's synthetic voices say, one after the other until a stream is full, through
the recipe's rooms, noise and microphones, as in the streams of a word (`dataset`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.augment.channel import Channel
from tinywake.audio.augment.sound import Rng, active_level
from tinywake.audio.clips import RATE, Pcm, read_clip, speech_span, stretch
from tinywake.audio.dataset import LEAD, as_heard, caught, put
from tinywake.audio.features import FRAME, Extract, frames_of, samples_of
from tinywake.audio.folders import Recording, recordings
from tinywake.audio.sources import cast_both
from tinywake.audio.voices.census import Census, Tally
from tinywake.audio.voices.synth import Progress, speak_all
from tinywake.audio.words.lexicon import pronunciations
from tinywake.config import Recipe
from tinywake.errors import AudioError, ConfigError

__all__ = ["FRAMES", "MOST", "PHONEMES", "Said", "Side", "Transcribed", "build", "gather"]

PHONEMES = (
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY", "JH", "K",
    "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip
FRAMES = 450  # of a stream: 4.5 s
MOST = 60  # phonemes in one
_QUIET = 60  # frames before the first one
_PACE = (3.0, 25.0)  # phonemes a second: what lies outside is no transcript of its clip
_RECORDED = 0.55  # share of the streams that are of recordings, where there are both
_TRIES = 12  # clips that are tried for what is left of a stream
_LEAST = 10  # clips without which there is nothing to learn
_VALIDATION = 0.1  # as many streams as in training, times this


@dataclass(frozen=True)
class Said:
    """A clip and its phonemes, as numbers in PHONEMES."""

    pcm: Pcm
    phonemes: tuple[int, ...]


@dataclass
class Side:
    """Those who train, or those who judge."""

    spoken: list[Said] = field(default_factory=list)  # by machines
    recorded: list[Said] = field(default_factory=list)
    noises: list[Pcm] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    @property
    def clips(self) -> int:
        """Of speech."""
        return len(self.spoken) + len(self.recorded)


@dataclass(frozen=True)
class Transcribed:
    """Streams. `phonemes` is filled up with -1; the last ones are of voices that train nothing."""

    features: NDArray[np.int8]  # [streams, FRAMES, 40]
    phonemes: NDArray[np.int16]  # [streams, MOST]
    training: int  # streams, the first ones
    voices: tuple[Census, Census]  # who trains, who judges


def gather(
    recipe: Recipe, data: Sequence[Path] = (), progress: Progress | None = None, *, cache: Path | None = None
) -> tuple[Side, Side]:
    """Speak and read all of it: (training, validation), no speaker in both.

    A recording whose text cannot be a transcript of it, by its length, is left out. Raises ToolError, ConfigError,
    AudioError, also where next to nothing is left.
    """
    sides = Side(), Side()
    said = [[one for kind in plan.values() for one in kind] for plan in cast_both(recipe)]  # as for the word: cached
    paths = iter(speak_all([one for part in said for one in part], progress, cache=cache))
    for side, part in zip(sides, said, strict=True):
        for path, one in zip(islice(paths, len(part)), part, strict=True):
            if path is not None and _add(side.spoken, read_clip(path), one.text):
                side.tally.spoken[one.voice] += 1
    for folder in data:
        clips = recordings(folder, recipe.spoken, recipe.labels)
        for index, clip in enumerate(clips):
            _read(sides[int(clip.validates)], clip)
            if progress and index % 50 == 0:
                progress("reading", (index + 1) / len(clips))
    for side, name in zip(sides, ("train", "judge"), strict=True):
        if side.clips < _LEAST:
            raise AudioError(f"{side.clips} transcribed clips to {name} on; a base network needs {_LEAST} at the least")
    return sides


def build(
    sides: tuple[Side, Side], recipe: Recipe, streams: int, extract: Extract, progress: Progress | None = None,
    *, workers: int = 2,
) -> Transcribed:  # fmt: skip
    """Make the streams. The same sides, recipe and seed give the same bytes, whatever the order of the threads."""
    judging = max(8, round(streams * _VALIDATION))
    made: list[tuple[NDArray[np.int8], tuple[int, ...]]] = []
    with ThreadPoolExecutor(workers) as pool:
        for number, (side, count) in enumerate(zip(sides, (streams, judging), strict=True)):
            for stream in pool.map(_maker(side, recipe, extract, recipe.train.seed * 2 + number), range(count)):
                made.append(stream)
                if progress and len(made) % 50 == 0:
                    progress("mixing", len(made) / (streams + judging))
    phonemes = np.full((len(made), MOST), -1, np.int16)
    for row, (_, said) in zip(phonemes, made, strict=True):
        row[: len(said)] = said
    census = sides[0].tally.census(), sides[1].tally.census()
    return Transcribed(np.stack([features for features, _ in made]), phonemes, streams, census)


def _add(into: list[Said], pcm: Pcm, text: str) -> bool:
    """Whether it could be used: it is no longer than a stream, and its text is of its length."""
    first, last = speech_span(pcm)
    seconds = (last - first) / RATE
    try:
        phonemes = pronunciations(text)[0]
    except ConfigError:
        return False
    if not _PACE[0] * seconds <= len(phonemes) <= _PACE[1] * seconds or len(phonemes) > MOST:
        return False
    if last - first > (FRAMES - _QUIET) * FRAME * 0.9:
        return False
    into.append(Said(pcm[first:last], tuple(PHONEMES.index(phoneme) for phoneme in phonemes)))
    return True


def _read(side: Side, clip: Recording) -> None:
    pcm = read_clip(clip.path, silent_ok=clip.kind == "noise")
    if clip.kind == "noise":
        if len(pcm) and pcm.any():
            side.noises.append(pcm)
    elif _add(side.spoken if clip.synthetic else side.recorded, pcm, clip.text) and not clip.synthetic:
        side.tally.recorded[clip.speaker] += 1


def _maker(
    side: Side, recipe: Recipe, extract: Extract, seed: int
) -> Callable[[int], tuple[NDArray[np.int8], tuple[int, ...]]]:
    """Of streams by their number."""
    talk = [one.pcm for one in side.recorded + side.spoken if len(one.pcm) > RATE]
    channel = Channel(recipe.augment, seed, talk, side.noises)
    low, high = (float(np.log(factor)) for factor in recipe.augment.speed)
    slowest = 1.01 * max(np.exp(high), np.exp(-low))

    def make(index: int) -> tuple[NDArray[np.int8], tuple[int, ...]]:
        rng = np.random.default_rng([seed, 22, index])
        takes = side.recorded if side.recorded and rng.random() < _RECORDED else side.spoken or side.recorded
        sound = np.zeros(samples_of(FRAMES + LEAD), np.float32)
        at = (LEAD + _QUIET + int(rng.integers(30))) * FRAME
        said: list[int] = []
        while take := _fitting(takes, (len(sound) - at) / slowest, MOST - len(said), rng):
            pcm = stretch(take.pcm, float(np.exp(rng.uniform(low, high))))
            gain = 10 ** (rng.uniform(-4, 4) / 20) / (active_level(pcm.astype(np.float32)) + 1)
            put(sound, pcm.astype(np.float32) * np.float32(gain), at)
            at += len(pcm) + int(rng.exponential(0.2) * RATE)
            said += take.phonemes
        pcm = caught(sound, channel, rng)
        return as_heard(pcm, frames_of(len(sound)) - LEAD, FRAMES, extract, recipe.augment, rng), tuple(said)

    return make


def _fitting(takes: Sequence[Said], samples: float, phonemes: int, rng: Rng) -> Said | None:
    """One of them that is short enough; None: none was found."""
    for _ in range(_TRIES):
        take = takes[int(rng.integers(len(takes)))]
        if len(take.pcm) < samples and len(take.phonemes) <= phonemes:
            return take
    return None
