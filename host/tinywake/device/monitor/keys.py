# SPDX-License-Identifier: MIT
"""Keys that a terminal sends, without waiting for the end of a line; and what each of them asks of a board."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tinywake.device.command.session import Session
from tinywake.device.monitor.view import View

if os.name == "posix":
    import termios
    import tty
else:  # pragma: no cover
    import msvcrt

__all__ = ["HELP", "Keys", "command"]

HELP = "s start/stop · +- threshold · r scores · p profile · m model · i who · q quit"
_STEP = 5  # of the threshold


class Keys:
    """Keys typed so far, one at a time."""

    def take(self) -> str:
        """The next key; nothing where none was typed."""
        if os.name != "posix":  # pragma: no cover
            return msvcrt.getwch() if msvcrt.kbhit() else ""  # type: ignore[attr-defined]
        if not select.select([sys.stdin], [], [], 0)[0]:
            return ""
        return os.read(sys.stdin.fileno(), 1).decode("ascii", "replace")

    @classmethod
    @contextmanager
    def listening(cls) -> Iterator[Keys | None]:
        """None where nobody can type: standard input is no terminal. Ctrl-C stays what it is."""
        if not sys.stdin or not sys.stdin.isatty():
            yield None
        elif os.name != "posix":  # pragma: no cover
            yield cls()
        else:
            fd = sys.stdin.fileno()
            before = termios.tcgetattr(fd)
            try:
                tty.setcbreak(fd)
                yield cls()
            finally:
                with contextlib.suppress(termios.error):  # the terminal itself may be gone
                    termios.tcsetattr(fd, termios.TCSADRAIN, before)


def command(key: str, session: Session, view: View) -> None:
    """Order what a key asks for."""
    if key == "s":
        session.order("stop" if view.listening else "start")
    elif key in ("+", "-", "=") and view.threshold is None:
        session.order("hash")  # which says it
    elif key in ("+", "-", "=") and view.threshold is not None:
        value = view.threshold + (-_STEP if key == "-" else _STEP)
        session.order("threshold", value=max(0, min(255, value)))
    elif key == "r":
        view.scores = not view.scores
        session.order("report", mode="live" if view.scores else "off")
    elif key == "p":
        session.order("profile")
    elif key == "m":
        view.files.clear()
        session.order("models")  # and then the next of them is loaded: watch.py
    elif key == "i":
        session.order("hash")
