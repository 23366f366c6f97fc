# SPDX-License-Identifier: MIT
"""CARD.md of a base network. Generated, never edited."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinywake import __version__
from tinywake.audio.transcribed import FRAMES
from tinywake.audio.voices.census import Census
from tinywake.config import Recipe
from tinywake.pipeline.credits import credits_of, credits_section

__all__ = ["base_card"]


def base_card(
    recipe: Recipe, data: Sequence[Path], error: float, streams: int, voices: tuple[Census, Census]
) -> str:  # fmt: skip
    """Return the text. The same arguments give the same text: no dates, no paths of this machine.

    error: share of the phonemes, 0..1. voices: those that trained, those that judged.
    """
    net = recipe.network
    blocks = ", ".join(f"{filters} x {kernel}" for filters, kernel in zip(net.filters, net.kernels, strict=True))
    hours = streams * FRAMES / 360_000
    return f"""# A base network

Written by `tinywake base` {__version__}; the recipe has every parameter. The training of a word begins with its layers,
all but the head: `[train] base = ".../weights.npz"`, with the same `[network]`.

| | |
|---|---|
| layers | {net.first_filters} x {net.first_kernel}, every {net.stride} frames; {blocks} |
| learnt | the phonemes of English (CTC), {streams:,} streams, {hours:.1f} h, {recipe.train.steps:,} steps |
| wrong phonemes | {100 * error:.1f} % on voices that trained nothing, by the best path, without any language |
| voices in training | {voices[0]} |
| voices that judged | {voices[1]} |
| recordings | {", ".join(folder.name for folder in data) or "none"} |
{credits_section(credits_of(data), "judge")}"""
