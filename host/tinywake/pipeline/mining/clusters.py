# SPDX-License-Identifier: MIT
"""Sounds that are alike: one jingle that fires thirty times is one thing to listen to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.clips import Pcm
from tinywake.audio.features import CHANNELS
from tinywake.core import Frontend

__all__ = ["clusters"]

_FRAMES = 120  # the last of a clip's 10 ms: the word and little more
_TIMES, _BANDS = 24, 20
_SHIFTS = (-2, -1, 0, 1, 2)  # of 50 ms: a peak is not always at the same place
_MOST = 1500  # clips of which all pairs are compared: 18 MB, and some seconds
_ALIKE = 0.75  # mean likeness within a cluster

_Floats = NDArray[np.float64]


def clusters(clips: Iterable[Pcm]) -> list[int]:
    """A number for each clip, 0 for the largest cluster; agglomerative, by the mean likeness of all pairs.

    Likeness: the cosine of the features' shape over time and frequency, free of level and colour, best of some shifts.
    Of more than 1,500 clips the first so many make the clusters, and each other goes to the one it is most like.
    """
    shapes = [_shape(pcm) for pcm in clips]
    if not shapes:
        return []
    members = _merged(_likeness(shapes[:_MOST], shapes[:_MOST]))
    made = [list(group) for group in members]
    for index in range(_MOST, len(shapes)):
        like = _likeness([shapes[index]], shapes[:_MOST])[0]
        means = [float(like[group].mean()) for group in made]
        best = int(np.argmax(means))
        if means[best] >= _ALIKE:
            members[best].append(index)
        else:
            members.append([index])
    order = sorted(members, key=lambda group: (-len(group), min(group)))
    number = {index: rank for rank, group in enumerate(order) for index in group}
    return [number[index] for index in range(len(shapes))]


def _likeness(some: Sequence[_Floats], others: Sequence[_Floats]) -> _Floats:
    """[some, others], the same whichever of the two is shifted."""
    best = np.full((len(some), len(others)), -np.inf)
    for shift in _SHIFTS:
        best = np.maximum(best, _turned(some, shift) @ _turned(others, 0).T)
        best = np.maximum(best, _turned(some, 0) @ _turned(others, shift).T)
    return best


def _merged(likeness: _Floats) -> list[list[int]]:
    """Groups of indices; `likeness` is used up."""
    np.fill_diagonal(likeness, -np.inf)
    members = [[index] for index in range(len(likeness))]
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
    return [group for group in members if group]


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
