# SPDX-License-Identifier: MIT
"""How many near words a model takes for its word, at the thresholds that keep false accepts an hour on people's talk.

    python tests/bench/near.py RECIPE MODEL FOLD [MODEL FOLD ...]

FOLD is a folder that speakers.py wrote, of whose people the model has met none. The recipe's near words are spoken by
the voices that it keeps out of training. Each row: near words taken for the word, and clips of the word missed by the
fold's people, in per cent.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from crossfit import BUDGETS

from tinywake.audio.sources import cast_split
from tinywake.audio.voices.synth import speak_all
from tinywake.config import Recipe, load_recipe
from tinywake.pipeline.evaluation.run import Questions, evaluate

_SHARE = 0.25  # of the near words that a training has spoken


def near_words(recipe: Recipe) -> list[Path]:
    """Clips of the recipe's near words by its held-out voices: the same ones each time."""
    said = cast_split(recipe, "held_out", _SHARE, np.random.default_rng([recipe.train.seed, 31]))["near"]
    return sorted({path for path in speak_all(said) if path is not None})


def taken(model: Path, fold: Path, clips: Sequence[Path], listed: Path) -> list[tuple[float, float]]:
    """Per cent of near words accepted and of the word missed, for each budget."""
    listed.write_text("file\n" + "".join(f"{path}\n" for path in clips), encoding="utf-8")
    asked = Questions(budgets=BUDGETS)
    talk = evaluate([model], [fold / "positives.csv"], [fold / "negatives.csv"], asked).models[0].curve
    near = evaluate([model], [fold / "positives.csv"], [listed], asked).models[0].curve
    at = [talk.threshold_for(budget) for budget in BUDGETS]
    return [(100 * float(near.false_accepts[each]) / len(clips), 100 * float(talk.miss_rate[each])) for each in at]


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("pairs", type=Path, nargs="+", help="MODEL FOLD ...")
    asked = parser.parse_args()
    clips = near_words(load_recipe(asked.recipe))
    print(f"{len(clips)} clips of near words")
    heads = " | ".join(f"near words at {budget:g}/h | missed" for budget in BUDGETS)
    print(f"| | {heads} |\n|---|" + "--:|" * (2 * len(BUDGETS)))
    for model, fold in zip(asked.pairs[::2], asked.pairs[1::2], strict=True):
        cells = " | ".join(
            f"{near:.1f} | {missed:.1f}" for near, missed in taken(model, fold, clips, fold / "near.csv")
        )
        print(f"| {model} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
