# SPDX-License-Identifier: MIT
"""Which processes hold a port open, where the system tells (Linux: /proc)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Holder", "holders"]


@dataclass(frozen=True)
class Holder:
    """A process."""

    pid: int
    name: str  # the beginning of its command line


def holders(port: str, proc: Path = Path("/proc")) -> list[Holder]:
    """The other processes that have `port` open, as far as this user may see; [] where the system does not tell."""
    try:
        device = Path(port).stat().st_rdev
    except OSError:
        return []
    found = []
    for folder in sorted(proc.glob("[0-9]*"), key=lambda path: int(path.name)):
        pid = int(folder.name)
        if pid != os.getpid() and any(_is_device(fd, device) for fd in _listed(folder / "fd")):
            found.append(Holder(pid, _name(folder)))
    return found


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # another user's, or gone
        return []


def _is_device(fd: Path, device: int) -> bool:
    try:
        return fd.stat().st_rdev == device != 0
    except OSError:
        return False


def _name(folder: Path) -> str:
    try:
        words = (folder / "cmdline").read_bytes().split(b"\0")
        return b" ".join(words[:3]).decode("utf-8", "replace").strip()
    except OSError:
        return "?"
