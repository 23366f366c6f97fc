# SPDX-License-Identifier: MIT
"""What deploy puts on a board with CircuitPython, in the interpreter with its ABI: models, coded ones too, are heard
there as on the host. What only a board has (supervisor, usb_cdc, ...) are the stand-ins of fake/circuitpython/.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinywake.compiler.coding.encode import coded
from tinywake.device.circuitpy.deploy import Order
from tinywake.device.circuitpy.deploy.run import Session, put_all
from tinywake.device.circuitpy.facts import Facts
from tinywake.device.circuitpy.files import DriveFiles
from tinywake.device.deploy.models.wanted import read_model
from tinywake.device.firmware import built_module
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.registry import open_target
from tinywake.errors import DeviceError
from tinywake.pipeline.hearing import hear

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/core"))
from tiny import listening_model  # noqa: E402

X64 = Facts("10.4.0", "", "", "this computer", mpy=6 | 3 << 8 | 2 << 10)
HUF = "lib/_tinywake_huf.mpy"
PINS = 'BOARD = "FAKE"\nMIC = {"kind": "i2s", "sck": 10, "ws": 11, "sd": 12, "bits": 32}\n'

# Scores of each step, times of hits and which model it was: the one that the record names, through the app.
HEAR = """
import tinywake
from tinywake.engine import Engine, Silent
from tinywake.port import port
class Report(Silent):
    def step(self, lost):
        said.append(engine.native.score(0))
said, hits = [], []
engine = Engine(port.find_model(), lambda hit: hits.append(hit.t_ms), Report())
engine.model.verify()
with open("clip.pcm", "rb") as file:
    while True:
        piece = file.read(640)
        if not piece:
            break
        engine.feed(piece)
answer([said, hits, engine.model.name, engine.model.digest().decode(), engine.model.labels[0]])
"""


@pytest.fixture
def drive(tmp_path: Path, runnable: Callable[[str], str]) -> Path:
    """A drive whose board has pins, and what CircuitPython has built in."""
    runnable("circuitpython")
    if os.environ.get("CIRCUITPYTHON"):
        pytest.skip("the stand-ins are for the interpreter that is built for tests")
    main = built_module("x64", "circuitpython")
    if main is None or not main.with_name("_tinywake_huf.mpy").is_file():
        pytest.skip("CircuitPython's native modules for this computer are not built: make modules")
    path = tmp_path / "CIRCUITPY"
    (path / "lib/tinywake").mkdir(parents=True)
    (path / "lib/tinywake/pins.py").write_text(PINS)
    for stand_in in (ROOT / "tests/device/fake/circuitpython").glob("*.py"):
        shutil.copy(stand_in, path / "lib")
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0).normal(0, 9000, 24_000) * np.sin(np.arange(24_000) / 3000) ** 2
    soundfile.write(tmp_path / "clip.wav", noise.clip(-32768, 32767).astype(np.int16), 16000)
    return tmp_path / "clip.wav"


def put(drive: Path, model: Path) -> tuple[str, ...]:
    """What deploy copies besides the model."""
    done = put_all(Session(X64, DriveFiles(drive), None), Order(model), [read_model("model", model)])
    return tuple(done.plan.copies)


def heard(drive: Path, model: Path, clip: Path) -> None:
    """The board's scores and hits are those of the host."""
    (there,) = hear(model, [clip])
    pcm, _ = soundfile.read(clip, dtype="int16")
    (drive / "clip.pcm").write_bytes(pcm.astype("<i2").tobytes())
    with open_target("circuitpython") as board:
        shutil.copytree(drive, board.directory, dirs_exist_ok=True)
        with RawRepl(board.port, timeout=60) as repl:
            scores, hits, name, digest, label = repl.ask(HEAR)
    assert (name, digest) == (model.stem, hashlib.sha256(model.read_bytes()).hexdigest())
    assert (label,) == there.labels
    assert scores == there.scores[:, 0].tolist()
    assert hits == [hit.t_ms for hit in there.hits]
    assert hits


def test_a_coded_model_comes_with_what_decodes_it(drive: Path, clip: Path, tmp_path: Path) -> None:
    image = listening_model(threshold=120, window=1, refractory_ms=100)
    plain, small = tmp_path / "plain.twm", tmp_path / "small.twm"
    plain.write_bytes(image)
    small.write_bytes(coded(image))
    assert small.stat().st_size < len(image)
    assert HUF not in put(drive, plain)
    heard(drive, plain, clip)
    assert put(drive, small) == (HUF,)
    heard(drive, small, clip)
    assert put(drive, plain) == ()
    (drive / HUF).write_bytes(b"C\x06\x0b\x1f of an earlier version")  # the second choice still needs it
    assert put(drive, plain) == (HUF,)


def test_without_it_the_board_says_what_brings_it(drive: Path, clip: Path, tmp_path: Path) -> None:
    model = tmp_path / "small.twm"
    model.write_bytes(coded(listening_model(threshold=120, window=1, refractory_ms=100)))
    put(drive, model)
    (drive / HUF).unlink()
    with pytest.raises(DeviceError, match="a coded model needs _tinywake_huf: tinywake deploy puts it there"):
        heard(drive, model, clip)
