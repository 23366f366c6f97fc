# SPDX-License-Identifier: MIT
"""The verbs. Each is a thin wrapper over a public function; heavy modules are imported when a verb needs them."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from tinywake import __version__
from tinywake.errors import AudioError, CompileError
from tinywake.terminal import err, print_json, progress, save, show
from tinywake.terminal import out as console

__all__ = ["app"]

app = typer.Typer(
    name="tinywake",
    help="Train a wake word, compile it to a few kilobytes, hear it on a MicroPython board.",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_Json = Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")]
_Target = Annotated[str, typer.Option("--target", help="host, unix, or a serial port.")]
_Board = Annotated[str | None, typer.Option("--board", help="Does it fit this board? See tinywake boards.")]
_Picture = Annotated[Path | None, typer.Option("--picture", help="The arena over time: an .svg or .png to write.")]
_ModelFile = Annotated[Path, typer.Option("--model", help="A compiled model (.twm).")]


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    pass


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="recipe.toml: the word and how to train it.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder for the results [beside the recipe].")] = None,
    data: Annotated[list[Path] | None, typer.Option("--data", help="Folder of recordings; may be given again.")] = None,
    as_json: _Json = False,
) -> None:
    """Train a wake word: recipe -> model.tflite and model.twm."""
    from tinywake.pipeline.train import train as run

    with progress() as bar:
        task = bar.add_task("starting", total=1.0)

        def advance(stage: str, fraction: float) -> None:
            bar.update(task, description=stage, completed=fraction)

        result = run(recipe, out or recipe.parent, tuple(data or ()), advance)
    show(result, as_json)


@app.command(name="compile")
def compile_(
    source: Annotated[Path, typer.Argument(help="An int8 .tflite, or micro-wake-word's manifest (.json) beside one.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .twm to write.")],
    stream: Annotated[bool, typer.Option("--stream", help="Take only new frames; keep the rest as state.")] = False,
    frames: Annotated[int, typer.Option(help="New frames an invoke, with --stream.", min=1)] = 3,
    recipe: Annotated[Path | None, typer.Option(help="Recipe with label and detector, for a listener.")] = None,
    input_scaling: Annotated[str | None, typer.Option(help="Of a manifest: esphome (default) or pymicro.")] = None,
    report: Annotated[bool, typer.Option("--report", help="Every operator's cost.")] = False,
    board: _Board = None,
    picture: _Picture = None,
    as_json: _Json = False,
) -> None:
    """Compile a network into a .twm; one that is too large for the board named is not written."""
    from tinywake.compiler.build import compile_tflite
    from tinywake.compiler.report import compiled_report
    from tinywake.compiler.tflite.read import problems
    from tinywake.device.bill import fit
    from tinywake.evaluate.arena import draw_arena
    from tinywake.files import keep_apart, write_beside
    from tinywake.pipeline.listening import source_of

    given = source_of(source, recipe, input_scaling)
    keep_apart((out, picture), (source, given.network))
    found = problems(given.network) if report or as_json else []
    if found:
        print_json({"problems": found}) if as_json else console.print("\n".join(found))
        raise CompileError(f"{source}: cannot be compiled; what is in the way is listed above")
    compiled = compile_tflite(
        given.network, frames=frames if stream else None, listening=given.listening(), provenance=given.provenance
    )
    result = fit(compiled_report(compiled), compiled.blob, board)
    if picture is not None:
        draw_arena(result.report, picture, source.name)
    if report or as_json:
        show(result, as_json)
    result.check(str(source))
    write_beside(out, lambda part: part.write_bytes(compiled.blob))
    if not as_json:
        console.print(
            f"{out}: {len(compiled.blob):,} bytes (from {given.network.stat().st_size:,}), "
            f"arena {compiled.plan.arena_bytes:,} (lower bound {compiled.plan.lower_bound:,}), "
            f"state {compiled.plan.state_bytes:,}, {compiled.graph.macs():,} MACs an invoke"
        )
        if given.note:
            console.print(given.note)


@app.command()
def inspect(
    model: Annotated[Path, typer.Argument(help="A compiled model (.twm).")],
    board: _Board = None,
    picture: _Picture = None,
    as_json: _Json = False,
) -> None:
    """Show sections, operators, memory, detector and provenance of a .twm, and whether it fits a board."""
    from tinywake.compiler.report import file_report, summary, summary_lines
    from tinywake.compiler.twm.unpack import unpack
    from tinywake.device.bill import fit
    from tinywake.evaluate.arena import draw_arena

    file = unpack(model)
    facts = {"file": str(model), **summary(file)}
    result = fit(file_report(file), model.read_bytes(), board)
    if picture is not None:
        draw_arena(result.report, picture, model.name)
    if as_json:
        print_json({**facts, **result.facts()})
    else:
        for line in summary_lines(facts):
            console.print(line)
        show(result, as_json=False)
    result.check(str(model))


@app.command()
def run(
    model: Annotated[Path, typer.Argument(help="A compiled model (.twm).")],
    source: Annotated[Path, typer.Option("--input", help="X.npy: int8 [N, ...input shape].")],
    out: Annotated[Path, typer.Option("--output", help="Y.npy to write: [N, ...output shape].")],
    target: _Target = "host",
    dump: Annotated[Path | None, typer.Option(help="Folder for what every operator computes; index.json says.")] = None,
) -> None:
    """Run a network on arrays; state is reset once, then carried over the N invokes."""
    import numpy as np

    from tinywake.evaluate.traces import load_input
    from tinywake.files import keep_apart
    from tinywake.pipeline.running import run_network

    keep_apart((out,), (model, source))
    y = run_network(model, load_input(source), target, dump)
    save(out, lambda file: np.save(file, y))
    console.print(
        f"{out}: {y.dtype} {list(y.shape)}" + (f"; {dump}: index.json, and a file an operator" if dump else "")
    )


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="FILE or FILE@WHERE: a .tflite@tflm (default) or @litert; a .twm@TARGET.")],
    b: Annotated[str, typer.Argument(help="The other run.")],
    source: Annotated[Path | None, typer.Option("--input", help="X.npy [N, ...input shape]; else random.")] = None,
    count: Annotated[int, typer.Option("-n", help="Random inputs, without --input.", min=1)] = 8,
    seed: Annotated[int, typer.Option(help="Of the random inputs.", min=0)] = 0,
    as_json: _Json = False,
) -> None:
    """Find the first layer in which two runs differ: exit 0 where none does, 1 where one does, 2 on an error."""
    from tinywake.evaluate.compare import compare as run
    from tinywake.evaluate.compare import parse_run
    from tinywake.evaluate.traces import load_input

    x = None if source is None else load_input(source)
    result = run(parse_run(a), parse_run(b), x, count=count, seed=seed)
    show(result, as_json)
    raise typer.Exit(0 if result.first is None else 1)


@app.command()
def features(
    clip: Annotated[Path, typer.Argument(help="A sound file of any rate and channel count.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="F.npy to write: uint16 [frames, 40].")],
    target: _Target = "host",
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


@app.command()
def listen(
    model: _ModelFile,
    clips: Annotated[list[Path] | None, typer.Argument(help="Sound files; each is heard from a fresh start.")] = None,
    target: _Target = "host",
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
        live = hear_live(model, microphone, "mic")
        for heard in live if mic else hear(model, clips or (), target, lambda n: bar.update(task, completed=n)):
            for hit in heard.hits:
                print_json({"clip": heard.clip, "t_ms": hit.t_ms, "label": hit.label, "score": hit.score / 256})
            if scores is not None:
                book.add(heard, goes_on=mic)
    if microphone.overruns:
        err.print(f"the microphone lost audio {microphone.overruns} times: this computer was too busy")
    if scores is not None:
        save(scores, book.write)


@app.command(name="eval")
def eval_(
    model: _ModelFile,
    positives: Annotated[list[Path], typer.Option(help="Folder or CSV of clips with the word; may be given again.")],
    negatives: Annotated[list[Path], typer.Option(help="Folder or CSV without it; may be given again.")],
    label: Annotated[str | None, typer.Option(help="Which wake label, where the model has several.")] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="PNG of the DET curve to write.")] = None,
    as_json: _Json = False,
) -> None:
    """Measure misses against false accepts per hour."""
    from tinywake.evaluate.plots import plot_det
    from tinywake.files import check_writable
    from tinywake.pipeline.evaluation import evaluate

    if plot is not None:
        check_writable(plot)
    with progress() as bar:
        task = bar.add_task("listening")
        result = evaluate(
            model, positives, negatives, label=label, on_clip=lambda n, of: bar.update(task, completed=n, total=of)
        )
    if plot is not None:
        plot_det({result.model: result.curve}, plot, f"{result.label}, {result.model}")
    if as_json:
        print_json(result.facts())
        return
    low, high = result.false_accept_bounds
    console.print(
        f"{result.label}: {result.curve.positives} clips with the word, {result.curve.hours:.2f} h without it, each "
        f"behind {result.lead_ms} ms of quiet"
    )
    table = Table("false accepts/h at most", "threshold", "misses", "false accepts counted", box=None)
    for budget, threshold, missed, counted in result.curve.table():
        table.add_row(f"{budget:g}", str(threshold), f"{100 * missed:.1f} %", str(counted))
    console.print(table)
    console.print(
        f"at the model's own threshold {result.threshold}: {100 * result.misses:.1f} % missed, {result.false_accepts} "
        f"false accepts ({low:.1f} to {high:.1f} an hour at 95 %)"
    )
    shares = sorted(result.speakers, key=lambda s: s.missed / s.clips)
    if len(shares) > 1:
        middle, worst = shares[len(shares) // 2], shares[-1]
        console.print(
            f"{len(shares)} speakers: median {100 * middle.missed / middle.clips:.0f} % missed, worst "
            f"{100 * worst.missed / worst.clips:.0f} % ({worst.speaker}, {worst.clips} clips)"
        )
    if plot is not None:
        console.print(f"plot: {plot}")


@app.command()
def deploy(
    port: Annotated[str, typer.Argument(help="Serial port of the board.")],
    model: _ModelFile,
    board: Annotated[str | None, typer.Option(help="Name under boards/; needed the first time.")] = None,
    as_json: _Json = False,
) -> None:
    """Put module, app and model on a board; only what changed is copied, and everything is verified by hash."""
    from tinywake.compiler.twm.unpack import unpack
    from tinywake.device.deploy import deploy as put

    unpack(model)
    report = put(port, model, board=board)
    if as_json:
        print_json({**asdict(report), "firmware": str(report.firmware)})
        return
    console.print(
        f"{report.port}: {report.firmware}; copied {len(report.copied)} files ({report.bytes_copied:,} bytes), "
        f"{len(report.unchanged)} unchanged; model {report.model_bytes:,} bytes, module {report.module_bytes:,}; "
        f"heap free {report.heap_before:,} -> {report.heap_loaded:,} with module and app"
    )
    for note in report.notes():
        console.print(note)


@app.command()
def monitor(
    port: Annotated[str, typer.Argument(help="Serial port or pyserial URL.")],
    log: Annotated[Path | None, typer.Option(help="Append every event to this file, as JSON lines.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines instead of the view.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Leave at the first hit.")] = False,
    seconds: Annotated[float | None, typer.Option(help="Leave after so long.", min=0)] = None,
) -> None:
    """Watch a board: state, level, score and detections, live."""
    from tinywake.device.monitor import monitor as watch

    heard = watch(port, log=log, json=as_json, once=once, seconds=seconds, console=console)
    if once and not heard:
        raise typer.Exit(1)


@app.command()
def targets(as_json: _Json = False) -> None:
    """Which targets can run here, and what the others lack."""
    from tinywake.device.targets.registry import TARGETS

    lacking = {"host": None, **{name: target.available() for name, target in TARGETS.items()}}
    if as_json:
        print_json({name: {"available": why is None, "lacks": why} for name, why in lacking.items()})
        return
    for name, why in lacking.items():
        console.print(f"{name:8} {'ready' if why is None else why}")


@app.command()
def boards(as_json: _Json = False) -> None:
    """Boards that are known, and whether tinywake deploy can serve them."""
    from tinywake.device.boards import Boards

    show(Boards(), as_json)


@app.command()
def demo(
    recipe: Annotated[Path, typer.Argument(help="The recipe to train.")] = Path("models/demo/recipe.toml"),
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for model and clips.")] = Path("build/demo"),
    clip: Annotated[list[Path] | None, typer.Option(help="A recording of one's own; may be given again.")] = None,
    as_json: _Json = False,
) -> None:
    """Train a wake word from text-to-speech, put it on an emulated board, and play clips to it."""
    from tinywake.pipeline.demo import run_demo

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
