# SPDX-License-Identifier: MIT
# ruff: noqa: D102, D103 - port/__init__.py documents them
"""MicroPython's unix port: a terminal as the serial link, a wav file as the microphone.

Background callbacks come from the unix board's `unixboard` (firmware/targets/unix); the plain port has none.
"""

import select
import sys
from time import sleep_ms, ticks_diff, ticks_ms, ticks_us

from micropython import schedule as call_soon
from micropython import stack_use

from .. import pins
from .files import digest, find_model, find_models, read_file, sha256
from .wav import WavMicrophone

__all__ = (
    "call_soon",
    "check_writable",
    "digest",
    "every",
    "find_model",
    "find_models",
    "identity",
    "microphone",
    "open_slots",
    "read_byte",
    "read_file",
    "restart",
    "sha256",
    "sleep_ms",
    "stack_use",
    "ticks_diff",
    "ticks_ms",
    "ticks_us",
    "write",
)

_out = sys.stdout
_poll = select.poll()
_poll.register(_out, select.POLLOUT)
_in = sys.stdin
_poll_in = select.poll()
_poll_in.register(_in, select.POLLIN)
_byte = bytearray(1)


def write(buf, start, end, wait_ms):
    """A terminal or pipe that polls as writable takes a whole line: Linux counts room in larger blocks."""
    for _ in _poll.ipoll(wait_ms):
        return _out.write(buf, start, end - start)
    return 0


def read_byte():
    for _ in _poll_in.ipoll(0):
        return _byte[0] if _in.readinto(_byte, 1) else -1
    return -1


def every(period_ms, callback):
    try:
        import unixboard
    except ImportError:
        if period_ms:
            raise RuntimeError("no background callbacks here: use run(), for, async for or feed()") from None
        return
    unixboard.tick(period_ms, callback)


def check_writable():
    pass


def restart():
    """Only out of the program that runs: what the prompt calls back cannot end it."""
    raise SystemExit


def identity():
    name, version = sys.implementation[:2]
    return pins.BOARD, name + "-" + ".".join(str(number) for number in version[:3]), sys.implementation._mpy


def microphone(path=None, paced=None):
    if paced is None:
        paced = pins.MIC.get("paced", False)
    return WavMicrophone(_this, path or pins.MIC["path"], paced)


def open_slots():
    from .machine.i2s import open_i2s

    return open_i2s(dict(pins.MIC, bits=32), True)


_this = sys.modules[__name__]
