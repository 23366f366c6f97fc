# SPDX-License-Identifier: MIT
"""`tinywake eval`: misses against false accepts per hour of a compiled model, by the core that boards run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.clips import RATE, Pcm, read_clip
from tinywake.compiler.twm.unpack import unpack
from tinywake.errors import AudioError, ModelError
from tinywake.evaluate.clipset import EvalClip, clip_set
from tinywake.evaluate.metrics import DetCurve, Rule, det, misses_by_speaker, poisson_bounds
from tinywake.pipeline.hearing import hear_pcm

__all__ = ["Evaluation", "SpeakerShare", "evaluate"]

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
        }


def evaluate(
    model: Path,
    positives: Sequence[Path],
    negatives: Sequence[Path],
    *,
    label: str | None = None,
    on_clip: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score every clip with the model and sweep the threshold.

    positives, negatives: folders or CSV files; a clip that is in both counts as positive. label: which wake label, the
    only one by default. Every clip, of either kind, is heard behind quiet noise as long as the network's receptive
    field and half a second (a board hears something before a word, too) and before half a second of it. on_clip:
    called with clips done and clips in all. Raises AudioError, ModelError or FormatError.
    """
    file = unpack(model)
    if file.detector is None:
        raise ModelError(f"{model}: has no detector, so it cannot be evaluated")
    names = [entry.name for entry in file.detector.labels if entry.wake]
    if label is None and len(names) > 1:
        raise ModelError(f"{model}: has {len(names)} wake labels; name one of {', '.join(names)}")
    label = label or names[0]
    if label not in names:
        raise ModelError(f"{model}: has no wake label {label!r}; it has {', '.join(names)}")
    threshold = next(entry.threshold for entry in file.detector.labels if entry.name == label)
    wanted = clip_set(positives)
    known = {clip.path for clip in wanted}
    unwanted = [clip for clip in clip_set(negatives) if clip.path not in known]
    if not unwanted:
        raise AudioError(f"{negatives[0]}: every clip in it is among the positives as well")
    lead = (file.warmup + 1) * file.step_ms + 500
    scores: list[NDArray[np.uint8]] = []
    seconds: list[float] = []
    for done, hearing in enumerate(hear_pcm(model, _embedded([*wanted, *unwanted], lead, seconds)), 1):
        scores.append(hearing.scores[hearing.ready, hearing.labels.index(label)])
        if on_clip is not None:
            on_clip(done, len(wanted) + len(unwanted))
    rule = Rule(file.detector.window, file.detector.refractory_ms, file.step_ms)
    curve = det(scores[: len(wanted)], scores[len(wanted) :], sum(seconds[len(wanted) :]) / 3600, rule)
    shares = misses_by_speaker(scores[: len(wanted)], [clip.speaker for clip in wanted], threshold, rule)
    speakers = tuple(SpeakerShare(who, *counts) for who, counts in shares.items())
    return Evaluation(model.name, label, threshold, curve, speakers, lead)


def _embedded(clips: Sequence[EvalClip], lead_ms: int, seconds: list[float]) -> Iterator[tuple[str, Pcm]]:
    """Clips with quiet around them. Their own lengths are appended to `seconds`: the quiet is no test of silence."""
    rng = np.random.default_rng(0)
    for clip in clips:
        pcm = read_clip(clip.path, silent_ok=True)
        seconds.append(len(pcm) / RATE)
        before, after = (
            np.rint(rng.normal(0, _NOISE, n)).astype(np.int16) for n in (lead_ms * RATE // 1000, RATE // 2)
        )
        yield str(clip.path), np.concatenate([before, pcm, after])
