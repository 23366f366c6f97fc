# SPDX-License-Identifier: MIT
"""The same clips with and without a gate in front of the network: what it saves and costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.clips import RATE, read_clip
from tinywake.compiler.report import file_report
from tinywake.compiler.twm.unpack import unpack
from tinywake.core import Heard, Listener, Model
from tinywake.evaluate.gating import Gated, Work, delays
from tinywake.evaluate.metrics import det
from tinywake.evaluate.sounds.clipset import EvalClip
from tinywake.evaluate.sounds.quiet import Framed, framed
from tinywake.gate import gate_named
from tinywake.pipeline.evaluation.contenders import Contender

__all__ = ["SETTLE_MS", "behind", "gate_of"]

SETTLE_MS = 3000  # of quiet before a clip behind a gate: the front end has learnt the noise, as on a board that is on


def gate_of(contender: Contender, gate: str) -> Listener:
    """The contender's listener behind a gate (gate.gate_named). Raises ConfigError, ModelError or FormatError."""
    return Listener(Model(contender.data, str(contender.path)), gate_named(gate).open())


def behind(
    contender: Contender,
    gate: str,
    clips: tuple[Sequence[EvalClip], Sequence[EvalClip]],
    lead_ms: int,
    threshold: int,
    on_clip: Callable[[int], None] | None = None,
) -> Gated:
    """Hear all clips, with the word and without it, on both listeners."""
    wanted, unwanted = clips
    ears = [_Ear(contender.listener(), contender.label), _Ear(gate_of(contender, gate), contender.label)]
    for done, clip in enumerate([*wanted, *unwanted], 1):
        sound = framed(read_clip(clip.path, silent_ok=True), lead_ms)
        for ear in ears:
            ear.hear(sound, counts=done > len(wanted))
        if on_clip is not None:
            on_clip(done)
    rule, hours = contender.rule, ears[0].work.seconds / 3600
    curve = det(ears[1].scores[: len(wanted)], ears[1].scores[len(wanted) :], hours, rule)
    alone, gated = (ear.scores[: len(wanted)] for ear in ears)
    named = gate_named(gate)
    other = None if named.file is None else unpack(named.file)
    macs = file_report(contender.file).macs, 0 if other is None else file_report(other).macs
    return Gated(
        gate=str(named),
        curve=curve,
        work=ears[1].work,
        macs_alone=ears[0].work.macs(*macs),
        macs=ears[1].work.macs(*macs),
        ram_bytes=ears[1].listener.gate_bytes + (0 if other is None else other.arena_bytes),
        file_bytes=0 if other is None else other.file_bytes,
        later_ms=delays(alone, gated, threshold, rule),
    )


class _Ear:
    """A listener, the scores of every clip that counted for its detector, and the work in those that are counted."""

    def __init__(self, listener: Listener, label: str) -> None:
        self.listener = listener
        self.scores: list[NDArray[np.uint8]] = []
        self.work = Work()
        self._column = listener.labels.index(label)

    def hear(self, sound: Framed, *, counts: bool) -> None:
        """One clip. Only itself is work that counts."""
        self.listener.reset()
        heard = [self.listener.push(sound.before)]
        word, gate = self.listener.invokes
        heard.append(self.listener.push(sound.clip))
        if counts:
            self._count(heard[1], len(sound.clip), self.listener.invokes[0] - word, self.listener.invokes[1] - gate)
        heard.append(self.listener.push(sound.after))
        self.scores.append(np.concatenate([piece.scores[piece.ready, self._column] for piece in heard]))

    def _count(self, heard: Heard, samples: int, word: int, gate: int) -> None:
        self.work.seconds += samples / RATE
        self.work.steps += len(heard.awake)
        self.work.awake += int(heard.awake.sum())
        self.work.word += word
        self.work.gate += gate
