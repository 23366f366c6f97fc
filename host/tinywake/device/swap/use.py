# SPDX-License-Identifier: MIT
"""Which of the models on a board it listens with: chosen by name, now and at boot. Nothing is sent but commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tinywake.device.command.channel import BrokenLineError, Channel, RefusedError
from tinywake.device.line.events import File, Model, State
from tinywake.device.line.files import model_name
from tinywake.device.line.lines import printable
from tinywake.errors import DeviceError

__all__ = ["UseReport", "use"]

_LOOK_S, _LOAD_S = 3.0, 10.0  # of an answer; the model is hashed and opened meanwhile


@dataclass(frozen=True)
class UseReport:
    """A model that was on the board already, and what else is there."""

    port: str
    path: str  # on the board
    sha: str  # first 16 hex digits of the SHA-256 of what it has opened
    listening: bool
    others: tuple[str, ...]  # paths

    def facts(self) -> dict[str, object]:
        """As JSON-able values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For people."""
        now = "listens with" if self.listening else "has opened, and does not listen now,"
        said = [f"{self.port}: {now} {printable(self.path)} (SHA-256 {self.sha}), and will after a reset"]
        return said + ([f"beside it there: {printable(', '.join(self.others))}"] if self.others else [])


def use(port: str, name: str) -> UseReport:
    """Have the board on `port` go on with a model that it has. `name`: of its file, with or without folder and .twm.

    Raises DeviceError where the app does not answer, there is no such model, or it cannot be opened: the one before it
    is then back.
    """
    with Channel(port) as channel:
        try:
            listens = channel.listens()
            channel.events.clear()
            channel.order("models", seconds=_LOOK_S, tries=3)
            paths = list(dict.fromkeys(event.path for event in channel.events if isinstance(event, File)))
            path = _found(port, name, paths)
            channel.events.clear()
            channel.order("load", seconds=_LOAD_S, tries=3, path=path, keep=1)
        except RefusedError as error:
            raise DeviceError(f"{error}; the board keeps what it has") from error
        except BrokenLineError as error:
            raise DeviceError(f"{error}, or put the app there: tinywake deploy --model MODEL.twm") from error
        opened = [event.sha for event in channel.events if isinstance(event, Model)]
        states = [event.state for event in channel.events if isinstance(event, State)]
    listens = states[-1] == "listening" if states else listens
    return UseReport(port, path, opened[-1] if opened else "", listens, tuple(each for each in paths if each != path))


def _found(port: str, name: str, paths: Sequence[str]) -> str:
    """The one path that is meant."""
    for ways in (lambda path: path, lambda path: path.rpartition("/")[2], model_name):
        found = [path for path in paths if ways(path) == name]
        if len(found) == 1:
            return found[0]
        if found:
            raise DeviceError(f"{port}: {name!r} may be {', '.join(found)}: name one of them")
    there = printable(", ".join(paths)) or "none"
    raise DeviceError(f"{port}: no model {name!r}; there are: {there}")
