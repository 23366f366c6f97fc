# SPDX-License-Identifier: MIT
"""The compiled C core as a file: where it is, what its results mean, and memory as it wants it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinywake.errors import FormatError, ToolError

__all__ = ["aligned", "check", "core_path", "fingerprint"]

_ERRORS = {
    -1: ("TRUNCATED", "the file ends too early; copy or compile it again"),
    -2: ("MAGIC", "not a .twm model file"),
    -3: ("VERSION", "written for another version of the format; compile it again with this tinywake"),
    -4: ("CRC", "bytes differ from their checksum; copy or compile it again"),
    -5: ("ALIGN", "the buffer is not 4-byte aligned"),
    -6: ("SECTION", "a section is missing, doubled or unknown; compile it again"),
    -7: ("TENSOR", "a tensor lies outside its memory; compile it again"),
    -8: ("OP", "an operator is unknown or inconsistent; compile it again with this tinywake"),
    -9: ("FRONTEND", "the audio front end cannot be reproduced, or the model has none"),
    -10: ("DETECTOR", "labels or detector values are impossible; compile it again"),
    -11: ("ARENA", "the working memory is too small or misaligned"),
    -12: ("RANGE", "an argument is outside its range"),
    -13: ("STATE", "the network's state is more than moving windows, so it cannot sleep behind a gate"),
}
_CODED_ERRORS = {  # of firmware/core/coded.h
    -14: ("OVERFULL", "a code book has more codes than there are; compile it again"),
    -15: ("UNDERFULL", "a code book lacks codes; compile it again"),
    -16: ("TOO_LONG", "a code book has codes of over 15 bits; compile it again"),
    -17: ("SYMBOL", "a code book has a symbol twice, or one that cannot be there; compile it again"),
    -18: ("RUN", "a coded run is impossible, or bytes follow the last one; compile it again"),
}


def core_path() -> str:
    """Where the compiled core is: TINYWAKE_CORE names another build (the tests' one with sanitizers)."""
    path = os.environ.get("TINYWAKE_CORE")
    if path is None:
        spec = importlib.util.find_spec("tinywake._core")
        if spec is None or spec.origin is None:
            raise ToolError("the compiled C core is missing; install tinywake with pip, or `make setup` in a checkout")
        path = spec.origin
    return path


@cache
def fingerprint() -> str:
    """Of the compiled core's bytes: what it has computed holds for as long as they are the same."""
    return hashlib.sha256(Path(core_path()).read_bytes()).hexdigest()


def check(code: int, name: str) -> None:
    """Raise FormatError with the core's name for a negative result; `name` is the file's, or what it is."""
    if code < 0:
        error, advice = {**_ERRORS, **_CODED_ERRORS}.get(code, (str(code), "unknown error"))
        raise FormatError(f"{name}: TW_ERR_{error}: {advice}")


def aligned(data: bytes) -> NDArray[np.uint8]:
    """A copy of bytes at an address that is a multiple of 16 (numpy promises no more than the type's)."""
    room = np.zeros(len(data) + 16, np.uint8)
    start = -room.ctypes.data % 16
    view = room[start : start + len(data)]
    view[:] = np.frombuffer(data, np.uint8)
    return view
