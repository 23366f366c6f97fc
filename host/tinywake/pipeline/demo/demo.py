# SPDX-License-Identifier: MIT
"""`make demo`: a wake word from nothing but text-to-speech, on an emulated board, heard by voices it never met."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.live import Live

from tinywake.audio.clips import RATE, Pcm, read_clip
from tinywake.compiler.twm.unpack import unpack
from tinywake.config import load_recipe
from tinywake.device.connect import Connection, connected
from tinywake.device.line.events import End, Event, Hit
from tinywake.device.line.hear import play_on
from tinywake.device.monitor import View
from tinywake.pipeline.demo.clips import DemoClip, build_demo
from tinywake.pipeline.training.run import train

__all__ = ["DemoResult", "Heard", "run_demo"]

Progress = Callable[[str, float], None]

_LATE_MS = 1000  # an event counts for a word until so long after its end


@dataclass(frozen=True)
class Heard:
    """What the board heard in one stretch: hits in ms of audio, and where the word really was."""

    hits: tuple[int, ...]
    words: tuple[tuple[int, int], ...]  # begin and end of each, ms
    seconds: float
    steps: int
    wall_s: float

    @property
    def found(self) -> int:
        """Words with a hit between their begin and shortly after their end."""
        return sum(any(begin <= hit <= end + _LATE_MS for hit in self.hits) for begin, end in self.words)

    @property
    def false_accepts(self) -> int:
        """Hits that belong to no word."""
        return sum(not any(begin <= hit <= end + _LATE_MS for begin, end in self.words) for hit in self.hits)


@dataclass(frozen=True)
class DemoResult:
    """Everything that the summary says."""

    label: str
    model: Path
    words: Heard
    speech: Heard
    near: Heard  # words that sound like it
    near_texts: tuple[str, ...]
    own: dict[str, Heard]  # the user's clips
    model_bytes: int
    arena_bytes: int
    state_bytes: int
    module_bytes: int

    @property
    def ms_a_step(self) -> float:
        """Wall time of a step on the emulated board, its serial lines included."""
        return 1000 * self.speech.wall_s / max(1, self.speech.steps)

    def facts(self) -> dict[str, object]:
        """As JSON-able values."""
        return {
            "label": self.label,
            "model": str(self.model),
            "heard": self.words.found,
            "of": len(self.words.words),
            "heard_at_ms": list(self.words.hits),
            "words_ms": [list(word) for word in self.words.words],
            "misses": len(self.words.words) - self.words.found,
            "false_accepts": self.words.false_accepts + self.speech.false_accepts,
            "other_speech_s": self.speech.seconds,
            "near_words": len(self.near_texts),
            "near_words_taken_for_it": self.near.false_accepts,
            "own_clips": {name: list(heard.hits) for name, heard in self.own.items()},
            "model_bytes": self.model_bytes,
            "arena_bytes": self.arena_bytes,
            "state_bytes": self.state_bytes,
            "module_bytes": self.module_bytes,
            "ms_a_step": round(self.ms_a_step, 3),
        }

    def lines(self) -> list[str]:
        """For people."""
        count = len(self.words.words)
        said = [
            f'"{self.label}" by voices kept out of training: heard {self.words.found} of {count}, '
            f"missed {count - self.words.found}",
            "  at " + "  ".join(f"{hit / 1000:.1f} s" for hit in self.words.hits),
            f"{self.speech.seconds:.0f} s of their other speech: {self.speech.false_accepts} false accepts"
            + (f" (and {self.words.false_accepts} around the words)" if self.words.false_accepts else ""),
        ]
        if self.near_texts:
            shown = ", ".join(dict.fromkeys(self.near_texts[:4]))
            said.append(
                f"{len(self.near_texts)} words made to sound like it ({shown}, ...): "
                f"{self.near.false_accepts} taken for it"
            )
        for name, heard in self.own.items():
            times = "  ".join(f"{hit / 1000:.1f} s" for hit in heard.hits)
            said.append(f"{name}: {'heard at ' + times if times else 'nothing heard'} in {heard.seconds:.1f} s")
        said += [
            f"model {self.model_bytes:,} bytes ({self.model}), arena {self.arena_bytes:,} bytes of which "
            f"{self.state_bytes:,} state, native module {self.module_bytes:,} bytes",
            f"{self.ms_a_step:.2f} ms a step of 30 ms on this computer, serial line included",
            "This small model was trained on synthetic voices only, so it will miss real people: models/ has words "
            "that were trained on recordings too, and --data FOLDER adds yours.",
        ]
        return said


def run_demo(
    recipe: Path,
    out: Path,
    clips: Sequence[Path] = (),
    progress: Progress | None = None,
    console: Console | None = None,
) -> DemoResult:
    """Train `recipe` into `out`, deploy it to the unix board, play clips to it.

    console: where the monitor is shown; a terminal gets the words in real time, anything else as fast as the board
    listens. Reuses what an earlier run left in `out` and in the cache. Raises what its stages raise.
    """
    progress = progress or (lambda stage, fraction: None)
    own = [(path, read_clip(path)) for path in clips]  # a clip that cannot be read is told before training, not after
    trained = train(recipe, out, (), progress)
    progress("speaking the demo's clips", 1.0)
    script = build_demo(load_recipe(recipe), out / "clips")
    words, truth = _joined(out / "clips", [clip for clip in script if clip.kind == "word"])
    other, alike = (next(clip for clip in script if clip.kind == kind) for kind in ("speech", "near"))
    file = unpack(trained.model)
    with connected("unix", trained.model) as board:
        progress("listening", 1.0)
        paced = console is not None and console.is_terminal
        heard = _play(board, words, truth, paced, console)
        speech = _play(board, read_clip(out / "clips" / other.file), (), False, console)
        near = _play(board, read_clip(out / "clips" / alike.file), (), False, None)
        mine = {str(path): _play(board, pcm, (), paced, console) for path, pcm in own}
        assert board.report is not None
        module_bytes = board.report.module_bytes
    return DemoResult(
        label=trained.label,
        model=trained.model,
        words=heard,
        speech=speech,
        near=near,
        near_texts=tuple(text for _, _, text, _ in alike.other),
        own=mine,
        model_bytes=file.file_bytes,
        arena_bytes=file.arena_bytes,
        state_bytes=file.state_bytes,
        module_bytes=module_bytes,
    )


def _joined(folder: Path, clips: Sequence[DemoClip]) -> tuple[Pcm, tuple[tuple[int, int], ...]]:
    """One stretch of sound out of several clips, and where in it the words are."""
    parts, truth, at = [], [], 0
    for clip in clips:
        pcm = read_clip(folder / clip.file)
        start = at * 1000 // RATE
        truth += [(start + begin, start + end) for begin, end in clip.words]
        parts.append(pcm)
        at += len(pcm)
    return np.concatenate(parts), tuple(truth)


def _play(
    board: Connection, pcm: Pcm, truth: tuple[tuple[int, int], ...], paced: bool, console: Console | None
) -> Heard:
    view = View(board.port)
    hits: list[int] = []
    steps = 0
    live = Live(view, console=console, refresh_per_second=10) if console is not None and console.is_terminal else None

    def take(event: Event) -> None:
        nonlocal steps
        view.apply(event)
        if isinstance(event, Hit):
            hits.append(event.t)
            if console is not None and live is None:
                console.print(f"@ {event.t / 1000:7.2f} s  {event.label}  {event.mean / 256:.2f}")
        elif isinstance(event, End):
            steps = event.steps

    start = time.monotonic()
    if live is None:
        play_on(board.port, pcm, take, directory=board.directory, paced=paced)
    else:
        with live:
            play_on(board.port, pcm, take, directory=board.directory, paced=paced)
    return Heard(tuple(hits), truth, len(pcm) / RATE, steps, time.monotonic() - start)
