# SPDX-License-Identifier: MIT
"""Firmware that somebody names for an emulated chip: whether it comes to a prompt, whose that is, and what fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tinywake.device.doctor.port import explain
from tinywake.device.flash.prompt import ask_prompt
from tinywake.device.targets.target import Target
from tinywake.errors import DeviceError

__all__ = ["blamed", "meet"]

_PROMPT_S = 60.0  # CircuitPython first makes its file system, and an emulated chip is not always as quick as a real one


def meet(board: Target, *, circuitpython: bool = False) -> None:
    """Wait for its prompt. Raises DeviceError where none comes, and where it is neither MicroPython's nor expected.

    circuitpython: the file says that it is CircuitPython.
    """
    end = time.monotonic() + _PROMPT_S
    while True:
        try:
            prompt = ask_prompt(board.port)
            break
        except DeviceError as error:
            if not board.running or time.monotonic() > end:
                raise DeviceError(f"no prompt within {_PROMPT_S:g} s: {explain(board.port, error).what}") from error
    who = prompt.version.rpartition("; ")[2]
    if "MicroPython" not in who and not (circuitpython and "CircuitPython" in who):
        raise DeviceError(
            f"its prompt is that of {who} ({prompt.machine}), which the file does not say: this goes with MicroPython, "
            "and with UF2 files of CircuitPython as they are released"
        )


@contextmanager
def blamed(firmware: Path) -> Iterator[None]:
    """What fails within is said of that file, where it does not say so itself. Raises DeviceError."""
    try:
        yield
    except DeviceError as error:
        said = str(error)
        if not said.startswith(str(firmware)):
            raise DeviceError(f"{firmware}: {said}") from error
        raise
