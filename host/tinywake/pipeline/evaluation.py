# SPDX-License-Identifier: MIT
"""`tinywake eval`: misses against false accepts per hour of a compiled model, by the core that boards run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.clips import RATE, Pcm, read_clip
from tinywake.compiler.report import align, file_report
from tinywake.compiler.twm.unpack import TwmFile, unpack
from tinywake.core import Heard, Listener
from tinywake.errors import AudioError, ModelError
from tinywake.evaluate.clipset import EvalClip, clip_set
from tinywake.evaluate.gating import Gated, Work, delays
from tinywake.evaluate.metrics import DetCurve, Rule, det, misses_by_speaker, poisson_bounds
from tinywake.pipeline.hearing import ENERGY, listener_of

__all__ = ["Evaluation", "SpeakerShare", "evaluate"]

_SETTLE_MS = 3000  # of quiet before a clip behind a gate: the front end has learnt the noise, as on a board that is on
_NOISE = 6.0  # standard deviation of the quiet around a clip, in steps of 16 bits: about -75 dB


@dataclass(frozen=True)
class SpeakerShare:
    """Misses of one speaker at the model's own threshold."""

    speaker: str
    missed: int
    clips: int


@dataclass(frozen=True)
class Evaluation:
    """One label of one model on one set of clips."""

    model: str
    label: str
    threshold: int  # the one in the file, 0..255
    curve: DetCurve
    speakers: tuple[SpeakerShare, ...]
    lead_ms: int  # of quiet before every clip
    gated: Gated | None = None  # the same behind a gate

    @property
    def misses(self) -> float:
        """Share of the clips that are missed at the file's threshold."""
        return float(self.curve.miss_rate[self.threshold])

    @property
    def false_accepts(self) -> int:
        """Events in the negatives at the file's threshold."""
        return int(self.curve.false_accepts[self.threshold])

    @property
    def false_accept_bounds(self) -> tuple[float, float]:
        """95 % Poisson limits of the false accepts an hour."""
        return poisson_bounds(self.false_accepts, self.curve.hours)

    def facts(self) -> dict[str, object]:
        """As JSON-able values."""
        low, high = self.false_accept_bounds
        return {
            "model": self.model,
            "label": self.label,
            "positives": self.curve.positives,
            "hours": self.curve.hours,
            "threshold": self.threshold,
            "misses": self.misses,
            "false_accepts": self.false_accepts,
            "false_accepts_per_hour_95": [low, high],
            "det": [
                {"per_hour_at_most": budget, "threshold": threshold, "misses": missed, "false_accepts": counted}
                for budget, threshold, missed, counted in self.curve.table()
            ],
            "speakers": {share.speaker: [share.missed, share.clips] for share in self.speakers},
            "lead_ms": self.lead_ms,
            **({} if self.gated is None else {"gated": self.gated.facts(self.curve, self.threshold)}),
        }

    def lines(self) -> list[str]:
        """For people."""
        low, high = self.false_accept_bounds
        table = [["false accepts/h at most", "threshold", "misses", "false accepts counted"]]
        for budget, threshold, missed, counted in self.curve.table():
            table.append([f"{budget:g}", str(threshold), f"{100 * missed:.1f} %", str(counted)])
        return [
            f"{self.label}: {self.curve.positives} clips with the word, {self.curve.hours:.2f} h without it, each "
            f"behind {self.lead_ms} ms of quiet",
            *align(table, left=(0, 1, 2, 3)),
            f"at the model's own threshold {self.threshold}: {100 * self.misses:.1f} % missed, {self.false_accepts} "
            f"false accepts ({low:.1f} to {high:.1f} an hour at 95 %)",
            *self._speaker_lines(),
            *(() if self.gated is None else self.gated.lines(self.curve, self.threshold)),
        ]

    def _speaker_lines(self) -> list[str]:
        shares = sorted(self.speakers, key=lambda s: s.missed / s.clips)
        if len(shares) < 2:
            return []
        middle, worst = shares[len(shares) // 2], shares[-1]
        return [
            f"{len(shares)} speakers: median {100 * middle.missed / middle.clips:.0f} % missed, worst "
            f"{100 * worst.missed / worst.clips:.0f} % ({worst.speaker}, {worst.clips} clips)"
        ]


def evaluate(
    model: Path,
    positives: Sequence[Path],
    negatives: Sequence[Path],
    *,
    label: str | None = None,
    gate: str | None = None,
    on_clip: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score every clip with the model and sweep the threshold.

    positives, negatives: folders or CSV files; a clip that is in both counts as positive. label: which wake label, the
    only one by default. Every clip, of either kind, is heard behind quiet noise as long as the network's receptive
    field and half a second (a board hears something before a word, too) and before half a second of it. gate: a
    model's file or "energy": the same clips are heard behind it as well. on_clip: called with clips done and clips in
    all. Raises AudioError, ModelError or FormatError.
    """
    file = unpack(model)
    label, threshold = _wake_label(model, file, label)
    assert file.detector is not None
    wanted = clip_set(positives)
    known = {clip.path for clip in wanted}
    unwanted = [clip for clip in clip_set(negatives) if clip.path not in known]
    if not unwanted:
        raise AudioError(f"{negatives[0]}: every clip in it is among the positives as well")
    lead = (file.warmup + 1) * file.step_ms + 500
    lead = lead if gate is None else max(lead, _SETTLE_MS)
    ears = [_Ear(listener_of(model, each), label) for each in ([None] if gate is None else [None, gate])]
    for done, pieces in enumerate(_embedded([*wanted, *unwanted], lead), 1):
        for ear in ears:
            ear.hear(pieces, counts=done > len(wanted))
        if on_clip is not None:
            on_clip(done, len(wanted) + len(unwanted))
    rule = Rule(file.detector.window, file.detector.refractory_ms, file.step_ms)
    hours = ears[0].work.seconds / 3600
    curves = [det(ear.scores[: len(wanted)], ear.scores[len(wanted) :], hours, rule) for ear in ears]
    shares = misses_by_speaker(ears[0].scores[: len(wanted)], [clip.speaker for clip in wanted], threshold, rule)
    speakers = tuple(SpeakerShare(who, *counts) for who, counts in shares.items())
    gated = None
    if gate is not None:
        alone, behind = (ear.scores[: len(wanted)] for ear in ears)
        gated = _gated(gate, file, ears, curves[1], delays(alone, behind, threshold, rule))
    return Evaluation(model.name, label, threshold, curves[0], speakers, lead, gated)


def _wake_label(model: Path, file: TwmFile, label: str | None) -> tuple[str, int]:
    """The label that is meant, and its threshold."""
    if file.detector is None:
        raise ModelError(f"{model}: has no detector, so it cannot be evaluated")
    names = [entry.name for entry in file.detector.labels if entry.wake]
    if label is None and len(names) > 1:
        raise ModelError(f"{model}: has {len(names)} wake labels; name one of {', '.join(names)}")
    label = label or names[0]
    if label not in names:
        raise ModelError(f"{model}: has no wake label {label!r}; it has {', '.join(names)}")
    return label, next(entry.threshold for entry in file.detector.labels if entry.name == label)


class _Ear:
    """A listener, the scores of every clip that counted for its detector, and the work in those that are counted."""

    def __init__(self, listener: Listener, label: str) -> None:
        self.listener = listener
        self.scores: list[NDArray[np.uint8]] = []
        self.work = Work()
        self._column = listener.labels.index(label)

    def hear(self, pieces: Sequence[Pcm], *, counts: bool) -> None:
        """One clip: what is before it, itself, what is behind it. Only itself is work that counts."""
        self.listener.reset()
        heard = [self.listener.push(pieces[0])]
        word, gate = self.listener.invokes
        heard.append(self.listener.push(pieces[1]))
        if counts:
            self._count(heard[1], len(pieces[1]), self.listener.invokes[0] - word, self.listener.invokes[1] - gate)
        heard.append(self.listener.push(pieces[2]))
        self.scores.append(np.concatenate([piece.scores[piece.ready, self._column] for piece in heard]))

    def _count(self, heard: Heard, samples: int, word: int, gate: int) -> None:
        self.work.seconds += samples / RATE
        self.work.steps += len(heard.awake)
        self.work.awake += int(heard.awake.sum())
        self.work.word += word
        self.work.gate += gate


def _gated(gate: str, file: TwmFile, ears: Sequence[_Ear], curve: DetCurve, later_ms: tuple[int, ...]) -> Gated:
    other = None if gate == ENERGY else unpack(Path(gate))
    macs = file_report(file).macs, 0 if other is None else file_report(other).macs
    return Gated(
        gate=gate if other is None else Path(gate).name,
        curve=curve,
        work=ears[1].work,
        macs_alone=ears[0].work.macs(*macs),
        macs=ears[1].work.macs(*macs),
        ram_bytes=ears[1].listener.gate_bytes + (0 if other is None else other.arena_bytes),
        file_bytes=0 if other is None else other.file_bytes,
        later_ms=later_ms,
    )


def _embedded(clips: Sequence[EvalClip], lead_ms: int) -> Iterator[tuple[Pcm, Pcm, Pcm]]:
    """Clips with quiet around them: what is before a clip, the clip, what is behind it."""
    rng = np.random.default_rng(0)
    for clip in clips:
        pcm = read_clip(clip.path, silent_ok=True)
        before, after = (
            np.rint(rng.normal(0, _NOISE, n)).astype(np.int16) for n in (lead_ms * RATE // 1000, RATE // 2)
        )
        yield before, pcm, after
