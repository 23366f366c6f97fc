# SPDX-License-Identifier: MIT
"""Pictures of measurements."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tinywake.evaluate.metrics import DetCurve
from tinywake.files import write_beside

__all__ = ["plot_det"]


def plot_det(curves: Mapping[str, DetCurve], path: Path, title: str = "") -> None:
    """Misses (%) against false accepts per hour, one line a curve, as a PNG whose bytes depend on the curves alone."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import, and only plots need it
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.add_subplot()
    for name, curve in curves.items():
        label = f"{name} ({curve.positives} clips, {curve.hours:.2f} h)"
        axes.step(curve.per_hour, 100 * curve.miss_rate, where="post", label=label)
    most = max([10.0, *(float(curve.per_hour.max()) for curve in curves.values())])
    axes.set_xscale("symlog", linthresh=0.5)
    axes.set_xlim(0, most)
    axes.set_ylim(0, 100)
    axes.axvline(0.5, color="0.6", linewidth=0.8, linestyle=":")
    axes.set_yticks(np.arange(0, 101, 10))
    axes.set_xlabel("false accepts per hour")
    axes.set_ylabel("misses (%)")
    axes.grid(alpha=0.3)
    axes.set_title(title.replace("$", r"\$"))
    axes.legend(fontsize="small")
    FigureCanvasAgg(figure)
    write_beside(path, lambda part: figure.savefig(part, format="png", metadata={"Software": None}))
