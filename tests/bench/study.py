# SPDX-License-Identifier: MIT
"""What a recipe is worth on people it has not met: train on a fold's manifest, measure on the fold's speakers.

    python tests/bench/study.py RECIPE FOLD... -o results.jsonl [--seed N] [--name TEXT] [--noise]

FOLD is a folder that speakers.py wrote. One JSON line a run; a run that is there already (same name, fold, seed) is not
repeated. Misses at a budget are with the threshold that keeps it on the fold's own negatives, in each condition.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import words

from tinywake.evaluate.metrics import DetCurve
from tinywake.pipeline.evaluation.run import Questions, evaluate
from tinywake.pipeline.training.run import train

BUDGETS = (0.5, 1.0, 2.0, 5.0)
TABLE = r"(?ms)^\[{}\]\n.*?(?=^\[|\Z)"  # of a recipe, by its name


def figures(curve: DetCurve) -> dict[str, float]:
    """Misses in per cent at each budget."""
    return {f"{budget:g}": round(100 * curve.misses_at(budget), 1) for budget in BUDGETS}


def measure(model: Path, fold: Path, noise: bool) -> dict[str, Any]:
    """Quiet and, if wanted, household noise and babble at 10 dB; speakers at 0.5 an hour. Several words: accuracy."""
    if len(words.labels_of(model)) > 1:
        return {name: each.facts() for name, each in words.decide(words.hear(model, fold)).items()}
    asked = Questions(budgets=BUDGETS)
    if noise:
        asked = Questions(budgets=BUDGETS, noise=(str(fold / "noise.csv"), "babble"), snr="10")
    heard = evaluate([model], [fold / "positives.csv"], [fold / "negatives.csv"], asked).models[0]
    result: dict[str, Any] = {"clean": figures(heard.curve), "hours": round(heard.curve.hours, 2)}
    result |= {cell.kind: figures(cell.curve) for cell in heard.cells}
    result["own"] = [round(100 * heard.misses, 1), heard.false_accepts]
    result["speakers"] = {share.speaker: [share.missed, share.clips] for share in heard.speakers}
    result["alarms"] = [f"{Path(alarm.path).parent.name}/{Path(alarm.path).name}" for alarm in heard.alarms]
    return result


def seeded(recipe: Path, seed: int) -> str:
    """The recipe with another seed, to be written anywhere: its `base` is found from there too."""
    text = recipe.read_text(encoding="utf-8")
    table = re.search(TABLE.format("train"), text)
    changed, count = re.subn(r"(?m)^seed *=.*$", f"seed = {seed}", table[0] if table else "")
    if not table or count != 1:
        raise SystemExit(f"{recipe}: {count} lines begin with `seed =` in [train]; one is needed")
    text = text[: table.start()] + changed + text[table.end() :]
    return re.sub(r'(?m)^base *= *"([^"]*)"', lambda found: f'base = "{(recipe.parent / found[1]).resolve()}"', text)


def run(recipe: Path, fold: Path, out: Path, seed: int, name: str, noise: bool) -> dict[str, Any]:
    """Train and measure once."""
    folder = out.parent / "runs" / f"{name}-{fold.name}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    text = seeded(recipe, seed)
    (folder / "recipe.toml").write_text(text, encoding="utf-8")
    begun, marks = time.monotonic(), {}

    def stage(what: str, fraction: float) -> None:
        marks[what] = round(time.monotonic() - begun)
        (folder / "stage").write_text(f"{what} {fraction:.3f} {marks}\n", encoding="utf-8")

    trained = train(folder / "recipe.toml", folder, (fold / "train.csv",), stage, lambda line: None)
    result: dict[str, Any] = {"name": name, "fold": fold.name, "seed": seed}
    result |= {"bytes": trained.twm_bytes, "validation": round(100 * trained.miss_rate, 1)}
    result |= {"seconds": marks, **measure(trained.model, fold, noise), "all": round(time.monotonic() - begun)}
    return result


def once(recipe: Path, folds: Sequence[Path], out: Path, seed: int, name: str, noise: bool = False) -> None:
    """Do the runs that are not in `out` yet, and add a line for each."""
    lines = out.read_text(encoding="utf-8").splitlines() if out.exists() else []
    known = {(row["name"], row["fold"], row["seed"]) for row in map(json.loads, lines)}
    for fold in folds:
        if (name, fold.name, seed) not in known:
            result = run(recipe, fold, out, seed, name, noise)
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")
            print(json.dumps({key: value for key, value in result.items() if key not in ("alarms",)}))


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("folds", type=Path, nargs="+")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--name")
    parser.add_argument("--noise", action="store_true")
    asked = parser.parse_args()
    once(asked.recipe, asked.folds, asked.out, asked.seed, asked.name or asked.recipe.stem, asked.noise)


if __name__ == "__main__":
    main()
