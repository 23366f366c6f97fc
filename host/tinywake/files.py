# SPDX-License-Identifier: MIT
"""Files are written beside and renamed: a reader never sees half of one, a failure leaves what was there.

And the one folder for what can be made or fetched again.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

from tinywake.errors import ToolError

__all__ = [
    "cache_folder",
    "check_writable",
    "forget_oldest",
    "keep_apart",
    "save",
    "what_else",
    "why_unread",
    "write_beside",
]

# How files begin that are taken for others: where, with what, and what to say.
_KINDS = (
    (4, b"TFL3", "a .tflite network: tinywake compile makes a .twm of it"),
    (0, b"TWM", "a compiled model (.twm) already"),
    (0, b"RIFF", "a sound file"),
    (0, b"fLaC", "a sound file"),
    (0, b"OggS", "a sound file"),
    (0, b"UF2\n", "a UF2 file, for a board's drive"),
    (0, b"\x93NUMPY", "an array (.npy)"),
    (0, b"PK\x03\x04", "an archive: unpack it"),
    (0, b"\x1f\x8b", "an archive: unpack it"),
    (0, b"{", "JSON: a manifest goes to tinywake compile"),
    (0, b"<", "a web page: download the file that it links to"),
)


def cache_folder() -> Path:
    """$TINYWAKE_CACHE, else $XDG_CACHE_HOME/tinywake, else ~/.cache/tinywake."""
    named = os.environ.get("TINYWAKE_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tinywake"


def forget_oldest(folder: Path, kept: int, pattern: str = "*") -> None:
    """Remove all but the `kept` newest files and folders of a folder of the cache that look like `pattern`."""
    for old in sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime)[:-kept]:
        if old.is_dir():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.unlink(missing_ok=True)


def why_unread(error: OSError) -> str:
    """Why a file cannot be read, and the way out, to go behind its name."""
    reason = error.strerror or str(error)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"{reason}; check the name"
    if isinstance(error, IsADirectoryError):
        return f"{reason}; name a file"
    if isinstance(error, PermissionError):
        return f"{reason}; give yourself the right to read it (chmod u+r)"
    return reason


def what_else(data: bytes) -> str:
    """What bytes are that are not the kind of file that was wanted, to go behind "not a ..."; empty: not known."""
    if not data:
        return ": it is empty"
    return next((f": it is {what}" for at, magic, what in _KINDS if data[at : at + len(magic)] == magic), "")


def write_beside(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a name next to `path`, then rename; when it raises, `path` stays as it was.

    A link is followed. Raises ToolError where there is no writing: a folder, a device, no permission, a full disk.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise ToolError(f"{path}: is not a file that can be written")
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        part = Path(name)
        write(part)
        part.chmod(0o644)
        part.replace(path)
    except OSError as error:
        raise ToolError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def save(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """As write_beside, for a function that writes into an open binary file."""

    def into(part: Path) -> None:
        with part.open("wb") as file:
            write(file)

    write_beside(path, into)


def check_writable(path: Path, *, new_folder: bool = False) -> None:
    """Raise what write_beside would raise, before an hour of work; writes nothing.

    A folder that is not there is a slip of the pen where a file was named, unless `new_folder`.
    """
    named, path = path, path.resolve()
    folder = next(parent for parent in path.parents if parent.exists())
    if path.exists() and not path.is_file():
        raise ToolError(f"{path}: is not a file that can be written")
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ToolError(f"{path}: cannot be written ({folder} is not a folder that can be written)")
    if folder != path.parent and not new_folder:
        raise ToolError(f"{named}: there is no folder {named.parent}; make it first, or check the name")


def keep_apart(outputs: Iterable[Path | None], inputs: Iterable[Path]) -> None:
    """Raise ToolError where an output cannot be written (check_writable), or is a file that is read."""
    given = [path for path in inputs if path.exists()]
    for out in filter(None, outputs):
        check_writable(out)
        if out.exists() and any(out.samefile(path) for path in given):
            raise ToolError(f"{out}: is read by this command and would be lost; write to another file")
