# SPDX-License-Identifier: MIT
"""Folders of recordings -> every clip with its measures, or with the reason why it cannot be read."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tinywake.audio.folders import Recording, plain, recordings
from tinywake.audio.survey.measure import Measures, measure
from tinywake.errors import AudioError

__all__ = ["Surveyed", "survey"]

Progress = Callable[[str, float], None]  # stage, fraction 0..1


@dataclass(frozen=True, eq=False)
class Surveyed:
    """A recording. `name` is its path as the folder was given; without `measures`, `error` says why."""

    recording: Recording
    name: str
    group: str  # its kind where the word is known, else what is said in it
    measures: Measures | None
    error: str = ""

    @property
    def validates(self) -> bool:
        """Which side of the split its speaker is on."""
        return self.recording.validates


def survey(
    data: Sequence[Path],
    texts: Sequence[str],
    progress: Progress | None = None,
    *,
    labels: Sequence[str] = (),
    workers: int = 2,
) -> list[Surveyed]:
    """Every clip of some folders or manifests, each once, for a word that is spoken as `texts` (none: not known).

    Raises AudioError where there is no such folder or manifest, or no sound in it.
    """
    listed: dict[Path, tuple[Recording, str]] = {}
    for folder in data:
        root = folder.parent if folder.suffix.lower() == ".csv" and not folder.is_dir() else folder
        for recording in recordings(folder, texts, labels):
            name = str(root / os.path.relpath(recording.path, root.resolve()))
            listed.setdefault(recording.path, (recording, name))

    def look(entry: tuple[Recording, str]) -> Surveyed:
        recording, name = entry
        group = recording.kind if texts or recording.kind == "noise" else plain(recording.text)
        try:
            return Surveyed(recording, name, group, measure(recording.path))
        except AudioError as error:
            return Surveyed(recording, name, group, None, str(error).removeprefix(f"{recording.path}: "))

    found = []
    with ThreadPoolExecutor(workers) as pool:
        try:
            for one in pool.map(look, listed.values()):
                found.append(one)
                if progress and len(found) % 20 == 0:
                    progress("checking", 0.9 * len(found) / len(listed))
        except BaseException:  # Ctrl-C too: what has begun is finished, the rest is not begun
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found
