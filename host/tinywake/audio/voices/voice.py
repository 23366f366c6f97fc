# SPDX-License-Identifier: MIT
"""Who can speak on this machine: one interface to text-to-speech engines, and voices split into disjoint groups.

To add an engine, write a class with the members of `Engine` and name it in ``engines.ENGINES``.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from tinywake.config import Voices
from tinywake.errors import ConfigError

__all__ = ["Engine", "Utterance", "Voice", "VoiceSplit", "cast", "split_voices"]

_UNCHANGED = 0.35  # share of the utterances with the voice's own formants
_PITCH_OF_FORMANT = 2.5  # a shorter throat comes with a higher pitch


@dataclass(frozen=True)
class Voice:
    """A voice of an engine. Two voices with one `speaker` are the same person; with one `timbre` they never part."""

    engine: str
    name: str
    speaker: str
    pitch: bool = True  # the engine can change the pitch
    language: str = ""  # as its file says, for voices that come in files
    source: str = ""  # a user's own voice: its file, or the command that speaks
    content: str = ""  # what decides the sound of one's own voice, wherever it lies

    @property
    def accent(self) -> str:
        """Its language or accent; "" where nobody says."""
        return self.name.partition("+")[0] if self.engine == "espeak-ng" else self.language

    @property
    def key(self) -> str:
        """What patterns in a recipe match: "engine/name"."""
        return f"{self.engine}/{self.name}"

    @property
    def timbre(self) -> str:
        """Whom a listener takes it for: the speaker, or with espeak-ng the variant, which is alike in every accent."""
        return f"{self.engine}/+{self.name.partition('+')[2]}" if self.engine == "espeak-ng" else self.speaker


@dataclass(frozen=True)
class Utterance:
    """A text in a voice. Factors, 1.0 being the voice's own; `formant` 1.15 makes of a man's throat a woman's."""

    text: str
    voice: Voice
    speed: float = 1.0
    pitch: float = 1.0
    formant: float = 1.0
    range: float = 1.0  # of the pitch around its mean


class Engine(Protocol):
    """A text-to-speech program or library."""

    name: str
    remedy: str  # how to get it, for the error message
    parallel: bool  # several `speak` at once are safe

    def version(self) -> str:
        """A text that changes when the sound may change; "" when the engine is not installed."""

    def voices(self, accents: Sequence[str]) -> list[Voice]:
        """What is installed; `accents` matter to engines that combine accent and timbre."""

    def speak(self, jobs: Sequence[tuple[Utterance, Path]]) -> None:
        """Write a wav of any rate for each job. A job that fails leaves no file."""


@dataclass(frozen=True)
class VoiceSplit:
    """Disjoint by timbre: who trains, who chooses the threshold, who is kept out of both."""

    train: tuple[Voice, ...]
    validation: tuple[Voice, ...]
    held_out: tuple[Voice, ...]


def split_voices(voices: Sequence[Voice], validation: Sequence[str], held_out: Sequence[str]) -> VoiceSplit:
    """Deal voices by the recipe's patterns; all voices of a timbre go where its strictest pattern sends one.

    Without a pattern for validation every seventh timbre validates. Raises ConfigError when a group that is needed
    is empty.
    """
    tested = {v.timbre for v in _matching(voices, held_out)}
    rest = [v for v in voices if v.timbre not in tested]
    chosen = {v.timbre for v in _matching(rest, validation)}
    if not validation:
        chosen = set(sorted({v.timbre for v in rest})[3::7])
    groups = VoiceSplit(
        tuple(v for v in rest if v.timbre not in chosen),
        tuple(v for v in rest if v.timbre in chosen),
        tuple(v for v in voices if v.timbre in tested),
    )
    named = "voices.validation" if validation else "voices.engines"
    if not groups.train or not groups.validation:
        what = "train with" if not groups.train else "choose the threshold with"
        raise ConfigError(f"{named}: no voice is left to {what}; installed: {_summary(voices)}")
    if held_out and not groups.held_out:
        raise ConfigError(
            f"voices.held_out: no installed voice matches {', '.join(held_out)}; installed: {_summary(voices)}"
        )
    return groups


def _matching(voices: Iterable[Voice], patterns: Sequence[str]) -> list[Voice]:
    return [v for v in voices if any(fnmatch.fnmatchcase(v.key, pattern) for pattern in patterns)]


def _summary(voices: Sequence[Voice]) -> str:
    names = sorted({v.key for v in voices})
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "") or "none"


def cast(
    texts: Sequence[str],
    count: int,
    voices: Sequence[Voice],
    ranges: Voices,
    rng: np.random.Generator,
    *,
    vary: bool = True,
) -> list[Utterance]:
    """`count` utterances: texts in turn, each in a voice, pace and pitch drawn by `rng`; formants as well if `vary`."""
    if not texts:
        return []
    by_engine = {name: [v for v in voices if v.engine == name] for name in sorted({v.engine for v in voices})}
    names = list(by_engine)
    # Engines with few voices have the natural ones: a share grows but slowly with the number of voices.
    share = np.array([len(by_engine[name]) for name in names]) ** 0.2
    share /= share.sum()

    def draw(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    utterances = []
    for index in range(count):
        engine = by_engine[names[int(rng.choice(len(names), p=share))]]
        voice = engine[int(rng.integers(len(engine)))]
        speed, pitch, formant = draw(*ranges.speed), draw(*ranges.pitch), draw(*ranges.formant)
        if not vary or rng.random() < _UNCHANGED:
            formant = 1.0
        pitch *= formant**_PITCH_OF_FORMANT if voice.pitch else 1.0
        if not voice.pitch:
            pitch = formant
        melody, text = 1.0, texts[index % len(texts)]
        if ranges.range != (1.0, 1.0):
            melody = float(rng.uniform(*ranges.range))
        if ranges.endings:
            text = text.rstrip(" .,;:!?") + ranges.endings[int(rng.integers(len(ranges.endings)))]
        utterances.append(Utterance(text, voice, *(round(x, 2) for x in (speed, pitch, formant, melody))))
    return utterances
