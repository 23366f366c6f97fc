# SPDX-License-Identifier: MIT
# ruff: noqa: D102, D103 - port/__init__.py documents them
"""MicroPython on a microcontroller: I2S or PDM as the microphone, USB or UART as the serial link.

Not yet tried on silicon; written against MicroPython 1.25's documentation and source.
"""

import select
import sys
from time import sleep_ms, ticks_diff, ticks_ms, ticks_us

import machine
from micropython import schedule as call_soon
from micropython import stack_use

from .. import pins
from . import files
from .files import digest, sha256
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

_out = getattr(sys.stdout, "buffer", sys.stdout)  # cooked where there is no buffer: readers accept \r\r\n
_poll = select.poll()
_poll.register(sys.stdout, select.POLLOUT)
_in = getattr(sys.stdin, "buffer", sys.stdin)
_poll_in = select.poll()
_poll_in.register(sys.stdin, select.POLLIN)
_byte = bytearray(1)
_timer = None
_flash = _takes = None
if sys.platform == "rp2":
    from .rp2 import flash as _flash
    from .rp2.usb import takes as _takes

_RV32 = 11  # of sys.implementation._mpy's architectures: the RP2350's other cores


def find_models(role="model"):
    found = files.find_models(role)
    if _flash:
        found += [path for path in _flash.find_models(role) if path not in found]
    return found


def find_model(role="model"):
    for path in find_models(role):
        return path
    return files.find_model(role)  # which says what is missing


def read_file(path, other=None):
    return _flash and _flash.read_file(path) or files.read_file(path, other)


def write(buf, start, end, wait_ms):
    """One byte at a time: poll promises no more room, and a full USB buffer holds a write for 500 ms.

    A whole line where it is known to find room: each write costs as much as one of a byte.
    """
    if _takes and _takes(end - start):
        return _out.write(buf, start, end - start)
    at = start
    while at < end:
        for _ in _poll.ipoll(wait_ms):
            break
        else:
            break
        _out.write(buf, at, 1)
        at += 1
    return at - start


def read_byte():
    for _ in _poll_in.ipoll(0):
        return _byte[0] if _in.readinto(_byte, 1) else -1
    return -1


def every(period_ms, callback):
    global _timer
    if _timer:
        _timer.deinit()
        _timer = None
    if period_ms:
        _timer = machine.Timer(pins.MIC.get("timer", -1), period=period_ms, callback=callback)


def check_writable():
    pass


def restart():
    machine.reset()


def identity():
    name, version = sys.implementation[:2]
    return pins.BOARD, name + "-" + ".".join(str(number) for number in version[:3]), sys.implementation._mpy


def microphone(path=None, paced=None):
    mic = pins.MIC
    if path or mic["kind"] == "wav":
        return WavMicrophone(_this, path or mic["path"], mic.get("paced", True) if paced is None else paced)
    if mic["kind"] == "pdm":
        from .rp2.pdm import PdmMicrophone

        return PdmMicrophone(_this, mic)
    if sys.platform == "rp2" and mic["bits"] == 32 and sys.implementation._mpy >> 10 != _RV32:
        from .rp2.i2s import I2SMicrophone
    else:
        from .machine.i2s import I2SMicrophone
    return I2SMicrophone(_this, mic)


def open_slots():
    from .machine.i2s import open_i2s

    return open_i2s(dict(pins.MIC, bits=32), True)


_this = sys.modules[__name__]
