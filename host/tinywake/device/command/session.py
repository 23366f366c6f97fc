# SPDX-License-Identifier: MIT
"""One board's line while it is watched: bytes in by a thread of its own, commands out, and back again after a break.

A board that is unplugged or reset comes back under the same name, sooner or later: the port is tried after half a
second, then after twice as long each time, up to ten seconds.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from dataclasses import dataclass
from typing import Any

from tinywake.device.command.orders import Orders
from tinywake.device.line.events import Error, Event
from tinywake.device.line.lines import printable
from tinywake.device.line.port import GONE, open_port
from tinywake.errors import DeviceError

__all__ = ["Session", "Told"]

_READ = 4096  # bytes
_FIRST_S, _LONGEST_S = 0.5, 10.0  # pauses before the port is tried again
_ANSWER_S = 2.0  # an answer comes within that
_TRIES = 3


@dataclass(frozen=True)
class Told:
    """What a session has to say: bytes from the board, or that its line has changed."""

    session: Session
    data: bytes = b""
    line: str = ""  # gone: it broke; back: it is there again; closed: the break is for good
    pause: float = 0.0  # gone: seconds until it is tried again


class Session:
    """A board on a port. What it says goes to `inbox`; order() commands it, one command at a time."""

    def __init__(self, port: str, inbox: queue.SimpleQueue[Told], *, again: bool = True) -> None:
        """Open the port. `again`: reconnect. Raises DeviceError where it cannot be had now."""
        self.port = port
        self.connected = True
        self._inbox = inbox
        self._again = again
        self._device: Any = open_port(port)
        self._ended = threading.Event()
        self._orders = Orders()
        self._thread = threading.Thread(target=self._run, name=f"monitor {port}", daemon=True)

    def start(self) -> None:
        """Read from now on."""
        self._thread.start()

    def close(self) -> None:
        """Give the port back."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        with contextlib.suppress(*GONE):
            self._device.close()

    def order(self, name: str, **fields: int | str) -> None:
        """Send a command when those before it have been answered."""
        self._orders.add(name, fields, seconds=_ANSWER_S, tries=_TRIES)

    def forget(self) -> None:
        """Wait for no answer any more."""
        self._orders.forget()

    def turn(self) -> str:
        """Send what is due; what to say about a command without an answer, or nothing."""
        if not self.connected:
            return ""
        now = time.monotonic()
        if order := self._orders.late(now):
            return f"{order}: no answer; the board may be busy, at a half-typed line, or its app older than commands"
        if data := self._orders.due(now):
            with contextlib.suppress(*GONE):
                self._device.write(data)
        return ""

    def answered(self, event: Event) -> str:
        """What to say about an event that answers a command; nothing where it does not."""
        order = self._orders.answered(event)
        if order is None:
            return ""
        return f"{order}: {printable(event.what)}" if isinstance(event, Error) else str(order)

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                data = self._device.read(_READ)  # comes back after the port's timeout with what there is
            except GONE:
                if not self._reconnect():
                    return
            else:
                if data:
                    self._orders.hear(data)
                    self._inbox.put(Told(self, data))

    def _reconnect(self) -> bool:
        """Whether the port is there again."""
        self.connected = False
        with contextlib.suppress(*GONE):
            self._device.close()
        if not self._again:
            self._inbox.put(Told(self, line="closed"))
            return False
        pause = _FIRST_S
        while True:
            self._inbox.put(Told(self, line="gone", pause=pause))
            if self._ended.wait(pause):
                return False
            with contextlib.suppress(DeviceError):
                self._device = open_port(self.port)
                break
            pause = min(2 * pause, _LONGEST_S)
        self.connected = True
        self._inbox.put(Told(self, line="back"))
        return True
