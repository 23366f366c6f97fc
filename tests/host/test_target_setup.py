# SPDX-License-Identifier: MIT
"""Options of emulated chips: refused in one line where a target has no pins, or where a firmware is none for it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tinywake.device.image.uf2 import pages_of, write_uf2
from tinywake.device.targets.registry import TARGETS, open_target
from tinywake.device.targets.rp2040 import Microphone, PdmMicrophone, RP2040Board
from tinywake.device.targets.rp2040.microphones import on_pins
from tinywake.device.targets.target import Setup
from tinywake.errors import DeviceError, ToolError

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from tiny import listening_model

Command = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("name", ["host", "/dev/ttyACM0", *(name for name in TARGETS if name != "rp2040")])
@pytest.mark.parametrize("option", [("--through", "i2s"), ("--firmware", "x.uf2")])
def test_other_targets_refuse(name: str, option: tuple[str, str], tmp_path: Path, tinywake: Command) -> None:
    model = tmp_path / "loud.twm"
    model.write_bytes(listening_model())
    said = tinywake("listen", "clip.wav", "--model", model, "--target", name, *option)
    assert said[:2] == (2, "")
    assert said[2].count("\n") == 1
    assert f"{name}: {option[0]} is for emulated chips that have it: --target rp2040" in said[2]


def test_a_microphone_that_there_is_not_is_refused() -> None:
    with pytest.raises(ToolError, match="no microphone 'spdif' for rp2040; known: i2s, pdm"):
        open_target("rp2040", setup=Setup(None, "spdif"))


def uf2(family: int) -> bytes:
    return write_uf2(pages_of(0x10000000, bytes(4096), family))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, ": No such file or directory"),
        (b"", " is no UF2 file: not a whole number of blocks"),
        (bytes(1024), " is no UF2 file: block 0 is damaged"),
        (uf2(0xE48BFF59), " is for RP2350, not for the RP2040"),
        (uf2(0x12345678), " is for the UF2 family 0x12345678, not for the RP2040"),
        (uf2(0xE48BFF56)[:-512], " is cut short: 15 of 16 blocks are there"),
    ],
)
def test_a_firmware_that_is_none_for_it_is_named(content: bytes | None, why: str, tmp_path: Path) -> None:
    path = tmp_path / "some.uf2"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DeviceError) as error:
        RP2040Board.set_up(Setup(path))
    assert str(error.value) == f"{path}{why}"


def test_microphones_are_wired_as_the_boards_have_them(tmp_path: Path) -> None:
    clip = tmp_path / "clip.wav"
    assert on_pins("i2s", clip) == Microphone(clip, sck=10, ws=11, sd=12, right=False, quiet=2)
    assert on_pins("pdm", clip) == PdmMicrophone(None, clk=23, data=22, right=False, clip=clip, quiet=2)
