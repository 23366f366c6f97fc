# SPDX-License-Identifier: MIT
"""What enrolment gains its owner and costs others, on people the network has not met: the tables of docs/enrolment.md.

    python tests/bench/enrolment.py build/ship/computer [--model build/demo/model.twm] [--folds 2]

The folder is what ship.py left: folds of people, and for each a network that has not met them, with the threshold that
the rule of shipped models gives it. `--model` is one that has met nobody, judged with its own threshold. Each speaker
of the word with at least seven clips is an owner in turn. So many of their clips are enrolled, drawn by chance; the
rest of them, the other speakers' clips, and the fold's other talk judge. Nobody's clips are on both sides.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from ship import by_the_rule
from words import labels_of

from tinywake.audio.clips import RATE, read_clip
from tinywake.compiler.twm.head import read_head
from tinywake.errors import AudioError
from tinywake.evaluate.metrics import count_each
from tinywake.pipeline.enrolment.background import gather_background
from tinywake.pipeline.enrolment.ear import Ear, Said
from tinywake.pipeline.enrolment.enrol import adapt, refuse_unlike
from tinywake.pipeline.enrolment.shift import Moved, Shift
from tinywake.pipeline.evaluation.contenders import contenders_of
from tinywake.pipeline.evaluation.keep import keep_threshold

_LEAST = 7  # clips of an owner
_COUNTS = (1, 3, 5)  # utterances that are enrolled


@dataclass
class Gains:
    """By so many utterances: a row of shares for each owner and draw, and sets that were refused."""

    rows: dict[int, list[list[float]]]
    refused: Counter[int]

    def lines(self) -> list[str]:
        """Markdown: means over owners and draws."""
        lines = [
            "| utterances | refused | owner missed | other people missed | false accepts an hour | owner missed, at "
            "1/h | other people missed, at 1/h |",
            "|--:|--:|--:|--:|--:|--:|--:|",
        ]
        for count, rows in self.rows.items():
            mean = np.mean(rows, axis=0)
            own, others, own_at, others_at = (f"{100 * mean[i]:.0f} -> {100 * mean[i + 1]:.0f} %" for i in (0, 2, 6, 8))
            lines.append(
                f"| {count} | {self.refused[count]} of {self.refused[count] + len(rows)} | {own} | {others} | "
                f"{mean[4]:.1f} -> {mean[5]:.1f} | {own_at} | {others_at} |"
            )
        return lines


def clips_of(manifest: Path) -> list[tuple[Path, str]]:
    """File and speaker of every clip."""
    with manifest.open(newline="", encoding="utf-8") as file:
        return [(manifest.parent / row["file"], row["speaker"]) for row in csv.DictReader(file)]


def enrol_all(model: Path, fold: Path, draws: int, gains: Gains) -> None:
    """Every owner of a fold, so many times."""
    (given,) = contenders_of([model])
    head = read_head(given.data, str(model))
    ear = Ear(given.data, str(model), head, given.lead_ms)
    owners: dict[str, list[tuple[Path, Said]]] = defaultdict(list)
    for path, speaker in clips_of(fold / "positives.csv"):
        owners[speaker].append((path, ear.hear(read_clip(path))))
    judged, seconds = [], 0.0
    for path, _ in clips_of(fold / "negatives.csv"):
        pcm = read_clip(path, silent_ok=True)
        seconds += len(pcm) / RATE
        judged.append(ear.hear(pcm).inputs)
    background = gather_background(ear, given.label, ())
    shift = Shift(head, background, given.rule, given.threshold)
    hours = seconds / 3600

    def accepts(moved: Moved | None) -> NDArray[np.int64]:
        scores = [shift.scores(moved, inputs) for inputs in judged]
        return np.asarray(count_each(scores, given.rule).sum(axis=0))

    def missed(moved: Moved | None, clips: list[Said], threshold: int) -> float:
        return sum(shift.score(moved, one.inputs) <= threshold for one in clips) / max(1, len(clips))

    def at_one_an_hour(counts: NDArray[np.int64]) -> int:
        many = np.flatnonzero(counts > hours)
        return int(many[-1]) + 1 if len(many) else 0

    plain = accepts(None)
    print(f"{model}: {hours:.2f} h of negatives, threshold {given.threshold}", flush=True)
    for count in _COUNTS:
        rng = np.random.default_rng(count)
        for name, clips in sorted(owners.items()):
            for _ in range(draws if len(clips) >= _LEAST else 0):
                order = rng.permutation(len(clips))
                chosen, rest = [clips[i] for i in order[:count]], [clips[i][1] for i in order[count:]]
                others = [said for other, all_said in owners.items() if other != name for _, said in all_said]
                try:
                    refuse_unlike(shift, [said for _, said in chosen], [path for path, _ in chosen], given.label)
                    moved = adapt(shift, [said for _, said in chosen], background, given, head)[1]
                except AudioError:  # as `tinywake enrol` refuses them: the whole set
                    gains.refused[count] += 1
                    continue
                counts = accepts(moved)
                own, other = at_one_an_hour(plain), at_one_an_hour(counts)
                gains.rows[count].append([
                    missed(None, rest, given.threshold), missed(moved, rest, given.threshold),
                    missed(None, others, given.threshold), missed(moved, others, given.threshold),
                    plain[given.threshold] / hours, counts[given.threshold] / hours,
                    missed(None, rest, own), missed(moved, rest, other),
                    missed(None, others, own), missed(moved, others, other),
                ])  # fmt: skip


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="what ship.py left of a model")
    parser.add_argument("--model", type=Path, help="has met nobody, instead of the folds' own networks")
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--draws", type=int, default=2)
    asked = parser.parse_args()
    gains = Gains({count: [] for count in _COUNTS}, Counter())
    with TemporaryDirectory() as folder:
        for n in range(asked.folds):
            fold, model = asked.out / str(n), asked.model
            if model is None:
                trained, model = asked.out / f"fold{n}/small/model.twm", Path(folder) / f"{n}.twm"
                (label,) = labels_of(trained)
                keep_threshold(by_the_rule(trained, fold / "train.csv", fold / "positives.csv", label), trained, model)
            enrol_all(model, fold, asked.draws, gains)
    print("\n".join(gains.lines()))


if __name__ == "__main__":
    main()
