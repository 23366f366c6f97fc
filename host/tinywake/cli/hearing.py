# SPDX-License-Identifier: MIT
"""features, listen, eval: a model and sound."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Annotated

import typer

from tinywake.cli.options import FirmwareFile, GateFile, Json, ModelFile, Target, Through
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
    _say_cut([clip])
    (frames,) = features_of([read_clip(clip, silent_ok=True)], target)
    save(out, lambda file: np.save(file, frames))
    console.print(f"{out}: uint16 {list(frames.shape)}")


def listen(
    model: ModelFile,
    clips: Annotated[list[Path] | None, typer.Argument(help="Sound files; each is heard from a fresh start.")] = None,
    target: Target = "host",
    through: Through = None,
    firmware: FirmwareFile = None,
    gate: GateFile = None,
    scores: Annotated[Path | None, typer.Option(help="S.npz to write: every step's scores.")] = None,
    mic: Annotated[bool, typer.Option("--mic", help="Listen to this computer's microphone, until Ctrl-C.")] = False,
    seconds: Annotated[float | None, typer.Option(help="Leave after so long, with --mic.", min=0)] = None,
) -> None:
    """Listen to clips or a microphone. Standard output carries only hits, one JSON object a line."""
    from tinywake.audio.live.microphone import Microphone
    from tinywake.device.targets.target import Setup
    from tinywake.files import keep_apart
    from tinywake.pipeline.hearing import ScoreBook, hear, hear_live

    if mic == bool(clips):
        raise typer.BadParameter("name clips, or --mic to listen to a microphone")
    if (mic and target != "host") or (seconds is not None and not mic):
        raise typer.BadParameter("--mic is this computer's, for --target host, and --seconds is for --mic")
    if mic and (through or firmware):
        raise typer.BadParameter("--through and --firmware are an emulated board's; --mic is this computer's")
    keep_apart((scores,), (model, *(clips or ()), *([firmware] if firmware else ())))
    _say_cut(clips or ())
    microphone, book = Microphone(seconds), ScoreBook()
    with progress() as bar, suppress(KeyboardInterrupt) if mic else nullcontext():
        task = bar.add_task("listening", total=len(clips or ()), visible=not mic)
        live = hear_live(model, microphone, "mic", gate)
        setup = Setup(firmware, through)
        played = hear(model, clips or (), target, lambda n: bar.update(task, completed=n), gate, setup)
        for heard in live if mic else played:
            for hit in heard.hits:
                print_json({"clip": heard.clip, "t_ms": hit.t_ms, "label": hit.label, "score": hit.score / 256})
            if scores is not None:
                book.add(heard, goes_on=mic)
    if microphone.overruns:
        err.print(f"the microphone lost audio {microphone.overruns} times: this computer was too busy")
    if scores is not None:
        save(scores, book.write)


def _say_cut(clips: Iterable[Path]) -> None:
    from tinywake.audio.cut import cut_short

    for note in filter(None, map(cut_short, clips)):
        err.print(note)


def eval_(
    positives: Annotated[list[Path], typer.Option(help="Folder or CSV of clips with the word; may be given again.")],
    negatives: Annotated[list[Path], typer.Option(help="Folder or CSV without it; may be given again.")],
    models: Annotated[list[Path] | None, typer.Argument(help="Models to compare: .twm, or manifests (.json).")] = None,
    model: Annotated[list[Path] | None, typer.Option("--model", help="The same; may be given again.")] = None,
    label: Annotated[str | None, typer.Option(help="Which wake label, where a model has several.")] = None,
    fa_per_hour: Annotated[
        str | None, typer.Option(help="False accepts an hour: 0.5, or 0.5,2. The first chooses the threshold to judge.")
    ] = None,
    cross_fit: Annotated[int | None, typer.Option(help="Folds of speakers, each judged by the others' choice.")] = None,
    noise: Annotated[
        list[str] | None, typer.Option(help="Folder or CSV of noise, or babble (of the negatives); again for more.")
    ] = None,
    snr: Annotated[str | None, typer.Option(help="Signal-to-noise ratios in dB, with --noise [20,10,5,0].")] = None,
    seed: Annotated[int, typer.Option(help="Of noise and resampling.", min=0)] = 0,
    write: Annotated[bool, typer.Option("--write", help="Store the threshold of --fa-per-hour in the model.")] = False,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="The same, into a copy: another .twm.")] = None,
    false_accepts: Annotated[
        Path | None, typer.Option("--false-accepts", help="Folder for a short .wav of each false accept.")
    ] = None,
    gate: GateFile = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="PNG of the DET curves to write.")] = None,
    card: Annotated[Path | None, typer.Option(help="The model's CARD.md: note the figures in it.")] = None,
    set_: Annotated[str | None, typer.Option("--set", help="With --card: what the clips are called there.")] = None,
    as_json: Json = False,
) -> None:
    """Measure misses against false accepts per hour: in quiet, in noise, by speaker; docs/evaluating.md."""
    from tinywake.evaluate.det.alarms import write_alarms
    from tinywake.files import check_writable, keep_apart
    from tinywake.pipeline.evaluation.keep import check_keepable, keep_threshold
    from tinywake.pipeline.evaluation.noted import note_in_card
    from tinywake.pipeline.evaluation.run import Questions, evaluate, parse_budgets

    chosen = [*(models or ()), *(model or ())]
    if not chosen:
        raise typer.BadParameter("name a model: tinywake eval MODEL --positives DIR --negatives DIR")
    if (write or out is not None) and fa_per_hour is None:
        raise typer.BadParameter("--write and -o store the threshold of a budget: name one with --fa-per-hour")
    if out is not None and (write or len(chosen) > 1):
        raise typer.BadParameter("-o is a copy of one model: leave --write and other models out")
    if (card is None) != (set_ is None) or (card is not None and len(chosen) > 1):
        raise typer.BadParameter("--card is of one model, and --set names the clips: give both, and one model")
    asked = Questions(label, gate, parse_budgets(fa_per_hour), tuple(noise or ()), snr, cross_fit, seed)
    keep_apart((plot, out), chosen)
    for each in chosen if write or out is not None else ():
        check_keepable(each, out)
        check_writable(out or each)
    if false_accepts is not None:
        check_writable(false_accepts / "0.wav", new_folder=True)
    with progress() as bar:
        task = bar.add_task("listening")
        result = evaluate(chosen, positives, negatives, asked, lambda n, of: bar.update(task, completed=n, total=of))
    kept = [
        keep_threshold(judged, path, out)
        for judged, path in zip(result.models, chosen, strict=True)
        if write or out is not None
    ]
    if card is not None:
        note_in_card(card, set_ or "", result.models[0])
    if plot is not None:
        result.plot(plot)
    written = 0
    for judged in result.models if false_accepts is not None else ():
        assert false_accepts is not None
        prefix = judged.model.removesuffix(Path(judged.model).suffix).strip("./").replace("/", "-")
        written += len(write_alarms(judged.alarms, false_accepts, prefix))
    show(result, as_json)
    if not as_json:
        for line in (*kept, *([f"plot: {plot}"] if plot is not None else ())):
            console.print(line)
        if false_accepts is not None:
            console.print(f"{false_accepts}: {written} false accepts to listen to")
