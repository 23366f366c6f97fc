# SPDX-License-Identifier: MIT
"""Reset a board so that it does what it does after power-on, and see whether it then listens."""

import re
import time
from dataclasses import dataclass

from tinywake.device.line.events import Error, Model, State
from tinywake.device.line.lines import LineReader, named, printable
from tinywake.device.line.port import GONE, UNPLUGGED, open_port
from tinywake.errors import DeviceError

__all__ = ["Restarted", "restart"]

_REBOOT = b"soft reboot"
_ENDS = (b"\n>>> ", b"\nCode done running.")  # of what it started: MicroPython's prompt, CircuitPython's words
_TITLE = re.compile(rb"\x1b\]0;[^\x1b]*\x1b\\")  # CircuitPython's status bar, between lines and within them
_QUIET = "it started nothing that listens"


@dataclass(frozen=True)
class Restarted:
    """What a board does after a reset."""

    listening: bool
    sha: str  # of the model that it opened, its first 16 hex digits; empty: none
    trouble: str  # what it complained about, or did instead, in a line


def restart(port: str, timeout: float = 10.0) -> Restarted:
    """Soft-reset the board, so that its main.py runs, and wait until the app listens.

    `timeout`: seconds that it may take to listen or to come to its prompt.
    """
    said = bytearray()
    reader = LineReader()
    sha = trouble = ""
    end = time.monotonic() + timeout
    with open_port(port) as device:
        try:
            device.write(b"\r\x03\x03\x02")
            while device.read(4096) and time.monotonic() < end:
                pass  # what it says to the interruption
            device.write(b"\x04")
            while time.monotonic() < end:
                data = device.read(max(1, device.in_waiting))
                said += data
                for event in reader.feed(data):
                    if isinstance(event, State) and event.state == "listening":
                        return Restarted(True, sha, printable(trouble))
                    if isinstance(event, Error):
                        trouble = event.what
                    elif isinstance(event, Model):
                        sha = event.sha
                if any(end in said.partition(_REBOOT)[2] for end in _ENDS):
                    trouble = trouble or _last_line(bytes(said))
                    break
        except GONE as error:
            raise DeviceError(f"{port}: {UNPLUGGED}") from error
    return Restarted(False, sha, named(printable(trouble or _QUIET)))


def _last_line(said: bytes) -> str:
    """Of a traceback, if one stands before the prompt."""
    after = _TITLE.sub(b"", said.partition(_REBOOT)[2])
    for end in _ENDS:
        after = after.partition(end)[0]
    lines = after.decode("utf-8", "replace").splitlines()
    at = [i for i, line in enumerate(lines) if line.startswith("Traceback")]
    errors = [line for line in lines[at[-1] + 1 :] if line and line[0] not in " @"] if at else []
    return errors[0] if errors else ""
