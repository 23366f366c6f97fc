# SPDX-License-Identifier: MIT
"""Scores that were computed before: a table in the cache, by content of clip, network and noise.

Scores, not features: they are 1/240 of the size (33 bytes a second), and every threshold, budget and detector's window
follows from them without another look at the sound.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Kept", "ScoreStore"]

_MOST_BYTES = 1 << 30  # then the older half goes
_AT_ONCE = 500  # rows written in one transaction
_PATIENCE_S = 10  # for another process that writes


class Kept(NamedTuple):
    """start: a number that belongs to the values."""

    start: int
    values: NDArray[np.uint8]


class ScoreStore:
    """Key -> Kept, for any number of threads and processes. A cache that cannot be used is as an empty one."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[bytes, int, bytes]] = []
        self._db: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = _opened(path)
        except sqlite3.OperationalError:  # a disk that cannot be written, or a file that is busy
            pass
        except sqlite3.DatabaseError:  # damaged
            with contextlib.suppress(OSError, sqlite3.Error):
                path.unlink()
                self._db = _opened(path)
        except OSError:
            pass

    def get(self, key: bytes) -> Kept | None:
        """What was put under a key."""
        with self._lock:
            if self._db is None:
                return None
            try:
                row = self._db.execute("SELECT start, scores FROM scores WHERE key = ?", (key,)).fetchone()
            except sqlite3.Error:
                return None
        return None if row is None else Kept(int(row[0]), np.frombuffer(row[1], np.uint8))

    def put(self, key: bytes, kept: Kept) -> None:
        """Keep it, at the latest when this is closed."""
        with self._lock:
            self._waiting.append((key, kept.start, kept.values.tobytes()))
            if len(self._waiting) >= _AT_ONCE:
                self._write()

    def _write(self) -> None:
        rows, self._waiting = self._waiting, []
        if self._db is not None and rows:
            with contextlib.suppress(sqlite3.Error), self._db:
                self._db.executemany("INSERT OR IGNORE INTO scores VALUES (?, ?, ?)", rows)

    def close(self) -> None:
        """Write what waits, and let the older half go where there is too much."""
        with self._lock:
            self._write()
            if self._db is not None:
                with contextlib.suppress(sqlite3.Error), self._db:
                    (held,) = self._db.execute("SELECT SUM(LENGTH(scores)) FROM scores").fetchone()
                    if (held or 0) > _MOST_BYTES:
                        self._db.execute("DELETE FROM scores WHERE rowid < (SELECT AVG(rowid) FROM scores)")
                self._db.close()
                self._db = None


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_PATIENCE_S, check_same_thread=False)
    try:
        db.execute("CREATE TABLE IF NOT EXISTS scores (key BLOB UNIQUE, start INTEGER, scores BLOB)")
    except sqlite3.Error:
        db.close()
        raise
    return db
