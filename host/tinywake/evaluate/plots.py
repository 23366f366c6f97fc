# SPDX-License-Identifier: MIT
"""Pictures of measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinywake.evaluate.metrics import DetCurve, poisson_bounds
from tinywake.files import write_beside

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Trust", "plot_det", "write_png"]


@dataclass(frozen=True)
class Trust:
    """How far a curve can be trusted. miss_bounds: [2, 256], if known; thresholds: marked, with their bounds."""

    miss_bounds: NDArray[np.float64] | None
    thresholds: Sequence[int]


def plot_det(
    curves: Mapping[str, DetCurve], path: Path, title: str = "", trust: Mapping[str, Trust] | None = None
) -> None:
    """Misses (%) against false accepts per hour, one line a curve, as a PNG whose bytes depend on the arguments alone.

    With `trust`: a band of the misses' bounds, and Poisson bounds of the false accepts at the thresholds.
    """
    from matplotlib.figure import Figure  # slow to import, and only plots need it

    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.add_subplot()
    for name, curve in curves.items():
        label = f"{name} ({curve.positives} clips, {curve.hours:.2f} h)"
        (line,) = axes.step(curve.per_hour, 100 * curve.miss_rate, where="post", label=label)
        if trust is not None and name in trust:
            _draw_trust(axes, curve, trust[name], line.get_color())
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
    write_png(figure, path)


def write_png(figure: Figure, path: Path) -> None:
    """Draw a figure into a file, beside and renamed: its bytes depend on what is drawn alone."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    write_beside(path, lambda part: figure.savefig(part, format="png", metadata={"Software": None}))


def _draw_trust(axes: Any, curve: DetCurve, trust: Trust, color: Any) -> None:
    if trust.miss_bounds is not None:
        low, high = 100 * trust.miss_bounds
        axes.fill_between(curve.per_hour, low, high, step="post", color=color, alpha=0.15, linewidth=0)
    for threshold in trust.thresholds:
        at, miss = float(curve.per_hour[threshold]), 100 * float(curve.miss_rate[threshold])
        low_at, high_at = poisson_bounds(int(curve.false_accepts[threshold]), curve.hours)
        axes.errorbar([at], [miss], xerr=[[at - low_at], [high_at - at]], fmt="o", markersize=4, color=color, capsize=3)
