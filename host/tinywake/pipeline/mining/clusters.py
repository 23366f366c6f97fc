# SPDX-License-Identifier: MIT
"""Sounds that are alike: one jingle that fires thirty times is one thing to listen to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.clips import Pcm
from tinywake.audio.features import CHANNELS
from tinywake.core import Frontend

__all__ = ["clusters"]

_FRAMES = 120  # the last of a clip's 10 ms: the word and little more
_TIMES, _BANDS = 24, 20
_SHIFTS = (-2, -1, 0, 1, 2)  # of 50 ms: a peak is not always at the same place
_ALIKE = 0.75  # mean likeness within a cluster

_Floats = NDArray[np.float64]


def clusters(clips: Sequence[Pcm]) -> list[int]:
    """A number for each clip, 0 for the largest cluster; agglomerative, by the mean likeness of all pairs.

    Likeness: the cosine of the features' shape over time and frequency, free of level and colour, best of some shifts.
    """
    if not clips:
        return []
    shapes = [_shape(pcm) for pcm in clips]
    likeness = np.max([_turned(shapes, shift) @ _turned(shapes, 0).T for shift in _SHIFTS], axis=0)
    likeness = np.maximum(likeness, likeness.T)
    np.fill_diagonal(likeness, -np.inf)
    members = [[index] for index in range(len(clips))]
    while True:
        first, second = sorted(map(int, np.unravel_index(int(np.argmax(likeness)), likeness.shape)))
        if first == second or likeness[first, second] < _ALIKE:
            break
        a, b = len(members[first]), len(members[second])
        joined = (a * likeness[first] + b * likeness[second]) / (a + b)
        members[first] += members[second]
        members[second] = []
        likeness[first], likeness[:, first] = joined, joined
        likeness[second], likeness[:, second] = -np.inf, -np.inf
        likeness[first, first] = -np.inf
    order = sorted((group for group in members if group), key=lambda group: (-len(group), min(group)))
    number = {index: rank for rank, group in enumerate(order) for index in group}
    return [number[index] for index in range(len(clips))]


def _shape(pcm: Pcm) -> _Floats:
    """[times, bands], each band without its mean."""
    frames = Frontend().features(pcm)[-_FRAMES:].astype(np.float64)
    frames = np.concatenate([np.zeros((_FRAMES - len(frames), CHANNELS)), frames])
    coarse = frames.reshape(_TIMES, _FRAMES // _TIMES, _BANDS, CHANNELS // _BANDS).mean(axis=(1, 3))
    return np.asarray(coarse - coarse.mean(axis=0))


def _turned(shapes: Sequence[_Floats], shift: int) -> _Floats:
    """All of them moved in time, each as a row of length 1."""
    rows = np.stack([np.roll(shape, shift, axis=0).ravel() for shape in shapes])
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9))
