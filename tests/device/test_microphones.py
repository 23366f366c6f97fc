# SPDX-License-Identifier: MIT
"""Microphones on the unix board: with stand-ins for machine and rp2 (fake/), and `tinywake doctor --mic`."""

from __future__ import annotations

import json
import re
import shutil
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from tinywake.cli import app
from tinywake.device.doctor.mic import MicReport, check_microphone, interpret
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.unix import UnixBoard
from tinywake.errors import DeviceError

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "build/modules/x64_6.3"
FULL = 1 << 23
I2S = {"kind": "i2s", "id": 0, "sck": 10, "ws": 11, "sd": 12, "bits": 32, "shift": 14}

Slots = npt.NDArray[np.int64]  # of 24 bits

lacking = UnixBoard.available()
on_board = pytest.mark.skipif(lacking is not None, reason=str(lacking))


@pytest.fixture
def board(tmp_path: Path) -> Iterator[UnixBoard]:
    package = tmp_path / "lib/tinywake"
    shutil.copytree(ROOT / "firmware/app", package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "boards/UNIX/board.py", package / "pins.py")
    for name in ("machine", "rp2", "_tinywake"):
        shutil.copy(ROOT / f"tests/device/fake/{name}.py", tmp_path / "lib")
    shutil.copy(ROOT / "tests/device/each_test.py", tmp_path / "lib")
    with UnixBoard(tmp_path) as board:
        yield board


@on_board
def test_body(board: UnixBoard) -> None:
    module = MODULES / "_tinywake_pdm.mpy"
    if not module.exists():
        pytest.skip(f"{module} is not built: make modules")
    shutil.copy(module, board.directory / "lib")
    with RawRepl(board.port, 60) as repl:
        said = repl.exec((ROOT / "tests/device/mic_body.py").read_text()).decode()
    found = re.fullmatch(r"TINYWAKE-TEST: passed (\d+), failed 0", said.strip().splitlines()[-1])
    assert found, said
    assert int(found[1]) >= 15


def speech(count: int, level: float = 0.01) -> Slots:
    """Something as loud as speech, in 24 bits."""
    noise = np.random.default_rng(5).normal(0, level * FULL, count)
    return np.clip(np.round(noise), -FULL, FULL - 1).astype(np.int64)


@pytest.fixture
def wired(board: UnixBoard) -> Callable[..., MicReport]:
    """Check an I2S microphone that says this, of 24 bits in slots of 32."""
    mic: dict[str, object] = {**I2S}
    pins = board.directory / "lib/tinywake/pins.py"

    def check(left: Slots, right: Slots, low_byte: int = 0, **options: object) -> MicReport:
        pins.write_text(f'BOARD = "FAKE"\nPORT = "micropython"\nMIC = {mic | options!r}\n')
        slots = np.stack([left, right], 1) * 256 + low_byte
        (board.directory / "slots").write_bytes((slots & 0xFFFFFFFF).astype("<u4").tobytes())
        with RawRepl(board.port) as repl:
            repl.reset()
            repl.exec("import machine\nwith open('slots', 'rb') as f: machine.I2S.slots = f.read()")
        return check_microphone(board.port, 100)

    return check


NOTHING = np.zeros(1600, np.int64)


@on_board
def test_a_good_i2s_microphone(wired: Callable[..., MicReport]) -> None:
    said = wired(speech(1600), NOTHING)
    left, right = said.channels
    assert (said.board, said.kind, said.faults) == ("FAKE", "i2s", ())
    assert (left.used, left.samples, left.clipped, left.stuck, left.fault) == (True, 1600, 0.0, (), None)
    assert left.rms_dbfs == pytest.approx(-40, abs=0.3)
    assert left.peak_dbfs is not None
    assert -32 < left.peak_dbfs < -27
    assert abs(left.constant) < 0.001
    assert (right.used, right.fault, right.rms_dbfs) == (False, "every bit is 0", None)
    assert said.lines()[-1] == "the microphone works"
    assert any("gain of 4) the app has its peak at -1" in note for note in said.notes)


@on_board
@pytest.mark.parametrize(
    ("case", "fault"),
    [
        ("silent", "SD stays low: the microphone has no power (3.3 V and GND), or a wire is off (SCK on GPIO 10"),
        ("high", "SD stays high: it touches 3.3 V, or floats"),
        ("stopped", "neither channel carries sound: check SCK and WS"),
        (
            "right only",
            'the sound is on the right channel, and board.py says left: connect L/R (SEL) to GND, or set "ch',
        ),
        ("left only", "the sound is on the left channel, and board.py says right: connect L/R (SEL) to 3.3 V"),
        ("clipped", "% of the samples are at full scale"),
        ("constant", "the constant part is +30 % of full scale"),
        ("stuck", "bits 9 of 24 never change"),
        ("late", 'the data comes one bit late, as from an SPH0645: set "late": 1'),
        ("covered", "no sound: -9"),
    ],
)
def test_what_is_wrong_with_an_i2s_microphone(wired: Callable[..., MicReport], case: str, fault: str) -> None:
    sound = speech(1600)
    said = {
        "silent": lambda: wired(NOTHING, NOTHING),
        "high": lambda: wired(NOTHING - 1, NOTHING - 1, 255),
        "stopped": lambda: wired(NOTHING + 4711, NOTHING),
        "right only": lambda: wired(NOTHING, sound),
        "left only": lambda: wired(sound, NOTHING, channel="right"),
        "clipped": lambda: wired(speech(1600, 0.6), NOTHING),
        "constant": lambda: wired(sound + round(0.3 * FULL), NOTHING),
        "stuck": lambda: wired(sound & ~(1 << 9), NOTHING),
        "late": lambda: wired((sound & 0xFFFFFF) >> 1, NOTHING),
        "covered": lambda: wired(speech(1600, 2e-5), NOTHING),
    }[case]()
    assert len(said.faults) == 1, said.faults
    assert fault in said.faults[0]
    assert said.lines()[-1] == f"fault: {said.faults[0]}"


@on_board
def test_a_constant_part_and_a_quiet_room_are_no_faults(wired: Callable[..., MicReport]) -> None:
    said = wired(speech(1600, 2e-4) - round(0.053 * FULL), NOTHING)
    assert said.faults == ()
    assert said.notes[0].startswith("very quiet")
    assert said.notes[1].startswith("the constant part, -5.3 % of full scale, is removed")
    # A right one, late, as board.py says.
    late = wired(NOTHING, (speech(1600) & 0xFFFFFF) >> 1, channel="right", late=1)
    assert late.faults == ()
    assert late.channels[1].rms_dbfs == pytest.approx(-40, abs=0.3)


def clip(path: Path, samples: npt.NDArray[Any]) -> str:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return path.name


WAVS = {
    "speech": (lambda: speech(8000, 0.02) // 256, None),
    "silent": (lambda: np.zeros(8000), "every bit is 0"),
    "dc": (lambda: np.full(8000, 1000), "always the same value, 256000"),
    "offset": (lambda: speech(8000, 0.02) // 256 + 6000, "the constant part is +18 % of full scale"),
    "clipped": (lambda: np.clip(speech(8000, 0.8) // 256, -32768, 32767), "of the samples are at full scale"),
    "none": (lambda: np.zeros(0), "no samples came"),
}


@on_board
@pytest.mark.parametrize("name", WAVS)
def test_wav_files(board: UnixBoard, name: str) -> None:
    make, fault = WAVS[name]
    said = check_microphone(board.port, 500, clip(board.directory / f"{name}.wav", make()))
    assert said.kind == "wav"
    if fault is None:
        assert said.faults == ()
        assert said.channels[0].rms_dbfs == pytest.approx(-34, abs=0.3)
    else:
        assert len(said.faults) == 1
        assert fault in said.faults[0]


@on_board
def test_the_verb(board: UnixBoard) -> None:
    runner = CliRunner()
    name = clip(board.directory / "good.wav", speech(4000) // 256)
    said = runner.invoke(app, ["doctor", "--mic", board.port, "--milliseconds", "100", "--wav", name, "--json"])
    assert said.exit_code == 0, said.output
    assert json.loads(said.output)["channels"][0]["samples"] == 1600
    name = clip(board.directory / "bad.wav", np.zeros(4000))
    said = runner.invoke(app, ["doctor", "--mic", board.port, "--wav", name])
    assert said.exit_code == 2
    assert "fault: every bit is 0" in said.output
    (board.directory / "lib/tinywake/miccheck.py").unlink()
    with RawRepl(board.port) as repl:
        repl.reset()
    with pytest.raises(DeviceError, match="put it there with tinywake deploy"):
        check_microphone(board.port)


def measured_pdm(**options: Any) -> dict[str, Any]:
    """What a board says of a PDM microphone that is well."""
    facts = {"count": 8000, "sum": 0, "squares": 8000 * 80_000**2, "full": 0, "torn": 0, "low": -250_000,
             "high": 250_000, "any": 0xFFFFE0, "all": 0}  # fmt: skip
    bits = {"count": 196_608, "ones": 98_000, "any": 255, "all": 0}
    mic = {"kind": "pdm", "clk": 23, "data": 22, "shift": 13}
    said = {"board": "NANO", "kind": "pdm", "levelled": True, "mic": mic, "channels": {"left": facts}, "bits": bits}
    for name, value in options.items():
        where, _, key = name.partition("_")
        {"facts": facts, "bits": bits, "mic": mic}[where][key] = value
    return said


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({}, None),
        ({"bits_any": 0, "bits_ones": 0}, "DATA stays low: the microphone has no power or no clock"),
        ({"bits_all": 255, "bits_ones": 196_608}, "DATA stays high: it touches 3.3 V"),
        ({"bits_ones": 190_000}, '97 % of the bits are 1, about 50 are right: try the other "channel"'),
        ({"facts_full": 100}, "1.2 % of the samples are at full scale"),
        ({"mic_channel": "middle"}, "board.py says channel = 'middle', which must be left or right"),
    ],
)
def test_what_is_wrong_with_a_pdm_microphone(options: dict[str, Any], fault: str | None) -> None:
    said = interpret(measured_pdm(**options))
    assert len(said.faults) == (fault is not None)
    if fault:
        assert fault in said.faults[0]
    else:
        assert said.channels[0].rms_dbfs == pytest.approx(-40.4, abs=0.1)
        assert said.channels[0].stuck == ()


def test_gain_that_clips_is_named() -> None:
    said = interpret(measured_pdm(facts_high=3_000_000))
    assert any("clips: raise shift" in note for note in said.notes)
