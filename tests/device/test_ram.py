# SPDX-License-Identifier: MIT
"""RAM on every target: what module, app and model take, in each home, and that listening takes no more.

The figures go to build/ram/, a JSON file each. TINYWAKE_SOAK_MINUTES: of audio, on the targets that are not unix, which
always hears an hour.
"""

from __future__ import annotations

import json
import os
import runpy
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from test_xip import Pico

from tinywake.device.deploy import Choices, deploy
from tinywake.device.deploy.homes.romfs import image_parts
from tinywake.device.deploy.models import Placed
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.registry import TARGETS, open_target
from tinywake.device.targets.rp2040 import RP2040Board
from tinywake.device.targets.unix import UnixBoard

ROOT = Path(__file__).parents[2]
BODY = (ROOT / "tests/device/ram_body.py").read_text()
RATE = 16000
SHORT = 0.1  # minutes

tiny: Callable[..., bytes] = runpy.run_path(str(ROOT / "tests/core/tiny.py"))["listening_model"]


def noise(path: Path, seconds: float) -> None:
    """Quiet and loud by turns."""
    samples = int(RATE * seconds)
    pcm = np.random.default_rng(1).normal(0, 1, samples) * np.where(np.arange(samples) // 8000 % 2, 4000, 20)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(pcm.clip(-32768, 32767).astype("<i2").tobytes())


def measure(port: str, placed: Placed, home: str, minutes: float, clip: str = "") -> dict[str, int]:
    """What tests/device/ram_body.py says there, of a model that is on the board."""
    parts = image_parts({placed.name: placed.bytes})
    lead = b"".join(part for part in parts[: parts.index(placed.name)] if isinstance(part, bytes))
    with RawRepl(port, timeout=1800) as repl:
        repl.reset()
        if home == "romfs" and not repl.ask("import vfs\nanswer(hasattr(vfs, 'VfsRom'))"):
            pytest.skip("the firmware has no VfsRom")
        repl.reset()
        step_ms = (
            repl.ask(f"import tinywake\nl = tinywake.Listener({placed.path!r})\nanswer(l.native.step_samples)") / 16
        )
        given = {
            "PATH": placed.path, "HOME": home, "CLIP": clip, "STEPS": int(minutes * 60_000 / step_ms),
            "LEAD": lead, "LEAD_BYTES": len(lead),
        }  # fmt: skip
        repl.reset()
        said = repl.exec("".join(f"{key} = {value!r}\n" for key, value in given.items()) + BODY).decode()
    figures: dict[str, int] = json.loads(said.strip().splitlines()[-1])
    return figures


def check_and_keep(name: str, placed: Placed, home: str, minutes: float, figures: dict[str, int]) -> None:
    folder = ROOT / "build" / "ram"
    folder.mkdir(parents=True, exist_ok=True)
    network = placed.name.removesuffix(".twm")
    text = json.dumps({"target": name, "network": network, "home": home, **figures}, indent=1)
    (folder / f"{name}.{network}.{home}.json").write_text(text + "\n")
    assert figures["samples"] / RATE / 60 > 0.95 * minutes
    assert figures["reset"] - figures["module"] > 1000  # on x64 its code is elsewhere
    assert figures["module"] - figures["app"] > 10_000
    assert figures["model"] > figures["listener"] > 0
    taken = figures["app"] - figures["model"]
    least = figures["arena_bytes"] + (figures["file_bytes"] if home == "heap" else 0)
    assert least <= taken <= least + 1500
    assert figures["start"] == figures["low"] == figures["end"]  # exactly: no byte
    assert figures["line_bytes"] > 0


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.twm"
    path.write_bytes(tiny(threshold=120, window=1, refractory_ms=500))
    return path


@pytest.fixture
def minutes(request: pytest.FixtureRequest) -> float:
    """Of audio: in make test-targets ten, as long as a chip may be expected to listen; in make test six seconds."""
    named = os.environ.get("TINYWAKE_SOAK_MINUTES")
    return float(named or (10 if request.config.getoption("--every-target") else SHORT))


@pytest.mark.timeout(3000)
@pytest.mark.lean("qemu-armv6m")
@pytest.mark.parametrize("target", sorted(set(TARGETS) - {"unix", "rp2040"}))
def test_ram_of_a_chip(target: str, model: Path, minutes: float) -> None:
    lacking = TARGETS[target].available()
    if lacking:
        pytest.skip(lacking)
    with open_target(target) as board:
        heap = Choices(home="heap")
        placed = deploy(board.port, model, board=board.board, start=False, choices=heap).models[0]
        for home, long in (("heap", minutes), ("romfs", SHORT)):
            check_and_keep(target, placed, home, long, measure(board.port, placed, home, long))


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("target", ["rp2040"])
def test_ram_of_the_pico(target: str, model: Path, minutes: float, tmp_path: Path) -> None:
    lacking = RP2040Board.available()
    if lacking:
        pytest.skip(lacking)
    with Pico(tmp_path) as pico:
        for home, long in (("heap", minutes), ("xip", SHORT)):
            choices = Choices(home=home, bootsel=pico.bootsel)
            placed = deploy(pico.port, model, board="RPI_PICO", start=False, choices=choices).models[0]
            check_and_keep(target, placed, home, long, measure(pico.port, placed, home, long))


@pytest.mark.parametrize("target", ["unix"])
@pytest.mark.parametrize(("home", "long"), [("heap", 60), ("romfs", 5)])
def test_an_hour_on_unix_takes_not_a_byte(target: str, home: str, long: float, model: Path, tmp_path: Path) -> None:
    lacking = UnixBoard.available()
    if lacking:
        pytest.skip(lacking)
    with UnixBoard(tmp_path / "board") as board:
        noise(board.directory / "clip.wav", 7.3)
        placed = deploy(board.port, model, board="UNIX", start=False).models[0]
        figures = measure(board.port, placed, home, long, "clip.wav")
    check_and_keep(target, placed, home, long, figures)
    assert figures["hits"] > 100
