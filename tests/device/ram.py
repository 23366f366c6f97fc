# SPDX-License-Identifier: MIT
"""Heap of a target, step by step and while it listens: for test_ram.py and for the table in docs/BENCHMARKS.md.

The body that runs on the board is ram_body.py. The clip lies on the board and is played over and over.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pico import Pico

from tinywake.compiler.twm.unpack import unpack
from tinywake.device.deploy import Choices, deploy
from tinywake.device.deploy.homes.romfs import image_parts
from tinywake.device.line.files import BoardFiles
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.registry import open_target
from tinywake.device.targets.target import Target

__all__ = ["Figures", "homes_of", "ram_of"]

RATE = 16000
Figures = dict[str, int]  # what ram_body.py says
Bootsel = Callable[[str, bytes], None]

_BODY = (Path(__file__).parent / "ram_body.py").read_text()
_QUIET_S = 4 * 3600.0  # a board says nothing while it listens; ten minutes take an emulator an hour beside other work


def homes_of(target: str) -> tuple[str, ...]:
    """Of a model: the Pico's stock firmware and CircuitPython have no ROMFS; nothing else has the Pico's free flash."""
    return {"rp2040": ("heap", "xip"), "circuitpython": ("heap",)}.get(target, ("heap", "romfs"))


def ram_of(target: str, model: Path, clip: bytes, minutes: Mapping[str, float]) -> dict[str, Figures]:
    """By home, what the board says that hears `clip` (a wav file with a head of 44 bytes) for so many minutes."""
    step_ms = unpack(model).step_ms
    with tempfile.TemporaryDirectory() as folder, _board(target, Path(folder)) as (board, bootsel):
        with RawRepl(board.port) as repl:
            BoardFiles(repl, board.directory).put("clip.wav", clip)
        return {
            home: _measure(board, model, home, int(each * 60_000 / step_ms), bootsel) for home, each in minutes.items()
        }


@contextmanager
def _board(target: str, folder: Path) -> Iterator[tuple[Target | Pico, Bootsel | None]]:
    if target == "rp2040":
        with Pico(folder) as pico:
            yield pico, pico.bootsel
    else:
        with open_target(target) as board:
            yield board, None


def _measure(board: Target | Pico, model: Path, home: str, steps: int, bootsel: Bootsel | None) -> Figures:
    choices = Choices(home="heap" if home == "romfs" else home, bootsel=bootsel)  # the body mounts what ROMFS is here
    placed = deploy(board.port, model, board=board.board, start=False, choices=choices).models[0]
    parts = image_parts({placed.name: placed.bytes})
    lead = b"".join(part for part in parts[: parts.index(placed.name)] if isinstance(part, bytes))
    given = {"PATH": placed.path, "HOME": home, "CLIP": "clip.wav", "STEPS": steps, "LEAD": lead}
    with RawRepl(board.port, timeout=_QUIET_S) as repl:
        repl.reset()
        said = repl.exec("".join(f"{key} = {value!r}\n" for key, value in given.items()) + _BODY).decode()
    figures: Figures = json.loads(said.strip().splitlines()[-1])
    return figures
