# SPDX-License-Identifier: MIT
"""Files onto a board: under temporary names, hashed there, and only then renamed."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from tinywake.device.deploy.probe import HASH
from tinywake.device.line.lines import named
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError

__all__ = ["check_room", "copy", "prune", "sha256"]

_REMOVE_SOMETHING = "remove something, as with python -m mpremote fs rm"

_MAKE_DIRECTORIES = """
import os
for d in PATHS:
    try:
        os.mkdir(d)
    except OSError:
        os.stat(d)
"""

_ROOM = """
import os
try:
    s = os.statvfs(".")
    held = 0
    for d in FREED:
        try:
            held += sum(os.stat(d + "/" + name)[6] // s[0] for name in os.listdir(d))
        except OSError:
            pass
    answer([s[0], (s[3] if s[3] <= s[2] else 0) + held])  # littlefs counts to below 0
except (OSError, AttributeError):
    answer(None)
"""

_RENAME = """
bad = [p for p in FILES if digest(p + "~") != FILES[p]]
for p in () if bad else FILES:
    try:
        os.rename(p + "~", p)
    except OSError:
        os.remove(p)
        os.rename(p + "~", p)
answer(bad)
"""

_REMOVE = """
import os
try:
    f.close()
except (NameError, OSError):
    pass
for p in PATHS:
    try:
        os.remove(p + "~")
    except OSError:
        pass
"""


# Code alone, and in the app's directory alone: whatever else lies there is not ours.
_PRUNE = """
import os
def prune(directory):
    gone = []
    for entry in os.ilistdir(directory):
        path = directory + "/" + entry[0]
        if entry[1] & 0x4000:
            gone += prune(path)
        elif path not in KEPT and (path.endswith(".py") or path.endswith(".mpy")):
            os.remove(path)
            gone.append(path)
    return gone
answer(sorted(prune(APP)))
"""


def sha256(data: bytes) -> str:
    """In hex, as HASH's digest() on the board."""
    return hashlib.sha256(data).hexdigest()


def copy(repl: RawRepl, files: Mapping[str, bytes]) -> None:
    """Write files by their paths on the board. Until all have arrived whole, it has those that it had.

    Raises DeviceError, which names the file, or says how much room is missing.
    """
    check_room(repl, files)
    directories = sorted({parent.as_posix() for path in files for parent in PurePosixPath(path).parents} - {"."})
    try:
        repl.exec(f"PATHS = {directories!r}\n" + _MAKE_DIRECTORIES)
        for path, data in files.items():
            _put(repl, path, data)
        digests = {path: sha256(data) for path, data in files.items()}
        bad = repl.ask(HASH + f"FILES = {digests!r}\n" + _RENAME)
    except DeviceError:
        _remove_temporary(repl, files)
        raise
    if bad:
        _remove_temporary(repl, files)
        raise DeviceError(f"{repl.port}: {bad[0]} arrived damaged; nothing was changed: try again")


def prune(repl: RawRepl, directory: str, kept: Iterable[str]) -> tuple[str, ...]:
    """Remove the code under a directory that is not among `kept`: of another version. Returns the paths."""
    gone: list[str] = repl.ask(f"APP = {directory!r}\nKEPT = {sorted(kept)!r}\n" + _PRUNE)
    return tuple(gone)


def _remove_temporary(repl: RawRepl, files: Mapping[str, bytes]) -> None:
    with contextlib.suppress(DeviceError):
        repl.exec(f"PATHS = {list(files)!r}\n" + _REMOVE)


def check_room(repl: RawRepl, files: Mapping[str, bytes], freed: Sequence[str] = ()) -> None:
    """Raises DeviceError where files have no room on the board, even when directories have been emptied for them."""
    room = repl.ask(f"FREED = {list(freed)!r}\n" + _ROOM)
    if room is None:
        return
    block, blocks = (int(number) for number in room)
    need = sum(-(-len(data) // block) for data in files.values()) * block
    if need > block * blocks:
        raise DeviceError(
            f"{repl.port}: {len(files)} file(s) need {need:,} bytes, the board's file system has {block * blocks:,} "
            f"free: {_REMOVE_SOMETHING}"
        )


def _put(repl: RawRepl, path: str, data: bytes) -> None:
    try:
        repl.put(f"{path}~", data)
    except DeviceError as error:
        what = named(str(error).removeprefix(f"{repl.port}: ")).removeprefix("OSError: ENOSPC, ")
        raise DeviceError(f"{repl.port}: copying {path}: {what}") from error
