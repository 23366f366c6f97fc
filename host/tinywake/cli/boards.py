# SPDX-License-Identifier: MIT
"""flash, deploy, image, monitor, record, targets, boards, doctor: what runs a model."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from tinywake.cli.options import FirmwareFile, GateFile, Json, MissingOption, ModelFile
from tinywake.terminal import err, print_json, show, stages
from tinywake.terminal import out as console

__all__ = ["boards", "deploy", "doctor", "flash", "image", "monitor", "record", "targets"]


def flash(
    port: Annotated[str | None, typer.Argument(help="Serial port of the board; else the only one.")] = None,
    board: Annotated[str | None, typer.Option(help="Name under boards/; else by its chip, where one has it.")] = None,
    firmware: Annotated[Path | None, typer.Option(help="A .bin or .uf2; else the one pinned for the board.")] = None,
    drive: Annotated[Path | None, typer.Option(help="Of a Pico in BOOTSEL, where it is not found.")] = None,
    erase: Annotated[bool, typer.Option("--erase", help="Erase all of the flash first, files included.")] = False,
    no_stub: Annotated[bool, typer.Option("--no-stub", help="ESP32: without esptool's helper; slow.")] = False,
    baud: Annotated[int, typer.Option(help="ESP32: with the helper.", min=9600)] = 460800,
    as_json: Json = False,
) -> None:
    """Put MicroPython on a board; the file is checked before anything is erased, and what is written after."""
    from tinywake.device.flash.flash import Order
    from tinywake.device.flash.flash import flash as put

    with stages("looking") as advance:
        result = put(Order(port, board, firmware, drive, erase=erase, stub=not no_stub, baud=baud), advance)
    show(result, as_json)


def deploy(
    model: Annotated[Path | None, typer.Option("--model", help="A compiled model (.twm).")] = None,
    port: Annotated[str | None, typer.Argument(help="Serial port of the board; else the only one.")] = None,
    board: Annotated[str | None, typer.Option(help="Name under boards/; needed the first time.")] = None,
    gate: GateFile = None,
    no_gate: Annotated[bool, typer.Option("--no-gate", help="Take away the gate that the board has.")] = False,
    recorder: Annotated[bool, typer.Option("--recorder", help="Put there what tinywake record needs, too.")] = False,
    home: Annotated[str | None, typer.Option(help="Of the models: heap, romfs, xip [docs/deploy.md].")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on: deploy again whenever a file changes.")] = False,
    reset: Annotated[bool, typer.Option("--reset", help="By the prompt and a reset, even where it listens.")] = False,
    use: Annotated[
        str | None, typer.Option(help="Nothing new: listen with this model, which is there, now and after a reset.")
    ] = None,
    drive: Annotated[Path | None, typer.Option(help="CircuitPython: the CIRCUITPY drive, else found.")] = None,
    main: Annotated[bool, typer.Option("--main", help="CircuitPython: a code.py that listens; yours is kept.")] = False,
    as_json: Json = False,
) -> None:
    """Put module, app and model on a board; only what changed is copied, and everything is verified by hash.

    A board that listens, with this version's app, goes on listening and takes the model alone [docs/swap.md], unless
    something else is asked for.
    """
    from tinywake.device.deliver import Delivery, Order
    from tinywake.device.swap import use as choose
    from tinywake.device.usb.find import find_board
    from tinywake.errors import TinywakeError

    if use is not None:
        others = (model, board, gate, home, drive)
        if no_gate or recorder or watch or reset or main or any(each is not None for each in others):
            raise typer.BadParameter("--use is for a model that is on the board: it goes with no other option")
        show(choose(port or find_board(), use), as_json)
        return
    if model is None:
        raise MissingOption("--model")
    if gate is not None and no_gate:
        raise typer.BadParameter("--gate puts one on the board, --no-gate takes it away: name one of them")
    delivery = Delivery(Order(model, port, drive, board, gate, no_gate, home, recorder, main, reset))
    if not watch:
        with stages("looking") as advance:
            done = delivery.once(advance)
        show(done, as_json)
        return
    try:
        for result in delivery.again():
            if isinstance(result, TinywakeError):
                err.print(f"tinywake: {result}")
            else:
                show(result, as_json)
            err.print("watching; Ctrl-C ends it")
    except KeyboardInterrupt:
        err.print("no longer watching; the board stays as it is")


def image(
    model: ModelFile,
    out: Annotated[Path, typer.Option("-o", "--out", help="The .uf2 to write.")],
    firmware: Annotated[
        Path | None, typer.Option(help="A .uf2 with module and app in it; else the one built here.")
    ] = None,
    board: Annotated[str, typer.Option(help="Name under boards/: one whose flash has room for a model.")] = "RPI_PICO",
    as_json: Json = False,
) -> None:
    """Make one file of firmware, module, app and model: drag it onto a Pico's drive, and it listens."""
    from tinywake.device.image.ready import make_image
    from tinywake.files import keep_apart

    keep_apart((out,), (model, *([firmware] if firmware else [])))
    show(make_image(model, out, firmware, board), as_json)


def monitor(
    ports: Annotated[list[str] | None, typer.Argument(help="Serial ports or pyserial URLs; else the only one.")] = None,
    log: Annotated[Path | None, typer.Option(help="Append every event to this file, as JSON lines.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Append scores and hits to this file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw scores and hits at the end: .png, .svg or .pdf.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines instead of the view.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Leave at the first hit; exit code 1 without one.")] = False,
    seconds: Annotated[float | None, typer.Option(help="Leave after so long.", min=0)] = None,
    target: Annotated[str | None, typer.Option(help="An emulated board; needs --model and --clip.")] = None,
    model: Annotated[Path | None, typer.Option(help="With --target: a compiled model (.twm).")] = None,
    clip: Annotated[Path | None, typer.Option(help="With --target: what it hears.")] = None,
) -> None:
    """Watch boards: state, level, scores, detections, memory, live; keys command them [docs/monitor.md]."""
    from tinywake.device.monitor import Kept, listening_target
    from tinywake.device.monitor import monitor as watch
    from tinywake.device.usb.find import find_board
    from tinywake.files import keep_apart

    kept = Kept(log, csv, plot)
    keep_apart([path for path in (log, csv, plot) if path], [path for path in (model, clip) if path])
    with ExitStack() as stack:
        if target is not None:
            if ports or model is None or clip is None:
                raise typer.BadParameter("--target is a board of its own, which needs --model and --clip, and no port")
            ports = [stack.enter_context(listening_target(target, model, clip))]
        heard = watch(
            ports or [find_board()],
            kept=kept,
            json=as_json,
            once=once,
            seconds=seconds,
            until_end=target is not None,
            ask=target is not None,
            console=console,
        )
    if once and not heard:
        raise typer.Exit(1)


def record(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder; one that has recordings gets more.")],
    label: Annotated[str, typer.Option(help="What is said: the word, or anything else.")],
    port: Annotated[str | None, typer.Argument(help="Serial port of the board; else the only one.")] = None,
    speaker: Annotated[str, typer.Option(help="Who says it.")] = "",
    continuous: Annotated[bool, typer.Option("--continuous", help="All there is, instead of takes.")] = False,
    on_hit: Annotated[bool, typer.Option("--on-hit", help="What surrounds each hit, instead of takes.")] = False,
    count: Annotated[int | None, typer.Option(help="Takes [10]; with --on-hit: leave after so many.", min=1)] = None,
    seconds: Annotated[float | None, typer.Option(help="Of a take [2]; else in all [until Ctrl-C].", min=0.2)] = None,
    before: Annotated[float, typer.Option(help="Seconds before a hit.", min=0, max=60)] = 2.0,
    after: Annotated[float, typer.Option(help="Seconds after it.", min=0, max=60)] = 1.0,
    target: Annotated[str | None, typer.Option(help="An emulated board; needs --model and --clip.")] = None,
    model: Annotated[Path | None, typer.Option(help="With --target: a compiled model (.twm).")] = None,
    clip: Annotated[Path | None, typer.Option(help="With --target: what it hears.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON line for each file.")] = False,
) -> None:
    """Record what a board's microphone hears, as labelled wav files for tinywake train --data [docs/recordings.md]."""
    from tinywake.device.monitor import listening_target
    from tinywake.device.record import Wanted
    from tinywake.device.record import record as take
    from tinywake.device.usb.find import find_board

    if continuous and on_hit:
        raise typer.BadParameter("--continuous and --on-hit are two ways: name one of them")
    way = "all" if continuous else "hit" if on_hit else "prompt"
    wanted = Wanted(label, speaker, way, count, seconds, before, after)
    with ExitStack() as stack:
        if target is not None:
            if port or model is None or clip is None:
                raise typer.BadParameter("--target is a board of its own, which needs --model and --clip, and no port")
            port = stack.enter_context(listening_target(target, model, clip, recorder=True))
        try:
            for done in take(port or find_board(), out, wanted, err.print):
                show(done, as_json)
        except KeyboardInterrupt:
            err.print("ended; what is listed stays")


def targets(
    keep: Annotated[str | None, typer.Option(help="Start this one, say its port, and stay until Ctrl-C.")] = None,
    seconds: Annotated[float | None, typer.Option(help="With --keep: end after so long.", min=0)] = None,
    link: Annotated[Path | None, typer.Option(help="With --keep: a link to the port, while it is there.")] = None,
    clip: Annotated[Path | None, typer.Option(help="With --keep: what its microphone says, over and over.")] = None,
    firmware: FirmwareFile = None,
    as_json: Json = False,
) -> None:
    """Which targets can run here, and what the others lack; --keep: one of them as a board for other programs."""
    from tinywake.device.targets.keep import keep as stay
    from tinywake.device.targets.registry import TARGETS
    from tinywake.device.targets.target import Target

    def say(board: Target) -> None:
        if as_json:
            print_json({"target": keep, "board": board.board, "port": board.port})
        else:
            console.print(f"{keep} answers as {board.board} on {link or board.port}; Ctrl-C ends it")

    if keep is not None:
        stay(keep, say, seconds=seconds, link=link, clip=clip, firmware=firmware)
        return
    if any(each is not None for each in (seconds, link, clip, firmware)):
        raise typer.BadParameter("--seconds, --link, --clip and --firmware are for --keep NAME")
    lacking = {"host": None, **{name: target.available() for name, target in TARGETS.items()}}
    if as_json:
        print_json({name: {"available": why is None, "lacks": why} for name, why in lacking.items()})
        return
    for name, why in lacking.items():
        console.print(f"{name:14} {'ready' if why is None else why.removeprefix(f'{name}: ')}")


def boards(as_json: Json = False) -> None:
    """Boards that are known, and whether tinywake deploy can serve them."""
    from tinywake.device.boards import Boards

    show(Boards(), as_json)


def doctor(
    port: Annotated[str | None, typer.Argument(help="Serial port of a board, to look at that as well.")] = None,
    board: Annotated[str | None, typer.Option(help="Its name under boards/ [as the pins on it say].")] = None,
    mic: Annotated[bool, typer.Option("--mic", help="Check the board's microphone instead.")] = False,
    milliseconds: Annotated[int, typer.Option(help="With --mic: how long.", min=25, max=10_000)] = 500,
    wav: Annotated[str | None, typer.Option(help="With --mic: a wav file on the board instead.")] = None,
    drive: Annotated[Path | None, typer.Option(help="CircuitPython: look at its drive, without a port.")] = None,
    as_json: Json = False,
) -> None:
    """Find out what is wrong, and say what to do about it; exit code 2 where something is."""
    from tinywake.device.doctor import diagnose
    from tinywake.device.doctor.mic import check_microphone
    from tinywake.device.usb.find import find_board

    if mic:
        heard = check_microphone(port or find_board(), milliseconds, wav)
        show(heard, as_json)
        healthy = not heard.faults
    else:
        found = diagnose(port, board, drive)
        show(found, as_json)
        healthy = found.healthy
    if not healthy:
        raise typer.Exit(2)
