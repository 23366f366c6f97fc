# SPDX-License-Identifier: MIT
"""What `make demo` plays: the word by voices that training never heard, then a stretch of their other speech.

Ground truth comes along: where each word begins and ends, and that the stretch holds none.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from tinywake.audio.augment.channel import Channel
from tinywake.audio.augment.sound import Rng, Sound, fade
from tinywake.audio.clips import RATE, Pcm, read_clip, stretch, write_clip
from tinywake.audio.sources import cast_split, voices_of
from tinywake.audio.voices.synth import Progress, speak_all
from tinywake.audio.voices.voice import Utterance
from tinywake.config import Augment, Recipe
from tinywake.errors import ConfigError, ToolError
from tinywake.files import write_beside

__all__ = ["DemoClip", "build_demo"]

# A living room, not a laboratory: some noise, some echo, no broken microphones.
_MILD = Augment(
    noise=1.0, snr_db=(15.0, 30.0), room=0.3, reverb_s=(0.1, 0.3), band=0.0, clipping=0.0, peak_db=(-15.0, -3.0)
)
_BEFORE, _AFTER = int(1.6 * RATE), int(1.2 * RATE)  # noise around a word: the network's window fills first


@dataclass(frozen=True)
class DemoClip:
    """One file. `words` holds begin and end in ms of each time the wake word is said; `other` what else is said."""

    file: str  # name in the folder
    kind: str  # "word", "speech" or "near"
    voices: tuple[str, ...]
    words: tuple[tuple[int, int], ...]
    other: tuple[tuple[int, int, str, str], ...]  # begin and end in ms, text, voice
    seconds: float


def build_demo(
    recipe: Recipe,
    folder: Path,
    *,
    words: int = 10,
    minutes: float = 3.0,
    near: int = 20,
    split: str = "held_out",
    channel: Augment = _MILD,
    progress: Progress | None = None,
    cache: Path | None = None,
) -> list[DemoClip]:
    """Write `words` clips that say the word once each, a stretch of other speech, one of near words, and playlist.json.

    The other speech is sentences and everyday words; the recipe's near words stand apart, because they are made to be
    taken for the word. The voices are those of `split`, engines in turn; the same recipe gives the same bytes.
    Raises ConfigError when the recipe keeps no voice out, ToolError when an engine is missing.
    """
    rng = np.random.default_rng([recipe.train.seed, 999])
    if not getattr(voices_of(recipe), split):
        raise ConfigError(f"voices.{split}: names no voice, so there is nobody to play the demonstration with")
    said = _one_each(recipe, split, words, rng)
    share = max(0.05, minutes * 60 / 2.2 / max(1, recipe.counts.sentences))
    plan = cast_split(recipe, split, share, rng)
    single = [plan["other"][index] for index in rng.permutation(len(plan["other"]))[: len(plan["sentences"]) // 4]]
    other = [*plan["sentences"], *single]
    other = [other[index] for index in rng.permutation(len(other))]
    alike = [plan["near"][index] for index in rng.permutation(len(plan["near"]))[:near]]
    paths = speak_all([*said, *other, *alike], progress, cache=cache)
    talk, like = paths[len(said) : len(said) + len(other)], paths[len(said) + len(other) :]
    babble = [read_clip(path) for path in talk if path][:40]
    mix = Channel(channel, recipe.train.seed + 4242, babble, ())
    clips = []
    for index, (utterance, path) in enumerate(zip(said, paths, strict=False)):
        if path is None:
            raise ToolError(f"{utterance.voice.engine}: could not say {utterance.text!r} in {utterance.voice.name}")
        pcm = stretch(read_clip(path), float(rng.uniform(0.94, 1.06)))  # not every engine varies its prosody
        sound = np.zeros(_BEFORE + len(pcm) + _AFTER, np.float32)
        sound[_BEFORE : _BEFORE + len(pcm)] = fade(pcm.astype(np.float32))
        name = f"word-{index + 1:02d}-{_plain(utterance.voice.key)}.wav"
        write_clip(folder / name, mix(sound, rng))
        span = (_BEFORE * 1000 // RATE, (_BEFORE + len(pcm)) * 1000 // RATE)
        clips.append(DemoClip(name, "word", (utterance.voice.key,), (span,), (), round(len(sound) / RATE, 3)))
    for kind, name, texts, files, most in (
        ("speech", "other-speech.wav", other, talk, int(minutes * 60 * RATE)),
        ("near", "near-words.wav", alike, like, 2 * near * RATE),
    ):
        speech, truth = _stretch(texts, files, most, rng)
        length = RATE * 15  # the room and its noise change now and then
        pieces = [mix(speech[at : at + length], rng) for at in range(0, len(speech), length)]
        write_clip(folder / name, np.concatenate(pieces))
        voices = tuple(sorted({voice for *_, voice in truth}))
        clips.append(DemoClip(name, kind, voices, (), truth, round(len(speech) / RATE, 3)))
    text = json.dumps([asdict(clip) for clip in clips], indent=1) + "\n"
    write_beside(folder / "playlist.json", lambda part: part.write_text(text))
    return clips


def _one_each(recipe: Recipe, split: str, count: int, rng: Rng) -> list[Utterance]:
    """Engines in turn, voices in a drawn order, prosody within the middle half of the recipe's."""
    voices = getattr(voices_of(recipe), split)
    queues = [[v for v in voices if v.engine == name] for name in sorted({v.engine for v in voices})]
    queues = [[queue[i] for i in rng.permutation(len(queue))] for queue in queues]
    texts = recipe.word.spoken
    said = []
    for index in range(count):
        queue = queues[index % len(queues)]
        voice = queue[(index // len(queues)) % len(queue)]
        ranges = (recipe.voices.speed, recipe.voices.pitch)
        speed, pitch = (float(np.exp(rng.uniform(*np.log(span)) / 2)) for span in ranges)
        utterance = Utterance(texts[index % len(texts)], voice, round(speed, 2), round(pitch, 2))
        said.append(utterance if voice.pitch else replace(utterance, pitch=1.0))
    return said


def _stretch(
    said: list[Utterance], paths: list[Path | None], samples: int, rng: Rng
) -> tuple[Sound, tuple[tuple[int, int, str, str], ...]]:
    sound = np.zeros(samples, np.float32)
    truth: list[tuple[int, int, str, str]] = []
    at = 0
    for utterance, path in zip(said, paths, strict=True):
        if path is None or at >= samples:
            continue
        pcm: Pcm = read_clip(path)
        loud = pcm.astype(np.float32) / max(1.0, float(np.abs(pcm.astype(np.float32)).max()))
        piece = fade(loud)[: samples - at]
        sound[at : at + len(piece)] += piece
        truth.append((at * 1000 // RATE, (at + len(piece)) * 1000 // RATE, utterance.text, utterance.voice.key))
        at += len(pcm) + int(rng.uniform(0.1, 0.7) * RATE)
    return sound[: max(min(at, samples), RATE)], tuple(truth)


def _plain(key: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in key)
