# SPDX-License-Identifier: MIT
"""Which of several words a clip is: what a model with an output each decides, on people it has not met.

    python tests/bench/words.py MODEL FOLD

FOLD is a folder that speakers.py wrote. A clip is the word whose windowed mean rises highest, if that exceeds the
threshold, else unknown; positives.csv holds the words, and clips of negatives.csv that last up to two seconds are
"unknown". All of negatives.csv counts for false accepts an hour. In quiet, and at 10 dB in household noise and babble.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from crossfit import summed
from numpy.typing import NDArray

from tinywake.audio.clips import RATE, read_clip
from tinywake.audio.folders import plain
from tinywake.compiler.twm.unpack import unpack
from tinywake.evaluate.metrics import DetCurve, count_each, poisson_bounds, sums
from tinywake.evaluate.sounds.clipset import clip_set, rows_of
from tinywake.evaluate.sounds.noise import Condition, mix
from tinywake.evaluate.sounds.quiet import framed
from tinywake.pipeline.evaluation.contenders import contenders_of
from tinywake.pipeline.evaluation.run import Questions, conditions_of

_SHORT_S = 2.0  # a clip of other talk up to this long is one "unknown" word
_UNKNOWN = "unknown"
_BUDGETS = (5.0, 20.0, 60.0)  # false accepts an hour, of all outputs together


@dataclass(frozen=True)
class Decided:
    """right, clips: by what was said. confused: (said, decided) of wrong decisions. accepts: of all outputs."""

    threshold: int
    right: Counter[str]
    clips: Counter[str]
    confused: Counter[tuple[str, str]]
    accepts: int
    hours: float

    @property
    def accuracy(self) -> float:
        """Mean over the words and unknown, each counting once."""
        return float(np.mean([self.right[word] / count for word, count in self.clips.items()]))

    def facts(self) -> dict[str, object]:
        """As JSON-able values, in per cent."""
        low, high = poisson_bounds(self.accepts, self.hours)
        return {
            "threshold": self.threshold,
            "accuracy": round(100 * self.accuracy, 1),
            "words": {word: [self.right[word], count] for word, count in self.clips.items()},
            "confused": [[*pair, count] for pair, count in self.confused.most_common(12)],
            "accepts_per_hour": round(self.accepts / self.hours, 1),
            "accepts_per_hour_95": [round(low, 1), round(high, 1)],
            "hours": round(self.hours, 2),
        }


def labels_of(model: Path) -> list[str]:
    """Names of the outputs, in order."""
    detector = unpack(model).detector
    return [] if detector is None else [label.name for label in detector.labels]


def lines(heard: Mapping[str, Sequence[Means]]) -> list[str]:
    """For a card: words and unknown, in quiet and in noise, false accepts, and which words are taken for which."""
    decided = decide(*heard["clean"])
    own, best = decided["own"], decided["best"]
    low, high = poisson_bounds(own.accepts, own.hours)
    said = ", ".join(f"{word} {own.right[word]} of {count}" for word, count in sorted(own.clips.items()))
    wrong = ", ".join(f"{said} as {told} {count} times" for (said, told), count in own.confused.most_common(6))
    return [
        f"{sum(own.clips.values())} clips, decided by the highest output over the threshold, else unknown. Accuracy is",
        "the mean over the words and unknown, each counting once.",
        "",
        "| threshold | accuracy |",
        "|--:|--:|",
        f"| {own.threshold}, in the file | {100 * own.accuracy:.1f} % |",
        f"| {best.threshold}, the best on these clips | {100 * best.accuracy:.1f} % |",
        "",
        f"At the threshold in the file: {said}. {own.accepts} false accepts in {own.hours:.2f} h of other talk "
        f"({low:.0f} to {high:.0f} an hour at 95 %): for after a wake word or a button.",
        "",
        *_noise_lines(heard),
        "",
        f"Who it hears badly: short words are taken for others ({wrong}).",
    ]


def _noise_lines(heard: Mapping[str, Sequence[Means]]) -> list[str]:
    heads = " | ".join(f"at {budget:g}/h" for budget in _BUDGETS)
    rows = [
        "Words that are missed or taken for another, at the threshold that keeps so many false accepts an hour on the",
        "same sound:",
        "",
        f"| sound | accuracy, threshold in the file | false accepts an hour there | {heads} |",
        "|---|--:|--:|" + "--:|" * len(_BUDGETS),
    ]
    for kind, parts in heard.items():
        own, curve = decide(*parts)["own"], curve_of(parts)
        missed = " | ".join(f"{100 * curve.misses_at(budget):.1f} %" for budget in _BUDGETS)
        name = kind if kind == "clean" else f"{kind}, 10 dB"
        rows.append(f"| {name} | {100 * own.accuracy:.1f} % | {own.accepts / own.hours:.0f} | {missed} |")
    return rows


def curve_of(parts: Sequence[Means]) -> DetCurve:
    """Of several folds as one."""
    return summed([part.curve() for part in parts])


def stage_lines(stages: Mapping[str, Mapping[str, Decided]]) -> list[str]:
    """What each stage of `tinywake compress` costs these people, for a card."""
    rows = [
        f"| {stage} | {100 * decided['own'].accuracy:.1f} % | {100 * decided['best'].accuracy:.1f} % |"
        for stage, decided in stages.items()
    ]
    return ["| these people, after | accuracy, threshold in the file | the best threshold |", "|---|--:|--:|", *rows]


@dataclass(frozen=True)
class Means:
    """said: of each clip. highest: its highest windowed mean, [clips, labels]. accepts: of all outputs, [256]."""

    labels: list[str]
    said: list[str]
    highest: NDArray[np.float64]
    accepts: NDArray[np.int64]
    hours: float
    threshold: int  # in the file

    def at(self, threshold: int) -> Decided:
        """The decisions at a threshold 0..255."""
        loud = self.highest.max(axis=1) > threshold
        best = self.highest.argmax(axis=1)
        told = [self.labels[n] if over else _UNKNOWN for n, over in zip(best, loud, strict=True)]
        pairs = list(zip(self.said, told, strict=True))
        right = Counter(word for word, decided in pairs if word == decided)
        wrong = Counter(pair for pair in pairs if pair[0] != pair[1])
        return Decided(threshold, right, Counter(self.said), wrong, int(self.accepts[threshold]), self.hours)

    def curve(self) -> DetCurve:
        """A word that is not decided is missed, whether nothing exceeds the threshold or another word does so more."""
        best = [self.labels[n] for n in self.highest.argmax(axis=1)]
        spoken = np.array([word != _UNKNOWN for word in self.said])
        right = np.array([word == told for word, told in zip(self.said, best, strict=True)])
        reached = np.where(right, self.highest.max(axis=1), -1.0)[spoken]
        misses = np.array([np.count_nonzero(reached <= threshold) for threshold in range(256)])
        return DetCurve(misses, self.accepts, int(spoken.sum()), self.hours)


def decide(*heard: Means) -> dict[str, Decided]:
    """All of them at their files' thresholds ("own"), and at the one that decides best ("best", chosen on them)."""
    own = _total([each.at(each.threshold) for each in heard])
    every = [_total([each.at(threshold) for each in heard]) for threshold in range(256)]
    return {"own": own, "best": max(every, key=lambda each: each.accuracy)}


def conditions(fold: Path) -> dict[str, Condition | None]:
    """Quiet (None), and household noise and babble at 10 dB."""
    unwanted = clip_set([fold / "negatives.csv"])
    clips = [*clip_set([fold / "positives.csv"]), *unwanted]
    asked = Questions(noise=(str(fold / "noise.csv"), "babble"), snr="10")
    return {"clean": None, **{each.kind: each for each in conditions_of(asked, clips, unwanted)}}


def hear(model: Path, fold: Path, condition: Condition | None = None) -> Means:
    """What a model makes of the clips of a fold, in quiet or in noise."""
    labels = labels_of(model)
    ear = contenders_of([model], labels[0])[0]
    said, highest, talk, seconds = [], [], [], 0.0
    for name in ("positives.csv", "negatives.csv"):
        for path, row in sorted(rows_of(fold / name).items()):
            pcm = read_clip(path, silent_ok=True)
            sound = framed(pcm, ear.lead_ms).sound
            heard = ear.listener().listen(sound if condition is None else mix(sound, pcm, row["speaker"], condition))
            scores = heard.scores[heard.ready]
            word = plain(row["transcript"]) if name == "positives.csv" else _UNKNOWN
            if name == "negatives.csv":
                talk.append(scores)
                seconds += len(pcm) / RATE
            if word != _UNKNOWN or len(pcm) <= _SHORT_S * RATE:
                said.append(word)
                window = ear.rule.window
                highest.append([sums(scores[:, n], window).max() / window for n in range(len(labels))])
    accepts = sum(count_each([scores[:, n] for scores in talk], ear.rule).sum(axis=0) for n in range(len(labels)))
    return Means(labels, said, np.array(highest), np.asarray(accepts), seconds / 3600, ear.threshold)


def _total(parts: Sequence[Decided]) -> Decided:
    """Added up; the threshold is their mean."""
    return Decided(
        round(sum(part.threshold for part in parts) / len(parts)),
        sum((part.right for part in parts), Counter()),
        sum((part.clips for part in parts), Counter()),
        sum((part.confused for part in parts), Counter()),
        sum(part.accepts for part in parts),
        sum(part.hours for part in parts),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("fold", type=Path)
    asked = parser.parse_args()
    for kind, condition in conditions(asked.fold).items():
        for name, each in decide(hear(asked.model, asked.fold, condition)).items():
            print(json.dumps({kind: {name: each.facts()}}))
