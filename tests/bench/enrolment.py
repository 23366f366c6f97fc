# SPDX-License-Identifier: MIT
"""What enrolment gains its owner and costs others, on recordings of people: the tables of docs/enrolment.md.

    python tests/bench/enrolment.py MODEL.twm --speech MANIFEST.csv --word computer --negatives MANIFEST.csv ...

Each speaker of the word with at least seven clips is an owner in turn. So many of their clips are enrolled, drawn by
chance; the rest of them, the other speakers' clips, and the negatives judge. Nobody's clips are on both sides.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

from tinywake.audio.clips import read_clip
from tinywake.compiler.twm.head import read_head
from tinywake.errors import AudioError
from tinywake.evaluate.metrics import count_each
from tinywake.pipeline.enrolment.background import gather_background
from tinywake.pipeline.enrolment.ear import Ear, Said
from tinywake.pipeline.enrolment.enrol import adapt, refuse_unlike
from tinywake.pipeline.enrolment.shift import Moved, Shift
from tinywake.pipeline.evaluation.contenders import contenders_of

_LEAST = 7  # clips of an owner


def clips_of(manifest: Path, word: str | None, skip: frozenset[str] = frozenset()) -> list[tuple[Path, str]]:
    """File and speaker of every clip of a word; None: of all others."""
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["file"].split("/")[0] not in skip]
    kept = [row for row in rows if word is None or row.get("keyword") == word]
    return [(manifest.parent / row["file"], row["speaker"]) for row in kept]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--word", required=True)
    parser.add_argument("--negatives", type=Path, nargs="+", required=True)
    parser.add_argument("--skip", nargs="*", default=[], help="first folders of the negatives that are left out")
    parser.add_argument("--draws", type=int, default=2)
    args = parser.parse_args()
    (given,) = contenders_of([args.model])
    head = read_head(given.data, str(args.model))
    ear = Ear(given.data, str(args.model), head, given.lead_ms)
    owners: dict[str, list[Said]] = defaultdict(list)
    paths: dict[str, list[Path]] = defaultdict(list)
    for path, speaker in clips_of(args.speech, args.word):
        owners[speaker].append(ear.hear(read_clip(path)))
        paths[speaker].append(path)
    words = {path for path, _ in clips_of(args.speech, args.word)}
    judged, seconds = [], 0.0
    for manifest in args.negatives:
        for path, _ in clips_of(manifest, None, frozenset(args.skip)):
            if path not in words:
                pcm = read_clip(path, silent_ok=True)
                seconds += len(pcm) / 16000
                judged.append(ear.hear(pcm).inputs)
    background = gather_background(ear, given.label, ())
    shift = Shift(head, background, given.rule, given.threshold)
    hours = seconds / 3600

    def accepts(moved: Moved | None) -> np.ndarray:
        scores = [shift.scores(moved, inputs) for inputs in judged]
        return count_each(scores, given.rule).sum(axis=0)

    def missed(moved: Moved | None, clips: list[Said], threshold: int) -> float:
        return sum(shift.score(moved, one.inputs) <= threshold for one in clips) / max(1, len(clips))

    def at_one_an_hour(counts: np.ndarray) -> int:
        many = np.flatnonzero(counts > hours)
        return int(many[-1]) + 1 if len(many) else 0

    plain = accepts(None)
    print(f"{hours:.2f} h of negatives, threshold {given.threshold}")
    print("| utterances | owner missed | others missed | false accepts | the same at 1/h: owner | others | refused |")
    for count in (1, 3, 5):
        rows, refused = [], 0
        rng = np.random.default_rng(count)
        for name, clips in sorted(owners.items()):
            for _ in range(args.draws if len(clips) >= _LEAST else 0):
                order = rng.permutation(len(clips))
                chosen, rest = [clips[i] for i in order[:count]], [clips[i] for i in order[count:]]
                others = [one for other, said in owners.items() if other != name for one in said]
                try:
                    refuse_unlike(shift, chosen, [paths[name][i] for i in order[:count]], args.word)
                    moved = adapt(shift, chosen, background, given, head)[1]
                except AudioError:  # as `tinywake enrol` refuses them: the whole set
                    refused += 1
                    continue
                counts = accepts(moved)
                own, other = at_one_an_hour(plain), at_one_an_hour(counts)
                rows.append([
                    missed(None, rest, given.threshold), missed(moved, rest, given.threshold),
                    missed(None, others, given.threshold), missed(moved, others, given.threshold),
                    plain[given.threshold] / hours, counts[given.threshold] / hours,
                    missed(None, rest, own), missed(moved, rest, other),
                    missed(None, others, own), missed(moved, others, other),
                ])  # fmt: skip
        m = np.mean(rows, axis=0)
        share = [f"{100 * m[i]:.0f} -> {100 * m[i + 1]:.0f} %" for i in (0, 2, 6, 8)]
        print(f"| {count} | {share[0]} | {share[1]} | {m[4]:.1f} -> {m[5]:.1f} an hour | {share[2]} | {share[3]} "
              f"| {refused} of {refused + len(rows)} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
