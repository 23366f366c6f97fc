# SPDX-License-Identifier: MIT
# ruff: noqa: D102, D103 - port/__init__.py documents them
"""CircuitPython 10.3.1 and later, on boards with USB of their own: the console is the serial link; no background.

Not yet tried on silicon; written against CircuitPython's source of 2026 and its stubs.
"""

import hashlib
import sys
from binascii import hexlify
from time import sleep

import storage
import supervisor
import usb_cdc
from supervisor import ticks_ms

from .. import pins
from . import files
from .files import find_model, find_models
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

_ROOM = 256  # bytes that USB keeps for a host that is slow
_MS = 0.001  # seconds; made once: a float may allocate
_HALF = 1 << 28  # of the ticks, which wrap at 2^29


def _serial() -> usb_cdc.Serial:
    found = usb_cdc.console or usb_cdc.data
    if found is None:
        raise OSError("no serial link: boot.py has switched off usb_cdc")
    found.timeout = found.write_timeout = 0
    return found


_console = _serial()
supervisor.status_bar.console = False  # its titles would stand within our lines
_byte = bytearray(1)


def ticks_diff(later: int, earlier: int) -> int:
    return (later - earlier + _HALF & 2 * _HALF - 1) - _HALF


def ticks_us() -> int:
    """In whole milliseconds, since what is finer allocates: 1000 times those, wrapping as they do."""
    ms = ticks_ms()
    low = 125 * (ms & 0x1FFF) + ((125 * (ms >> 13) & 0x1FFF) << 13)  # times 8: every number here is a small one
    return (low & 0x3FFFFFF) << 3


def sleep_ms(ms: int) -> None:
    began = ticks_ms()
    while ticks_diff(ticks_ms(), began) < ms:
        sleep(_MS)


def write(buf: bytearray, start: int, end: int, wait_ms: int) -> int:
    """All or nothing, as far as is known: what others print must not come between two parts of a line."""
    began = ticks_ms()
    while _console.out_waiting + end - start > _ROOM:
        if 0 <= wait_ms <= ticks_diff(ticks_ms(), began):
            return 0
        sleep(_MS)
    return _console.write(buf, start, end - start)  # type: ignore[call-arg] # as every stream: a slice would allocate


def read_byte() -> int:
    return _byte[0] if _console.in_waiting and _console.readinto(_byte) else -1


def stack_use() -> int:
    return 0


def read_file(path: str, other: "object" = None) -> "bytearray | memoryview":
    """In place where the file is one run of the drive (11.0): its sectors are aligned to more than a model wants."""
    if hasattr(storage, "map_file"):
        with open(files.located(path), "rb") as file:
            size = file.seek(0, 2)
            try:
                runs = storage.map_file(file)
                if len(runs) == 1 and len(runs[0]) == size:
                    return runs[0]
            except (NotImplementedError, OSError):
                pass  # a drive that is not in the processor's sight
    return files.read_file(path, other)


def sha256(data: "bytes | bytearray | memoryview" = b"") -> "hashlib._Hash":
    return hashlib.new("sha256", data)


def digest(data: "bytearray | memoryview") -> bytes:
    return hexlify(sha256(data).digest())


def check_writable() -> None:
    if storage.getmount("/").readonly:
        raise OSError("read-only to the board: tinywake deploy writes it")


def restart() -> None:
    supervisor.reload()


def identity() -> "tuple[str, str, int]":
    found = sys.implementation
    return pins.BOARD, found.name + "-" + ".".join(str(number) for number in found.version[:3]), found._mpy


def every(period_ms: int, callback: object) -> None:
    if period_ms:
        raise RuntimeError("no background in CircuitPython: use run(), for hit in listener, or async for")


def call_soon(callback: object, value: object) -> None:
    raise RuntimeError("no background in CircuitPython")


def microphone(path: "str | None" = None, paced: "bool | None" = None) -> object:
    mic = pins.MIC
    if path or mic["kind"] == "wav":
        return WavMicrophone(_this, path or mic["path"], mic.get("paced", True) if paced is None else paced)
    if mic["kind"] == "pdm":
        from .circuit.pdm import PdmMicrophone

        return PdmMicrophone(_this, mic)
    from .circuit.i2s import I2SMicrophone

    return I2SMicrophone(_this, mic)


def open_slots() -> object:
    from .circuit.i2s import Slots

    return Slots(pins.MIC)


_this = sys.modules[__name__]
