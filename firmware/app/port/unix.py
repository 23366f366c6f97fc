# SPDX-License-Identifier: MIT
# ruff: noqa: D102, D103 - port/__init__.py documents them
"""MicroPython's unix port: a terminal as the serial link, a wav file as the microphone.

Background callbacks come from the unix board's `unixboard` (firmware/targets/unix); the plain port has none.
"""

import select
import sys
from time import sleep_ms, ticks_diff, ticks_ms

from .. import pins
from .files import digest, find_model, find_models, read_file
from .wav import WavMicrophone

__all__ = (
    "digest",
    "every",
    "find_model",
    "find_models",
    "identity",
    "microphone",
    "read_file",
    "sleep_ms",
    "ticks_diff",
    "ticks_ms",
    "write",
)

_out = sys.stdout
_poll = select.poll()
_poll.register(_out, select.POLLOUT)


def write(buf, start, end, wait_ms):
    """A terminal or pipe that polls as writable takes a whole line: Linux counts room in larger blocks."""
    for _ in _poll.ipoll(wait_ms):
        return _out.write(buf, start, end - start)
    return 0


def every(period_ms, callback):
    try:
        import unixboard
    except ImportError:
        if period_ms:
            raise RuntimeError("no background callbacks here: use run(), for, async for or feed()") from None
        return
    unixboard.tick(period_ms, callback)


def identity():
    name, version = sys.implementation[:2]
    return pins.BOARD, name + "-" + ".".join(str(number) for number in version[:3]), sys.implementation._mpy


def microphone(path=None, paced=None):
    if paced is None:
        paced = pins.MIC.get("paced", False)
    return WavMicrophone(_this, path or pins.MIC["path"], paced)


_this = sys.modules[__name__]
