# SPDX-License-Identifier: MIT
"""TensorFlow's C++ half writes to file descriptor 2, whatever it is told: here it writes to a file instead."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["diary_in"]


@contextmanager
def diary_in(path: Path) -> Iterator[None]:
    """Send what is written to file descriptor 2 to `path`; Python's own sys.stderr stays where it was.

    So progress and tracebacks are seen, and what TensorFlow says before it dies can be read in the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    before, saved = sys.stderr, os.dup(2)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(file, 2)
    os.close(file)
    sys.stderr = os.fdopen(os.dup(saved), "w", buffering=1, encoding=before.encoding, errors="backslashreplace")
    try:
        yield
    finally:
        sys.stderr.close()
        sys.stderr = before
        os.dup2(saved, 2)
        os.close(saved)
