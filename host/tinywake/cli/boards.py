# SPDX-License-Identifier: MIT
"""deploy, monitor, targets, boards: what runs a model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tinywake.cli.options import Json, ModelFile
from tinywake.terminal import out as console
from tinywake.terminal import print_json, show

__all__ = ["boards", "deploy", "monitor", "targets"]


def deploy(
    port: Annotated[str, typer.Argument(help="Serial port of the board.")],
    model: ModelFile,
    board: Annotated[str | None, typer.Option(help="Name under boards/; needed the first time.")] = None,
    as_json: Json = False,
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


def targets(as_json: Json = False) -> None:
    """Which targets can run here, and what the others lack."""
    from tinywake.device.targets.registry import TARGETS

    lacking = {"host": None, **{name: target.available() for name, target in TARGETS.items()}}
    if as_json:
        print_json({name: {"available": why is None, "lacks": why} for name, why in lacking.items()})
        return
    for name, why in lacking.items():
        console.print(f"{name:8} {'ready' if why is None else why}")


def boards(as_json: Json = False) -> None:
    """Boards that are known, and whether tinywake deploy can serve them."""
    from tinywake.device.boards import Boards

    show(Boards(), as_json)
