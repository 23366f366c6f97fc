# SPDX-License-Identifier: MIT
"""Microphones on the emulated Pico's pins (firmware/targets/rp2040/mic.mjs, pdm.mjs), wired as boards have them."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from tinywake.device.boards import load_board
from tinywake.device.line.hear import wav_bytes

__all__ = ["BOARDS", "Microphone", "PdmMicrophone", "on_pins"]

BOARDS = {"i2s": "RPI_PICO", "pdm": "ARDUINO_NANO_RP2040_CONNECT"}  # under boards/: one that hears in this way
_UNITY = 16  # shift of a driver without gain: docs/microphones.md
_HELD = 128_000  # Hz: a modulator that holds each sample weakens 7 kHz by 0.04 dB; at 16 kHz it would be 2.9
_DECIMATOR = 10  # samples by which firmware/core/pdm.c is late, to the nearest


@dataclass(frozen=True)
class Microphone:
    """An I2S microphone with 24 bits in slots of 32, wired as boards/RPI_PICO/board.py has it.

    Whenever its clock begins it says the clip, read anew (wav, 16 kHz, mono, 16 bits), and then zeros; without one a
    minute of noise.
    """

    clip: Path | None
    sck: int = 10
    ws: int = 11
    sd: int = 12
    right: bool = False  # the slot it speaks in
    offset: int = 0  # added to each sample, in units of its 24 bits
    quiet: int = 0  # bits by which it is below full scale

    def say(self, clip: npt.NDArray[np.int16]) -> int:
        """What it says from its next beginning on. Returns the samples that a driver hears before it."""
        assert self.clip is not None
        self.clip.write_bytes(wav_bytes(clip))
        return 1  # what is left of the frame in which the driver begins


@dataclass(frozen=True)
class PdmMicrophone:
    """A PDM microphone: a bit for each period of the firmware's clock, from a file, or of a clip, from its beginning
    whenever the clock begins.
    """

    bits: Path | None  # the first in the lowest place of a byte
    clk: int = 23
    data: int = 22
    right: bool = False  # it speaks while the clock is high
    clip: Path | None = None  # wav, mono, 16 bits, a rate that divides 2.048 MHz
    quiet: int = 0  # bits by which the clip is below full scale

    def say(self, clip: npt.NDArray[np.int16]) -> int:
        """As Microphone.say."""
        assert self.clip is not None
        fine = soxr.resample(clip.astype(np.float32), 16000, _HELD, quality="HQ")
        self.clip.write_bytes(wav_bytes(np.rint(fine).clip(-32768, 32767).astype(np.int16), _HELD))
        return _DECIMATOR


def on_pins(kind: str, clip: Path) -> Microphone | PdmMicrophone:
    """The microphone of that kind, wired as BOARDS[kind] has it, which says a file that is still to come.

    It is as much quieter as the board's driver amplifies, so that the app hears a clip as loud as it is.
    """
    pins = _microphone_of(BOARDS[kind])
    right, quiet = pins.get("channel") == "right", _UNITY - pins.get("shift", _UNITY)
    if kind == "pdm":
        return PdmMicrophone(None, pins["clk"], pins["data"], right, clip, quiet)
    return Microphone(clip, pins["sck"], pins["ws"], pins["sd"], right, quiet=quiet)


def _microphone_of(board: str) -> dict[str, Any]:
    """MIC of a board's board.py, which is data."""
    for node in ast.parse(load_board(board).pins.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "MIC":
            found: dict[str, Any] = ast.literal_eval(node.value)
            return found
    raise AssertionError(f"{board}: board.py has no MIC")
