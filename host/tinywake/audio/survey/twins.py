# SPDX-License-Identifier: MIT
"""The same sound in two files: sample for sample, or at another level, offset, rate or codec.

The second kind is proposed by the shape of the sound around its loudest places (``Measures.anchors``) and believed only
where the samples themselves go together, which two utterances never do.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tinywake.audio.clips import RATE, read_clip
from tinywake.audio.survey.measure import Floats
from tinywake.audio.survey.survey import Surveyed

__all__ = ["Twins", "copies", "twins"]

_ALIKE = 0.95  # of two anchors, to be looked at: the same sound in a telephone's codec has 0.97
_TOGETHER = 0.9  # correlation of the samples of one sound
_COVERS = 0.8  # share of one sound's energy that is in the other
_OVERLAP = RATE // 3  # samples that have to go together
_MOST = 4000  # pairs that are compared sample by sample: those that matter first, then the most alike
_BLOCK = 1024
_LONGEST = 30 * RATE

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Twins:
    """Pairs of clips that hold one sound; `left` pairs looked alike and were not compared."""

    pairs: tuple[tuple[Surveyed, Surveyed], ...]
    left: int


def copies(clips: Sequence[Surveyed]) -> list[list[Surveyed]]:
    """Clips equal sample for sample at 16 kHz, digital silence at the ends apart: lists of two or more."""
    same: dict[str, list[Surveyed]] = defaultdict(list)
    for clip in clips:
        if clip.measures is not None and clip.measures.level_db > -100:
            same[clip.measures.digest].append(clip)
    return [group for group in same.values() if len(group) > 1]


def twins(clips: Sequence[Surveyed], progress: Progress | None = None) -> Twins:
    """Pairs that are no copies and hold the same sound; the first of two copies stands for both."""
    usable = list({c.measures.digest: c for c in reversed(clips) if c.measures and len(c.measures.anchors)}.values())[
        ::-1
    ]
    if len(usable) < 2:
        return Twins((), 0)
    likeness: dict[tuple[int, int], float] = {}
    anchors = np.concatenate([clip.measures.anchors for clip in usable if clip.measures])
    owner = np.repeat(np.arange(len(usable)), [len(clip.measures.anchors) for clip in usable if clip.measures])
    for start in range(0, len(anchors), _BLOCK):
        alike = anchors[start : start + _BLOCK] @ anchors[start:].T
        rows, columns = np.nonzero(alike > _ALIKE)
        for row, column in zip(rows, columns, strict=True):
            pair = int(owner[start + row]), int(owner[start + column])
            if pair[0] < pair[1]:
                likeness[pair] = max(likeness.get(pair, 0.0), float(alike[row, column]))
    worth = {pair: _matters(usable[pair[0]], usable[pair[1]]) for pair in likeness}
    order = sorted(likeness, key=lambda pair: (not worth[pair], -round(likeness[pair], 3), pair))
    sound = functools.lru_cache(maxsize=256)(_sound)
    found = []
    for index, (one, other) in enumerate(order[:_MOST]):
        if _same(sound(usable[one]), sound(usable[other])):
            found.append((usable[one], usable[other]))
        if progress and index % 20 == 0:
            progress("checking", 0.9 + 0.1 * index / min(len(order), _MOST))
    return Twins(tuple(found), max(0, len(order) - _MOST))


def _matters(one: Surveyed, other: Surveyed) -> bool:
    return one.group != other.group or one.recording.speaker != other.recording.speaker


def _sound(clip: Surveyed) -> Floats:
    """Speech in the band that every codec keeps."""
    pcm = read_clip(clip.recording.path, silent_ok=True)[:_LONGEST].astype(np.float32)
    spectrum = np.fft.rfft(pcm)
    hertz = np.arange(len(spectrum)) * RATE / max(len(pcm), 1)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0
    return np.asarray(np.fft.irfft(spectrum, len(pcm)), np.float32)


def _same(one: Floats, other: Floats) -> bool:
    """Whether there is a shift at which the samples go together, over most of one of the two."""
    size = 1 << (len(one) + len(other) - 1).bit_length()
    together = np.fft.irfft(np.fft.rfft(one, size) * np.conj(np.fft.rfft(other, size)), size)
    at = int(np.argmax(np.abs(together)))  # a microphone may be wired the other way round
    shift = at if at < len(one) else at - size
    a = one[max(0, shift) : max(0, shift) + len(other) + min(0, shift)]
    b = other[max(0, -shift) :][: len(a)]
    a = a[: len(b)]
    if len(a) < _OVERLAP:
        return False
    energy = float((a.astype(np.float64) ** 2).sum()), float((b.astype(np.float64) ** 2).sum())
    whole = float((one.astype(np.float64) ** 2).sum()), float((other.astype(np.float64) ** 2).sum())
    covers = max(part / max(full, 1e-9) for part, full in zip(energy, whole, strict=True))
    return covers > _COVERS and abs(float(together[at])) > _TOGETHER * (energy[0] * energy[1]) ** 0.5
