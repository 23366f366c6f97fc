# SPDX-License-Identifier: MIT
"""A board that records: orders with their answers, frames and events as they come, and every way that this may end."""

from __future__ import annotations

import math
import queue
import time
from collections import deque
from collections.abc import Iterator
from types import TracebackType

from tinywake.device.command.session import Session, Told
from tinywake.device.line.events import Boot, Error, Event, Hit, Level, Ok, Pcm, Rec, Score, State
from tinywake.device.line.lines import LineReader, printable
from tinywake.device.line.port import UNPLUGGED
from tinywake.errors import DeviceError

__all__ = ["Board"]

_TURN_S = 0.05
_STOP_S = 10.0  # in which a board sends what it still has
_QUIET_S = 30.0  # without a line; where nothing else does, `rec` comes every 5 s of audio
_NO_MODULE = "_tinywake_rec"


class Board:
    """The board on a port. Raises DeviceError where the port cannot be had."""

    def __init__(self, port: str) -> None:
        self.port = port
        self.reader = LineReader()
        self.recording = False
        self._events: deque[Event] = deque()
        self._inbox: queue.SimpleQueue[Told] = queue.SimpleQueue()
        self._session = Session(port, self._inbox, again=False)
        self._session.start()

    def __enter__(self) -> Board:
        """The port is open already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Give the port back."""
        self._session.close()

    def order(self, name: str, **fields: int | str) -> int:
        """Send a command; return the value of the answer. Raises DeviceError where it is refused, or there is none."""
        self._session.forget()  # what Ctrl-C has left without an answer
        self._session.order(name, **fields)
        kept: list[Event] = []
        while True:
            if trouble := self._session.turn():
                raise DeviceError(f"{self.port}: {trouble}")
            event = self._next()
            if event is None:
                continue
            said = self._session.answered(event)
            if isinstance(event, Pcm | Rec | Hit):  # the recording may be quicker than the answer
                kept.append(event)
            elif isinstance(event, Ok) and said:
                self._events.extendleft(reversed(kept))
                return event.value
            elif isinstance(event, Error) and said:
                self.recording = False
                raise DeviceError(f"{self.port}: {self._refusal(said)}")

    def record(self, label: str, **fields: int | str) -> int:
        """Begin a recording, which listen() brings, and end any other; return how many ms the board keeps."""
        self.order("start")
        self.stop()
        self.order("label", text=label)
        self._events.clear()
        self.recording = True  # from when it may have heard that: whoever does not wait for its answer stops it
        return self.order("record", **fields)

    def stop(self) -> None:
        """End a recording that is on; what still comes of it goes."""
        if self.order("record", mode="off"):
            self.recording = True
            for _ in self.listen(_STOP_S):
                pass
        self.recording = False

    def listen(self, seconds: float = math.inf) -> Iterator[Event]:
        """Events until the recording is over: the last one is `rec` with state=off, if that arrives.

        `seconds`: give up then. Raises DeviceError where the board is gone, was reset, or says nothing any more.
        """
        end = time.monotonic() + seconds
        heard = time.monotonic()
        while self.recording and time.monotonic() < end:
            event = self._next()
            if event is not None:
                heard = time.monotonic()
                if isinstance(event, Boot) or (isinstance(event, State) and event.state == "listening" and not event.t):
                    self.recording = False
                    raise DeviceError(f"{self.port}: the board was reset while it recorded")
                # Levels and scores pause while it records: where one comes, its last word was damaged.
                over = isinstance(event, Score | Level) or getattr(event, "state", "") in ("off", "stopped")
                self.recording = not over
                yield event
            elif time.monotonic() - heard > _QUIET_S:
                self.recording = False
                raise DeviceError(f"{self.port}: nothing came for {_QUIET_S:g} s; reset the board and try again")

    def _next(self) -> Event | None:
        """What comes next, or nothing after a little while."""
        if not self._events:
            try:
                told = self._inbox.get(timeout=_TURN_S)
            except queue.Empty:
                return None
            if told.line:
                self.recording = False
                raise DeviceError(f"{self.port}: {UNPLUGGED}")
            self._events.extend(self.reader.feed(told.data))
        return self._events.popleft() if self._events else None

    def _refusal(self, said: str) -> str:
        if _NO_MODULE in said:
            return "the board has no recorder; put it there: tinywake deploy --model MODEL.twm --recorder"
        return printable(said)
