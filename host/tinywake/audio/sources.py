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
from tinywake.audio.folders import Recording, plain, recordings
from tinywake.audio.voices import texts
from tinywake.audio.voices.census import Tally
from tinywake.audio.voices.engines import engines, installed
from tinywake.audio.voices.own import own_voices
from tinywake.audio.voices.synth import Progress, speak_all
from tinywake.audio.voices.voice import Utterance, VoiceSplit, cast, split_voices
from tinywake.audio.words.near import near_words
from tinywake.config import Recipe, fingerprint
from tinywake.errors import AudioError, ToolError

__all__ = ["PHRASE_MAX", "WORD_MAX", "Sources", "Take", "cast_both", "cast_split", "gather", "identity", "voices_of"]

WORD_MAX = 4.0  # seconds of speech in a recording of the word
_ALONE_MAX = 1.2  # seconds of speech, of which nothing is taken for anything but the word
PHRASE_MAX = 1.7  # seconds of the word inside speech: what a stream behind a full window holds
_VALIDATION_SHARE = 0.15  # of the spoken clips of each kind
_AROUND = 1.2  # seconds that are kept of what a microphone heard before speech, and after it
_NOTHING: Pcm = np.zeros(0, np.int16)
_UNSURE = 0.2  # of a phrase: how far from where its letters are the word may begin or end


@dataclass(frozen=True)
class Take:
    """A clip ready for use. `exact`: it is the word from end to end; else the word is somewhere inside.

    inside: the part of the clip, 0 to 1, which is sure to hold all of the word. speaker: of a recording. around: what
    its microphone heard before and after.
    """

    pcm: Pcm
    exact: bool = True
    recorded: bool = False
    speaker: str = ""
    inside: tuple[float, float] = (0.0, 1.0)
    word: int = 0  # which one of the recipe's
    around: tuple[Pcm, Pcm] = (_NOTHING, _NOTHING)


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


def identity(recipe: Recipe, data: Sequence[Path], ear: str | None = None) -> str:
    """A fingerprint of everything that decides the streams: recipe, engines and voices, bytes of the recordings.

    ear: of the teacher that hears them, too.
    """
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
            (clip.synthetic, clip.split, *([_number(clip.text, recipe)] if recipe.further else [])),
            hashlib.sha256(clip.path.read_bytes()).hexdigest(),
        )
        for folder in data
        for clip in recordings(folder, recipe.spoken, recipe.labels)
    ]
    # What comes after the sound (training, detector) changes nothing here, but for the seed.
    said = _near(recipe)
    parts = [recipe.words, said, recipe.voices, recipe.counts, recipe.augment, recipe.train.seed, speakers, files]
    own = [(voice.key, voice.content) for voice in own_voices(recipe.voices)]
    parts += [own] if own else []
    if recipe.conversion.wanted:
        parts += [recipe.conversion, vocoder_version()]
    parts += [ear] if ear else []
    return fingerprint(*parts)


def cast_split(recipe: Recipe, split: str, share: float, rng: np.random.Generator) -> dict[str, list[Utterance]]:
    """Who says what in "train", "validation" or "held_out": a list for each kind of clip; `share` scales the counts."""
    voices = getattr(voices_of(recipe), split)
    counts, near = recipe.counts, _near(recipe)
    banned = (*recipe.spoken, *recipe.labels)
    phrases = [
        carrier.replace("{}", text) for word in recipe.words for carrier in word.carriers for text in word.spoken
    ]
    carried = round(counts.near * recipe.word.near_carried)
    other = [text for word in recipe.words for text in word.others]
    plan = {
        "words": (list(recipe.spoken), counts.positives * 4 // 5),
        "phrases": (phrases, counts.positives // 5),
        "near": (list(near), counts.near - carried),
        "other": ([*other, *texts.words(split, (*banned, *near))], counts.words),
        "sentences": (texts.sentences(split, max(4, int(counts.sentences * share)), banned, rng), counts.sentences),
    }
    if carried:
        near_phrases = [carrier.replace("{}", text) for carrier in recipe.word.carriers for text in near]
        rng.shuffle(near_phrases)
        plan["near_phrases"] = near_phrases, carried
    return {
        kind: cast(said, max(4, int(count * share)), voices, recipe.voices, rng, vary=split == "train")
        for kind, (said, count) in plan.items()
    }


def cast_both(recipe: Recipe) -> list[dict[str, list[Utterance]]]:
    """Who says what in training and in validation."""
    rng = np.random.default_rng([recipe.train.seed, 1])
    return [cast_split(recipe, "train", 1.0, rng), cast_split(recipe, "validation", _VALIDATION_SHARE, rng)]


def gather(
    recipe: Recipe, data: Sequence[Path] = (), progress: Progress | None = None, *, cache: Path | None = None
) -> tuple[Sources, Sources]:
    """Speak and read everything: (training, validation), no speaker in both.

    Raises ToolError (an engine is missing), ConfigError (no voices left), AudioError (a recording cannot be used).
    """
    casts = cast_both(recipe)
    utterances = [said for plan in casts for kind in plan.values() for said in kind]
    paths = iter(speak_all(utterances, progress, cache=cache))
    splits = (Sources(), Sources())
    for sources, plan in zip(splits, casts, strict=True):
        for kind, said in plan.items():
            heard = [(read_clip(path), one) for path, one in zip(islice(paths, len(said)), said, strict=True) if path]
            sources.tally.spoken.update(one.voice for _, one in heard)
            if kind == "phrases":
                sources.words += [
                    Take(pcm, exact=False, inside=_inside(one.text, recipe.spoken), word=_number(one.text, recipe))
                    for pcm, one in heard
                ]
            elif kind == "words":
                sources.words += [Take(pcm, word=_number(one.text, recipe)) for pcm, one in heard]
            else:
                into = "near" if kind == "near_phrases" else kind
                getattr(sources, into).extend(Take(pcm, exact=kind != "near_phrases") for pcm, _ in heard)
    for folder in data:
        _add_folder(splits, folder, recipe, progress)
    if recipe.conversion.wanted:
        _add_conversions(splits[0], recipe, progress, cache)
    for sources, name in zip(splits, ("training", "validation"), strict=True):
        for kind in ("words", "sentences"):
            if not any(take.exact for take in getattr(sources, kind)):
                raise ToolError(f"no {kind} could be spoken for {name}: raise [counts] or name more voices")
    return splits


def _inside(phrase: str, words: Sequence[str]) -> tuple[float, float]:
    """The part of `phrase`, 0 to 1, that holds one of `words`, by letters: letters do not last equally long."""
    word = max((word for word in words if word in phrase), key=len, default=phrase)
    first = phrase.index(word) / len(phrase)
    last = first + len(word) / len(phrase)
    return max(0.0, first - _UNSURE), min(1.0, last + _UNSURE)


def _near(recipe: Recipe) -> tuple[str, ...]:
    """Near words of all words, but for those that are a word themselves."""
    own = {text.lower() for text in recipe.spoken}
    found = dict.fromkeys(text for word in recipe.words for text in near_words(word))
    return tuple(text for text in found if text.lower() not in own)


def _number(text: str, recipe: Recipe) -> int:
    """Which word is in a text, of several the longest; or which one it is the label of."""
    labels = [plain(label) for label in recipe.labels]
    if plain(text) in labels and plain(text) not in map(plain, recipe.spoken):
        return labels.index(plain(text))
    said = f" {plain(text)} "
    lengths = [max((len(t) for t in word.spoken if f" {plain(t)} " in said), default=0) for word in recipe.words]
    return lengths.index(max(lengths))


def _add_folder(splits: tuple[Sources, Sources], folder: Path, recipe: Recipe, progress: Progress | None) -> None:
    clips = recordings(folder, recipe.spoken, recipe.labels)
    for index, clip in enumerate(clips):
        sources = splits[1 if clip.validates else 0]
        pcm = read_clip(clip.path, silent_ok=clip.kind == "noise")
        first, last = speech_span(pcm) if clip.kind != "noise" else (0, len(pcm))
        around = pcm[max(0, first - round(_AROUND * RATE)) : first], pcm[last : last + round(_AROUND * RATE)]
        if clip.kind == "noise":
            if len(pcm) and pcm.any():
                sources.noises.append(pcm)
        elif clip.kind == "other":
            if clip.synthetic:
                into = sources.other if last - first < _ALONE_MAX * RATE else sources.sentences
                into.append(Take(pcm[first:last]))
            else:
                sources.recorded.append(Take(pcm[first:last], recorded=True, speaker=clip.speaker, around=around))
                _count(sources.tally, clip)
        else:
            if clip.kind == "phrase" and last - first > PHRASE_MAX * RATE:
                continue  # a stream has no room for it, and without all of it nobody knows where the word is
            if last - first > WORD_MAX * RATE:
                raise AudioError(
                    f"{clip.path}: {(last - first) / RATE:.1f} s for the wake word; at most {WORD_MAX:g} s of speech"
                )
            alone = clip.kind == "word" and last - first < _ALONE_MAX * RATE
            spoken = Take(
                pcm[first:last], exact=alone, recorded=not clip.synthetic, speaker=clip.speaker, around=around
            )
            sources.words.append(replace(spoken, word=_number(clip.text, recipe)))
            if not clip.synthetic:
                _count(sources.tally, clip)
        if progress and index % 50 == 0:
            progress("reading", (index + 1) / len(clips))


def _count(tally: Tally, clip: Recording) -> None:
    if clip.known:
        tally.recorded[clip.speaker] += 1
    else:
        tally.unknown += 1


def _add_conversions(sources: Sources, recipe: Recipe, progress: Progress | None, cache: Path | None) -> None:
    """Spoken and recorded clips of every kind alike, so that a vocoder's sound says nothing about the answer."""
    rng = np.random.default_rng([recipe.train.seed, 2])
    config, planned, longest = recipe.conversion, [], PHRASE_MAX * RATE

    def plan(kind: str, takes: Sequence[Take], count: int) -> None:
        for index, change in plan_conversions(len(takes), count, config, rng):
            take = takes[index]
            if not take.exact and len(take.pcm) <= longest:
                change = replace(change, pace=max(change.pace, len(take.pcm) / longest))
            planned.append((kind, take, change))

    for kind in ("words", "near", "other", "sentences", "recorded"):
        takes: list[Take] = getattr(sources, kind)
        plan(kind, takes, round(len(takes) * config.per_clip))
    people = [take for take in sources.words if take.recorded]
    short = [take for take in sources.recorded if len(take.pcm) <= longest]
    for kind, takes in (("words", people), ("recorded", short)):
        plan(kind, takes, round(len(people) * config.per_recording))
    made = convert_all([(take.pcm, change) for _, take, change in planned], progress, cache=cache)
    for (kind, take, _), pcm in zip(planned, made, strict=True):
        getattr(sources, kind).append(replace(take, pcm=pcm))
    sources.tally.conversions += len(made)
