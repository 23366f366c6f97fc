# SPDX-License-Identifier: MIT
"""What MicroPython or CircuitPython says of itself at its prompt, before it is replaced and after."""

from __future__ import annotations

import ast
import contextlib
import time
from dataclasses import dataclass

from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError

__all__ = ["Prompt", "ask_prompt", "enter_bootsel", "wait_for_prompt"]

_ASK = """import sys
i = sys.implementation
print([sys.platform, getattr(i, '_machine', ''), getattr(i, '_build', ''), sys.version])"""
_BOOTLOADER = """
try:
    import machine
except ImportError:
    import microcontroller
    microcontroller.on_next_reset(microcontroller.RunMode.BOOTLOADER)
    microcontroller.reset()
machine.bootloader()"""


@dataclass(frozen=True)
class Prompt:
    """A board that runs MicroPython or CircuitPython."""

    platform: str  # rp2, esp32; CircuitPython: RP2040, Espressif
    machine: str  # for people; ends in the chip
    build: str  # board and variant, where it is new enough to say so; else empty
    version: str  # "3.4.0; MicroPython v1.25.0 on 2025-04-15"

    @property
    def chip(self) -> str:
        """As board.toml has it: RP2040; CircuitPython says rp2040, rp2350a."""
        said = self.machine.rpartition(" with ")[2]
        return said[:6].upper() if said.startswith("rp2") else said

    @property
    def is_rp2(self) -> bool:
        """Whether it is an RP2040 or RP2350."""
        return self.platform.lower().startswith("rp2")


def ask_prompt(port: str) -> Prompt:
    """Interrupt what runs there and ask. Raises DeviceError where no MicroPython answers."""
    with RawRepl(port, timeout=3) as board:
        said = board.exec(_ASK).decode("utf-8", "replace")
    try:
        platform, machine, build, version = map(str, ast.literal_eval(said.strip()))
    except (ValueError, SyntaxError, TypeError) as error:
        raise DeviceError(f"{port}: the board's answer was cut short; reset it and try again") from error
    return Prompt(platform, machine, build, version)


def enter_bootsel(port: str) -> None:
    """Send an RP2 into BOOTSEL, which takes its port away."""
    with RawRepl(port, timeout=1) as board, contextlib.suppress(DeviceError):
        board.exec(_BOOTLOADER)


def wait_for_prompt(port: str, seconds: float) -> Prompt:
    """The prompt of a board that has just started, on a port that is still to come."""
    end = time.monotonic() + seconds
    while True:
        try:
            return ask_prompt(port)
        except DeviceError as error:
            if time.monotonic() > end:
                raise DeviceError(f"{port}: the firmware is written, but no MicroPython came up: {error}") from error
        time.sleep(0.2)
