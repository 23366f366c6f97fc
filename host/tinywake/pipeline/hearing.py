# SPDX-License-Identifier: MIT
"""What a model hears in clips, here or on a board: the same numbers from either."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.clips import Pcm, read_clip
from tinywake.core import Listener, Model
from tinywake.device.connect import connected
from tinywake.device.line.hear import listen_on

__all__ = ["Hearing", "Hit", "hear", "hear_pcm"]


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
    detector compared with the threshold. t_ms: int [steps], end of the step. ready: bool [steps].
    """

    clip: str
    labels: tuple[str, ...]
    t_ms: NDArray[np.int64]
    scores: NDArray[np.uint8]
    means: NDArray[np.uint8]
    ready: NDArray[np.bool_]
    hits: tuple[Hit, ...]


def hear(
    model: Path, clips: Sequence[Path], target: str = "host", on_clip: Callable[[int], None] | None = None
) -> Iterator[Hearing]:
    """Yield what `model` hears in each clip, every one from a fresh start, without padding.

    clips: sound files of any rate and channel count. target: "host", an emulated board, or a serial port. on_clip:
    called with the number of clips done. Raises AudioError, FormatError, DeviceError or ToolError.
    """
    named = ((str(path), read_clip(path, silent_ok=True)) for path in clips)
    for done, heard in enumerate(hear_pcm(model, named, target), 1):
        if on_clip is not None:
            on_clip(done)
        yield heard


def hear_pcm(model: Path, clips: Iterator[tuple[str, Pcm]], target: str = "host") -> Iterator[Hearing]:
    """As `hear`, for samples that are already there: pairs of a name and int16 [n] at 16 kHz."""
    listener = Listener(Model.open(model))  # also for a board: a file that is damaged is refused before it gets there
    if target == "host":
        yield from (_on_host(listener, name, pcm) for name, pcm in clips)
        return
    with connected(target, model) as board:
        names: list[str] = []

        def samples() -> Iterator[Pcm]:
            for name, pcm in clips:
                names.append(name)
                yield pcm

        with contextlib.closing(listen_on(board.port, samples(), model=model.name, directory=board.directory)) as heard:
            for clip, h in enumerate(heard):
                hits = tuple(Hit(hit.t, hit.label, hit.mean) for hit in h.hits)
                yield Hearing(names[clip], h.labels, h.t_ms.astype(np.int64), h.scores, h.means, h.ready, hits)


def _on_host(listener: Listener, name: str, pcm: Pcm) -> Hearing:
    heard = listener.listen(pcm)
    wake = [i for i, is_wake in enumerate(listener.wake) if is_wake]
    hits = tuple(
        Hit(int(heard.t_ms[step]), listener.labels[heard.events[step]], int(heard.means[step, heard.events[step]]))
        for step in np.flatnonzero(heard.events >= 0)
    )
    labels = tuple(listener.labels[i] for i in wake)
    return Hearing(name, labels, heard.t_ms, heard.scores[:, wake], heard.means[:, wake], heard.ready, hits)
