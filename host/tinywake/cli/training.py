# SPDX-License-Identifier: MIT
"""train, demo: from a word to a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinywake.cli.options import Json
from tinywake.errors import AudioError
from tinywake.terminal import out as console
from tinywake.terminal import progress, show

__all__ = ["demo", "train"]


def train(
    recipe: Annotated[Path, typer.Argument(help="recipe.toml: the word and how to train it.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder for the results [beside the recipe].")] = None,
    data: Annotated[list[Path] | None, typer.Option("--data", help="Folder of recordings; may be given again.")] = None,
    as_json: Json = False,
) -> None:
    """Train a wake word: recipe -> model.tflite and model.twm."""
    from tinywake.pipeline.train import train as run

    with progress() as bar:
        task = bar.add_task("starting", total=1.0)

        def advance(stage: str, fraction: float) -> None:
            bar.update(task, description=stage, completed=fraction)

        result = run(recipe, out or recipe.parent, tuple(data or ()), advance)
    show(result, as_json)


def demo(
    recipe: Annotated[Path, typer.Argument(help="The recipe to train.")] = Path("models/demo/recipe.toml"),
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for model and clips.")] = Path("build/demo"),
    clip: Annotated[list[Path] | None, typer.Option(help="A recording of one's own; may be given again.")] = None,
    as_json: Json = False,
) -> None:
    """Train a wake word from text-to-speech, put it on an emulated board, and play clips to it."""
    from tinywake.pipeline.demo.demo import run_demo

    missing = next((path for path in clip or () if not path.is_file()), None)
    if missing is not None:
        raise AudioError(f"{missing}: there is no such file")
    with progress() as bar:
        task = bar.add_task("starting", total=1.0)

        def advance(stage: str, fraction: float) -> None:
            bar.update(task, description=stage, completed=fraction)
            if stage == "listening":
                bar.stop()  # the monitor has the terminal from here on

        result = run_demo(recipe, out, tuple(clip or ()), advance, None if as_json else console)
    show(result, as_json)
