# SPDX-License-Identifier: MIT
"""Files, for interpreters that have MicroPython's os, ROMFS and hashlib."""

import hashlib
import os
from binascii import hexlify

from .. import slots

__all__ = ("digest", "find_model", "find_models", "located", "read_file", "sha256")

_HOMES = ("", "/rom")  # working directory, ROMFS


def read_file(path, other=None):
    """The file's bytes: in place if it lies in ROMFS, else in a heap buffer (aligned: it begins a block).

    `other(file)` may give what is to be had in their place.
    """
    with open(located(path), "rb") as file:
        try:
            return memoryview(file)
        except TypeError:
            pass
        made = other and other(file)
        if made:
            return made
        size = file.seek(0, 2)
        file.seek(0)
        data = bytearray(size)
        if file.readinto(data) != size:
            raise OSError(path + ": read short")
        return data


def find_models(role="model"):
    """Paths to try, best first: the selected slot, the one before it; without those, a "model" that lies about.

    A gate that is no file is among them as the record has it.
    """
    found = [path for path in slots.paths(role) if slots.level(path) is not None or _is_file(path)]
    if role == "model":
        for home in _HOMES:
            try:
                names = os.listdir(home) if home else os.listdir()
            except OSError:
                continue
            names = [home + "/" + name if home else name for name in sorted(names) if name.endswith(".twm")]
            found += [name for name in names if name not in found]
    return found


def find_model(role="model"):
    """The best of find_models(); OSError where there is none."""
    for path in find_models(role):
        return path
    raise OSError("no .twm on the board: tinywake deploy puts one there")


def located(name):
    """The path of a file: a bare name is that of a model in a slot, if one has it."""
    if "/" not in name:
        entries = slots.chosen()
        for role in sorted(entries):  # the selected one before the one before it
            if entries[role].endswith("/" + name) and _is_file(entries[role]):
                return entries[role]
    return name


def _is_file(path):
    try:
        return os.stat(path)[0] & 0x8000 != 0
    except OSError:
        return path.startswith("/flash/")  # flash.py's, which looks for itself


def sha256(data=b""):
    """A hash of what is given to it."""
    return hashlib.sha256(data)


def digest(data):
    """SHA-256 in hex."""
    return hexlify(sha256(data).digest())
