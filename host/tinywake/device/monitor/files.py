# SPDX-License-Identifier: MIT
"""What is kept of what boards say: events as JSON lines, scores and hits as CSV, and a plot of both over time."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from tinywake.device.line.events import Event, Hit, Model, Score, State, as_json
from tinywake.errors import ToolError
from tinywake.files import write_beside

__all__ = ["Files"]

_CSV_HEAD = "at,port,t,label,score,mean,hit\n"
_POINTS = 200_000  # of a plot: five hours of one word
_WIDTH, _HEIGHT = 11, 3.2  # inches, of a plot of one board


class Files:
    """log, csv: appended to. plot: written at the end (.png, .svg or .pdf). Raises ToolError where one cannot be."""

    def __init__(self, log: Path | None = None, csv: Path | None = None, plot: Path | None = None) -> None:
        self._stack = ExitStack()
        self._plot = plot
        self._tracks: dict[str, _Track] = {}
        if plot is not None and plot.suffix not in (".png", ".svg", ".pdf"):
            raise ToolError(f"{plot}: a plot ends in .png, .svg or .pdf")
        try:
            self._log = self._opened(log)
            self._csv = self._opened(csv)
            if self._csv is not None and self._csv.tell() == 0:
                _append(self._csv, _CSV_HEAD)
        except BaseException:
            self._stack.close()
            raise

    def _opened(self, path: Path | None) -> IO[bytes] | None:
        if path is None:
            return None
        try:
            return self._stack.enter_context(path.open("ab", buffering=0))  # a full disk is told by the write of a line
        except OSError as error:
            raise ToolError(f"{path}: the log cannot be written ({error.strerror})") from error

    def take(self, port: str, event: Event, *, several: bool) -> None:
        """Keep an event. `several`: there are other boards, so that each line names its port."""
        at = round(time.time(), 3)
        self.note({"at": at, **({"port": port} if several else {}), **as_json(event)})
        if self._csv and isinstance(event, Score | Hit):
            label = '"' + event.label.replace('"', '""') + '"'
            hit = int(isinstance(event, Hit))
            _append(self._csv, f'{at},"{port}",{event.t},{label},{event.score},{event.mean},{hit}\n')
        if self._plot:
            self._tracks.setdefault(port, _Track()).take(event)

    def note(self, entry: dict[str, Any]) -> None:
        """A line of the log."""
        if self._log:
            _append(self._log, json.dumps(entry) + "\n")

    def __enter__(self) -> Files:
        """The files are open already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Draw the plot and close all."""
        with self._stack:
            if self._plot:
                _draw(self._plot, self._tracks)


def _append(file: IO[bytes], line: str) -> None:
    try:
        file.write(line.encode())
    except OSError as error:
        raise ToolError(f"{file.name}: the log cannot be written ({error.strerror})") from error


class _Track:
    """One board's scores and hits, on a time that goes on where a board's own starts over."""

    def __init__(self) -> None:
        self.scores: dict[str, list[tuple[float, float]]] = {}  # seconds, 0..1
        self.hits: list[tuple[float, str]] = []
        self.thresholds: list[tuple[float, float]] = []
        self._base = 0
        self._last = 0

    def take(self, event: Event) -> None:
        if isinstance(event, State) and event.state == "listening" and event.steps == 0:
            self._base += self._last
            self._last = 0
        if isinstance(event, Model):
            self.thresholds.append(((self._base + self._last) / 1000, event.threshold / 256))
        if not isinstance(event, Score | Hit):
            return
        self._last = event.t
        at = (self._base + event.t) / 1000
        if isinstance(event, Hit):
            self.hits.append((at, event.label))
        trace = self.scores.setdefault(event.label, [])
        trace.append((at, event.mean / 256))
        if len(trace) > _POINTS:
            del trace[: _POINTS // 10]


def _draw(path: Path, tracks: dict[str, _Track]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import, and only this needs it
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, _HEIGHT * max(1, len(tracks))), layout="constrained")
    FigureCanvasAgg(figure)
    for row, (port, track) in enumerate(tracks.items()):
        axes = figure.add_subplot(len(tracks), 1, row + 1)
        for label, points in track.scores.items():
            axes.plot(*zip(*points, strict=True), linewidth=1, label=label)
        for i, (at, label) in enumerate(track.hits):
            axes.axvline(at, color="green", alpha=0.5, linewidth=1.5, label=None if i else "heard")
            axes.annotate(label, (at, 1.0), xytext=(2, -2), textcoords="offset points", va="top", fontsize=7)
        for _, threshold in track.thresholds[-1:]:
            axes.axhline(threshold, color="grey", linestyle="--", linewidth=1, label="threshold")
        axes.set(title=port, xlabel="seconds of audio", ylabel="mean score", ylim=(0, 1.02))
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="upper left", fontsize=8)
    suffix = path.suffix.removeprefix(".")
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(suffix)
    write_beside(path, lambda part: figure.savefig(part, format=suffix, dpi=120, metadata=metadata))
