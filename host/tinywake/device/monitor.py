# SPDX-License-Identifier: MIT
"""`tinywake monitor`: what a board hears, live in a terminal or as lines for scripts. Sends nothing."""

import json as json_module
import math
import sys
import time
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tinywake.device.line.events import (
    PROTOCOL,
    Boot,
    End,
    Error,
    Event,
    Hit,
    Label,
    Level,
    Lost,
    Model,
    Score,
    State,
    as_json,
)
from tinywake.device.line.lines import LineReader, printable
from tinywake.device.line.port import GONE, open_port
from tinywake.errors import DeviceError, ToolError

__all__ = ["View", "monitor"]

_BARS = "▁▂▃▄▅▆▇█"
_TRACE = 60  # score lines shown
_HITS = 8
_FLOOR_DB = 60.0
_METER = 40  # columns
_READ = 4096  # bytes
_REFRESH_S = 0.1


def monitor(
    port: str,
    *,
    log: Path | None = None,
    json: bool = False,
    once: bool = False,
    seconds: float | None = None,
    until_end: bool = False,
    console: Console | None = None,
) -> int:
    """Watch a board until Ctrl-C and return the number of hits seen.

    `log`: file to which every event is appended as a JSON line, with the host's time in seconds as "at".
    `json`: the same lines, without "at", on standard output instead of the view. `once`: leave at the first
    hit. `seconds`: leave after so long. `until_end`: leave when a file that plays the microphone ends.
    Without a terminal, and with `once`, the view is plain lines. Raises DeviceError where the time is up and the
    app was never heard.
    """
    console = console or Console()
    view = View(port)
    drawn = 0.0
    deadline = None if seconds is None else time.monotonic() + seconds
    with ExitStack() as stack:
        device = open_port(port)
        stack.callback(device.close)
        file = stack.enter_context(_open_log(log)) if log else None
        live = None
        if console.is_terminal and not (json or once):
            live = stack.enter_context(Live(view, console=console, auto_refresh=False, transient=False))
        try:
            while deadline is None or time.monotonic() < deadline:
                for event in view.reader.feed(_read(device, port)):
                    _check(event, port)
                    view.apply(event)
                    _tell(event, json, None if live else console, file)
                    if (once and isinstance(event, Hit)) or (until_end and isinstance(event, End)):
                        deadline = 0.0
                        break
                if live and time.monotonic() >= drawn + _REFRESH_S:
                    live.refresh()
                    drawn = time.monotonic()
            stopped = False
        except KeyboardInterrupt:
            stopped = True
        if json:
            _print_json(console, view.summary())
        elif live is None and view.reader.bad:
            console.print(f"{view.reader.bad} damaged lines", highlight=False)
    if not view.reader.events:
        others = view.reader.bad + view.reader.noise
        nothing = f"{port}: nothing heard from the app, {others} other lines; does the board run tinywake.main?"
        if not stopped:
            raise DeviceError(nothing)
        print(nothing, file=sys.stderr)
    return view.heard


def _open_log(path: Path) -> IO[bytes]:
    try:
        return path.open("ab", buffering=0)  # a full disk is told by the write of the line
    except OSError as error:
        raise ToolError(f"{path}: the log cannot be written ({error.strerror})") from error


def _read(device: Any, port: str) -> bytes:
    try:
        data: bytes = device.read(_READ)  # comes back after the port's timeout with what there is
    except GONE as error:
        raise DeviceError(f"{port}: the board is gone; plug it in again") from error
    return data


def _check(event: Event, port: str) -> None:
    if isinstance(event, Boot | State) and event.v > PROTOCOL:
        raise DeviceError(
            f"{port}: the board speaks protocol {event.v}, this tinywake up to {PROTOCOL}: update it, or deploy again"
        )


def _tell(event: Event, json: bool, console: Console | None, file: IO[bytes] | None) -> None:
    entry = as_json(event)
    if file:
        try:
            file.write(json_module.dumps({"at": round(time.time(), 3), **entry}).encode() + b"\n")
        except OSError as error:
            raise ToolError(f"{file.name}: the log cannot be written ({error.strerror})") from error
    if console and json:
        _print_json(console, entry)
    elif console and not isinstance(event, Score | Level | Label):
        text = " ".join(f"{key}={value}" for key, value in entry.items() if key not in ("event", "v"))
        console.print(printable(f"{entry['event']:5} {text}"), highlight=False, markup=False, soft_wrap=True)


def _print_json(console: Console, entry: dict[str, Any]) -> None:
    print(json_module.dumps(entry), file=console.file, flush=True)


class View:
    """All that was heard from one board, as something rich can draw."""

    def __init__(self, port: str) -> None:
        """`port`: shown in the title."""
        self.port = port
        self.reader = LineReader()
        self.heard = 0  # hits
        self._boot: Boot | None = None
        self._model: Model | None = None
        self._state: State | None = None
        self._level: Level | None = None
        self._last: Error | End | None = None
        self._traces: dict[str, deque[Score]] = {}
        self._hits: deque[Hit] = deque(maxlen=_HITS)
        self._lost_samples = 0
        self._lost_lines = 0

    def apply(self, event: Event) -> None:
        """Take one event in."""
        match event:
            case Boot():
                self._boot, self._model, self._last = event, None, None
                self._traces.clear()
            case Model():
                self._model = event
            case State():
                if event.state == "listening" and event.steps == 0:
                    self._last = None
                self._state = event
            case Level():
                self._level = event
            case Score():
                self._traces.setdefault(event.label, deque(maxlen=_TRACE)).append(event)
            case Hit():
                self.heard += 1
                self._hits.appendleft(event)
            case Lost():
                self._lost_samples += event.samples
                self._lost_lines += event.lines
            case Error() | End():
                self._last = event

    def summary(self) -> dict[str, int | str]:
        """Return the line that ends a JSON run: what was seen, and what could not be read."""
        reader = self.reader
        counts = {"hits": self.heard, "lost": self._lost_samples, "dropped": self._lost_lines}
        return {
            "event": "summary",
            **counts,
            "bad": reader.bad,
            "noise": reader.noise,
            "unknown": reader.unknown,
        }

    def __rich__(self) -> RenderableType:
        """Draw it."""
        rows: list[RenderableType] = [self._status(), self._meter()]
        rows += [self._trace(label, trace) for label, trace in self._traces.items()]
        if self._hits:
            rows.append(self._hit_table())
        reader = self.reader
        rows.append(
            Text(
                f"lost {self._lost_samples} samples, {self._lost_lines} lines · "
                f"{reader.bad} damaged, {reader.noise} other lines",
                style="red" if self._lost_samples or self._lost_lines or reader.bad else "dim",
            )
        )
        return Panel(
            Group(*rows), title=Text(f"tinywake · {printable(self.port)}"), subtitle="Ctrl-C ends", border_style="cyan"
        )

    def _status(self) -> Text:
        if isinstance(self._last, Error):
            return Text(printable(f"error: {self._last.what}"), style="bold red")
        parts = []
        if self._state:
            what = "at the end of its file" if isinstance(self._last, End) else self._state.state
            parts = [what, self._state.model, f"{_clock(self._state.t)}"]
        if self._model:
            parts.append(f"sha {self._model.sha[:8]}, arena {self._model.arena} B")
        if self._boot:
            parts.append(f"{self._boot.board}, {self._boot.fw}, {self._boot.abi}, app {self._boot.app}")
        return Text(printable(" · ".join(parts)) or "nothing heard from the app yet", style="bold" if parts else "dim")

    def _meter(self) -> Text:
        level = self._level
        peak = level.peak if level else 0
        decibel = 20 * math.log10(peak / 32768) if peak else -_FLOOR_DB
        full = round(_METER * max(0.0, 1 + decibel / _FLOOR_DB))
        clipped = bool(level and level.clipped)
        style = "red" if clipped else "yellow" if decibel > -6 else "green"
        text = Text("level  ")
        text.append("█" * full, style=style).append("░" * (_METER - full), style="dim")
        text.append(f" {decibel:4.0f} dB")
        if clipped:
            text.append(" clipped", style="bold red")
        return text

    def _trace(self, label: str, trace: deque[Score]) -> Text:
        threshold = self._model.threshold if self._model else 256
        text = Text(f"{printable(label)[:16]:16} ")
        for point in trace:
            text.append(_BARS[point.mean >> 5], style="bold green" if point.mean >= threshold else "cyan")
        return text.append(f" {trace[-1].mean / 256:.2f}")

    def _hit_table(self) -> Table:
        table = Table(box=None, pad_edge=False, show_edge=False)
        for name in ("heard", "at", "mean", "score"):
            table.add_column(name)
        for i, hit in enumerate(self._hits):
            style = "bold green" if i == 0 else None
            table.add_row(
                Text(printable(hit.label)),
                _clock(hit.t),
                f"{hit.mean / 256:.2f}",
                f"{hit.score / 256:.2f}",
                style=style,
            )
        return table


def _clock(ms: int) -> str:
    return f"{ms // 60000}:{ms // 1000 % 60:02}.{ms // 100 % 10}"
