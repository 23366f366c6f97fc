# SPDX-License-Identifier: MIT
"""enrol: a model and its owner."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinywake.cli.options import Json
from tinywake.terminal import progress, show

__all__ = ["enrol"]


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
