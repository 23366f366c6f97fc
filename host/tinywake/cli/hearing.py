# SPDX-License-Identifier: MIT
"""features, listen, eval: a model and sound."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Annotated

import typer

from tinywake.cli.options import GateFile, Json, ModelFile, Target
from tinywake.files import save
from tinywake.terminal import err, print_json, progress, show
from tinywake.terminal import out as console

__all__ = ["eval_", "features", "listen"]


def features(
    clip: Annotated[Path, typer.Argument(help="A sound file of any rate and channel count.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="F.npy to write: uint16 [frames, 40].")],
    target: Target = "host",
) -> None:
    """Compute the audio features that networks hear: those of the TFLM micro-frontend."""
    import numpy as np

    from tinywake.audio.clips import read_clip
    from tinywake.files import keep_apart
    from tinywake.pipeline.hearing import features_of

    keep_apart((out,), (clip,))
    (frames,) = features_of([read_clip(clip, silent_ok=True)], target)
    save(out, lambda file: np.save(file, frames))
    console.print(f"{out}: uint16 {list(frames.shape)}")


def listen(
    model: ModelFile,
    clips: Annotated[list[Path] | None, typer.Argument(help="Sound files; each is heard from a fresh start.")] = None,
    target: Target = "host",
    gate: GateFile = None,
    scores: Annotated[Path | None, typer.Option(help="S.npz to write: every step's scores.")] = None,
    mic: Annotated[bool, typer.Option("--mic", help="Listen to this computer's microphone, until Ctrl-C.")] = False,
    seconds: Annotated[float | None, typer.Option(help="Leave after so long, with --mic.", min=0)] = None,
) -> None:
    """Listen to clips or a microphone. Standard output carries only hits, one JSON object a line."""
    from tinywake.audio.microphone import Microphone
    from tinywake.files import check_writable
    from tinywake.pipeline.hearing import ScoreBook, hear, hear_live

    if mic == bool(clips):
        raise typer.BadParameter("name clips, or --mic to listen to a microphone")
    if (mic and target != "host") or (seconds is not None and not mic):
        raise typer.BadParameter("--mic is this computer's, for --target host, and --seconds is for --mic")
    if scores is not None:
        check_writable(scores)
    microphone, book = Microphone(seconds), ScoreBook()
    with progress() as bar, suppress(KeyboardInterrupt) if mic else nullcontext():
        task = bar.add_task("listening", total=len(clips or ()), visible=not mic)
        live = hear_live(model, microphone, "mic", gate)
        played = hear(model, clips or (), target, lambda n: bar.update(task, completed=n), gate)
        for heard in live if mic else played:
            for hit in heard.hits:
                print_json({"clip": heard.clip, "t_ms": hit.t_ms, "label": hit.label, "score": hit.score / 256})
            if scores is not None:
                book.add(heard, goes_on=mic)
    if microphone.overruns:
        err.print(f"the microphone lost audio {microphone.overruns} times: this computer was too busy")
    if scores is not None:
        save(scores, book.write)


def eval_(
    model: ModelFile,
    positives: Annotated[list[Path], typer.Option(help="Folder or CSV of clips with the word; may be given again.")],
    negatives: Annotated[list[Path], typer.Option(help="Folder or CSV without it; may be given again.")],
    label: Annotated[str | None, typer.Option(help="Which wake label, where the model has several.")] = None,
    gate: GateFile = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="PNG of the DET curve to write.")] = None,
    as_json: Json = False,
) -> None:
    """Measure misses against false accepts per hour, and what a gate would save and cost."""
    from tinywake.evaluate.plots import plot_det
    from tinywake.files import check_writable
    from tinywake.pipeline.evaluation import evaluate

    if plot is not None:
        check_writable(plot)
    with progress() as bar:
        task = bar.add_task("listening")
        result = evaluate(
            model,
            positives,
            negatives,
            label=label,
            gate=gate,
            on_clip=lambda n, of: bar.update(task, completed=n, total=of),
        )
    if plot is not None:
        plot_det({result.model: result.curve}, plot, f"{result.label}, {result.model}")
    show(result, as_json)
    if plot is not None and not as_json:
        console.print(f"plot: {plot}")
