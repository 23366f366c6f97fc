# SPDX-License-Identifier: MIT
# ruff: noqa: D102 - Files documents them
"""Files of a CircuitPython board, written through its drive, or through its prompt where there is none.

What is imported is never written under its own name: a native .mpy that was cut short never returns from its import.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from tinywake.device.deploy.copy import sha256
from tinywake.device.deploy.probe import digests_of
from tinywake.device.line.lines import named
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError

__all__ = ["DriveFiles", "Files", "PromptFiles", "board_digests", "parents"]

_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)

_NAMES = """
import os
def names(path):
    try:
        found = os.listdir(path)
    except OSError:
        return []
    return [each + ("/" if os.stat(path + "/" + each)[0] & 0x4000 else "") for each in found]
"""


class Files(Protocol):
    """A board's file system. Paths begin at its top: "lib/tinywake/pins.py". All but `digests` raise DeviceError."""

    where: str  # to begin a line with

    def room(self) -> tuple[int, int] | None:
        """Bytes of a block, and free blocks; None: it does not say."""

    def names(self, path: str) -> list[str]:
        """What is in a folder, "" for the top; folders end in "/". Nothing where there is none."""

    def read(self, path: str) -> bytes | None:
        """A file's content; None where there is none."""

    def digests(self, paths: Iterable[str]) -> dict[str, str | None]:
        """SHA-256 of each; None where there is no such file."""

    def make(self, path: str) -> None:
        """A folder, in one that is there."""

    def write(self, path: str, data: bytes) -> None:
        """A file, which is on the medium when this returns."""

    def rename(self, old: str, new: str) -> None:
        """In one step, in place of what is there."""

    def remove(self, path: str) -> None:
        """A file; one that is not there is no error."""


class DriveFiles:
    """Through the drive, as this computer sees it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.where = str(root)

    def room(self) -> tuple[int, int] | None:
        if not hasattr(os, "statvfs"):
            return None  # Windows: a write says that it finds none
        with self._said("its drive"):
            state = os.statvfs(self.root)
        return state.f_frsize, state.f_bavail

    def names(self, path: str) -> list[str]:
        try:
            return sorted(each.name + "/" * each.is_dir() for each in (self.root / path).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    def read(self, path: str) -> bytes | None:
        try:
            with self._said(path):
                return (self.root / path).read_bytes()
        except FileNotFoundError:
            return None

    def digests(self, paths: Iterable[str]) -> dict[str, str | None]:
        return {path: None if (data := self.read(path)) is None else sha256(data) for path in paths}

    def make(self, path: str) -> None:
        with self._said(path), contextlib.suppress(FileExistsError):
            (self.root / path).mkdir()
            self._sync((self.root / path).parent)

    def write(self, path: str, data: bytes) -> None:
        with self._said(path), (self.root / path).open("wb", buffering=0) as file:
            done = 0
            while done < len(data):
                done += file.write(data[done:])
            os.fsync(file.fileno())

    def rename(self, old: str, new: str) -> None:
        with self._said(new):
            (self.root / old).replace(self.root / new)
            self._sync((self.root / new).parent)

    def remove(self, path: str) -> None:
        with self._said(path):
            (self.root / path).unlink(missing_ok=True)
            self._sync((self.root / path).parent)

    def _sync(self, folder: Path) -> None:
        if os.name != "posix":
            return  # Windows writes a removable drive through
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    @contextlib.contextmanager
    def _said(self, path: str) -> Iterator[None]:
        """What the system says of a file in one line; that one is not there is told by whoever asked."""
        try:
            yield
        except OSError as error:
            if not self.root.is_dir():
                raise DeviceError(f"{self.where}: the drive went away: plug the board in and run this again") from error
            if isinstance(error, FileNotFoundError):
                raise
            if error.errno == errno.ENOSPC:
                raise DeviceError(f"{self.where}: is full at {path}: remove something from it") from error
            if error.errno in _READ_ONLY:
                raise DeviceError(
                    f"{self.where}: can only be read: mount it for yourself; if boot.py keeps it for the board's own "
                    "code (storage.remount), take that out, reset, and run this again"
                ) from error
            raise DeviceError(
                f"{self.where}: {path}: {error.strerror or error}: let your system check the drive, or reset the board"
            ) from error


class PromptFiles:
    """Through the prompt of a board whose own code may write: one without a drive."""

    def __init__(self, repl: RawRepl) -> None:
        self._repl = repl
        self.where = repl.port

    def room(self) -> tuple[int, int] | None:
        block, free = self._repl.ask('import os\ns = os.statvfs("/")\nanswer([s[0], s[3]])')
        return int(block), int(free)

    def names(self, path: str) -> list[str]:
        found: list[str] = self._repl.ask(_NAMES + f"answer(names({'/' + path!r}))")
        return sorted(found)

    def read(self, path: str) -> bytes | None:
        if self.digests([path])[path] is None:
            return None
        return self._repl.get("/" + path)

    def digests(self, paths: Iterable[str]) -> dict[str, str | None]:
        return board_digests(self._repl, paths)

    def make(self, path: str) -> None:
        self._do(path, f"import os\ntry:\n    os.mkdir({'/' + path!r})\nexcept OSError:\n    os.stat({'/' + path!r})")

    def write(self, path: str, data: bytes) -> None:
        try:
            self._repl.put("/" + path, data)
            self._repl.exec("import os\nos.sync()")
        except DeviceError as error:
            raise self._explained(path, error) from error

    def rename(self, old: str, new: str) -> None:
        # FAT renames nothing over what is there.
        code = f"import os\ntry:\n    os.remove({'/' + new!r})\nexcept OSError:\n    pass\n"
        self._do(new, code + f"os.rename({'/' + old!r}, {'/' + new!r})\nos.sync()")

    def remove(self, path: str) -> None:
        self._do(path, f"import os\ntry:\n    os.remove({'/' + path!r})\nexcept OSError:\n    pass\nos.sync()")

    def _do(self, path: str, code: str) -> None:
        try:
            self._repl.exec(code)
        except DeviceError as error:
            raise self._explained(path, error) from error

    def _explained(self, path: str, error: DeviceError) -> DeviceError:
        what = named(str(error).removeprefix(f"{self.where}: ")).removeprefix("OSError: ")
        return DeviceError(f"{self.where}: {path}: {what}")


def board_digests(repl: RawRepl, paths: Iterable[str]) -> dict[str, str | None]:
    """SHA-256 of each path as the board sees it; None where there is no such file."""
    there = digests_of(repl, (f"/{path}" for path in paths))  # the prompt may be in another folder
    return {path.removeprefix("/"): digest for path, digest in there.items()}


def parents(paths: Iterable[str]) -> list[str]:
    """The folders that paths lie in, each before what is in it."""
    folders: set[str] = set()
    for path in paths:
        parts = path.split("/")[:-1]
        folders |= {"/".join(parts[: at + 1]) for at in range(len(parts))}
    return sorted(folders)
