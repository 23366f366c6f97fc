# SPDX-License-Identifier: MIT
"""Mounted drives with a FAT file system: a board's boot loader, or CircuitPython, may be behind one."""

from __future__ import annotations

import re
import string
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Volume", "volumes"]


class Volume(NamedTuple):
    """A mounted drive."""

    path: Path
    device: Path | None = None  # what is mounted there, where that is known
    read_only: bool = False  # mounted so, where that is known


def volumes() -> Iterator[Volume]:
    """Every drive that may be a board's."""
    if sys.platform == "linux":
        for line in Path("/proc/mounts").read_text().splitlines():
            device, place, kind, options = line.split()[:4]
            if kind in ("vfat", "msdos"):
                path = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), place)
                yield Volume(Path(path), Path(device), "ro" in options.split(","))
    elif sys.platform == "darwin":
        yield from (Volume(path) for path in Path("/Volumes").iterdir())
    else:
        yield from (Volume(Path(f"{letter}:/")) for letter in string.ascii_uppercase)
