# SPDX-License-Identifier: MIT
"""All the sound a recipe asks for, gathered: speech of every voice and the recordings given, in two disjoint splits."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np

from tinywake.audio.clips import RATE, Pcm, read_clip, speech_span
from tinywake.audio.conversion.clips import convert_all, plan_conversions
from tinywake.audio.conversion.world import version as vocoder_version
from tinywake.audio.folders import in_validation, recordings
from tinywake.audio.voices import texts
from tinywake.audio.voices.census import Tally
from tinywake.audio.voices.engines import engines, installed
from tinywake.audio.voices.own import own_voices
from tinywake.audio.voices.synth import Progress, speak_all
from tinywake.audio.voices.voice import Utterance, VoiceSplit, cast, split_voices
from tinywake.audio.words.near import near_words
from tinywake.config import Recipe, fingerprint
from tinywake.errors import AudioError, ToolError

__all__ = ["PHRASE_MAX", "WORD_MAX", "Sources", "Take", "cast_split", "gather", "identity", "voices_of"]

WORD_MAX = 4.0  # seconds of speech in a recording of the word
PHRASE_MAX = 1.7  # seconds of the word inside speech: what a stream behind a full window holds
_VALIDATION_SHARE = 0.15  # of the spoken clips of each kind


@dataclass(frozen=True)
class Take:
    """A clip ready for use. `exact`: it is the word from end to end; else the word is somewhere inside."""

    pcm: Pcm
    exact: bool = True
    recorded: bool = False


@dataclass
class Sources:
    """One split. Partial words are cut from `words` when they are needed."""

    words: list[Take] = field(default_factory=list)
    near: list[Take] = field(default_factory=list)
    other: list[Take] = field(default_factory=list)  # common words
    sentences: list[Take] = field(default_factory=list)
    recorded: list[Take] = field(default_factory=list)  # other speech of the folders
    noises: list[Pcm] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)  # who was heard in all of these


def voices_of(recipe: Recipe) -> VoiceSplit:
    """The installed voices dealt by the recipe. Raises ToolError and ConfigError."""
    voices = recipe.voices
    every = installed(voices.engines, voices.accents, own_voices(voices))
    return split_voices(every, voices.validation, voices.held_out)


def identity(recipe: Recipe, data: Sequence[Path]) -> str:
    """A fingerprint of everything that decides the sound: recipe, engines and voices, bytes of the recordings."""
    accents = recipe.voices.accents
    speakers = {
        name: (engine.version(), [(voice.key, voice.speaker) for voice in engine.voices(accents)])
        for name, engine in engines(recipe.voices.engines).items()
    }
    files = [
        (
            os.path.relpath(clip.path, folder),
            clip.kind,
            clip.speaker,
            hashlib.sha256(clip.path.read_bytes()).hexdigest(),
        )
        for folder in data
        for clip in recordings(folder, recipe.word.spoken)
    ]
    # What comes after the sound (training, detector) changes nothing here, but for the seed.
    said = near_words(recipe.word)
    parts = [recipe.word, said, recipe.voices, recipe.counts, recipe.augment, recipe.train.seed, speakers, files]
    own = [(voice.key, voice.content) for voice in own_voices(recipe.voices)]
    parts += [own] if own else []
    if recipe.conversion.per_clip:
        parts += [recipe.conversion, vocoder_version()]
    return fingerprint(*parts)


def cast_split(recipe: Recipe, split: str, share: float, rng: np.random.Generator) -> dict[str, list[Utterance]]:
    """Who says what in "train", "validation" or "held_out": a list for each kind of clip; `share` scales the counts."""
    voices = getattr(voices_of(recipe), split)
    counts, word = recipe.counts, recipe.word
    banned = (*word.spoken, word.label)
    near = near_words(word)
    phrases = [carrier.replace("{}", text) for carrier in word.carriers for text in word.spoken]
    plan = {
        "words": (list(word.spoken), counts.positives * 4 // 5),
        "phrases": (phrases, counts.positives // 5),
        "near": (list(near), counts.near),
        "other": (texts.words(split, (*banned, *near)), counts.words),
        "sentences": (texts.sentences(split, max(4, int(counts.sentences * share)), banned, rng), counts.sentences),
    }
    return {
        kind: cast(said, max(4, int(count * share)), voices, recipe.voices, rng, vary=split == "train")
        for kind, (said, count) in plan.items()
    }


def gather(
    recipe: Recipe, data: Sequence[Path] = (), progress: Progress | None = None, *, cache: Path | None = None
) -> tuple[Sources, Sources]:
    """Speak and read everything: (training, validation), no speaker in both.

    Raises ToolError (an engine is missing), ConfigError (no voices left), AudioError (a recording cannot be used).
    """
    rng = np.random.default_rng([recipe.train.seed, 1])
    casts = [cast_split(recipe, "train", 1.0, rng), cast_split(recipe, "validation", _VALIDATION_SHARE, rng)]
    utterances = [said for plan in casts for kind in plan.values() for said in kind]
    paths = iter(speak_all(utterances, progress, cache=cache))
    splits = (Sources(), Sources())
    for sources, plan in zip(splits, casts, strict=True):
        for kind, said in plan.items():
            heard = [(path, one.voice) for path, one in zip(islice(paths, len(said)), said, strict=True) if path]
            spoken = [read_clip(path) for path, _ in heard]
            sources.tally.spoken.update(voice for _, voice in heard)
            if kind == "phrases":
                sources.words += [Take(pcm, exact=False) for pcm in spoken]
            else:
                getattr(sources, kind).extend(Take(pcm) for pcm in spoken)
    for folder in data:
        _add_folder(splits, folder, recipe.word.spoken, progress)
    if recipe.conversion.per_clip:
        _add_conversions(splits[0], recipe, progress, cache)
    for sources, name in zip(splits, ("training", "validation"), strict=True):
        for kind in ("words", "sentences"):
            if not any(take.exact for take in getattr(sources, kind)):
                raise ToolError(f"no {kind} could be spoken for {name}: raise [counts] or name more voices")
    return splits


def _add_folder(
    splits: tuple[Sources, Sources], folder: Path, spoken: Sequence[str], progress: Progress | None
) -> None:
    clips = recordings(folder, spoken)
    for index, clip in enumerate(clips):
        sources = splits[1 if in_validation(clip.speaker) else 0]
        pcm = read_clip(clip.path, silent_ok=clip.kind == "noise")
        first, last = speech_span(pcm) if clip.kind != "noise" else (0, len(pcm))
        if clip.kind == "noise":
            if len(pcm) and pcm.any():
                sources.noises.append(pcm)
        elif clip.kind == "other":
            sources.recorded.append(Take(pcm[first:last], recorded=True))
            sources.tally.recorded[clip.speaker] += 1
        else:
            if last - first > WORD_MAX * RATE:
                raise AudioError(
                    f"{clip.path}: {(last - first) / RATE:.1f} s for the wake word; at most {WORD_MAX:g} s of speech"
                )
            if clip.kind == "phrase" and last - first > PHRASE_MAX * RATE:
                continue  # a stream has no room for it, and without all of it nobody knows where the word is
            sources.words.append(Take(pcm[first:last], exact=False, recorded=True))
            sources.tally.recorded[clip.speaker] += 1
        if progress and index % 50 == 0:
            progress("reading", (index + 1) / len(clips))


def _add_conversions(sources: Sources, recipe: Recipe, progress: Progress | None, cache: Path | None) -> None:
    """Spoken and recorded clips of every kind alike, so that a vocoder's sound says nothing about the answer."""
    rng = np.random.default_rng([recipe.train.seed, 2])
    planned, longest = [], PHRASE_MAX * RATE
    for kind in ("words", "near", "other", "sentences", "recorded"):
        takes: list[Take] = getattr(sources, kind)
        for index, change in plan_conversions(len(takes), recipe.conversion, rng):
            take = takes[index]
            if not take.exact and len(take.pcm) <= longest:
                change = replace(change, pace=max(change.pace, len(take.pcm) / longest))
            planned.append((kind, take, change))
    made = convert_all([(take.pcm, change) for _, take, change in planned], progress, cache=cache)
    for (kind, take, _), pcm in zip(planned, made, strict=True):
        getattr(sources, kind).append(replace(take, pcm=pcm))
    sources.tally.conversions += len(made)
