# SPDX-License-Identifier: MIT
"""The stages as a picture: how large the file is, and how much of the word is missed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinywake.evaluate.plots import write_png
from tinywake.pipeline.compression.row import Row

__all__ = ["plot_stages"]


def plot_stages(rows: Sequence[Row], per_hour: float, path: Path, title: str) -> None:
    """Bars of bytes, a line of misses at so many false accepts an hour, as a PNG whose bytes the arguments decide."""
    from matplotlib.figure import Figure  # slow to import, and only plots need it

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    sizes = figure.add_subplot()
    places = range(len(rows))
    sizes.bar(places, [row.file_bytes for row in rows], color="#9db8d6", label="file")
    sizes.bar(places, [row.coded_bytes for row in rows], color="#4f7cac", width=0.5, label="file, coded")
    sizes.set_ylabel("bytes")
    sizes.set_ylim(0, 1.25 * max(row.file_bytes for row in rows))
    sizes.set_xticks(list(places), [row.stage for row in rows])
    misses = sizes.twinx()
    missed = [100 * row.judged(per_hour)[0] for row in rows]
    who = "missed by people" if any(row.people for row in rows) else "missed"
    misses.plot(places, missed, "o-", color="#b5502f", label=who)
    misses.set_ylabel("missed (%)")
    misses.set_ylim(0, max(10.0, 1.3 * max(missed)))
    handles, labels = sizes.get_legend_handles_labels()
    more, names = misses.get_legend_handles_labels()
    sizes.legend([*handles, *more], [*labels, *names], fontsize="small", loc="upper right")
    sizes.set_title(title.replace("$", r"\$"))
    write_png(figure, path)
