# SPDX-License-Identifier: MIT
"""enrol, mine: a model, its owner and its household."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tinywake.cli.options import Json, ModelFile
from tinywake.terminal import err, progress, show

__all__ = ["enrol", "mine"]


def enrol(
    model: Annotated[Path, typer.Argument(help="A compiled model (.twm), or micro-wake-word's manifest (.json).")],
    utterances: Annotated[list[Path], typer.Argument(help="Sound files, the word once in each; three to ten.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .twm to write.")],
    label: Annotated[str | None, typer.Option(help="Which wake label, where a model has several.")] = None,
    negatives: Annotated[
        list[Path] | None,
        typer.Option(help="Folder or CSV of speech without the word, beside what engines speak; may be given again."),
    ] = None,
    check: Annotated[
        Path | None, typer.Option(help="Recordings, as for train, to count gain and loss on; never learnt from.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Teach a model its owner's voice from a few utterances, without training; docs/enrolment.md."""
    from tinywake.files import keep_apart
    from tinywake.pipeline.enrolment.enrol import Owner
    from tinywake.pipeline.enrolment.enrol import enrol as run

    keep_apart((out,), (model, *utterances))
    with progress() as bar:
        task = bar.add_task("listening", total=1.0)
        result = run(
            model,
            Owner(tuple(utterances), tuple(negatives or ()), check, label),
            out,
            lambda stage, fraction: bar.update(task, description=stage, completed=fraction),
        )
    show(result, as_json)


def mine(
    audio: Annotated[list[Path], typer.Argument(help="Recordings of hours, or folders of them.")],
    model: ModelFile,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the clips; a second run goes on with it.")],
    label: Annotated[str | None, typer.Option(help="Which wake label, where a model has several.")] = None,
    near: Annotated[float, typer.Option(help="Share of the threshold from which on a peak is a near miss.")] = 0.5,
    most: Annotated[int, typer.Option(help="Clips to keep of a recording; the highest.")] = 200,
    without_word: Annotated[
        bool, typer.Option("--without-word", help="Nobody says the word in it: label all as other speech.")
    ] = False,
    play: Annotated[bool, typer.Option("--play", help="Listen to what has no label yet, and label it.")] = False,
    compare: Annotated[Path | None, typer.Option(help="A retrained model, for before and after.")] = None,
    positives: Annotated[
        list[Path] | None, typer.Option(help="With --compare: folder or CSV of clips with the word; again for more.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Find false accepts and near misses in hours of sound, label them, train on them; docs/mining.md."""
    from tinywake.audio.live.player import player
    from tinywake.pipeline.mining.ask import label_by_ear
    from tinywake.pipeline.mining.mine import Wanted, against
    from tinywake.pipeline.mining.mine import mine as run

    if (compare is None) != (not positives):
        raise typer.BadParameter("--compare sets two models against each other on --positives DIR: name both")
    sound = player() if play else None
    wanted = Wanted(near, most, without_word, label)
    with progress() as bar:
        task = bar.add_task("listening", total=1.0)
        result, folder = run(
            audio, model, out, wanted, lambda stage, fraction: bar.update(task, description=stage, completed=fraction)
        )
    if sound is not None:
        try:
            count = label_by_ear(folder, sound, input)
        except KeyboardInterrupt:
            count = sum(bool(row.label) for row in folder.rows)
        err.print(f"{count} labelled")
        result = replace(result, rows=tuple(folder.rows))
    if compare is None:
        show(result, as_json)
        return
    with progress() as bar:
        task = bar.add_task("comparing")
        both = against(result, (model, compare), positives or (), lambda n, of: bar.update(task, completed=n, total=of))
    show(both, as_json)
