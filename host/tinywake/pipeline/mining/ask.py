# SPDX-License-Identifier: MIT
"""Labelling by ear: one clip after the other, or a whole cluster at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tinywake.pipeline.mining.folder import MiningFolder

__all__ = ["HELP", "label_by_ear"]

HELP = "w word, o other speech, n noise; W O N the whole cluster; r again, s skip, q stop"
_KEYS = {"w": "word", "o": "other", "n": "noise"}


def label_by_ear(folder: MiningFolder, play: Callable[[Path], None], ask: Callable[[str], str]) -> int:
    """Play what has no label yet, cluster by cluster, and save after each answer. Returns how many were labelled.

    ask: shows a line, returns the answer; an empty one skips, an end of input (EOFError) stops.
    """
    labelled = 0
    for number, row in enumerate(folder.rows):
        if folder.rows[number].label:  # perhaps with its cluster, a moment ago
            continue
        answer = "r"
        while answer == "r":
            play(folder.path / row.file)
            kind = "fired" if row.hit else "near miss"
            where = f"{Path(row.source).name} at {row.t_ms / 1000:.1f} s"
            try:
                answer = ask(f"cluster {row.cluster}, {where}, {kind}, mean {row.score} [{HELP}] ").strip()
            except EOFError:
                return labelled
        if answer == "q":
            break
        label = _KEYS.get(answer.lower())
        if label is None:
            continue
        for index, other in enumerate(folder.rows):
            if index == number or (answer.isupper() and other.cluster == row.cluster and not other.label):
                folder.rows[index] = replace(other, label=label)
                labelled += 1
        folder.save()
    return labelled
