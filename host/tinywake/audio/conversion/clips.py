# SPDX-License-Identifier: MIT
"""More clips from those that are there, through a cache named by content: a clip is converted once in a lifetime."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tinywake.audio.clips import Pcm, read_clip, write_clip
from tinywake.audio.conversion.world import Change, convert, version
from tinywake.config import Conversion, fingerprint
from tinywake.errors import AudioError
from tinywake.files import cache_folder

__all__ = ["convert_all", "plan_conversions"]

_FORMAT = 1  # change it when the same clip and change give other samples
_PITCH_OF_FORMANT = 2.5  # a shorter throat comes with a higher pitch
_DONE = 25  # clips between two reports of progress


def plan_conversions(clips: int, count: int, config: Conversion, rng: np.random.Generator) -> list[tuple[int, Change]]:
    """`count` conversions of so many clips: which, each as often as the others, and how."""
    whole, rest = divmod(count, clips) if clips else (0, 0)
    chosen = [*(list(range(clips)) * whole), *sorted(int(n) for n in rng.permutation(clips)[:rest])]
    return [(index, _draw(config, rng)) for index in chosen]


def _draw(config: Conversion, rng: np.random.Generator) -> Change:
    def between(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(max(low, 1e-3)), np.log(max(high, 1e-3)))))

    formant = between(*config.formant)
    return Change(
        formant=round(formant, 3),
        pitch=round(formant**_PITCH_OF_FORMANT * between(*config.pitch), 3),
        range=round(between(*config.range), 3),
        pace=round(between(*config.pace), 3),
        rhythm=round(float(rng.uniform(0, config.rhythm)), 3),
        breath=round(between(*config.breath), 3),
        seed=int(rng.integers(1 << 31)),
    )


def convert_all(
    jobs: Sequence[tuple[Pcm, Change]],
    progress: Callable[[str, float], None] | None = None,
    *,
    cache: Path | None = None,
    workers: int = 2,
) -> list[Pcm]:
    """A converted clip for each job. An interrupted run goes on where it stopped. Raises ToolError without vocoder."""
    if not jobs:
        return []
    root = (cache or cache_folder()) / "conversions"
    vocoder = version()
    clips: list[Pcm] = []
    with ThreadPoolExecutor(workers) as pool:  # the vocoder works without the interpreter's lock
        try:
            for clip in pool.map(lambda job: _cached(root, vocoder, *job), jobs):
                clips.append(clip)
                if progress and (len(clips) % _DONE == 0 or len(clips) == len(jobs)):
                    progress("other voices", len(clips) / len(jobs))
        except BaseException:  # Ctrl-C too: what has begun is finished, the rest is not begun
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return clips


def _cached(root: Path, vocoder: str, pcm: Pcm, change: Change) -> Pcm:
    name = fingerprint(_FORMAT, vocoder, hashlib.sha256(pcm.tobytes()).hexdigest(), change)[:40]
    path = root / name[:2] / f"{name}.flac"
    try:
        return read_clip(path, silent_ok=True)
    except AudioError:  # not made yet, or damaged since
        made = convert(pcm, change)
        write_clip(path, made)
        return made
