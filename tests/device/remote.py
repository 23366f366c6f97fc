# SPDX-License-Identifier: MIT
"""mpremote as a subprocess: its command line is the contract it keeps.

Several commands go into one call, which costs one soft reset and one entry into the raw REPL.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from tinywake.device.line.lines import printable
from tinywake.errors import DeviceError, ToolError

__all__ = ["Command", "ask", "execute", "remote"]

Command = Sequence[str]  # one mpremote command with its arguments

# What mpremote, or a traceback of its, ends with when the port vanishes.
_GONE = ("[Errno 5]", "[Errno 6]", "device disconnected", "device reports readiness to read", "termios.error")
_MARK = "\x02tinywake "  # before the JSON that ask() reads: whatever else the board prints is noise


def remote(port: str, *commands: Command, timeout: float = 60, reset: bool = True) -> str:
    """Run mpremote commands on one board, one after another, and return what they print.

    `reset`: begin with a soft reset, so that nothing else runs there. Raises DeviceError with one line.
    """
    if port.startswith("/") and not os.path.exists(port):  # noqa: PTH110
        raise DeviceError(f"{port}: no such port; python -m mpremote connect list shows those there are")
    line = [sys.executable, "-m", "mpremote", "connect", port]
    if not reset:
        line.append("resume")
    for i, command in enumerate(commands):
        line += [*(["+"] if i else []), *command]
    try:
        done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"{port}: no answer within {timeout:g} s; reset the board and try again") from error
    said, faults = (_text(data) for data in (done.stdout, done.stderr))
    if done.returncode != 0:
        raise _failure(port, said, faults)
    return said


def _text(data: bytes) -> str:
    return data.decode(errors="replace").replace("\r\n", "\n")


def _failure(port: str, said: str, faults: str) -> DeviceError | ToolError:
    lines = [line.strip() for line in (said + "\n" + faults).splitlines() if line.strip()]
    last = lines[-1] if lines else "no message"
    if "No module named mpremote" in faults:
        return ToolError("mpremote is missing: pip install mpremote")
    if "failed to access" in faults or "no device found" in faults:
        return DeviceError(f"{port}: cannot be opened: not connected, in use by another program, or no right to it")
    if "raw repl" in faults.lower():
        return DeviceError(f"{port}: no MicroPython answers there; install it on the board, or reset it")
    if any(sign in last for sign in _GONE):
        return DeviceError(f"{port}: the board is gone; plug it in again")
    # mpremote names each file as it begins with it.
    copying = [line.split()[-1].strip(":~") for line in lines if line.startswith("cp ")]
    place = f"copying {copying[-1]}: " if copying else ""
    return DeviceError(f"{port}: {place}{printable(last.removeprefix('mpremote: '))}")


def execute(port: str, code: str, *, timeout: float = 60, reset: bool = True) -> str:
    """Run Python on the board and return what it prints."""
    return remote(port, ("exec", code), timeout=timeout, reset=reset)


def ask(port: str, code: str, *before: Command, timeout: float = 60) -> Any:
    """Run Python on the board, after other commands, and return the value it gives to answer()."""
    head = f"import json\ndef answer(x): print({_MARK!r} + json.dumps(x))\n"
    said = remote(port, *before, ("exec", head + code), timeout=timeout)
    for line in reversed(said.split("\n")):
        if line.startswith(_MARK):
            try:
                return json.loads(line.removeprefix(_MARK))
            except ValueError:
                break
    raise DeviceError(f"{port}: the board's answer was cut short; reset it and try again")
