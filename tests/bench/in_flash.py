# SPDX-License-Identifier: MIT
"""A second of listening with the weights read in place from an emulated Pico's flash, in cycles and cache misses."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "device"))

from pico import Pico

from tinywake.device.bench import Listening, listening_on
from tinywake.device.deploy import Choices, deploy
from tinywake.device.targets.rp2040 import Microphone, RP2040Board

__all__ = ["listening_in_flash"]


def listening_in_flash(model: Path) -> Listening:
    """Deploy it with --home xip, then let the app listen to noise, as tinywake bench does with a copy on the heap."""
    with tempfile.TemporaryDirectory() as folder:
        with Pico(Path(folder)) as pico:
            placed = deploy(
                pico.port, model, board="RPI_PICO", start=False, choices=Choices(home="xip", bootsel=pico.bootsel)
            ).models[0]
        if placed.home.name != "xip":
            raise RuntimeError(f"{model} went to {placed.home.name}")
        with RP2040Board(Path(folder) / "flash.bin", mic=Microphone(None), cache=True) as board:
            return listening_on(board.port, placed.path)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(name, listening_in_flash(Path(name)))
