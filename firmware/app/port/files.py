# SPDX-License-Identifier: MIT
"""Files, for interpreters that have MicroPython's os, ROMFS and hashlib."""

import hashlib
import os
from binascii import hexlify

__all__ = ("digest", "find_model", "read_file")

_HOMES = ("", "/rom")  # working directory, ROMFS


def read_file(path):
    """The file's bytes: in place if it lies in ROMFS, else in a heap buffer (aligned: it begins a block)."""
    with open(path, "rb") as file:
        try:
            return memoryview(file)
        except TypeError:
            pass
        size = file.seek(0, 2)
        file.seek(0)
        data = bytearray(size)
        if file.readinto(data) != size:
            raise OSError(path + ": read short")
        return data


def find_model():
    """What the first line of model.txt names, else the first .twm by name."""
    try:
        with open("model.txt") as file:
            name = file.readline().strip()
        if name:
            return name
    except OSError:
        pass
    for home in _HOMES:
        try:
            names = sorted(name for name in os.listdir(home or ".") if name.endswith(".twm"))
        except OSError:
            continue
        if names:
            return home + "/" + names[0] if home else names[0]
    raise OSError("no .twm on the board: tinywake deploy puts one there")


def digest(data):
    """SHA-256 in hex."""
    return hexlify(hashlib.sha256(data).digest())
