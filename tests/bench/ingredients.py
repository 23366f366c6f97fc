# SPDX-License-Identifier: MIT
"""What each ingredient of a recipe gains on people it has not met: a short recipe, with all of them and without each.

    python tests/bench/ingredients.py models/computer/recipe.toml build/study/0 -o build/ingredients [--seeds 3]

FOLD is a folder that speakers.py wrote. People are heard as recorded, and in household noise and babble at 10 dB. Every
run is a line of results.jsonl, as study.py writes it; one that is there is not repeated, and an interrupted training
goes on. The table at the end has means over seeds and folds, and their range.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import study

_SHARE = 0.4  # of the recipe's streams and steps
_SHORTENED = ("positive_streams", "negative_streams", "steps")
_NEAR = r"(?ms)^near = \[.*?^\]\n|^near = [^\n]*\n"
_AS_SPOKEN = """[augment]
speed = [1.0, 1.0]
warp = 0.0
noise = 0.0
room = 0.0
band = 0.0
clipping = 0.0

"""

Change = Callable[[str], str]
WITHOUT: dict[str, Change] = {
    "teacher": lambda text: _less(text, study.TABLE.format("teacher"), ""),
    "conversions of recordings": lambda text: _less(text, study.TABLE.format("conversion"), ""),
    "near words": lambda text: _less(_less(text, _NEAR, ""), r"(?m)^near = \d+$", "near = 0"),
    "rooms, noise and microphones": lambda text: _less(text, study.TABLE.format("augment"), _AS_SPOKEN),
}


def _less(text: str, pattern: str, instead: str) -> str:
    changed, count = re.subn(pattern, instead, text, count=1)
    if count != 1:
        raise SystemExit(f"the recipe has nothing that looks like {pattern}")
    return changed


def shortened(text: str) -> str:
    """The recipe with fewer streams and steps, and neither search nor compression."""
    for table in ("compress", "search"):
        text = re.sub(study.TABLE.format(table), "", text, count=1)

    def less(found: re.Match[str]) -> str:
        return f"{found[1]} = {round(_SHARE * int(found[2]))}"

    return re.sub(rf"(?m)^({'|'.join(_SHORTENED)}) *= *(\d+)", less, text)


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Markdown: mean over the budgets of an hour, then each; by variant, means over seeds and folds.

    Where every run has been judged in noise, the mean over the budgets in each kind of it as well.
    """
    kinds = [kind for kind in ("household", "babble") if rows and all(kind in row for row in rows)]
    noisy = "".join(f" {kind} |" for kind in kinds)
    lines = [
        f"| short recipe | runs | mean of the four (lowest to highest) | 0.5/h | 1/h | 2/h | 5/h |{noisy}",
        "|---|--:|--:|--:|--:|--:|--:|" + "--:|" * len(kinds),
    ]
    for name in dict.fromkeys(row["name"] for row in rows):
        mine = [row for row in rows if row["name"] == name]
        each = [list(row["clean"].values()) for row in mine]
        means = [_mean(run) for run in each]
        columns = [_mean(column) for column in zip(*each, strict=True)]
        columns += [_mean([_mean(list(row[kind].values())) for row in mine]) for kind in kinds]
        cells = " | ".join(f"{value:.1f}" for value in columns)
        lines.append(f"| {name} | {len(each)} | {_mean(means):.1f} ({min(means):.1f} to {max(means):.1f}) | {cells} |")
    return lines


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("folds", type=Path, nargs="+")
    parser.add_argument("-o", "--out", type=Path, required=True, help="a folder")
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    short = shortened(asked.recipe.read_text(encoding="utf-8"))
    variants = {"all": short, **{f"without {name}": less(short) for name, less in WITHOUT.items()}}
    results = asked.out / "results.jsonl"
    for seed in range(1, asked.seeds + 1):  # a whole seed first: an unfinished table compares like with like
        for name, text in variants.items():
            recipe = asked.out / f"{name.replace(' ', '-')}.toml"
            recipe.write_text(text, encoding="utf-8")
            study.once(recipe, asked.folds, results, seed, name, noise=True)
    rows = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
