# SPDX-License-Identifier: MIT
"""What an enrolment must not change: other speech, and the word in other voices, as the last layer reads them.

A user has no training data. So engines that are installed speak sentences, common words, near words and the word itself
in many voices; recordings without the word (--negatives) are added, or do alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.clips import RATE, Pcm, read_blocks, read_clip
from tinywake.audio.sources import cast_split
from tinywake.audio.voices.synth import speak_all
from tinywake.audio.words.near import near_words
from tinywake.config import Counts, Recipe, Word
from tinywake.errors import AudioError, ConfigError, ToolError
from tinywake.evaluate.sounds.clipset import clip_set
from tinywake.pipeline.enrolment.ear import Ear

__all__ = ["Background", "gather_background"]

Progress = Callable[[str, float], None]
_COUNTS = Counts(positives=50, near=150, words=100, sentences=200)  # some twenty minutes
_NEAR = 60
_LONGEST = 60 * RATE  # samples that are heard at a time
_MOST_S = 2400.0  # of recordings: more would fill the memory, and teach no more
_LEAST_S = 60.0  # of other speech in all
_SEED = 9


@dataclass(frozen=True)
class Background:
    """inputs: int8 [steps, depth] of all negatives, one after the other; lengths: steps of each.

    others: the same of the word in other voices, a list; empty where nobody could say it. spoken, recorded: negatives
    of either kind, in clips; seconds: of all.
    """

    inputs: NDArray[np.int8]
    lengths: tuple[int, ...]
    others: tuple[NDArray[np.int8], ...]
    spoken: int
    recorded: int
    seconds: float


def gather_background(ear: Ear, label: str, negatives: Sequence[Path], progress: Progress | None = None) -> Background:
    """Speak, read and hear everything. Raises ToolError or AudioError where there is next to no other speech."""
    said: list[Path] = []
    word: list[Path] = []
    try:
        said, word = _spoken(label, progress)
    except (ToolError, ConfigError) as error:
        if not negatives:
            raise ToolError(
                f"{error}; or name a folder of speech without the word: --negatives DIR (an hour of radio will do)"
            ) from error
    recorded = _shuffled([clip.path for clip in clip_set(negatives)]) if negatives else []
    parts, seconds, taken = [], 0.0, 0
    for number, pcm in enumerate(chain((read_clip(path, silent_ok=True) for path in said), _sound(recorded))):
        if number >= len(said) and seconds > _MOST_S:
            break
        parts.append(ear.hear(pcm[:_LONGEST]).inputs)
        seconds += len(pcm[:_LONGEST]) / RATE
        taken += len(said) <= number < len(said) + len(recorded)
        if progress and number % 10 == 0:
            progress("hearing other speech", min(1.0, number / (len(said) + len(recorded))))
    if seconds < _LEAST_S:
        where = negatives[0] if negatives else "the speech engines"
        raise AudioError(
            f"{where}: {seconds:.0f} s of other speech are too little to hold a model to; give a minute at least "
            "(--negatives)"
        )
    others = tuple(ear.hear(read_clip(path)).inputs for path in word)
    return Background(np.concatenate(parts), tuple(map(len, parts)), others, len(said), taken, seconds)


def _spoken(label: str, progress: Progress | None) -> tuple[list[Path], list[Path]]:
    """Clips without the word, and clips of it."""
    recipe = Recipe(word=Word(label=label.lower(), near_count=_NEAR), counts=_COUNTS)
    try:
        near_words(recipe.word)
    except (ToolError, ConfigError):  # no dictionary, or a word that it cannot pronounce: then without near words
        recipe = Recipe(word=Word(label=label.lower()), counts=_COUNTS)
    plan = cast_split(recipe, "train", 1.0, np.random.default_rng([_SEED, 1]))
    without = [said for kind in ("near", "other", "sentences") for said in plan[kind]]
    made = speak_all([*without, *plan["words"]], progress)
    return [path for path in made[: len(without)] if path], [path for path in made[len(without) :] if path]


def _sound(recorded: Sequence[Path]) -> Iterator[Pcm]:
    """The first minute of each recording, then the further ones; never a whole recording in memory."""
    for path in recorded:
        yield next(_minutes(path))
    for path in recorded:
        yield from islice(_minutes(path), 1, None)


def _minutes(path: Path) -> Iterator[Pcm]:
    held = np.zeros(0, np.int16)
    for block in read_blocks(path):
        held = np.concatenate([held, block])
        while len(held) >= _LONGEST:
            yield held[:_LONGEST]
            held = held[_LONGEST:]
    if len(held):
        yield held


def _shuffled(paths: Sequence[Path]) -> list[Path]:
    """In an order that is the same every time and takes a little of every folder."""
    return [paths[i] for i in np.random.default_rng(_SEED).permutation(len(paths))]
