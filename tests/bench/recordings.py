# SPDX-License-Identifier: MIT
"""What recordings of the word gain, and what a base network or a teacher gains where there are few or none.

    python tests/bench/recordings.py models/voyager/recipe.toml build/study/0 -o build/recordings [--counts 0 5 20 100]

FOLD is a folder that speakers.py wrote. So many of its recordings of the word train, drawn by chance, and all of its
other speech; the base network is trained on the latter alone. Each count is tried from nothing, from the base, from the
base with its first layers frozen, and with the recipe's teacher where it has one, by a short recipe. Every run is a
line of results.jsonl, as study.py writes it; one that is there is not repeated, and an interrupted training goes on.

`--base-of DIR` begins with the base network that a run in DIR has left, which must not have met whom the fold judges
(`speakers.py --met DIR/others.csv`).
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import re
import shutil
from pathlib import Path

import ingredients
import numpy as np
import speakers
import study
from ship import section

from tinywake.audio.folders import plain
from tinywake.config import load_recipe
from tinywake.pipeline.base.run import train_base

_BEGINNINGS = ("nothing", "base", "frozen", "teacher")  # the last where the recipe has one
_FROZEN = 3  # layers of the base


def drawn(rows: list[speakers.Row], labels: list[str], count: int, seed: int) -> list[speakers.Row]:
    """All but the recordings of the words, and `count` of those: the same first ones whatever the count.

    Where few people are left who say a word, none of them is spared to choose the checkpoint by.
    """
    said = [plain(label) for label in labels]
    real = [row for row in rows if not row["synthetic"] and speakers.any_in(said, row["transcript"])]
    alone = [row for row in real if plain(row["transcript"]) in said]
    if count > len(alone):
        raise SystemExit(f"{count} recordings of the word are wanted; the fold trains with {len(alone)}")
    kept = [alone[n] for n in np.random.default_rng([seed, 17]).permutation(len(alone))[:count]]
    few = len({row["speaker"] for row in kept}) < speakers.ENOUGH
    return [row for row in rows if row not in real] + [{**row, "split": "train" if few else ""} for row in kept]


def beginnings(text: str, base: Path) -> dict[str, str]:
    """The recipe, from nothing, from the base network, from that with layers frozen, and with its teacher."""
    alone = re.sub(study.TABLE.format("teacher"), "", text, count=1)
    begun = re.sub(r"(?m)^\[train\]\n", f'[train]\nbase = "{base.resolve()}"\n', alone)
    frozen = re.sub(r"(?m)^\[train\]\n", f"[train]\nfrozen = {_FROZEN}\n", begun)
    found = {"nothing": alone, "base": begun, "frozen": frozen}
    return found if alone == text else {**found, "teacher": text}


def base_of(out: Path, fold: Path) -> Path:
    """The base network of another run, if it has met nobody of this fold."""
    judged = speakers.speakers_in(fold / "positives.csv") | speakers.speakers_in(fold / "negatives.csv")
    both = judged & speakers.speakers_in(out / "others.csv")
    if both:
        raise SystemExit(f"{out}: its base network has met {len(both)} people whom {fold} judges ({min(both)})")
    return out / "base/weights.npz"


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("fold", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True, help="a folder")
    parser.add_argument("--counts", type=int, nargs="+", default=[0, 5, 20, 100])
    parser.add_argument("--beginnings", nargs="+", choices=_BEGINNINGS, default=_BEGINNINGS)
    parser.add_argument("--base-of", type=Path, help="another run's folder; default: a base network is trained")
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    with (asked.fold / "train.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    labels = list(load_recipe(asked.recipe).labels)
    others, results = asked.out / "others.csv", asked.out / "results.jsonl"
    speakers.write(others, drawn(rows, labels, 0, 0))
    base = asked.out / "base/weights.npz" if asked.base_of is None else base_of(asked.base_of, asked.fold)
    if {"base", "frozen"} & {*asked.beginnings} and asked.base_of is None:
        print("\n".join(train_base(asked.recipe, base.parent, [others]).lines()), flush=True)
    short = ingredients.shortened(asked.recipe.read_text(encoding="utf-8"))
    texts = beginnings(short, base)
    for seed in range(1, asked.seeds + 1):  # a whole seed first: an unfinished table compares like with like
        for count in asked.counts:
            fold = asked.out / f"{asked.fold.resolve().name}-{count}-{seed}"
            shutil.copytree(asked.fold, fold, dirs_exist_ok=True)
            speakers.write(fold / "train.csv", drawn(rows, labels, count, seed))
            for name in (each for each in texts if each in asked.beginnings):
                recipe = asked.out / f"{name}.toml"
                recipe.write_text(texts[name], encoding="utf-8")
                study.once(recipe, [fold], results, seed, f"{count} recordings, {name}")
    known = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    lines = ingredients.table(known)
    print("\n".join(lines))
    if asked.base_of is None and base.with_name("CARD.md").exists():
        section(base.with_name("CARD.md"), "What it gains a word", [
            f'"{labels[0]}", missed in per cent of people whom neither it nor the training of the word has met, by a',
            f'short recipe (tests/bench/recordings.py); "frozen": with `[train] frozen = {_FROZEN}`.',
            "",
            *lines,
            "",
            f"SHA-256 of weights.npz: `{hashlib.sha256(base.read_bytes()).hexdigest()}`.",
        ])  # fmt: skip


if __name__ == "__main__":
    main()
