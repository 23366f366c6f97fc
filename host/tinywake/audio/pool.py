# SPDX-License-Identifier: MIT
"""Takes to draw from: neither the machine that talks most nor the person does decides what a word sounds like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinywake.audio.augment.sound import Rng
from tinywake.audio.sources import Take

__all__ = ["Pool"]


class Pool:
    """Spoken and recorded takes are drawn equally often, where both exist; people by the root of their takes."""

    def __init__(self, takes: Sequence[Take]) -> None:
        self._spoken = [take for take in takes if not take.recorded]
        people: dict[str, list[Take]] = {}
        for take in takes:
            if take.recorded:
                people.setdefault(take.speaker, []).append(take)
        self._people = list(people.values())
        chances = np.cumsum(np.sqrt([len(takes) for takes in self._people]))
        self._chances = chances / chances[-1] if len(chances) else chances

    def __bool__(self) -> bool:
        return bool(self._spoken or self._people)

    def pick(self, rng: Rng) -> Take:
        """One of them. There must be some."""
        takes = self._spoken
        if self._people and (not takes or rng.random() < 0.5):
            takes = self._people[int(np.searchsorted(self._chances, rng.random(), side="right"))]
        return takes[int(rng.integers(len(takes)))]
