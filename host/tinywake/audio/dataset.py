# SPDX-License-Identifier: MIT
"""Sources -> training streams and validation streams, as features.

A stream is a short piece of continuous sound: silence or noise, perhaps other speech of somebody, the target, perhaps
speech again. Streams with the word and streams without are built by the same code and differ only in their target, so
that neither padding, place nor channel gives the answer away.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.augment.channel import Channel
from tinywake.audio.augment.masks import mask
from tinywake.audio.augment.sound import Rng, Sound, fade
from tinywake.audio.clips import RATE, Pcm, stretch
from tinywake.audio.features import CHANNELS, FRAME, Extract, frames_of, samples_of, spread, to_int8, warp
from tinywake.audio.pool import Pool
from tinywake.audio.sources import Sources, Take
from tinywake.audio.voices.census import Census
from tinywake.audio.voices.synth import Progress
from tinywake.config import Augment, Recipe
from tinywake.files import write_beside

__all__ = [
    "CANDIDATE", "FORMAT", "IGNORED", "LEAD", "NEGATIVE", "STEPS", "Dataset", "as_heard", "build", "caught", "load",
    "put", "save",
]  # fmt: skip

FORMAT = 8  # change it when the same inputs give other streams
NEGATIVE, CANDIDATE, IGNORED = 0, 1, 2  # labels of a step
STEPS = 36  # network outputs in one training stream
_LONG = 3000  # frames of one stream of validation negatives: 30 s
_LATEST = 40  # frames after its end by which the word must have been heard
_EARLIEST = 8  # frames before its end at which it may be heard
_SHORTEST = 30  # frames of a word whose place is not known
_DIVISIBLE = 0.45  # seconds of a word of which a part is not the word: half of "go" is "go" to most ears
_MILD_DB = 10.0  # the least signal-to-noise ratio in validation
_ARRAYS = ("features", "labels", "positives", "negatives", "which", "spoken", "heard")
_EAR, _EAR_STRIDE = 76, 8  # frames that a teacher's first step has heard, and from step to step
_DEAF = 30  # frames of a stream at whose end no ear is asked: it has heard too little of what was before
_Listen = Callable[[Pcm], NDArray[np.float32]]  # a teacher's ear: int16 [samples] -> [steps, channels]
LEAD = 80  # the front end has run for up to so many frames before a stream begins


@dataclass(frozen=True)
class Dataset:
    """Features are int8, the network's own input. `steps` counts outputs: one for each stride of frames."""

    features: NDArray[np.int8]  # [streams, frames, 40]
    labels: NDArray[np.uint8]  # [streams, steps]
    positives: NDArray[np.int8]  # [clips, frames, 40], validation voices, one word in each
    negatives: NDArray[np.int8]  # [pieces, 3000, 40], validation voices, no word at all
    which: NDArray[np.uint8]  # [streams], number of the word; 0 too where there is none
    spoken: NDArray[np.uint8]  # [clips], number of the word
    voices: tuple[Census, Census] = (Census(), Census())  # who trains, who validates
    outputs: int = 1  # words
    # What a teacher's ear made of each stream, at every `stride` frames, the last with the stream's last frame; its
    # first few may have heard less than they need, and say what the next one says: [streams, places, channels].
    heard: NDArray[np.float16] = field(default_factory=lambda: np.zeros((0, 0, 0), np.float16))

    @property
    def hours(self) -> float:
        """Length of the validation negatives."""
        pieces, frames, _ = self.negatives.shape
        return float(pieces * frames / 360_000)


class _Stream(NamedTuple):
    features: NDArray[np.int8]
    labels: NDArray[np.uint8]  # of the steps
    word: int  # its number
    heard: NDArray[np.float16]


@dataclass(frozen=True)
class _Layout:
    window: int  # frames that one output sees
    stride: int

    @property
    def frames(self) -> int:
        return self.window + self.stride * (STEPS - 1)

    def labels(self, first: int, last: int, *, exact: bool, spare: bool = False) -> NDArray[np.uint8]:
        """Labels of a stream whose target begins at frame `first` and ends at `last`.

        Unless `exact`, the word is somewhere between the two. spare: no step that may have all of it in view is
        NEGATIVE then.
        """
        ends = self.window + self.stride * np.arange(STEPS)  # the frame after the last one each step sees
        earliest = last - _EARLIEST if exact else first + _SHORTEST
        latest_start = max(first, last - _SHORTEST) if spare and not exact else first
        labels = np.full(STEPS, NEGATIVE, np.uint8)
        # While the word is still in view, nobody minds a hit; a little before it is complete, neither.
        nearly = ends > first + (last - first) * (0.7 if exact else 0.1)
        labels[nearly & (ends < latest_start + self.window + 5)] = IGNORED
        labels[(ends >= earliest) & (ends <= last + _LATEST)] = CANDIDATE
        return labels


def build(
    splits: tuple[Sources, Sources],
    recipe: Recipe,
    extract: Extract,
    progress: Progress | None = None,
    *,
    workers: int = 2,
    listen: _Listen | None = None,
) -> Dataset:
    """Make every stream. The same sources, recipe and seed give the same bytes, whatever the order of the threads.

    listen: a teacher's ear, for the training streams; its first step has heard 76 frames, each further one eight more.
    """
    layout = _Layout(recipe.network.window, recipe.network.stride)
    seed, counts = recipe.train.seed, recipe.counts
    train = _Mixer(splits[0], recipe, layout, extract, seed * 2, listen)
    validation = _Mixer(splits[1], _as_used(recipe), layout, extract, seed * 2 + 1)
    long = max(1, round(counts.validation_minutes * 6000 / _LONG))
    plans: list[tuple[Callable[[int], _Stream], int]] = [
        (train.positive, counts.positive_streams),
        (train.negative, counts.negative_streams),
        (validation.positive, counts.validation_positives),
        (validation.talk, long),
    ]
    total = sum(count for _, count in plans)
    results: list[list[_Stream]] = []
    done = 0
    with ThreadPoolExecutor(workers) as pool:
        for make, count in plans:
            results.append([])
            for result in pool.map(make, range(count)):
                results[-1].append(result)
                done += 1
                if progress and done % 50 == 0:
                    progress("mixing", done / total)
    streams = results[0] + results[1]
    return Dataset(
        np.stack([stream.features for stream in streams]),
        np.stack([stream.labels for stream in streams]),
        np.stack([stream.features for stream in results[2]]),
        np.stack([stream.features for stream in results[3]]),
        np.array([stream.word for stream in streams], np.uint8),
        np.array([stream.word for stream in results[2]], np.uint8),
        (splits[0].tally.census(), splits[1].tally.census()),
        len(recipe.words),
        np.stack([stream.heard for stream in streams]),
    )


def _as_used(recipe: Recipe) -> Recipe:
    """For validation: voices as they are, noise as rooms have it; deliberate distortion must not set the threshold."""
    low, high = recipe.augment.snr_db
    plain = replace(
        recipe.augment,
        speed=(1.0, 1.0),
        warp=0.0,
        clipping=0.0,
        tempo=(1.0, 1.0),
        snr_db=(min(max(low, _MILD_DB), high), high),
        low_pass=0.0,
        telephone=0.0,
        codec=0.0,
        dc=0.0,
        time_masks=0,
        frequency_masks=0,
    )
    return replace(recipe, augment=plain)


def save(path: Path, dataset: Dataset) -> None:
    """Write the arrays, beside and renamed."""
    arrays = {name: getattr(dataset, name) for name in _ARRAYS}
    arrays["outputs"] = np.array(dataset.outputs)
    arrays["voices"] = np.array(json.dumps([asdict(census) for census in dataset.voices]))

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez(file, **arrays)

    write_beside(path, write)


def load(path: Path) -> Dataset | None:
    """What `save` wrote; None when it is not there or cannot be read (then it is made again)."""
    try:
        with np.load(path) as arrays:
            train, validation = (Census.of(facts) for facts in json.loads(str(arrays["voices"])))
            found = {name: arrays[name] for name in _ARRAYS}
            return Dataset(**found, voices=(train, validation), outputs=int(arrays["outputs"]))
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None


class _Mixer:
    """Makes the streams of one split; every stream has its own generator, seeded by its kind and number."""

    def __init__(
        self, sources: Sources, recipe: Recipe, layout: _Layout, extract: Extract, seed: int,
        listen: _Listen | None = None,
    ) -> None:  # fmt: skip
        self._recipe, self._layout, self._extract, self._seed, self._listen = recipe, layout, extract, seed, listen
        talk = [take.pcm for take in sources.sentences + sources.recorded]
        self._channel = Channel(recipe.augment, seed, talk, sources.noises)
        single = sources.other + sources.recorded
        self._words, self._near, self._other = Pool(sources.words), Pool(sources.near), Pool(single)
        self._parts = Pool([take for take in sources.words if take.exact and len(take.pcm) >= _DIVISIBLE * RATE])
        self._running = Pool(sources.sentences + sources.recorded)
        self._odd = Pool(sources.near + sources.other)
        self._around = Pool(sources.sentences + single)

    def positive(self, index: int) -> _Stream:
        rng = np.random.default_rng([self._seed, 11, index])
        return self._stream(self._pick(self._words, rng), rng, True)

    def negative(self, index: int) -> _Stream:
        rng = np.random.default_rng([self._seed, 12, index])
        kind = rng.choice(["near", "sentence", "other", "part", "none"], p=[0.3, 0.4, 0.12, 0.1, 0.08])
        if kind == "none":
            return self._silent(np.zeros(samples_of(self._heard(rng) + LEAD), np.float32), rng)
        pool = {"near": self._near, "other": self._other, "part": self._parts}.get(kind)
        if not pool:  # a sentence, or nobody says such a thing
            return self._silent(self._talk_sound(self._heard(rng), rng), rng)
        take = self._pick(pool, rng)
        return self._stream(_part_of(take, rng) if kind == "part" else take, rng, False)

    def talk(self, index: int) -> _Stream:
        rng = np.random.default_rng([self._seed, 13, index])
        return self._silent(self._talk_sound(_LONG, rng, odd=0.2), rng, _LONG)

    def _silent(self, sound: Sound, rng: Rng, frames: int = 0) -> _Stream:
        """A stream at which nothing must be heard."""
        return self._finish(sound, rng, np.full(STEPS, NEGATIVE, np.uint8), frames=frames)

    def _heard(self, rng: Rng) -> int:
        """Frames that are heard for a stream: as many as it has, or more or fewer, which `_finish` makes as many."""
        low, high = self._recipe.augment.tempo
        if low == high == 1.0:
            return self._layout.frames
        return round(self._layout.frames * float(np.exp(rng.uniform(np.log(low), np.log(high)))))

    def _pick(self, pool: Pool, rng: Rng) -> Take:
        """A take of the pool at another speed."""
        take = pool.pick(rng)
        low, high = self._recipe.augment.speed
        return replace(take, pcm=stretch(take.pcm, float(np.exp(rng.uniform(np.log(low), np.log(high))))))

    def _stream(self, take: Take, rng: Rng, wanted: bool) -> _Stream:
        """The take somewhere in a stream, often between other speech."""
        layout, heard = self._layout, self._heard(rng)
        if heard != layout.frames and not take.exact:
            heard = max(heard, -(-len(take.pcm) // FRAME))  # no slower than that all of it is in the stream
        tempo = heard / layout.frames
        length = int(len(take.pcm) / FRAME / tempo)
        lowest, highest = layout.window - (10 if take.exact else 0), layout.frames - 30
        last = int(rng.integers(lowest, highest + 1))
        first = last - length
        if not take.exact:
            first = max(first, min(layout.window - 70, highest - 40))
            if heard != layout.frames:
                first = max(0, min(first, layout.frames - length))
            last = first + length
        sound = np.zeros(samples_of(heard + LEAD), np.float32)
        start = (round(first * tempo) + LEAD) * FRAME
        gain = 10 ** (rng.uniform(-6, 6) / 20)
        if rng.random() < 0.4:
            self._say(sound, start - int(rng.uniform(0.03, 0.6) * RATE), rng, gain, before=True)
        if rng.random() < 0.4:
            self._say(sound, start + len(take.pcm) + int(rng.uniform(0.03, 0.8) * RATE), rng, gain, before=False)
        _place(sound, take, gain, start, rng)
        if not wanted:
            return self._silent(sound, rng)
        spare = self._recipe.word.spare
        if spare:
            first, last = (first + round((last - first) * part) for part in take.inside)
        return self._finish(sound, rng, layout.labels(first, last, exact=take.exact, spare=spare), take.word)

    def _say(self, sound: Sound, at: int, rng: Rng, gain: float, *, before: bool) -> None:
        """Other speech that ends at sample `at`, or begins there."""
        take = self._pick(self._around, rng)
        level = gain * 10 ** (rng.uniform(-8, 4) / 20) / _loudness(take)
        put(sound, take.pcm.astype(np.float32) * level, at - len(take.pcm) if before else at)

    def _talk_sound(self, frames: int, rng: Rng, odd: float = 0.0) -> Sound:
        """Sentences one after the other; a share `odd` of the pieces are near words and common words instead."""
        sound = np.zeros(samples_of(frames + LEAD), np.float32)
        at = -int(rng.uniform(0, 1.5) * RATE)
        while at < len(sound):
            take = self._pick(self._odd if self._odd and rng.random() < odd else self._running, rng)
            _place(sound, take, 10 ** (rng.uniform(-5, 5) / 20), at, rng)
            at += len(take.pcm) + int(rng.exponential(0.3) * RATE)
        return sound

    def _finish(
        self, sound: Sound, rng: Rng, labels: NDArray[np.uint8], word: int = 0, frames: int = 0
    ) -> _Stream:  # fmt: skip
        frames, spoken = frames or self._layout.frames, frames_of(len(sound)) - LEAD
        pcm = caught(sound, self._channel, rng)
        features = as_heard(pcm, spoken, frames, self._extract, self._recipe.augment, rng)
        heard = np.zeros((0, 0), np.float16)
        if self._listen:
            heard = _placed(self._listen(pcm), frames_of(len(pcm)), spoken, frames, self._layout.stride)
        return _Stream(features, labels, word, heard)


def caught(sound: Sound, channel: Channel, rng: Rng) -> Pcm:
    """The sound of a stream as the microphone has it, from a random moment before the stream's first frame on."""
    return channel(sound[int(rng.integers(0, LEAD + 1)) * FRAME :], rng)


def as_heard(
    pcm: Pcm, heard: int, frames: int, extract: Extract, augment: Augment, rng: Rng
) -> NDArray[np.int8]:  # fmt: skip
    """Front end, of whose frames the last `heard` count; warps of time and frequency, map to int8: [frames, 40]."""
    features = extract(pcm)[-heard:]
    if heard != frames:
        features = spread(features, frames)
    if augment.warp and rng.random() < 0.7:
        features = warp(features, float(rng.uniform(1 - augment.warp, 1 + augment.warp)))
    features = mask(features, augment, rng)
    assert features.shape == (frames, CHANNELS)
    return to_int8(features)


def _placed(
    said: NDArray[np.float32], total: int, heard: int, frames: int, stride: int
) -> NDArray[np.float16]:  # fmt: skip
    """What an ear said of `total` frames, at every `stride` of the `frames` that the last `heard` of them became."""
    ends = np.arange(frames, _DEAF, -stride)[::-1]  # the frame after the last one that each place has heard
    at = (total - heard + ends * heard / frames - _EAR) / _EAR_STRIDE
    at = np.clip(at, 0, len(said) - 1)
    below = at.astype(np.int64)
    above, part = np.minimum(below + 1, len(said) - 1), (at - below)[:, None]
    return np.asarray(said[below] * (1 - part) + said[above] * part, np.float16)


def _place(sound: Sound, take: Take, gain: float, at: int, rng: Rng) -> None:
    """The take from sample `at` on, within some of what its microphone heard before and after.

    Cut to the speech, recordings would come out of perfect quiet in training, and nowhere else.
    """
    before, after = take.around
    if len(before) or len(after):
        before, after = before[int(rng.integers(len(before) + 1)) :], after[: int(rng.integers(len(after) + 1))]
    pcm = np.concatenate([before, take.pcm, after])
    put(sound, pcm.astype(np.float32) * (gain / _loudness(take)), at - len(before))


def put(sound: Sound, piece: Sound, at: int) -> None:
    """Add a piece, with ramps at both ends, from sample `at` on; what lies outside of the sound is left out."""
    piece = fade(piece)[max(0, -at) :]
    at = max(0, at)
    room = len(sound) - at
    if room > 0:
        sound[at : at + len(piece)] += piece[:room]


def _loudness(take: Take) -> float:
    pcm = take.pcm.astype(np.float32)
    peak = float(np.abs(pcm).max(initial=1.0))
    active = pcm[np.abs(pcm) > 0.05 * peak]
    return float(np.sqrt((active**2).mean())) + 1.0 if len(active) else peak


def _part_of(take: Take, rng: Rng) -> Take:
    """The beginning or the end of a word, about half of it."""
    length = int(len(take.pcm) * rng.uniform(0.3, 0.6))
    return Take(take.pcm[:length] if rng.random() < 0.5 else take.pcm[-length:])
