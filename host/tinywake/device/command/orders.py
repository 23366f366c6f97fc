# SPDX-License-Identifier: MIT
"""Which command is on its way, when it is sent again, and which event answers it: the same for all that command."""

from __future__ import annotations

import re
import time
from collections import deque
from dataclasses import dataclass

from tinywake.device.line.events import Error, Event, Ok
from tinywake.device.line.lines import encode_command

__all__ = ["IDS", "Order", "Orders"]

IDS = 9999  # so many, so that a piece of a model knows how long its line is
_ECHO = 1 << 14  # bytes that are kept of what a board says: more than a second of them
# The echo of a command behind the prompt of a statement with more than one line. A loop that reads echoes nothing, so
# that Ctrl-C ends that statement and never a loop.
_SWALLOWED = re.compile(rb"\.\.\. +__import__")


@dataclass
class Order:
    """A command on its way."""

    name: str
    fields: tuple[tuple[str, int | str], ...]
    id: int
    seconds: float  # in which an answer comes
    tries: int  # left
    sent: float = 0.0  # by time.monotonic(); 0: not yet

    def __str__(self) -> str:
        """For people."""
        return " ".join([self.name, *(f"{value}" for _, value in self.fields)])


class Orders:
    """Those to one board. The one that was added first is sent until it is answered, or late; then the next."""

    def __init__(self) -> None:
        self._waiting: deque[Order] = deque()
        self._last = int(time.monotonic() * 1000) % IDS  # not of a host before us, whose answer may still come
        self._said = b""

    def add(self, name: str, fields: dict[str, int | str], *, seconds: float, tries: int) -> None:
        """Put a command behind the others. `seconds`: after which it is sent again, with its id, or late."""
        self._last = self._last % IDS + 1
        self._waiting.append(Order(name, tuple(fields.items()), self._last, seconds, tries))

    def forget(self) -> None:
        """Wait for no answer any more."""
        self._waiting.clear()

    def hear(self, data: bytes) -> None:
        """What the board says, echoes and all."""
        self._said = (self._said + data)[-_ECHO:]

    def late(self, now: float) -> Order | None:
        """The command that had no answer to its last try in time: it is given up."""
        if self._waiting and not self._waiting[0].tries and self._over(now):
            return self._waiting.popleft()
        return None

    def due(self, now: float) -> bytes:
        """What is to be sent now; nothing while an answer may still come."""
        if not self._waiting or not self._waiting[0].tries or not self._over(now):
            return b""
        order = self._waiting[0]
        order.tries -= 1
        order.sent = now
        wake = b"\x03" if _SWALLOWED.search(self._said) else b""  # by what somebody has begun to type there
        self._said = b""
        return wake + encode_command(order.name, [("id", order.id), *order.fields])

    def answered(self, event: Event) -> Order | None:
        """The command that an event answers."""
        if not self._waiting or not isinstance(event, Ok | Error) or event.id != self._waiting[0].id:
            return None
        if isinstance(event, Error) and event.where != "command":
            return None
        return self._waiting.popleft()

    def _over(self, now: float) -> bool:
        order = self._waiting[0]
        return not order.sent or now >= order.sent + order.seconds
