# SPDX-License-Identifier: MIT
"""Why a port gives no MicroPython prompt: not there, no right, held by another program, something else on it."""

from __future__ import annotations

import os
import re
import stat
import time
from pathlib import Path

from tinywake.device.doctor.computer import right_to_open
from tinywake.device.doctor.findings import Finding, fault, from_error
from tinywake.device.line.lines import printable
from tinywake.device.line.port import GONE, open_port
from tinywake.device.usb.find import list_boards
from tinywake.device.usb.holders import holders
from tinywake.errors import DeviceError

__all__ = ["closed", "explain"]

_ASK_S = 1.5
_FLASH_IT = "tinywake flash puts MicroPython on it"


def closed(port: str) -> Finding | None:
    """What keeps the port from being opened; None: nothing that can be seen without opening it."""
    if "://" in port:
        return None
    if not Path(port).exists() and not port.upper().startswith("COM"):
        return fault("port", f"{port}: no such port", _name_one())
    wrong = right_to_open(port)
    if wrong:
        return wrong
    if not _may_be_serial(Path(port)):
        return fault("port", f"{port}: is no serial port", _name_one())
    held = holders(port)
    if held:
        who = ", ".join(f"{each.name} (process {each.pid})" for each in held)
        return fault("port", f"{port}: held by {who}", "end that program, then try again")
    return None


def _name_one() -> str:
    others = ", ".join(each.device for each in list_boards())
    return f"there is: {others}" if others else "plug the board in, with a cable that carries data"


def _may_be_serial(path: Path) -> bool:
    """Without opening it: a device, and where the system says of which kind (Linux: /sys), one of the kind tty."""
    try:
        state = path.stat()
    except OSError:
        return True  # which opening it explains; on Windows a port is no file
    kind = Path(f"/sys/dev/char/{os.major(state.st_rdev)}:{os.minor(state.st_rdev)}/subsystem")
    return stat.S_ISCHR(state.st_mode) and (not kind.exists() or kind.resolve().name == "tty")


def explain(port: str, error: DeviceError) -> Finding:
    """Why no prompt came, by what the other end says when it is spoken to in several ways."""
    try:
        said = _listen(port)
    except DeviceError as cannot:
        return from_error("port", cannot, port)
    version = re.search(r"CircuitPython ([0-9.]+)", said)
    if version:
        return fault(
            "firmware",
            f"CircuitPython {version[1]} answers, but does not take our code ({_short(error)})",
            "press the board's reset button and try again; where it is older than 10.3.1, install that: "
            "tinywake flash --firmware FILE",
        )
    version = re.search(r"MicroPython v?([0-9.]+)", said)
    if version:
        return fault(
            "firmware",
            f"MicroPython {version[1]} answers, but does not take our code ({_short(error)})",
            f"1.23 or later is needed; {_FLASH_IT}",
        )
    if "invalid header" in said or "flash read err" in said:
        return fault("firmware", "the chip's own loader runs: there is no firmware", _FLASH_IT)
    if re.search(r"rst:0x|ets J|ESP-ROM", said):
        return fault("firmware", "the chip starts, but what it runs is no MicroPython", _FLASH_IT)
    if said.strip():
        line = printable(said.strip().splitlines()[-1][:60])
        return fault("firmware", f"something answers that is no MicroPython: {line!r}", _FLASH_IT)
    return fault("firmware", "nothing answers", f"press the board's reset button and try again; else {_FLASH_IT}")


def _listen(port: str) -> str:
    """What comes after Ctrl-C, Ctrl-B and Enter, as text."""
    said = bytearray()
    with open_port(port) as device:
        try:
            device.write(b"\r\x03\x03\x02\r\n")
            end = time.monotonic() + _ASK_S
            while time.monotonic() < end:
                said += device.read(max(1, device.in_waiting))
        except GONE:
            pass
    return said.decode("utf-8", "replace").replace("\r", "")


def _short(error: DeviceError) -> str:
    return str(error).partition(": ")[2] or str(error)
