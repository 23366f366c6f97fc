# SPDX-License-Identifier: MIT
"""What a model's last layer reads and says, step by step, in the core of the boards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.clips import RATE, Pcm
from tinywake.compiler.twm.head import Head
from tinywake.core import Listener, Model
from tinywake.evaluate.metrics import sums
from tinywake.evaluate.sounds.quiet import framed

__all__ = ["Ear", "Said", "loudest"]


@dataclass(frozen=True)
class Said:
    """Of one clip, the steps that count. inputs: int8 [steps, depth] of the last layer; scores: uint8 [steps]."""

    inputs: NDArray[np.int8]
    scores: NDArray[np.uint8]


class Ear:
    """A model whose last layer is watched."""

    def __init__(self, data: bytes, name: str, head: Head, lead_ms: int) -> None:
        self._model, self._head = Model(data, name), head
        self._listener = Listener(self._model)
        self._lead = lead_ms  # of quiet before a clip

    def hear(self, pcm: Pcm) -> Said:
        """A clip from a fresh start, behind quiet and before half a second of it."""
        sound, size = framed(pcm, self._lead).sound, self._listener.step_samples
        arena, begin, end = self._model.arena, self._head.start, self._head.start + self._head.depth
        self._listener.reset()
        inputs, scores = [], []
        for at in range(0, len(sound), size):
            heard = self._listener.push(sound[at : at + size])  # a step at most: then the arena is as that step left it
            if heard.ready.any() and at + size > self._lead * RATE // 1000:
                inputs.append(arena[begin:end].copy())
                scores.append(heard.scores[-1, self._head.unit])
        rows = np.array(inputs, np.uint8).reshape(-1, self._head.depth)
        return Said(rows.view(np.int8), np.array(scores, np.uint8))


def loudest(scores: NDArray[np.uint8], window: int) -> int:
    """The highest mean of a detector's window, 0..255."""
    return int(sums(scores, window).max(initial=0)) // window
