# SPDX-License-Identifier: MIT
"""One board on the screen: state, level, scores as they go, hits, memory, and what was lost."""

from __future__ import annotations

import math
import time
from collections import deque

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tinywake.device.line.events import (
    Boot,
    End,
    Error,
    Event,
    File,
    Heap,
    Hit,
    Level,
    Lost,
    Model,
    Ok,
    Profile,
    Rec,
    Score,
    State,
    Swap,
)
from tinywake.device.line.files import model_name
from tinywake.device.line.lines import LineReader, printable

__all__ = ["View"]

_BARS = "▁▂▃▄▅▆▇█"
_TRACE = 60  # score lines shown
_HITS = 8
_FLOOR_DB = 60.0
_METER = 40  # columns
_SLOWEST = 4  # operators of a profile that are shown
_SAMPLES_MS = 16
_SWAPPED = {
    "trial": "is on trial for a minute of listening",
    "kept": "is kept: the board boots with it from now on",
    "undone": "was undone: the board was reset within its first minute, and has the model before it",
}


class View:
    """All that was heard from one board, as something rich can draw."""

    def __init__(self, port: str) -> None:
        """`port`: shown in the title."""
        self.port = port
        self.reader = LineReader()
        self.heard = 0  # hits
        self.ended = False  # a file that plays the microphone has ended
        self.scores = True  # are wanted
        self.files: list[str] = []  # paths of the models on the board, as far as it has said
        self.threshold: int | None = None  # of the first wake label; None: not known yet
        self.note = ""  # what came of the last command, or happened at the last boot
        self.trouble = ""  # with the line
        self.help = "Ctrl-C ends"
        self.selected = False  # of several, the one that keys command
        self.lost_samples = 0
        self.lost_lines = 0
        self._boot: Boot | None = None
        self._model: Model | None = None
        self._state: State | None = None
        self._level: Level | None = None
        self._heap: Heap | None = None
        self._rec: Rec | None = None
        self._path = ""  # of the model that another() gave last
        self._error = ""
        self._now = 0  # ms of audio
        self._traces: dict[str, deque[Score]] = {}
        self._hits: deque[Hit] = deque(maxlen=_HITS)
        self._coming: list[Profile] = []
        self._profile: list[Profile] = []  # whole, its step the last
        self._counted: tuple[float, int] | None = None  # when the first state of this listening came, and its steps
        self._rate = 0.0  # steps a second since then

    @property
    def listening(self) -> bool:
        """Whether the board does, as far as it has said; one that sends scores and has not said so does."""
        return self._state is None or self._state.state == "listening"

    def apply(self, event: Event) -> None:
        """Take one event in."""
        self._now = getattr(event, "t", self._now)
        match event:
            case Boot():
                self._boot, self._model, self._error, self.ended = event, None, "", False
                self._rec = None
                self._traces.clear()
                self._profile = []
            case Model():
                self._model, self.threshold = event, event.threshold
            case State():
                self._change(event)
            case Level():
                self._level = event
            case Heap():
                self._heap = event
            case File():
                self.files.append(event.path)
            case Score():
                self._traces.setdefault(event.label, deque(maxlen=_TRACE)).append(event)
            case Hit():
                self.heard += 1
                self._hits.appendleft(event)
            case Lost():
                self.lost_samples += event.samples
                self.lost_lines += event.lines
            case Rec():
                self._rec = event
            case Profile():
                self._take_profile(event)
            case Swap():
                self.note = printable(f"{model_name(event.path)} {_SWAPPED.get(event.state, event.state)}")
            case Error() if event.where != "command":
                self._error = self.note = printable(f"error: {event.what}")  # another model may listen a line later
            case End():
                self.ended = True

    def _change(self, event: State) -> None:
        now = time.monotonic()
        if event.state != "listening":
            self._counted, self._rate = None, 0.0
        elif event.steps == 0 or self._counted is None:
            self._error, self.ended = ("", False) if event.steps == 0 else (self._error, self.ended)
            self._counted, self._rate = (now, event.steps), 0.0
        elif now > self._counted[0]:
            self._rate = (event.steps - self._counted[1]) / (now - self._counted[0])
        self._state = event

    def _take_profile(self, event: Profile) -> None:
        if event.part == "front":
            self._coming = []
        self._coming.append(event)
        if event.part == "step":
            whole = len(self._coming) == event.lines + 1
            self._profile = self._coming if whole else []
            self.note = self.note if whole else "profile: lines are missing; press p again"
            self._coming = []

    def obeyed(self, name: str, event: Event) -> None:
        """What an answered command changes. `name`: of the command."""
        if name == "threshold" and isinstance(event, Ok):
            self.threshold = event.value

    def another(self) -> str | None:
        """The path of the model after the one that is open, of those the board has; None: it has no other."""
        paths = list(dict.fromkeys(self.files))
        if len(paths) < 2:
            self.note = "models: there is no other on the board"
            return None
        name = self._model.name if self._model else ""
        if self._path not in paths:  # opened before this began, or not by us
            self._path = next((path for path in paths if model_name(path) == name), paths[0])
        self._path = paths[(paths.index(self._path) + 1) % len(paths)]
        return self._path

    def summary(self) -> dict[str, int | str]:
        """Return the line that ends a JSON run: what was seen, and what could not be read."""
        reader = self.reader
        counts = {"hits": self.heard, "lost": self.lost_samples, "dropped": self.lost_lines}
        return {
            "event": "summary",
            **counts,
            "bad": reader.bad,
            "noise": reader.noise,
            "unknown": reader.unknown,
        }

    def __rich__(self) -> RenderableType:
        """Draw it."""
        rows: list[RenderableType] = [self._status(), *self._recording(), *self._identity(), self._meter()]
        rows += [self._trace(label, trace) for label, trace in self._traces.items()]
        if self._hits:
            rows.append(self._hit_table())
        if self._profile:
            rows.append(self._profile_line())
        rows.append(self._counts())
        if self.note and self.note != self._error:
            rows.append(Text(f"> {self.note}", style="cyan"))
        for row in rows:
            if isinstance(row, Text):  # also on a console that leaves plain lines as long as they are
                row.no_wrap, row.overflow = False, "fold"
        return Panel(
            Group(*rows),
            title=Text(f"tinywake · {printable(self.port)}", style="bold" if self.selected else ""),
            subtitle=Text(self.help, style="dim"),
            border_style="red" if self.trouble else "bright_cyan" if self.selected else "cyan",
        )

    def _status(self) -> Text:
        if self.trouble:
            return Text(printable(self.trouble), style="bold red")
        if self._error:
            return Text(self._error, style="bold red")
        if not self._state:
            return Text("nothing heard from the app yet", style="dim")
        on = self._state.state == "listening"
        parts = ["at the end of its file" if self.ended else self._state.state, self._state.model]
        parts += [_clock(self._now), f"{self.heard} heard"]
        if self._rate:
            parts.append(f"{self._rate:.1f} steps/s")
        text = Text("● " if on else "○ ", style="bold green" if on else "bold yellow")
        return text.append(printable(" · ".join(parts)), style="bold")

    def _recording(self) -> list[Text]:
        if self._rec is None or self._rec.state != "on":
            return []
        what = f'"{self._rec.label}"' if self._rec.label else "without a label"
        how = " around hits" if self._rec.mode == "hit" else f" · {_clock(self._rec.at // _SAMPLES_MS)}"
        return [Text(printable(f"● RECORDING: its sound goes over this line · {what}{how}"), style="bold white on red")]

    def _identity(self) -> list[Text]:
        parts = []
        if self._boot:
            parts.append(f"{self._boot.board}, {self._boot.fw}, {self._boot.abi}, app {self._boot.app}")
        if self._model:
            parts.append(f"sha {self._model.sha[:8]}, arena {self._model.arena:,} B")
        return [Text(printable(" · ".join(parts)), style="dim")] if parts else []

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
        threshold = 256 if self.threshold is None else self.threshold
        text = Text(f"{printable(label)[:16]:16} ")
        for point in trace:
            style = "dim" if not point.awake else "bold green" if point.mean >= threshold else "cyan"
            text.append(_BARS[point.mean >> 5], style=style)
        text.append(f" {trace[-1].mean / 256:.2f}")
        if self.threshold is not None:
            text.append(f" of {self.threshold / 256:.2f}", style="dim")
        return text

    def _profile_line(self) -> Text:
        total = self._profile[-1].us
        text = Text(f"{total / 1000:.2f} ms a step")
        if self._model and self._model.step:
            text.append(f", {100 * total / (self._model.step / _SAMPLES_MS * 1000):.1f}% of the time")
        for line in self._profile[:-1]:
            if line.part != "op" and line.us:
                text.append(f" · {printable(line.part)} {line.us / 1000:.2f}")
        slow = sorted((line for line in self._profile if line.part == "op"), key=lambda line: -line.us)[:_SLOWEST]
        text.append(" · operators " + " ".join(f"#{line.i} {line.us / 1000:.2f}" for line in slow), style="dim")
        return text

    def _counts(self) -> Text:
        reader = self.reader
        text = Text()
        if self._heap:
            text.append(
                f"heap {self._heap.free:,} free, {self._heap.low:,} at least, stack {self._heap.stack:,} · ", "dim"
            )
        return text.append(
            f"lost {self.lost_samples} samples, {self.lost_lines} lines · "
            f"{reader.bad} damaged, {reader.noise} other lines",
            style="red" if self.lost_samples or self.lost_lines or reader.bad else "dim",
        )

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
