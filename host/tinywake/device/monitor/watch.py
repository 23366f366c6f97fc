# SPDX-License-Identifier: MIT
"""Boards watched together: what they say goes to the screen or to standard output, and to files."""

from __future__ import annotations

import json as json_module
import queue
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live

from tinywake.device.command.session import Session, Told
from tinywake.device.line.events import PROTOCOL, Boot, End, Event, Heap, Hit, Label, Level, Pcm, Score, State, as_json
from tinywake.device.line.lines import printable
from tinywake.device.line.port import UNPLUGGED
from tinywake.device.monitor.files import Files
from tinywake.device.monitor.keys import HELP, Keys, command
from tinywake.device.monitor.view import View
from tinywake.errors import DeviceError

__all__ = ["Kept", "monitor"]

_REFRESH_S = 0.1
_TURN_S = 0.05
_QUIET = (Score, Level, Label, Heap)  # in plain lines


@dataclass(frozen=True)
class Kept:
    """Files to write; see files.Files."""

    log: Path | None = None
    csv: Path | None = None
    plot: Path | None = None


def monitor(
    ports: str | Sequence[str],
    *,
    kept: Kept | None = None,
    json: bool = False,
    once: bool = False,
    seconds: float | None = None,
    until_end: bool = False,
    ask: bool = False,
    console: Console | None = None,
) -> int:
    """Watch boards until Ctrl-C or the key q and return the number of hits seen.

    `json`: every event as a JSON line on standard output instead of the view, with the "port" where there are several.
    `once`: leave at the first hit. `seconds`: leave after so long. `until_end`: leave when a file that plays the
    microphone ends (of several boards: of all). `ask`: the boards say again who they are. Without a terminal, and with
    `once`, the view is plain lines. A board that goes away is waited for. Raises DeviceError where a port cannot be had
    at first, or the time is up and the app was never heard.
    """
    names = [ports] if isinstance(ports, str) else list(ports)
    watch = _Watch(console or Console(), json=json, once=once, until_end=until_end, several=len(names) > 1)
    kept = kept or Kept()
    with ExitStack() as stack:
        watch.open(names, stack, Files(kept.log, kept.csv, kept.plot))
        if ask:
            for session in watch.views:
                session.order("hash")
        try:
            watch.run(None if seconds is None else time.monotonic() + seconds)
            stopped = watch.left
        except KeyboardInterrupt:
            stopped = True
        watch.close()
    for view in watch.views.values():
        if not view.reader.events:
            others = view.reader.bad + view.reader.noise
            nothing = (
                f"{view.port}: nothing heard from the app, {others} other lines; does the board run tinywake.main, "
                "and was there still something for it to hear?"
            )
            if not stopped and not (once and watch.heard):
                raise DeviceError(nothing)
            print(nothing, file=sys.stderr)
    return watch.heard


class _Watch:
    """The boards of one run."""

    def __init__(self, console: Console, *, json: bool, once: bool, until_end: bool, several: bool) -> None:
        self.views: dict[Session, View] = {}
        self.left = False  # by key
        self._console = console
        self._json = json
        self._once = once
        self._until_end = until_end
        self._several = several
        self._inbox: queue.SimpleQueue[Told] = queue.SimpleQueue()
        self._live: Live | None = None
        self._keys: Keys | None = None
        self._chosen = 0
        self._drawn = 0.0

    @property
    def heard(self) -> int:
        """Hits."""
        return sum(view.heard for view in self.views.values())

    def open(self, ports: Sequence[str], stack: ExitStack, files: Files) -> None:
        """Open ports, files, terminal, in this order of what may fail."""
        self._files = files
        stack.enter_context(files)
        for port in ports:
            session = Session(port, self._inbox)
            stack.callback(session.close)
            self.views[session] = View(port)
        if self._console.is_terminal and not (self._json or self._once):
            self._keys = stack.enter_context(Keys.listening())
            self._live = stack.enter_context(Live(console=self._console, auto_refresh=False, transient=False))
            self._choose(0)
        for session in self.views:
            session.start()

    def run(self, deadline: float | None) -> None:
        """Until the time is up, or something ends it."""
        while not self.left and (deadline is None or time.monotonic() < deadline):
            try:
                told = self._inbox.get(timeout=_TURN_S)
            except queue.Empty:
                told = None
            if told is not None and self._take(told):
                return
            for session, view in self.views.items():
                view.note = session.turn() or view.note
            self._take_keys()
            self._draw()

    def close(self) -> None:
        """The last words."""
        self._draw(last=True)
        for view in self.views.values():
            if self._json:
                _print_json(self._console, {**view.summary(), **({"port": view.port} if self._several else {})})
            elif self._live is None and view.reader.bad:
                self._say(view, f"{view.reader.bad} damaged lines")

    def _take(self, told: Told) -> bool:
        """Whether this was the last that is wanted."""
        session, view = told.session, self.views[told.session]
        if told.line:
            self._line_changed(view, told)
        for event in view.reader.feed(told.data):
            if isinstance(event, Pcm):  # somebody's voice, which is not for logs
                continue
            _check(event, view.port)
            view.apply(event)
            if answer := session.answered(event):
                view.note = answer
                view.obeyed(answer.split()[0], event)
                if answer == "models" and (path := view.another()):
                    session.order("load", path=path)
            self._files.take(view.port, event, several=self._several)
            self._tell(view, event)
            if self._once and isinstance(event, Hit):
                return True
            if self._until_end and isinstance(event, End) and all(each.ended for each in self.views.values()):
                return True
        return False

    def _line_changed(self, view: View, told: Told) -> None:
        gone = f"{UNPLUGGED}; next try in {told.pause:g} s"
        known = bool(view.trouble)
        view.trouble = gone if told.line == "gone" else ""
        entry = {"event": "line", "state": told.line}
        if told.line != "gone" or not known:  # not each try
            self._files.note({"at": round(time.time(), 3), "port": view.port, **entry})
            if self._json:
                _print_json(self._console, {**({"port": view.port} if self._several else {}), **entry})
            elif self._live is None:
                self._say(view, "line  " + (gone if told.line == "gone" else "the board is back"))

    def _tell(self, view: View, event: Event) -> None:
        entry = as_json(event)
        if self._live is not None:
            return
        if self._json:
            _print_json(self._console, {**({"port": view.port} if self._several else {}), **entry})
        elif not isinstance(event, _QUIET):
            text = " ".join(f"{key}={value}" for key, value in entry.items() if key not in ("event", "v"))
            self._say(view, f"{entry['event']:5} {text}")

    def _say(self, view: View, text: str) -> None:
        line = printable(f"{view.port}  {text}" if self._several else text)
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _take_keys(self) -> None:
        while self._keys is not None and (key := self._keys.take()):
            if key == "q":
                self.left = True
            elif key == "\t":
                self._choose(self._chosen + 1)
            elif key.isdigit() and 0 < int(key) <= len(self.views):
                self._choose(int(key) - 1)
            else:
                session = list(self.views)[self._chosen]
                command(key, session, self.views[session])

    def _choose(self, which: int) -> None:
        self._chosen = which % len(self.views)
        for i, view in enumerate(self.views.values()):
            view.selected = self._several and i == self._chosen
            if self._keys is not None:
                keys = HELP + (" · Tab next board" if self._several else "")
                view.help = keys if i == self._chosen else f"{i + 1} selects this board"

    def _draw(self, *, last: bool = False) -> None:
        if self._live is not None and (last or time.monotonic() >= self._drawn + _REFRESH_S):
            self._live.update(Group(*self.views.values()), refresh=True)
            self._drawn = time.monotonic()


def _check(event: Event, port: str) -> None:
    if isinstance(event, Boot | State) and event.v > PROTOCOL:
        raise DeviceError(
            f"{port}: the board speaks protocol {event.v}, this tinywake up to {PROTOCOL}: update it, or deploy again"
        )


def _print_json(console: Console, entry: dict[str, Any]) -> None:
    print(json_module.dumps(entry), file=console.file, flush=True)
