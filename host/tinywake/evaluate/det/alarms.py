# SPDX-License-Identifier: MIT
"""False accepts one by one: in which file, when, and a clip to listen to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinywake.audio.clips import RATE, read_clip, write_clip
from tinywake.evaluate.metrics import Rule, Scores, events, sums

__all__ = ["Alarm", "alarm_lines", "alarms_of", "write_alarms"]

_BEFORE_S, _AFTER_S = 3.0, 1.0
_NAMED = 20  # in text


@dataclass(frozen=True)
class Alarm:
    """t_ms: in the clip; past its end where the network answered in the quiet behind it. score: the mean, 0..255."""

    path: Path
    t_ms: int
    score: int


def alarms_of(
    clips: Sequence[Path], scores: Sequence[Scores], starts: Sequence[int], threshold: int, rule: Rule
) -> tuple[Alarm, ...]:
    """Every event in the negatives. starts: time in each clip, in ms, of the end of its first step that counts."""
    found = []
    for clip, heard, start in zip(clips, scores, starts, strict=True):
        hits = events(heard, threshold, rule)
        means = sums(heard, rule.window) // rule.window if hits else ()
        found += [Alarm(clip, start + step * rule.step_ms, int(means[step])) for step in hits]
    return tuple(found)


def write_alarms(alarms: Sequence[Alarm], folder: Path, prefix: str) -> list[Path]:
    """A .wav of the three seconds before each and the second after it; returns their names."""
    written = []
    for number, alarm in enumerate(alarms):
        pcm = read_clip(alarm.path, silent_ok=True)
        first = max(0, min(alarm.t_ms * RATE // 1000, len(pcm)) - int(_BEFORE_S * RATE))
        last = min(len(pcm), alarm.t_ms * RATE // 1000 + int(_AFTER_S * RATE))
        written.append(folder / f"{prefix}-{number:03}-{alarm.path.stem}-{max(0, alarm.t_ms)}ms.wav")
        write_clip(written[-1], pcm[first:last])
    return written


def alarm_lines(alarms: Sequence[Alarm], threshold: int) -> list[str]:
    """For people."""
    if not alarms:
        return []
    named = [f"  {_here(alarm.path)} at {alarm.t_ms / 1000:.2f} s, mean {alarm.score}" for alarm in alarms[:_NAMED]]
    more = [f"  and {len(alarms) - _NAMED} more (--json has all)"] if len(alarms) > _NAMED else []
    return [f"false accepts at threshold {threshold}:", *named, *more]


def _here(path: Path) -> Path:
    """As one would name it in this folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
