# SPDX-License-Identifier: MIT
"""A recipe's [word] and [detector] as what a compiled model carries."""

from __future__ import annotations

from tinywake.compiler.twm.listening import Detector, Label, Listening
from tinywake.config import Recipe

__all__ = ["listening_of"]


def listening_of(recipe: Recipe, threshold: int | None = None) -> Listening:
    """Front end, input map and detector of a recipe.

    threshold: 0..255, as training chose it; None: the recipe's own, or one half.
    """
    rule = recipe.detector
    if threshold is None:
        threshold = 128 if rule.threshold is None else round(rule.threshold * 256)
    labels = (Label(recipe.word.label, threshold),)
    return Listening(Detector(labels, rule.window, rule.refractory_ms, rule.ignore_ms))
