# SPDX-License-Identifier: MIT
"""Durations, levels, bandwidth and clips per speaker of some recordings, in one PNG."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.survey.measure import Measures
from tinywake.audio.survey.survey import Surveyed
from tinywake.evaluate.plots import write_png

__all__ = ["draw"]

_GROUPS = 6  # that are drawn apart; the largest
_SPEAKERS = 30


def draw(clips: Sequence[Surveyed], path: Path, title: str = "") -> None:
    """Write a PNG whose bytes depend on the clips alone. Raises ToolError where there is no writing."""
    from matplotlib.figure import Figure  # slow to import, and only pictures need it

    sizes = Counter(clip.group for clip in clips)
    names = sorted(sizes, key=lambda name: (-sizes[name], name))[:_GROUPS]
    groups = {name: [c.measures for c in clips if c.group == name and c.measures] for name in names}
    figure = Figure(figsize=(10, 7), layout="constrained")
    axes = figure.subplots(2, 2).ravel()
    everything = [m for measures in groups.values() for m in measures]
    longest = max([2.0, *(m.seconds for m in everything)])
    plots: tuple[tuple[str, NDArray[np.floating], Callable[[Measures], float]], ...] = (
        ("seconds", np.geomspace(0.1, longest, 40), lambda m: m.seconds),
        ("level of the speech (dB of full scale)", np.arange(-90, 1, 2.5), lambda m: m.level_db),
        ("bandwidth (kHz)", np.arange(0, 8.3, 0.25), lambda m: m.band_hz / 1000),
    )
    for plot, (label, bins, of) in zip(axes, plots, strict=False):
        for name, measures in groups.items():
            counted = np.clip([of(m) for m in measures], bins[0], bins[-1])
            shown = f"{name[:24]} ({len(measures)})".replace("$", r"\$")
            plot.hist(counted, bins, histtype="step", linewidth=1.5, label=shown)
        plot.set_xlabel(label)
        plot.set_ylabel("clips")
    axes[0].set_xscale("log")
    axes[0].legend(fontsize="small")
    people = Counter(c.recording.speaker for c in clips if c.recording.kind != "noise").most_common(_SPEAKERS)
    left = np.zeros(len(people))
    for name in names:
        counts = Counter(clip.recording.speaker for clip in clips if clip.group == name and clip.group != "noise")
        heights = np.array([counts[speaker] for speaker, _ in people], float)
        axes[3].bar(range(len(people)), heights, bottom=left)
        left = left + heights
    axes[3].set_xlabel(f"speakers, those with most clips first (at most {_SPEAKERS})")
    axes[3].set_ylabel("clips")
    for plot in axes:
        plot.grid(alpha=0.3)
    figure.suptitle(title.replace("$", r"\$"))
    write_png(figure, path)
