# SPDX-License-Identifier: MIT
"""A model of models/ from its recipe, with its card: one command.

    python tests/bench/ship.py ../shared models/NAME [--folds 2] [--measured 2] [--most 14000] [--skip-folds]

Speakers are dealt into folds. The recipe is trained and compressed on everything that a shipped model may be made of,
and once more for each fold without its people, on whom that network is measured, after every stage, and at the end in
household noise and babble too: so everybody is judged by a network that has not met them. CARD.md says of the first
what it is and whose recordings it is made of, and has the figures of the others together, and people.png their
curves. `--skip-folds` keeps the figures that are in the card.

The threshold of a single word is the lowest that keeps two false accepts an hour on the talk of those people of the
manifest who trained nothing: synthetic voices, which choose one in training, say little about people. Each fold's
network gets one by the same rule, from its own manifest; what becomes of the fold's people at it is in the card, too.
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
from crossfit import each_at_its_own, judged, pooled, stage_lines

from tinywake.audio.folders import in_validation
from tinywake.config import load_recipe
from tinywake.evaluate.plots import plot_det
from tinywake.pipeline.benching import bench
from tinywake.pipeline.compression.result import CompressResult
from tinywake.pipeline.compression.run import Asked, compress
from tinywake.pipeline.credits import refuse_unshippable
from tinywake.pipeline.evaluation.keep import keep_threshold
from tinywake.pipeline.evaluation.result import Evaluation
from tinywake.pipeline.evaluation.run import Questions, evaluate

_ALLOWED = 2.0  # false accepts an hour, on people who trained nothing


def made(recipe: Path, out: Path, manifest: Path, target: str | None = None) -> CompressResult:
    """Train in `out`/trained what the manifest has, and compress it into `out`/small."""
    asked = Asked((manifest,), out / "trained", target=target)
    return compress(recipe, out / "small", asked, warn=print)


def on_people(recipe: Path, out: Path, folds: int, measured: int, card: Path) -> None:
    """Note in `card` what trainings that have not met them do with the people of the first `measured` folds.

    people.png beside it has the curves.
    """
    title = f"Measured on people it has not met, by {trainings(folds, measured)}"
    folders = [(out / f"fold{n}", out / f"{n}") for n in range(measured)]
    small = [made(recipe, made_in, fold / "train.csv") for made_in, fold in folders]
    stages = [row.stage for row in small[0].rows if row.stage != "code"]  # which changes no score
    left = {
        stage: [(made_in / f"small/stages/{number}-{stage}/model.twm", fold) for made_in, fold in folders]
        for number, stage in enumerate(stages)
    }
    labels = words.labels_of(small[0].model)
    if len(labels) > 1:
        grid = [words.conditions(fold) for _, fold in folders]
        heard = {
            kind: [
                words.hear(result.model, fold, each[kind])
                for result, (_, fold), each in zip(small, folders, grid, strict=True)
            ]
            for kind in grid[0]
        }
        plot_det({kind: words.curve_of(parts) for kind, parts in heard.items()}, card.with_name("people.png"),
                 f"{len(labels)} words, people it has not met")  # fmt: skip
        each_stage = {stage: words.decide(*(words.hear(*pair) for pair in pairs)) for stage, pairs in left.items()}
        section(card, title, [*words.lines(heard), "The curves are people.png.", "", *words.stage_lines(each_stage)])
        return
    parts = [judged(result.model, fold) for result, (_, fold) in zip(small, folders, strict=True)]
    whole = pooled(parts)
    whole.plot(card.with_name("people.png"), f'"{labels[0]}", people it has not met')
    chosen = [
        by_the_rule(result.model, fold / "train.csv", fold / "positives.csv", labels[0]).at
        for result, (_, fold) in zip(small, folders, strict=True)
    ]
    at_the_rule = [
        "The table's thresholds are chosen on the sound that they are judged by, which flatters. With what the rule of",
        f"the file's threshold (below) gives each training without these people: {each_at_its_own(parts, chosen)}.",
        "The curves are people.png.",
    ]
    rows = [
        (stage, pooled([judged(model, fold, noise=False) for model, fold in pairs]).curves["clean"])
        for stage, pairs in left.items()
    ]
    section(card, title, [*whole.lines(), "", *at_the_rule, "", *stage_lines(rows)])


def trainings(folds: int, measured: int) -> str:
    """How a card says which of the folds were trained."""
    if measured == folds:
        return f"{folds} trainings of the same recipe, each without some of them"
    if measured == 1:
        return f"a training of the same recipe without them (fold 0 of {folds})"
    return f"{measured} trainings of the same recipe, each without some of them (folds 0 to {measured - 1} of {folds})"


def by_the_rule(model: Path, manifest: Path, clips: Path, label: str) -> Evaluation:
    """The model at the threshold that people of a manifest who trained nothing allow; spared.csv has their talk."""
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if not row["synthetic"] and row["transcript"] != "noise"]
    spared = [row for row in rows if in_validation(row["speaker"]) and row["split"] != "train"]
    talk = [row for row in spared if not speakers.any_in([speakers.plain(label)], row["transcript"])]
    listed = manifest.parent / "spared.csv"
    speakers.write(listed, talk)
    return evaluate([model], [clips], [listed], Questions(budgets=(_ALLOWED,))).models[0]


def settle(model: Path, manifest: Path, label: str, card: Path, kept: Path) -> None:
    """Write the model to `kept` with a threshold by people who trained nothing, and say so in its card."""
    judged = by_the_rule(model, manifest, manifest.parent / "word.csv", label)
    print(keep_threshold(judged, model, kept))
    text = card.read_text(encoding="utf-8")
    text = re.sub(r"over \d+/256", f"over {judged.at}/256", text, count=1)
    size = kept.stat().st_size  # another number may have a code of another length
    text = re.sub(r"(?m)^\| file \| [\d,]+ bytes", f"| file | {size:,} bytes", text, count=1)
    text = text.replace("At the threshold in the file: ", "At the threshold that training chose: ", 1)
    card.write_text(text, encoding="utf-8")
    with (manifest.parent / "spared.csv").open(newline="", encoding="utf-8") as file:
        people = len({row["speaker"] for row in csv.DictReader(file)})
    hours = judged.curve.hours
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
    parser.add_argument("--measured", type=int, help="of the folds, the first ones; default: all")
    parser.add_argument("--target", default="qemu-armv6m")
    parser.add_argument("--skip-folds", action="store_true")
    parser.add_argument("--most", type=int, default=14_000, help="bytes of the file")
    parser.add_argument("-o", "--out", type=Path, default=Path("build/ship"))
    asked = parser.parse_args()
    recipe, out = asked.model / "recipe.toml", asked.out / asked.model.name
    labels = load_recipe(recipe).labels
    speakers.deal(asked.shared, list(labels), out, asked.folds, clean=True)
    refuse_unshippable([out / "all.csv"])
    begun = time.monotonic()
    whole = made(recipe, out / "whole", out / "all.csv", asked.target)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("\n".join(whole.lines()))
    print(f"{(time.monotonic() - begun) / 60:.1f} minutes, {peak:,.0f} MiB at the most")
    if whole.model.stat().st_size > asked.most:
        raise SystemExit(f"{whole.model}: {whole.model.stat().st_size:,} bytes, which is more than {asked.most:,}")
    card, kept = out / "whole/small/CARD.md", asked.model / "CARD.md"
    if asked.skip_folds and kept.exists():
        carry(kept, card)
    else:
        on_people(recipe, out, asked.folds, asked.measured or asked.folds, card)
    if len(labels) == 1:
        settle(whole.model, out / "all.csv", labels[0], card, asked.model / "model.twm")
    else:
        shutil.copyfile(whole.model, asked.model / "model.twm")
    section(card, "On a board", cost(asked.model / "model.twm", asked.target))
    for name in ("det.png", "compress.png", "people.png", "CARD.md"):
        if (made_here := out / "whole/small" / name).exists():
            shutil.copyfile(made_here, asked.model / name)


def carry(kept: Path, card: Path) -> None:
    """Bring the measured sections of a card that is there into another one."""
    for title, body in re.findall(
        r"^## (Measured [^\n]*)\n\n(.*?)(?=^## |\Z)", kept.read_text(), re.MULTILINE | re.DOTALL
    ):
        section(card, title, body.rstrip("\n").split("\n"))


if __name__ == "__main__":
    main()
