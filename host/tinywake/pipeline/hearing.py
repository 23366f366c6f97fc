# SPDX-License-Identifier: MIT
"""What a model hears in clips or from a microphone, here or on a board: the same numbers from either."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.clips import Pcm, read_clip
from tinywake.core import Frontend, Heard, Listener, Model
from tinywake.device.connect import connected
from tinywake.device.features import features_on, probe
from tinywake.device.line.hear import listen_on
from tinywake.device.targets.registry import check_setup
from tinywake.device.targets.target import Setup
from tinywake.gate import gate_named

__all__ = [
    "Hearing",
    "Hit",
    "ScoreBook",
    "features_of",
    "hear",
    "hear_live",
    "hear_pcm",
    "listener_of",
]

_PIECE = 60 * 16_000  # samples between two movements of the bar
_Progress = Callable[[float], None]


@dataclass(frozen=True)
class Hit:
    """An event. score: what the detector compared with the threshold, 0..255 (times 1/256)."""

    t_ms: int
    label: str
    score: int


@dataclass(frozen=True)
class Hearing:
    """One clip. Columns are the wake labels in the model's order.

    scores: uint8 [steps, labels], the network's raw probability times 256. means: uint8 [steps, labels], what the
    detector compared with the threshold. t_ms: int [steps], end of the step. ready: bool [steps]. awake: bool [steps],
    false where a gate let the network sleep.
    """

    clip: str
    labels: tuple[str, ...]
    t_ms: NDArray[np.int64]
    scores: NDArray[np.uint8]
    means: NDArray[np.uint8]
    ready: NDArray[np.bool_]
    awake: NDArray[np.bool_]
    hits: tuple[Hit, ...]


class ScoreBook:
    """What `listen --scores` writes: of each clip the network's probabilities and what the detector made of them."""

    def __init__(self) -> None:
        self._heard: dict[str, list[Hearing]] = {}

    def add(self, heard: Hearing, *, goes_on: bool = False) -> None:
        """A clip; with `goes_on` the next stretch of one."""
        if not goes_on:
            self._heard[heard.clip] = []
        self._heard.setdefault(heard.clip, []).append(heard)

    def write(self, file: IO[bytes]) -> None:
        """As .npz: float32 [steps, labels] under the clip's name and under `name#detector`."""
        arrays: dict[str, Any] = {}
        for clip, parts in self._heard.items():
            arrays[clip] = np.concatenate([part.scores for part in parts]).astype(np.float32) / 256
            arrays[f"{clip}#detector"] = np.concatenate([part.means for part in parts]).astype(np.float32) / 256
        np.savez(file, **arrays)


def hear(
    model: Path,
    clips: Sequence[Path],
    target: str = "host",
    on_progress: _Progress | None = None,
    gate: str | None = None,
    setup: Setup | None = None,
) -> Iterator[Hearing]:
    """Yield what `model` hears in each clip, every one from a fresh start, without padding.

    clips: sound files of any rate and channel count. target: "host", an emulated board, or a serial port. on_progress:
    called with the number of clips done, here also with parts of one. gate: see listener_of. setup: of an emulated
    board. Raises AudioError, FormatError, ModelError, DeviceError or ToolError.
    """
    named = ((str(path), read_clip(path, silent_ok=True)) for path in clips)
    yield from hear_pcm(model, named, target, on_progress, gate, setup)


def listener_of(model: Path, gate: str | None = None) -> Listener:
    """A listener for a model's file, behind a gate (gate.gate_named) or none.

    Raises ConfigError, FormatError or ModelError, for two files that do not go together with one line that names both.
    """
    return Listener(Model.open(model), None if gate is None else gate_named(gate).open())


def hear_live(model: Path, chunks: Iterable[Pcm], name: str, gate: str | None = None) -> Iterator[Hearing]:
    """Yield what `model` hears in each stretch of one long stream, as it comes: int16 [n] at 16 kHz."""
    listener = listener_of(model, gate)
    for pcm in chunks:
        yield _hearing(listener, name, listener.push(pcm))


def features_of(clips: Sequence[Pcm], target: str = "host") -> Iterator[NDArray[np.uint16]]:
    """Features of each clip from a fresh start, uint16 [frames, 40], by the front end here or on a board."""
    if target == "host":
        frontend = Frontend()
        yield from map(frontend.features, clips)
        return
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "features.twm"
        model.write_bytes(probe())
        with connected(target, model) as board:
            yield from features_on(board.port, clips, model.name, directory=board.directory)


def hear_pcm(
    model: Path,
    clips: Iterator[tuple[str, Pcm]],
    target: str = "host",
    on_progress: _Progress | None = None,
    gate: str | None = None,
    setup: Setup | None = None,
) -> Iterator[Hearing]:
    """As `hear`, for samples that are already there: pairs of a name and int16 [n] at 16 kHz."""
    listener = listener_of(model, gate)  # also for a board: files that are damaged are refused before they get there
    say = on_progress or (lambda done: None)
    check_setup(target, setup or Setup())
    if target == "host":
        for done, (name, pcm) in enumerate(clips):
            yield _on_host(listener, name, pcm, partial(_say_part, say, done))
        return
    with connected(target, model, setup=setup) as board:
        names: list[str] = []

        def samples() -> Iterator[Pcm]:
            for name, pcm in clips:
                names.append(name)
                yield pcm

        heard = listen_on(board.port, samples(), model=model.name, gate=gate, directory=board.directory, mic=board.mic)
        with contextlib.closing(heard):
            for clip, h in enumerate(heard):
                say(clip + 1)
                hits = tuple(Hit(hit.t, hit.label, hit.mean) for hit in h.hits)
                yield Hearing(names[clip], h.labels, h.t_ms.astype(np.int64), h.scores, h.means, h.ready, h.awake, hits)


def _say_part(say: _Progress, done: int, part: float) -> None:
    say(done + part)


def _on_host(listener: Listener, name: str, pcm: Pcm, on_part: _Progress) -> Hearing:
    listener.reset()
    pieces = []
    for start in range(0, max(len(pcm), 1), _PIECE):
        pieces.append(listener.push(pcm[start : start + _PIECE]))
        on_part(min((start + _PIECE) / max(len(pcm), 1), 1.0))
    columns = (np.concatenate([getattr(piece, f.name) for piece in pieces]) for f in fields(Heard))
    return _hearing(listener, name, Heard(*columns))


def _hearing(listener: Listener, name: str, heard: Heard) -> Hearing:
    wake = [i for i, is_wake in enumerate(listener.wake) if is_wake]
    hits = tuple(
        Hit(int(heard.t_ms[step]), listener.labels[heard.events[step]], int(heard.means[step, heard.events[step]]))
        for step in np.flatnonzero(heard.events >= 0)
    )
    labels = tuple(listener.labels[i] for i in wake)
    scores, means = heard.scores[:, wake], heard.means[:, wake]
    return Hearing(name, labels, heard.t_ms, scores, means, heard.ready, heard.awake, hits)
