# SPDX-License-Identifier: MIT
"""What the stages of a recipe's [compress] cost people who trained nothing, and how much of that is chance.

    python tests/bench/stage_seeds.py models/computer/recipe.toml build/ship/computer [--seeds 1 2 3] [--folds 2]

OUT is a folder that ship.py has left: its folds' trained networks are compressed once more for each seed of the stages,
so that one network before the stages is compared with several after them, on the people of its fold. A run that is
there is not repeated, and an interrupted one goes on. The recipe must name no file beside it (base, teachers).
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from crossfit import BUDGETS, judged, summed
from study import TABLE

from tinywake.evaluate.metrics import DetCurve
from tinywake.pipeline.compression.result import CompressResult
from tinywake.pipeline.compression.run import Asked, compress


def seeded(text: str, seed: int) -> str:
    """The recipe with that seed for its stages, and for them alone."""
    own = re.sub(TABLE.format("compress"), lambda table: re.sub(r"(?m)^seed *=.*\n", "", table[0]), text)
    changed = own.replace("\n[compress]\n", f"\n[compress]\nseed = {seed}\n", 1)
    if changed == own:
        raise SystemExit("the recipe has no line [compress]")
    return changed


def again(recipe: Path, fold: Path, manifest: Path, seed: int) -> CompressResult:
    """Compress what is trained in `fold` with other luck, into `fold`/stage-seed-N."""
    out = fold / f"stage-seed-{seed}"
    out.mkdir(parents=True, exist_ok=True)
    (out / "recipe.toml").write_text(seeded(recipe.read_text(encoding="utf-8"), seed), encoding="utf-8")
    return compress(out / "recipe.toml", out / "small", Asked((manifest,), fold / "trained"))


def table(trained: DetCurve, after: dict[int, DetCurve]) -> list[str]:
    """Markdown: misses in per cent at each budget and their mean; what the stages cost, over the seeds."""

    def missed(curve: DetCurve) -> list[float]:
        each = [100 * curve.misses_at(budget) for budget in BUDGETS]
        return [*each, sum(each) / len(each)]

    rows = {"trained": missed(trained), **{f"stages, seed {seed}": missed(curve) for seed, curve in after.items()}}
    lost = np.array([rows[f"stages, seed {seed}"] for seed in after]) - rows["trained"]
    rows["lost, mean of the seeds"] = lost.mean(axis=0).tolist()
    rows["lost, standard error"] = (lost.std(axis=0, ddof=1) / len(lost) ** 0.5).tolist() if len(lost) > 1 else []
    heads = " | ".join(f"{budget:g}/h" for budget in BUDGETS)
    lines = [f"| {trained.positives} clips, {trained.hours:.2f} h | {heads} | mean |", "|---|" + "--:|" * 5]
    return [*lines, *(f"| {name} | {' | '.join(f'{v:.1f}' for v in row)} |" for name, row in rows.items() if row)]


def on_people(models: Sequence[Path], out: Path) -> DetCurve:
    """Each fold's model on the people of its fold, added up."""
    return summed([judged(model, out / f"{n}", noise=False).curve for n, model in enumerate(models)])


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("out", type=Path, help="build/ship/NAME")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--folds", type=int, default=2)
    asked = parser.parse_args()
    out, folds, after = asked.out, range(asked.folds), {}
    for seed in asked.seeds:
        small = [again(asked.recipe, out / f"fold{n}", out / f"{n}/train.csv", seed).model for n in folds]
        trained = on_people([model.parent / "stages/0-trained/model.twm" for model in small], out)
        after[seed] = on_people(small, out)
        print("\n".join(table(trained, after)), flush=True)


if __name__ == "__main__":
    main()
