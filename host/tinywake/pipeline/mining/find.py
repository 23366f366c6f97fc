# SPDX-License-Identifier: MIT
"""Where a model fires, or nearly does, in sound of any length; memory is that of a few seconds and of what is found."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tinywake.audio.clips import RATE, Pcm
from tinywake.pipeline.evaluation.contenders import Contender

__all__ = ["AFTER_MS", "BEFORE_MS", "Find", "Found", "find"]

BEFORE_MS, AFTER_MS = 2000, 500  # of sound around a peak that are kept
_APART_MS = 1000  # quieter for so long: what comes then is another find
_STAY_MS = 8000  # a score that stays high is cut into finds of so much
_PIECE = 32_000  # samples heard at a time


@dataclass(frozen=True)
class Find:
    """A peak. t_ms: in the sound, of the step with the highest mean; score: that mean, 0..255; hit: the model fired."""

    t_ms: int
    score: int
    hit: bool
    pcm: Pcm


@dataclass(frozen=True)
class Found:
    """finds: in order of time; left_out: near misses that were less near than those; hits: all events."""

    finds: tuple[Find, ...]
    left_out: int
    hits: int
    seconds: float


@dataclass
class _Peak:
    first: int
    last: int
    t_ms: int
    score: int
    hit: bool


class _Ring:
    """The latest seconds of a sound."""

    def __init__(self) -> None:
        self._kept: Pcm = np.zeros(0, np.int16)
        self.end = 0  # samples so far

    def push(self, pcm: Pcm) -> None:
        most = (BEFORE_MS + AFTER_MS + _APART_MS + 2 * _STAY_MS) * RATE // 1000 + _PIECE
        self._kept = np.concatenate([self._kept, pcm])[-most:]
        self.end += len(pcm)

    def around(self, t_ms: int) -> Pcm:
        begin = self.end - len(self._kept)
        first, last = (max(begin, (t_ms + more) * RATE // 1000) - begin for more in (-BEFORE_MS, AFTER_MS))
        return self._kept[first:last].copy()


def find(contender: Contender, blocks: Iterable[Pcm], near: int, most: int) -> Found:
    """Hear a sound from a fresh start. near: 0..255, the mean from which on a peak is a near miss.

    At most `most` finds are kept, those that fired and the highest first.
    """
    listener = contender.listener()
    column = listener.labels.index(contender.label)
    ring, peak, count, hits = _Ring(), None, 0, 0
    kept: list[tuple[bool, int, int, Find]] = []

    def close(done: _Peak) -> None:
        nonlocal count
        count += 1
        entry = Find(done.t_ms, done.score, done.hit, ring.around(done.t_ms))
        heapq.heappush(kept, (entry.hit, entry.score, -entry.t_ms, entry))
        if len(kept) > most:
            heapq.heappop(kept)

    for block in blocks:
        for at in range(0, len(block), _PIECE):
            piece = block[at : at + _PIECE]
            ring.push(piece)
            heard = listener.push(piece)
            fired = heard.events == column
            hits += int(fired.sum())
            high = (heard.means[:, column] >= near) & heard.ready | fired
            for step in np.flatnonzero(high):
                t_ms, score = int(heard.t_ms[step]), int(heard.means[step, column])
                if peak is not None and (t_ms - peak.last > _APART_MS or t_ms - peak.first > _STAY_MS):
                    close(peak)
                    peak = None
                if peak is None:
                    peak = _Peak(t_ms, t_ms, t_ms, score, False)
                if score > peak.score:
                    peak.t_ms, peak.score = t_ms, score
                peak.last, peak.hit = t_ms, peak.hit or bool(fired[step])
            if peak is not None and ring.end * 1000 // RATE - peak.last > _APART_MS + AFTER_MS:
                close(peak)
                peak = None
    if peak is not None:
        close(peak)
    finds = sorted((entry for *_, entry in kept), key=lambda entry: entry.t_ms)
    return Found(tuple(finds), count - len(finds), hits, ring.end / RATE)
