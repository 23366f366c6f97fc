# SPDX-License-Identifier: MIT
"""A Raspberry Pi Pico in rp2040js, with the firmware that the board itself runs (firmware/targets/rp2040)."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tinywake.device import places
from tinywake.device.targets.process import ProcessTarget
from tinywake.errors import DeviceError, ToolError

__all__ = ["Microphone", "PdmMicrophone", "RP2040Board"]


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


@dataclass(frozen=True)
class PdmMicrophone:
    """A PDM microphone: a bit for each period of the firmware's clock, from a file, then zeros."""

    bits: Path  # the first in the lowest place of a byte
    clk: int = 23
    data: int = 22
    right: bool = False  # it speaks while the clock is high


class RP2040Board(ProcessTarget):
    """An emulated Pico: Cortex-M0+, USB serial port, 2 MB of flash with MicroPython's file system in it."""

    board = "RPI_PICO"

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
        self._mic = mic
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
    def hearing(cls, clip: Path) -> RP2040Board:
        """Whenever the firmware listens anew, it is said anew."""
        return cls(mic=Microphone(clip))

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
        if self._mic is not None:
            command += ["--mic", json.dumps(asdict(self._mic), default=lambda path: str(path.resolve()))]
        return [*command, "--cache"] if self._cache else command
