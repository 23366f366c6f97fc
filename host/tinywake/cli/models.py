# SPDX-License-Identifier: MIT
"""compile, inspect, run, compare, bench, energy: networks as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinywake.cli.options import BoardName, Json, Picture, Target
from tinywake.errors import CompileError
from tinywake.files import save
from tinywake.terminal import out as console
from tinywake.terminal import print_json, show

__all__ = ["bench", "compare", "compile_", "energy", "inspect", "run"]


def compile_(
    source: Annotated[Path, typer.Argument(help="An int8 .tflite, or micro-wake-word's manifest (.json) beside one.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .twm to write.")],
    stream: Annotated[bool, typer.Option("--stream", help="Take only new frames; keep the rest as state.")] = False,
    frames: Annotated[int | None, typer.Option(help="New frames an invoke, with --stream [3].", min=1)] = None,
    recipe: Annotated[Path | None, typer.Option(help="Recipe with label and detector, for a listener.")] = None,
    input_scaling: Annotated[str | None, typer.Option(help="Of a manifest: esphome (default) or pymicro.")] = None,
    report: Annotated[bool, typer.Option("--report", help="Every operator's cost.")] = False,
    board: BoardName = None,
    huffman: Annotated[
        bool | None,
        typer.Option("--huffman/--no-huffman", help="Code it where that is smaller [what is best on --board]."),
    ] = None,
    picture: Picture = None,
    as_json: Json = False,
) -> None:
    """Compile a network into a .twm; one that is too large for the board named is not written."""
    from tinywake.compiler.build import compile_tflite
    from tinywake.compiler.report import compiled_report
    from tinywake.compiler.tflite.read import problems
    from tinywake.device.bill import chosen_form, fit
    from tinywake.evaluate.arena import draw_arena
    from tinywake.files import keep_apart, write_beside
    from tinywake.pipeline.listening import source_of

    if frames is not None and not stream:
        raise typer.BadParameter("--frames is for --stream, which takes so many new ones at an invoke")
    given = source_of(source, recipe, input_scaling)
    keep_apart((out, picture), (source, given.network, *([recipe] if recipe else [])))
    found = problems(given.network) if report or as_json else []
    if found:
        print_json({"problems": found}) if as_json else console.print("\n".join(found))
        raise CompileError(f"{source}: cannot be compiled; what is in the way is listed above")
    taken = (frames or 3) if stream else None
    compiled = compile_tflite(given.network, frames=taken, listening=given.listening(), provenance=given.provenance)
    costs = compiled_report(compiled)
    blob = chosen_form(costs, compiled.blob, board, huffman)
    result = fit(costs, blob, board)
    if picture is not None:
        draw_arena(result.report, picture, source.name)
    if report or as_json:
        show(result, as_json)
    result.check(str(source))
    write_beside(out, lambda part: part.write_bytes(blob))
    if not as_json:
        small = f"; {len(compiled.blob):,} where it is decoded" if blob is not compiled.blob else ""
        console.print(
            f"{out}: {len(blob):,} bytes (from {given.network.stat().st_size:,}{small}), "
            f"arena {compiled.plan.arena_bytes:,} (lower bound {compiled.plan.lower_bound:,}), "
            f"state {compiled.plan.state_bytes:,}, {compiled.graph.macs():,} MACs an invoke"
        )
        if given.note:
            console.print(given.note)


def inspect(
    model: Annotated[Path, typer.Argument(help="A compiled model (.twm).")],
    board: BoardName = None,
    picture: Picture = None,
    as_json: Json = False,
) -> None:
    """Show sections, operators, memory, detector and provenance of a .twm, and whether it fits a board."""
    from tinywake.compiler.report import file_report, summary, summary_lines
    from tinywake.compiler.twm.unpack import unpack
    from tinywake.device.bill import fit
    from tinywake.evaluate.arena import draw_arena
    from tinywake.files import keep_apart

    keep_apart((picture,), (model,))
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


def run(
    model: Annotated[Path, typer.Argument(help="A compiled model (.twm).")],
    source: Annotated[Path, typer.Option("--input", help="X.npy: int8 [N, ...input shape].")],
    out: Annotated[Path, typer.Option("--output", help="Y.npy to write: [N, ...output shape].")],
    target: Target = "host",
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


def compare(
    a: Annotated[str, typer.Argument(help="FILE or FILE@WHERE: a .tflite@tflm (default) or @litert; a .twm@TARGET.")],
    b: Annotated[str, typer.Argument(help="The other run.")],
    source: Annotated[Path | None, typer.Option("--input", help="X.npy [N, ...input shape]; else random.")] = None,
    count: Annotated[int, typer.Option("-n", help="Random inputs, without --input.", min=1)] = 8,
    seed: Annotated[int, typer.Option(help="Of the random inputs.", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Find the first layer in which two runs differ: exit 0 where none does, 1 where one does, 2 on an error."""
    from tinywake.evaluate.compare import compare as run
    from tinywake.evaluate.compare import parse_run
    from tinywake.evaluate.traces import load_input

    x = None if source is None else load_input(source)
    result = run(parse_run(a), parse_run(b), x, count=count, seed=seed)
    show(result, as_json)
    raise typer.Exit(0 if result.first is None else 1)


def bench(
    model: Annotated[Path, typer.Argument(help="A compiled model (.twm).")],
    target: Target = "host",
    layers: Annotated[bool, typer.Option("--layers", help="Every operator by itself.")] = False,
    as_json: Json = False,
) -> None:
    """Count what a model costs: cycles or instructions where a target counts them, and memory."""
    from tinywake.pipeline.benching import bench as run

    show(run(model, target, layers=layers), as_json)


def energy(
    board: Annotated[str, typer.Option("--board", help="Whose currents; see tinywake boards.")],
    model: Annotated[
        Path | None, typer.Argument(help="A listener (.twm), to be measured in the emulated Pico.")
    ] = None,
    cycles: Annotated[int | None, typer.Option(help="A second of sound, instead of a model.", min=1)] = None,
    mhz: Annotated[
        float | None, typer.Option(help="The clock [what the firmware sets; --cycles needs it].", min=1)
    ] = None,
    battery: Annotated[list[str] | None, typer.Option(help="AA, AAA, 18650 or CR2032; may be given again.")] = None,
    also: Annotated[float, typer.Option(help="mA that microphone and the rest of the board take.", min=0)] = 0.0,
    efficiency: Annotated[float, typer.Option(help="Of the converter behind the battery.")] = 0.85,
    as_json: Json = False,
) -> None:
    """Estimate what listening takes: share of the processor, lowest clock, milliwatts, days on a battery."""
    from tinywake.pipeline.energy import Supply
    from tinywake.pipeline.energy import energy as run

    supply = Supply(also, efficiency)
    show(run(model, board, battery or (), cycles=cycles, mhz=mhz, supply=supply), as_json)
