# SPDX-License-Identifier: MIT
"""A model of models/ from its recipe, with its card: one command.

    python tests/bench/ship.py ../shared models/computer [--folds 2] [--target qemu-armv6m] [--skip-fold]

Speakers are dealt into folds. The recipe is trained on everything that a shipped model may be made of, and once more
without the people of fold 0, on whom that training is measured, in quiet, household noise and babble. CARD.md says of
the first what it is and whose recordings it is made of, and has the figures of the second. `--skip-fold` keeps the
figures that are in the card.

The threshold of a single word is the lowest that keeps two false accepts an hour on the talk of those people of the
manifest who trained nothing: synthetic voices, which choose one in training, say little about people.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import re
import resource
import shutil
import time
from pathlib import Path

import speakers
import words

from tinywake.audio.folders import in_validation
from tinywake.config import load_recipe
from tinywake.pipeline.benching import bench
from tinywake.pipeline.credits import refuse_unshippable
from tinywake.pipeline.evaluation.keep import keep_threshold
from tinywake.pipeline.evaluation.noted import note_in_card
from tinywake.pipeline.evaluation.run import Questions, evaluate
from tinywake.pipeline.train import train

_BUDGETS = (0.5, 1.0, 2.0, 5.0)
_MOST = 14_000  # bytes
_ALLOWED = 2.0  # false accepts an hour, on people who trained nothing


def on_people(model: Path, fold: Path, folds: int, card: Path) -> None:
    """Note in `card` what a model that has not met the people of a fold does with them."""
    name = f"people it has not met, by a training of the same recipe without them (fold {fold.name} of {folds})"
    if len(words.labels_of(model)) > 1:
        section(card, f"Measured on {name}", words.lines(words.decide(model, fold)))
        return
    asked = Questions(budgets=_BUDGETS, noise=(str(fold / "noise.csv"), "babble"), snr="10")
    note_in_card(card, name, evaluate([model], [fold / "positives.csv"], [fold / "negatives.csv"], asked).models[0])


def settle(model: Path, manifest: Path, label: str, card: Path, kept: Path) -> None:
    """Write the model to `kept` with a threshold by people who trained nothing, and say so in its card."""
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if not row["synthetic"] and row["transcript"] != "noise"]
    spared = [row for row in rows if in_validation(row["speaker"]) and row["split"] != "train"]
    talk = [row for row in spared if not speakers.any_in([speakers.plain(label)], row["transcript"])]
    listed, words_of = manifest.parent / "spared.csv", manifest.parent / "word.csv"
    speakers.write(listed, talk)
    judged = evaluate([model], [words_of], [listed], Questions(budgets=(_ALLOWED,))).models[0]
    print(keep_threshold(judged, model, kept))
    text = card.read_text(encoding="utf-8")
    text = re.sub(r"over \d+/256", f"over {judged.at}/256", text, count=1)
    text = text.replace("At the threshold in the file: ", "At the threshold that training chose: ", 1)
    card.write_text(text, encoding="utf-8")
    people, hours = len({row["speaker"] for row in talk}), judged.curve.hours
    section(card, "Threshold", [
        f"The threshold in the file, {judged.at}, is the lowest with at most {_ALLOWED:g} false accepts an hour in "
        f"{hours:.2f} h of talk of {people} people who trained",
        f"nothing; {int(judged.curve.false_accepts[judged.at])} was counted there. Training chooses by synthetic "
        "voices.",
    ])  # fmt: skip


def section(card: Path, title: str, lines: list[str]) -> None:
    """Write a section of the card anew."""
    text = card.read_text(encoding="utf-8")
    old = re.search(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    kept = text if old is None else text[: old.start()] + text[old.end() :]
    card.write_text(kept.rstrip("\n") + f"\n\n## {title}\n\n" + "\n".join(lines) + "\n", encoding="utf-8")


def cost(model: Path, target: str) -> list[str]:
    """Rows of the file and of a target that counts."""
    found = bench(model, target)
    facts, unit = found.facts(), found.counts.unit
    return [
        f"SHA-256 of the file: `{hashlib.sha256(model.read_bytes()).hexdigest()}`.",
        "",
        f"On {target}, counted: {facts[f'step_{unit}']:,} {unit} a step of {found.step_ms} ms (the network "
        f"{facts[unit]:,}), {facts[f'second_{unit}']:,} a second of sound; arena {facts['arena_bytes']:,} bytes, "
        f"of them {facts['state_bytes']:,} state.",
    ]


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("model", type=Path, help="models/NAME, with recipe.toml")
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--target", default="qemu-armv6m")
    parser.add_argument("--skip-fold", action="store_true")
    parser.add_argument("-o", "--out", type=Path, default=Path("build/ship"))
    asked = parser.parse_args()
    recipe, out = asked.model / "recipe.toml", asked.out / asked.model.name
    speakers.deal(asked.shared, list(load_recipe(recipe).labels), out, asked.folds, clean=True)
    refuse_unshippable([out / "all.csv"])
    begun = time.monotonic()
    whole = train(recipe, out / "whole", (out / "all.csv",), warn=print)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{whole.lines()[0]}; {(time.monotonic() - begun) / 60:.1f} minutes, {peak:,.0f} MiB at the most")
    if whole.twm_bytes > _MOST:
        raise SystemExit(f"{whole.model}: {whole.twm_bytes:,} bytes; a shipped model has at most {_MOST:,}")
    card, kept = out / "whole/CARD.md", asked.model / "CARD.md"
    if asked.skip_fold and kept.exists():
        carry(kept, card)
    else:
        part = train(recipe, out / "fold", (out / "0/train.csv",), warn=print)
        on_people(part.model, out / "0", asked.folds, card)
    labels = load_recipe(recipe).labels
    if len(labels) == 1:
        settle(whole.model, out / "all.csv", labels[0], card, asked.model / "model.twm")
    else:
        shutil.copyfile(whole.model, asked.model / "model.twm")
    section(card, "On a board", cost(asked.model / "model.twm", asked.target))
    for name in ("det.png", "CARD.md"):
        shutil.copyfile(out / "whole" / name, asked.model / name)


def carry(kept: Path, card: Path) -> None:
    """Bring the measured sections of a card that is there into another one."""
    for title, body in re.findall(
        r"^## (Measured [^\n]*)\n\n(.*?)(?=^## |\Z)", kept.read_text(), re.MULTILINE | re.DOTALL
    ):
        section(card, title, body.rstrip("\n").split("\n"))


if __name__ == "__main__":
    main()
