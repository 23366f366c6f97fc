# SPDX-License-Identifier: MIT
"""What a board hears from one start of listening to the next, and what the C core says that it has to hear there."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tinywake.core import Listener, Model
from tinywake.device.line.events import State

Clip = npt.NDArray[np.int16]
Found = tuple[int, int, int]  # a hit: t, score, mean
FIRST_MS = (2000, 6000, 60_000)  # of a stretch: what tells where it began, the little that tells most first


@dataclass
class Stretch:
    """From one start of listening to the next."""

    model: str  # "": not said yet
    start: int | None  # samples of the circle before it; None: the line that would tell was dropped
    hits: list[Found] = field(default_factory=list)
    last: State | None = None
    t: int = 0  # of its last line
    ended: bool = False  # the board has said how it ended
    cut: bool = False  # by Ctrl-C, which may fall between the last step and its hit


@dataclass(frozen=True)
class Compared:
    """A stretch beside what is to be heard."""

    faults: list[str]
    hits: int = 0
    missing: int = 0  # of those to be heard


def compared(stretch: Stretch, model: Model, clip: Clip) -> Compared:
    """What differs. Where nobody knows its start: the least that does, of all places of the circle."""
    starts = [stretch.start] if stretch.start is not None else _fitting(stretch, model, clip)
    found = [_compared_from(start, stretch, model, clip) for start in starts]
    return min(found, default=Compared(["fits nowhere"]), key=lambda each: len(each.faults))


def _fitting(stretch: Stretch, model: Model, clip: Clip) -> list[int]:
    """Where its first seconds may have begun."""
    step = Listener(model).step_samples
    starts = list(range(0, len(clip), step))
    for ms in FIRST_MS:
        first = {hit for hit in stretch.hits if hit[0] <= ms}
        starts = [start for start in starts if first <= set(_wanted(start, ms * 16 // step, model, clip))]
    return starts


def _wanted(start: int, steps: int, model: Model, clip: Clip) -> list[Found]:
    """What is to be heard from there on."""
    listener = Listener(model)
    wanted: list[Found] = []
    left, at = steps + 1, start % len(clip)
    while left > 0:
        samples = min(left * listener.step_samples, len(clip) - at)
        heard = listener.push(clip[at : at + samples])
        for i in np.flatnonzero(heard.events >= 0):
            label = int(heard.events[i])
            wanted.append((int(heard.t_ms[i]), int(heard.scores[i, label]), int(heard.means[i, label])))
        left -= samples // listener.step_samples
        at = (at + samples) % len(clip)
    return wanted


def _compared_from(start: int, stretch: Stretch, model: Model, clip: Clip) -> Compared:
    last = stretch.last
    assert last
    faults = []
    wanted = [hit for hit in _wanted(start, last.steps, model, clip) if hit[0] <= last.t]
    got = [hit for hit in stretch.hits if hit[0] <= last.t]
    if extra := set(got) - set(wanted):
        faults.append(f"heard what is not there: {sorted(extra)[:3]}")
    counts = {len(wanted)}
    if stretch.cut and wanted and wanted[-1][0] == last.t:
        counts.add(len(wanted) - 1)
        if wanted[-1] not in got:
            wanted.pop()
    missing = len(set(wanted) - set(got))
    if last.hits not in counts:
        faults.append(f"the board counts {last.hits} hits of {len(wanted)} in {last.steps} steps")
    if missing > last.dropped:
        faults.append(f"{missing} hits are missing, {last.dropped} lines dropped")
    return Compared(faults, len(got), missing)
