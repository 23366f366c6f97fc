# SPDX-License-Identifier: MIT
"""How far a miss rate and a false-accept rate can be trusted: bounds at 95 %, and what the audio cannot support."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tinywake.evaluate.metrics import poisson_bounds

__all__ = ["CONFIDENCE", "RESAMPLES", "hours_for", "miss_bounds", "too_short"]

CONFIDENCE = 0.95
RESAMPLES = 2000


def miss_bounds(
    missed: NDArray[np.int64], clips: NDArray[np.int64], seed: int = 0, resamples: int = RESAMPLES
) -> NDArray[np.float64] | None:
    """Percentile bootstrap over speakers: as many are drawn as there are, with replacement, each with all their clips.

    missed: [speakers, thresholds] clips; clips: [speakers]. Returns the 2.5 and 97.5 % quantiles of the miss rate,
    [2, thresholds]; None for one speaker, of whom nobody can say how others differ. Where nothing or everything was
    missed, draws do not differ and nothing is bounded: NaN.
    """
    people = len(clips)
    if people < 2:
        return None
    drawn = np.random.default_rng(seed).multinomial(people, np.full(people, 1 / people), size=resamples)
    rates = (drawn @ missed) / (drawn @ clips)[:, None]
    tail = (1 - CONFIDENCE) / 2
    found = np.asarray(np.quantile(rates, [tail, 1 - tail], axis=0))
    found[:, np.isin(missed.sum(axis=0) / clips.sum(), (0.0, 1.0))] = np.nan
    return found


def hours_for(per_hour: float) -> float:
    """Hours without one false accept that show, at 95 %, that there are at most so many an hour."""
    return poisson_bounds(0, 1.0)[1] / per_hour if per_hour > 0 else math.inf


def too_short(per_hour: float, hours: float) -> str | None:
    """A line where so many hours cannot support a budget, whatever was counted in them."""
    if per_hour <= 0 or hours >= hours_for(per_hour):
        return None
    most = poisson_bounds(0, hours)[1]
    return (
        f"{_duration(hours)} without the word cannot show {per_hour:g} false accepts an hour: none at all in it may "
        f"still be {most:.1f} an hour (95 %); {hours_for(per_hour):.1f} h could"
    )


def _duration(hours: float) -> str:
    if hours >= 1:
        return f"{hours:.1f} h"
    return f"{60 * hours:.0f} minutes" if 60 * hours >= 1.5 else f"{3600 * hours:.0f} seconds"
