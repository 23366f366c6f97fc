# SPDX-License-Identifier: MIT
"""Clips by a microphone on the emulated Pico's pins, and firmware that somebody names: --through and --firmware."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from struct import pack

import numpy as np
import pytest

from tinywake.audio.clips import read_clip
from tinywake.compiler.build import compile_tflite
from tinywake.compiler.manifest import read_manifest
from tinywake.device.image.uf2 import pages_of, read_uf2, write_uf2
from tinywake.device.line import rawrepl
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets import firmware as named
from tinywake.device.targets.rp2040 import Microphone, RP2040Board
from tinywake.device.targets.target import Setup
from tinywake.errors import DeviceError
from tinywake.pipeline.hearing import Hearing, hear, hear_pcm

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from sounds import as_driven, swell, write_wav
from tiny import listening_model

lacking = RP2040Board.available()
pytestmark = [pytest.mark.on("rp2040"), pytest.mark.skipif(lacking is not None, reason=str(lacking))]
FLASH = 0x10000000

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def loud(tmp_path: Path) -> Path:
    path = tmp_path / "loud.twm"
    path.write_bytes(listening_model())
    return path


def events(heard: Hearing) -> list[tuple[str, int]]:
    return [(hit.label, hit.t_ms) for hit in heard.hits]


def test_every_score_is_that_of_what_the_driver_records(loud: Path, tmp_path: Path) -> None:
    # Firmware by its name: with the module compiled in, so that its own driver is what is tested, and quickly.
    firmware = tmp_path / "somebody.uf2"
    shutil.copy(RP2040Board.built("usermod.uf2"), firmware)
    clips = [write_wav(tmp_path / f"{n}.wav", swell(samples, 3000)) for n, samples in enumerate((16_000, 9_001))]
    through = list(hear(loud, clips, "rp2040", setup=Setup(firmware, "i2s")))
    driven = list(hear_pcm(loud, ((str(clip), as_driven(read_clip(clip), quiet=2)[1:]) for clip in clips)))
    for heard, here, file in zip(through, driven, hear(loud, clips), strict=True):
        for name in ("scores", "means", "t_ms", "ready"):
            np.testing.assert_array_equal(getattr(heard, name), getattr(here, name), err_msg=name)
        assert events(heard) == events(here) == events(file)
    assert through[0].hits


@pytest.mark.parametrize("through", ["i2s", "pdm"])
def test_a_wake_word_is_heard_as_from_the_file(
    through: str, reference: Path, tmp_path: Path, tinywake: Command
) -> None:
    manifest = read_manifest(reference / "micro-wake-word" / "okay_nabu.json")
    model = tmp_path / "okay_nabu.twm"
    model.write_bytes(compile_tflite(manifest.network, listening=manifest.listening("esphome")).blob)
    clip = reference / "micro-wake-word" / "clips" / "okay_nabu_2.wav"
    (file,) = hear(model, [clip])
    assert len(file.hits) == 1
    scores = tmp_path / "scores.npz"
    options = ["--model", model, "--target", "rp2040", "--through", through, "--scores", scores]
    code, out, err = tinywake("listen", clip, *options)
    assert (code, err) == (0, "")
    assert f'"t_ms": {file.hits[0].t_ms}, "label": "Okay Nabu"' in out
    assert out.count("\n") == 1
    heard = np.load(scores)[str(clip)] * 256
    assert heard.shape == file.scores.shape
    assert np.abs(heard - file.scores).mean() < 2  # the driver's constant part and, for PDM, its decimator


HOLD_UP = """
from tinywake import pins
from tinywake.port import port
pins.MIC = dict(pins.MIC, ring_ms=40, **{options})
mic = port.microphone()
mic.open()
piece = bytearray(640)
for _ in range(3):
    mic.readinto(piece)
port.sleep_ms({hold})
for _ in range(10):
    mic.readinto(piece)
lost = mic.lost
mic.close()
import array
answer([lost, list(array.array('h', piece))])
"""
READ = 13 * 320


def test_every_hold_up_is_counted_by_both_drivers(tmp_path: Path) -> None:
    said = np.random.default_rng(7).integers(-8000, 8000, 20_000).astype(np.int16)
    image = RP2040Board.built("image.uf2")
    with (
        RP2040Board(firmware=image, mic=Microphone(write_wav(tmp_path / "clip.wav", said), quiet=2)) as board,
        RawRepl(board.port, 60) as repl,
    ):
        for bits in (32, 16):  # by PIO and DMA, which know; by machine.I2S, where the clock says it, in milliseconds
            driven = (as_driven(said, quiet=2) if bits == 32 else np.concatenate([[0], said >> 2])).astype(int)
            for hold in (60, 100, 180, 500):
                lost, last = repl.ask(HOLD_UP.format(hold=hold, options={"bits": bits}))
                # Where the last 320 samples lie in the clip: before them are those that were read, and those lost.
                apart = np.abs(np.lib.stride_tricks.sliding_window_view(driven, 320) - np.array(last)).mean(axis=1)
                at = int(apart.argmin())
                assert apart[at] < 8  # the constant part has followed other samples
                truly = at + 320 - READ
                assert truly > (hold - 40) * 16
                assert abs(lost - truly) <= (0 if bits == 32 else 64), (bits, hold, lost, truly)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as a firmware can be given up on."""
    monkeypatch.setattr(named, "_PROMPT_S", 1.0)
    monkeypatch.setattr(rawrepl, "_ENTER_S", 3.0)


def refused(model: Path, tmp_path: Path, firmware: bytes) -> str:
    path = tmp_path / "other.uf2"
    path.write_bytes(firmware)
    clip = write_wav(tmp_path / "clip.wav", swell(1600, 3000))
    with pytest.raises(DeviceError) as error:
        list(hear(model, [clip], "rp2040", setup=Setup(path)))
    said = str(error.value)
    assert said.startswith(f"{path}: ")
    return said.removeprefix(f"{path}: ")


@pytest.mark.usefixtures("quick")
def test_firmware_that_never_speaks_is_named(loud: Path, tmp_path: Path) -> None:
    idle = pages_of(FLASH, pack("<H", 0xE7FE) * 2048)  # b .
    assert refused(loud, tmp_path, write_uf2(idle)) == "no prompt within 1 s: nothing answers"


def test_firmware_that_stops_is_named(loud: Path, tmp_path: Path) -> None:
    erased = pages_of(FLASH, b"\xff" * 4096)
    assert "the processor stopped: undefined instruction" in refused(loud, tmp_path, write_uf2(erased))


def test_firmware_without_native_modules_is_named(loud: Path, tmp_path: Path) -> None:
    image = read_uf2(RP2040Board.built("firmware.uf2").read_bytes())
    start, end = image.runs[0][0], image.runs[-1][1]
    blob = image.bytes_at(start, end)
    # sys.implementation._mpy as MicroPython's small integer: ABI 6.3 for armv6m, and for no architecture.
    ours, none = (pack("<I", number << 1 | 1) for number in (6 | 3 << 8 | 4 << 10, 6 | 3 << 8))
    assert blob.count(ours) == 1
    said = refused(loud, tmp_path, write_uf2(pages_of(start, blob.replace(ours, none))))
    assert "micropython 1.25.0 (none) loads no native modules: flash one that does, or one with _tinywake in it" in said


# CircuitPython is in no registry. This says and asks what it does at power-on, and answers as it does at the prompt.
CIRCUITPYTHON = """
import sys
print("Auto-reload is on.\\n\\nCode done running.\\n\\nPress any key to enter the REPL. Use CTRL-D to reload.")
sys.stdin.read(1)
class Implementation:
    name = "circuitpython"
    _machine = "Raspberry Pi Pico with rp2040"
class Sys:
    platform = "RP2040"
    implementation = Implementation
    version = "3.4.0; Adafruit CircuitPython 10.3.1 on 2026-05-01"
    modules = sys.modules
sys.modules["sys"] = Sys
"""


def test_the_prompt_of_circuitpython_is_reached_and_named(loud: Path, tmp_path: Path) -> None:
    flash = tmp_path / "flash.bin"
    with RP2040Board(flash) as board, RawRepl(board.port, 60) as repl:
        repl.put("main.py", CIRCUITPYTHON.encode())
        repl.exec("import os\nos.sync()")
    said = refused(loud, tmp_path, write_uf2(pages_of(FLASH, flash.read_bytes())))
    assert said == (
        "its prompt is that of Adafruit CircuitPython 10.3.1 on 2026-05-01 (Raspberry Pi Pico with rp2040), which the "
        "file does not say: this goes with MicroPython, and with UF2 files of CircuitPython as they are released"
    )


def test_what_firmware_waits_for_is_there() -> None:
    with RP2040Board() as board, RawRepl(board.port, 60) as repl:
        said = repl.ask(
            "import rp2\nfrom machine import mem32\n"
            "bits = [mem32[0x4006001c] & 1 for _ in range(64)]\n"  # the ring oscillator's RANDOMBIT
            "changes = sum(a != b for a, b in zip(bits, bits[1:]))\n"
            "answer([sum(bits), changes, mem32[0xd0000008] & 63, rp2.bootsel_button()])"
        )
    assert 16 < said[0] < 48
    assert 16 < said[1] < 48
    assert said[2:] == [63, 0]  # a chip select that is low is the BOOT button, held
