# SPDX-License-Identifier: MIT
"""Takes to draw from: neither the machine that talks most nor the person does decides what a word sounds like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinywake.audio.augment.sound import Rng
from tinywake.audio.sources import Take

__all__ = ["Pool"]

_MANY = 15  # people who, alone, are drawn as often as all synthetic voices


class Pool:
    """Of spoken and recorded takes, where both exist, recorded ones are drawn n times in n + 15 for n people, at most
    half of the time: five people are too few to say what a word sounds like. People are drawn by the root of their
    takes.
    """

    def __init__(self, takes: Sequence[Take]) -> None:
        self._spoken = [take for take in takes if not take.recorded]
        people: dict[str, list[Take]] = {}
        for take in takes:
            if take.recorded:
                people.setdefault(take.speaker, []).append(take)
        self._people = list(people.values())
        chances = np.cumsum(np.sqrt([len(takes) for takes in self._people]))
        self._chances = chances / chances[-1] if len(chances) else chances
        self._share = min(0.5, len(people) / (len(people) + _MANY)) if self._spoken else 1.0

    def __bool__(self) -> bool:
        return bool(self._spoken or self._people)

    def pick(self, rng: Rng) -> Take:
        """One of them. There must be some."""
        takes = self._spoken
        if self._people and rng.random() < self._share:
            takes = self._people[int(np.searchsorted(self._chances, rng.random(), side="right"))]
        return takes[int(rng.integers(len(takes)))]
