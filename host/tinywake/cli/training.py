# SPDX-License-Identifier: MIT
"""train, compress, search, demo: from a word to a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinywake.cli.options import Json
from tinywake.errors import AudioError, ToolError
from tinywake.files import check_writable
from tinywake.terminal import err, show, stages
from tinywake.terminal import out as console

__all__ = ["base", "compress", "data_report", "demo", "search", "train"]

_PEOPLE = "Folder or CSV with the word, by people who train nothing: they judge."
_DATA = "A folder of recordings, or a .csv that lists some; may be given again."


def train(
    recipe: Annotated[Path, typer.Argument(help="recipe.toml: the word and how to train it.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder for the results [beside the recipe].")] = None,
    data: Annotated[list[Path] | None, typer.Option("--data", help=_DATA)] = None,
    shipped: Annotated[
        bool, typer.Option("--shipped", help="Refuse recordings whose licence forbids a model that others are given.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a wake word: recipe -> model.tflite and model.twm."""
    from tinywake.pipeline.credits import refuse_unshippable
    from tinywake.pipeline.training.run import train as run

    if shipped:
        refuse_unshippable(tuple(data or ()))

    with stages("starting") as advance:
        result = run(
            recipe, out or recipe.parent, tuple(data or ()), advance, lambda text: err.print(f"warning: {text}")
        )
    show(result, as_json)


def base(
    recipe: Annotated[Path, typer.Argument(help="recipe.toml: [network] and [train] of the base, who speaks.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder for the results [beside the recipe].")] = None,
    data: Annotated[list[Path] | None, typer.Option("--data", help=_DATA)] = None,
    as_json: Json = False,
) -> None:
    """Teach a network phonemes, so that words begin with it: transcribed speech -> weights.npz; docs/base.md."""
    from tinywake.pipeline.base.run import train_base

    with stages("starting") as advance:
        result = train_base(recipe, out or recipe.parent, tuple(data or ()), advance)
    show(result, as_json)


def compress(
    recipe: Annotated[Path, typer.Argument(help="recipe.toml: its [compress] table names the stages.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder [compressed, beside the recipe].")] = None,
    data: Annotated[list[Path] | None, typer.Option("--data", help=_DATA)] = None,
    trained: Annotated[
        Path | None, typer.Option(help="Folder with what train has left, or is to leave [beside the recipe].")
    ] = None,
    board: Annotated[str, typer.Option(help="Whose flash and RAM are meant.")] = "RPI_PICO",
    target: Annotated[str | None, typer.Option(help="Count the cycles of a step there, as bench does.")] = None,
    positives: Annotated[list[Path] | None, typer.Option(help=_PEOPLE)] = None,
    negatives: Annotated[list[Path] | None, typer.Option(help="Folder or CSV without it, likewise.")] = None,
    as_json: Json = False,
) -> None:
    """Make a trained word smaller, stage by stage, and say what each stage cost; 2 where one cost too much."""
    from tinywake.pipeline.compression.run import Asked
    from tinywake.pipeline.compression.run import compress as run

    asked = Asked(tuple(data or ()), trained, board, target, tuple(positives or ()), tuple(negatives or ()))
    with stages("starting") as advance:
        result = run(
            recipe, out or recipe.parent / "compressed", asked, advance, lambda text: err.print(f"warning: {text}")
        )
    show(result, as_json)
    if result.stopped:
        raise typer.Exit(2)


def search(
    recipe: Annotated[Path, typer.Argument(help="recipe.toml: its [search] table says what is tried.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder [search, beside the recipe].")] = None,
    data: Annotated[list[Path] | None, typer.Option("--data", help=_DATA)] = None,
    target: Annotated[
        str | None, typer.Option(help="What counts the cost of a step [qemu-armv6m or qemu-rv32imc].")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Trainings at a time, each in a process.", min=1)] = 1,
    storage: Annotated[
        str | None, typer.Option(help="Optuna's storage, which computers may share [search.sqlite in the folder].")
    ] = None,
    positives: Annotated[list[Path] | None, typer.Option(help=_PEOPLE)] = None,
    negatives: Annotated[list[Path] | None, typer.Option(help="Folder or CSV without it, likewise.")] = None,
    as_json: Json = False,
) -> None:
    """Search widths, depth and kernels: misses against what a step costs; the best become recipes."""
    from tinywake.pipeline.search.run import Wanted
    from tinywake.pipeline.search.run import search as run

    asked = Wanted(tuple(data or ()), target, tuple(positives or ()), tuple(negatives or ()), storage, jobs)
    with stages("starting") as advance:
        result = run(recipe, out or recipe.parent / "search", asked, advance)
    show(result, as_json)


def data_report(
    data: Annotated[list[Path], typer.Argument(help=_DATA)],
    recipe: Annotated[Path | None, typer.Option(help="recipe.toml: says which recordings are the word.")] = None,
    picture: Annotated[
        Path | None, typer.Option("-o", "--picture", help="Durations, levels, bandwidth, speakers: a .png to write.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Find what is wrong with recordings before training on them; 2 where there are faults. See docs/recordings.md."""
    from tinywake.config import load_recipe
    from tinywake.pipeline.datareport.report import data_report as run

    if picture is not None:
        if picture.suffix.lower() != ".png":
            raise ToolError(f"{picture}: a picture of recordings is written as .png")
        check_writable(picture)
    with stages("checking") as advance:
        result = run(data, load_recipe(recipe) if recipe else None, picture, advance)
    show(result, as_json)
    if result.faults:
        raise typer.Exit(2)


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
    with stages("starting", until="listening") as advance:  # from there on the monitor has the terminal
        result = run_demo(recipe, out, tuple(clip or ()), advance, None if as_json else console)
    show(result, as_json)
