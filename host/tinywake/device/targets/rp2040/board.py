# SPDX-License-Identifier: MIT
"""A Raspberry Pi Pico in rp2040js, with the firmware that the board itself runs (firmware/targets/rp2040)."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tinywake.device import places
from tinywake.device.flash.files.uf2_image import uf2_chip
from tinywake.device.targets.process import ProcessTarget
from tinywake.device.targets.rp2040.microphones import BOARDS, Microphone, PdmMicrophone, on_pins
from tinywake.device.targets.target import Setup
from tinywake.errors import DeviceError, ToolError

__all__ = ["RP2040Board"]


class RP2040Board(ProcessTarget):
    """An emulated Pico: Cortex-M0+, USB serial port, 2 MB of flash with MicroPython's file system in it."""

    board = "RPI_PICO"
    microphones = tuple(BOARDS)
    runs_any = True

    def __init__(
        self,
        flash: Path | None = None,
        *,
        firmware: Path | None = None,
        drops: Sequence[Path] = (),
        usermod: bool = False,
        mic: Microphone | PdmMicrophone | None = None,
        cache: bool = False,
    ) -> None:
        """A board, not booted yet.

        `flash`: a file that keeps its flash; else that ends with the board. `firmware`: a .uf2 instead of the stock
        one. `drops`: further .uf2 files, copied after it to the boot loader's drive. `usermod`: the firmware with
        _tinywake compiled in. `mic`: what is wired to its pins. `cache`: count accesses to flash through its cache,
        which makes it slower (XIP_CTRL's own registers; they cost no cycles).
        """
        super().__init__()
        self._flash = flash
        self.mic: Microphone | PdmMicrophone | None = mic
        self._cache = cache
        self._images = [firmware or self.built("usermod.uf2" if usermod else "firmware.uf2"), *drops]

    @staticmethod
    def built(name: str) -> Path:
        """What firmware/targets/rp2040/build.sh makes: emulator, firmware.uf2, usermod.uf2, image.uf2."""
        root = places.checkout()
        return (root or Path()) / "build" / "targets" / "rp2040" / name

    @classmethod
    def counting(cls) -> RP2040Board:
        """With a microphone that says noise, and accesses to flash counted."""
        return cls(mic=Microphone(None), cache=True)

    @classmethod
    def set_up(cls, setup: Setup) -> RP2040Board:
        """Whenever the firmware listens anew, the clip is said anew. Raises DeviceError for an unfit firmware."""
        if setup.firmware is not None:
            _check(setup.firmware)
        if setup.through is None:
            return cls(setup.flash, firmware=setup.firmware)
        assert setup.clip is not None
        mic = on_pins(setup.through, setup.clip)
        mic.say(np.zeros(0, np.int16))  # deploy tries whether the app can listen
        board = cls(setup.flash, firmware=setup.firmware, mic=mic)
        board.board = BOARDS[setup.through]
        return board

    @classmethod
    def available(cls) -> str | None:
        """None where it can run, else one line: what is missing and how to get it."""
        if os.name != "posix":
            return "rp2040: needs a Unix; on Windows use WSL"
        if places.checkout() is None:
            return "rp2040: needs a checkout of the project, where make targets-all builds it"
        if shutil.which("node") is None:
            return "rp2040: no node: tools/setup.sh cross installs it where apt does"
        if not all(cls.built(name).exists() for name in ("emulator", "firmware.uf2")):
            return "rp2040: the emulator or its firmware is not built: tools/setup.sh cross && make targets-all"
        return None

    def _command(self, line: int) -> list[str]:
        runner = self.built("emulator") / "run.mjs"
        if not runner.exists():
            raise ToolError(self.available() or f"{runner} is missing: make targets-all")
        for image in self._images:
            if not image.is_file():
                raise DeviceError(f"{image}: no such firmware")
        command = ["node", str(runner.resolve()), "--line", str(line)]
        if self._flash is not None:
            command += ["--flash", str(self._flash.resolve())]
        for image in self._images:
            command += ["--uf2", str(image.resolve())]
        if self.mic is not None:
            command += ["--mic", json.dumps(asdict(self.mic), default=lambda path: str(path.resolve()))]
        return [*command, "--cache"] if self._cache else command


def _check(firmware: Path) -> None:
    """That it is for this chip, and whole. Raises DeviceError."""
    try:
        chip = uf2_chip(firmware.read_bytes()).chip
    except OSError as error:
        raise DeviceError(f"{firmware}: {error.strerror}") from error
    except ValueError as error:
        raise DeviceError(f"{firmware} {error}") from error
    if chip != "RP2040":
        raise DeviceError(f"{firmware} is for {chip}, not for the RP2040")
