# SPDX-License-Identifier: MIT
"""What a run needs to go on where it stopped: a file of arrays, written beside and renamed."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinywake.files import write_beside

__all__ = ["load", "save"]


def save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Replace what was saved before."""

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez(file, **dict(arrays))  # type: ignore[arg-type]

    write_beside(path, write)


def load(path: Path | None) -> dict[str, NDArray[Any]] | None:
    """What was saved last; None where nothing was, or it cannot be read (then the run begins again)."""
    if path is None:
        return None
    try:
        with np.load(path) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
