# SPDX-License-Identifier: MIT
"""Options that several verbs have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "BoardName",
    "FirmwareFile",
    "GateFile",
    "Json",
    "MissingOption",
    "ModelFile",
    "Picture",
    "Target",
    "Through",
]

Json = Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")]
Target = Annotated[
    str,
    typer.Option(
        "--target",
        # In words: importing those that are known would take longer than most commands.
        help="host, unix, qemu-armv6m, qemu-microbit, qemu-armv7em, qemu-rv32imc, qemu-xtensawin, rp2040, "
        "circuitpython (tinywake targets says which can run here), or a serial port (the model goes onto that "
        "board: docs/deploy.md).",
    ),
]
Through = Annotated[
    str | None,
    typer.Option("--through", help="i2s or pdm: into that microphone, wired to --target rp2040's pins, in its time."),
]
FirmwareFile = Annotated[
    Path | None,
    typer.Option(
        "--firmware", help="A .uf2 that --target rp2040 runs in place of its own: MicroPython's or CircuitPython's."
    ),
]
BoardName = Annotated[str | None, typer.Option("--board", help="Does it fit this board? See tinywake boards.")]
Picture = Annotated[Path | None, typer.Option("--picture", help="The arena over time: an .svg or .png to write.")]
ModelFile = Annotated[Path, typer.Option("--model", help="A compiled model (.twm).")]
GateFile = Annotated[
    str | None,
    typer.Option("--gate", help="What lets the network sleep: a model (vad.twm), energy, or its dB [docs/gate.md]."),
]


class MissingOption(typer.BadParameter):
    """Of two options one is needed, and neither is there. Reads as where typer itself finds one missing."""

    def format_message(self) -> str:
        """Without "Invalid value"."""
        return f"Missing option {self.message!r}"
