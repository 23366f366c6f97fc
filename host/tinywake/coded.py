# SPDX-License-Identifier: MIT
"""Coded models (models/SPEC.md, Coded files) as the ordinary ones that they are made of: the boards' own decoder."""

from __future__ import annotations

import ctypes
from ctypes import c_char, c_int, c_int32, c_size_t, c_void_p
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tinywake.native import aligned, check, core_path

__all__ = ["decoded", "decoder_bytes", "is_coded"]

_HEAD = b"TWM\x1a\x02"
_HEADER_BYTES = 16
_TRUNCATED = -1


@cache
def _library() -> ctypes.CDLL:
    lib = ctypes.CDLL(core_path())
    for name, result, *arguments in (
        ("tw_coded_open", c_int32, c_void_p, c_void_p, c_size_t),
        ("tw_coded_push", c_int32, c_void_p, c_void_p, c_size_t, c_void_p),
        ("tw_coded_done", c_int, c_void_p),
        ("tw_abi_coded_size", c_size_t),
    ):
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


def is_coded(data: bytes | NDArray[np.uint8]) -> bool:
    """Whether a file begins as a coded one."""
    return bytes(data[: len(_HEAD)]) == _HEAD


def decoder_bytes() -> int:
    """RAM of a decoder while it works; some 24 less on a board, whose pointers are half as long."""
    return int(_library().tw_abi_coded_size())


def decoded(data: bytes | NDArray[np.uint8], name: str = "model", piece: int = 1 << 24) -> NDArray[np.uint8]:
    """The ordinary file that a coded one says, at an address that is a multiple of 16.

    piece: bytes that the decoder is given at a time, at least 12. Raises FormatError for what a reader must reject.
    """
    lib, file = _library(), aligned(bytes(data))
    state = (c_char * lib.tw_abi_coded_size())()
    size = int(lib.tw_coded_open(state, file.ctypes.data, len(file)))
    check(size, name)
    image = aligned(bytes(size))
    at = _HEADER_BYTES
    while not lib.tw_coded_done(state):
        count = min(piece, len(file) - at)
        taken = int(lib.tw_coded_push(state, file.ctypes.data + at, count, image.ctypes.data))
        check(taken if taken or lib.tw_coded_done(state) else _TRUNCATED, name)
        at += taken
    return image
