# SPDX-License-Identifier: MIT
"""Deploy again whenever a file that goes onto the board has changed: for people who work on a model or on the app.

It asks for times and sizes twice a second, which needs no package and works on every file system.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from tinywake.device import places
from tinywake.device.boards import load_board
from tinywake.errors import TinywakeError

__all__ = ["watched"]

_EVERY_S = 0.5

Report = TypeVar("Report")  # DeployReport, or that of a board with CircuitPython
_Seen = dict[Path, tuple[int, int]]


def watched(
    deploy: Callable[[], Report], models: Sequence[Path], board: str | None, every_s: float = _EVERY_S
) -> Iterator[Report | TinywakeError]:
    """Deploy now and after each change; yield each time what came of it. Ends only with whoever takes it.

    A change is believed once it has stood for one more look: a file that is still being written is left alone.
    """
    seen: _Seen | None = None
    while True:
        now = _look(models, board)
        if now != seen:
            time.sleep(every_s)
            if _look(models, board) != now:
                continue
            seen = now
            yield _outcome(deploy)
        else:
            time.sleep(every_s)


def _outcome(deploy: Callable[[], Report]) -> Report | TinywakeError:
    try:
        return deploy()
    except TinywakeError as error:
        return error


def _look(models: Sequence[Path], board: str | None) -> _Seen:
    """Time of the last change and bytes of all that deploy reads; a file that is gone is not in it."""
    files = [*models, *places.app().rglob("*.py"), *places.modules().rglob("*.mpy")]
    if board is not None:
        files.append(load_board(board).pins)
    seen = {}
    for path in files:
        try:
            state = path.stat()
        except OSError:
            continue
        seen[path] = (state.st_mtime_ns, state.st_size)
    return seen
