# SPDX-License-Identifier: MIT
"""Commands to a board that listens, one at a time, and their answers; what it says besides is collected."""

from __future__ import annotations

import contextlib
import time
from types import TracebackType
from typing import Any

from tinywake.device.command.orders import Orders
from tinywake.device.line.events import Error, Event, Hit, Level, Lost, Ok, Score, State
from tinywake.device.line.lines import LineReader, named, printable
from tinywake.device.line.port import GONE, UNPLUGGED, open_port
from tinywake.errors import DeviceError

__all__ = ["BrokenLineError", "Channel", "RefusedError"]

_READ_S = 0.02
_LISTENS_S = 1.0  # a board that listens has said something by then: its level, five times a second
_HEARS = (Hit, Level, Lost, Score, State)  # what only a board that listens says
_BACK_S = 30.0  # a cable that was pulled is back by then
_PAUSE_S = 0.5


class RefusedError(DeviceError):
    """The board has answered a command with an error."""

    def __init__(self, port: str, what: str) -> None:
        """`what`: the board's own words."""
        known = named(f"OSError: {what}" if what.isdecimal() else what)  # MicroPython has no name for some of them
        super().__init__(f"{port}: {printable(known)}")
        self.what = what


class BrokenLineError(DeviceError):
    """The line is gone, or nothing comes over it any more."""


class Channel:
    """The line to one board. `events`: what has come since they were last taken."""

    def __init__(self, port: str) -> None:
        """Raises DeviceError where the port cannot be had."""
        self.port = port
        self.events: list[Event] = []
        self.lost = 0  # samples that the board says it has missed
        self.breaks = 0
        self._reader = LineReader()
        self._orders = Orders()
        self._device: Any = open_port(port, timeout=_READ_S)

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the port back."""
        with contextlib.suppress(*GONE):
            self._device.close()

    def listens(self, seconds: float = _LISTENS_S) -> bool:
        """Whether the board says so within that time, without being asked."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if any(isinstance(event, _HEARS) and not _stopped(event) for event in self._read()):
                return True
        return False

    def order(self, name: str, /, *, seconds: float = 1.0, tries: int = 5, **fields: int | str) -> int:
        """Carry out a command; return the value of the answer. `seconds`: after which it is sent again, with its id.

        Raises RefusedError or BrokenLineError.
        """
        self._orders.forget()  # what an exception has left without an answer
        self._orders.add(name, fields, seconds=seconds, tries=tries)
        while not self._orders.late(time.monotonic()):
            if data := self._orders.due(time.monotonic()):
                self._write(data)
            for event in self._read():
                if self._orders.answered(event):
                    if isinstance(event, Error):
                        raise RefusedError(self.port, event.what)
                    return event.value if isinstance(event, Ok) else 0
        raise BrokenLineError(f"{self.port}: no answer to {name}; reset the board and try again")

    def mend(self) -> None:
        """Open the port again. Raises BrokenLineError where it stays away for half a minute."""
        self.breaks += 1
        self.close()
        end = time.monotonic() + _BACK_S
        while True:
            time.sleep(_PAUSE_S)
            try:
                self._device = open_port(self.port, timeout=_READ_S)
            except DeviceError as error:
                if time.monotonic() > end:
                    raise BrokenLineError(str(error)) from error
            else:
                self._reader = LineReader()
                return

    def _write(self, data: bytes) -> None:
        try:
            self._device.write(data)
        except GONE as error:
            raise BrokenLineError(f"{self.port}: {UNPLUGGED}") from error

    def _read(self) -> list[Event]:
        try:
            data = self._device.read(max(1, self._device.in_waiting))
        except GONE as error:
            raise BrokenLineError(f"{self.port}: {UNPLUGGED}") from error
        self._orders.hear(data)
        events = self._reader.feed(data)
        self.lost += sum(event.samples for event in events if isinstance(event, Lost))
        self.events += events
        return events


def _stopped(event: Event) -> bool:
    return isinstance(event, State) and event.state != "listening"
