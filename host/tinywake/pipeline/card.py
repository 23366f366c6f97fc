# SPDX-License-Identifier: MIT
"""CARD.md: what a trained word is, what it was made of, and what it was measured to do. Generated, never edited."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinywake import __version__
from tinywake.audio.voices.census import Census
from tinywake.compiler.build import Compiled
from tinywake.config import Recipe
from tinywake.evaluate.metrics import DetCurve, poisson_bounds
from tinywake.pipeline.credits import Credit, credits_of

__all__ = ["card"]


def card(
    recipe: Recipe,
    data: Sequence[Path],
    compiled: Compiled,
    curve: DetCurve,
    threshold: int,
    voices: tuple[Census, Census],
) -> str:
    """Return the text. The same arguments give the same text: no dates, no paths of this machine.

    data: folders of recordings, named without their place. curve: on the validation voices. threshold: 0..255.
    voices: those that trained, those that chose the threshold.
    """
    low, high = poisson_bounds(int(curve.false_accepts[threshold]), curve.hours)
    step = 10 * recipe.network.stride
    plan = compiled.plan
    table = "\n".join(
        f"| {budget:g} | {at} | {100 * missed:.1f} % | {counted} |" for budget, at, missed, counted in curve.table()
    )
    rule, missed_here, counted_here = recipe.detector, curve.miss_rate[threshold], int(curve.false_accepts[threshold])
    recordings = ", ".join(folder.name for folder in data) or "none"
    return f"""# {", ".join(recipe.labels)}

Written by `tinywake train` {__version__}; the recipe has every parameter.

| | |
|---|---|
| file | {len(compiled.blob):,} bytes (.twm: graph, weights, front end, labels, detector) |
| memory | {plan.arena_bytes + plan.state_bytes:,} bytes of arena, of which {plan.state_bytes:,} are streaming state |
| work | {compiled.graph.macs():,} multiply-accumulates every {step} ms |
| receptive field | {10 * recipe.network.window + 20} ms |
| detector | mean of {rule.window} steps over {threshold}/256, {rule.refractory_ms} ms refractory |
| voices in training | {voices[0]} |
| voices that chose the threshold | {voices[1]} |
| recordings | {recordings} |

On the voices that chose the threshold (so these are no independent figures), {curve.positives} clips with the word and
{60 * curve.hours:.0f} minutes of other speech, in mild noise:

| false accepts an hour at most | threshold | missed | false accepts counted |
|--:|--:|--:|--:|
{table}

At the threshold in the file: {100 * missed_here:.1f} % missed, {counted_here} false
accepts ({low:.1f} to {high:.1f} an hour at 95 %). The curve is det.png.
{_credits(credits_of(data))}
Measure it on people before relying on it: `tinywake eval --model model.twm --positives DIR --negatives DIR`.
"""


def _credits(credits: Sequence[Credit]) -> str:
    """The recordings by source and licence; no speaker is named."""
    if not credits:
        return ""
    rows = "\n".join(
        f"| {_cell(each.folder)} | {_cell(each.source)} | {_cell(each.licence)} | {len(each.files):,} |"
        for each in credits
    )
    wrong = [each for each in credits if each.forbids]
    unknown = sum(len(each.files) for each in credits if not each.known)
    notes = []
    if wrong:
        clips = sum(len(each.files) for each in wrong)
        notes.append(f"The licence of {clips:,} clips forbids derivatives: this model is not to be given to others.")
    terms = sorted({each.licence for each in credits if each.shares_alike})
    if terms:
        clips = sum(len(each.files) for each in credits if each.shares_alike)
        named = " and ".join(terms)
        notes.append(f"{clips:,} clips are share-alike: pass this model on under {named}, with this card.")
    if unknown:
        notes.append(f"Of {unknown:,} clips no manifest names the licence.")
    said = "".join(f"\n{note}\n" for note in notes)
    return f"""
Recordings it was made of, with thanks to those who speak in them; one speaker in five, unless a manifest deals
otherwise, chose the threshold instead of training:

| folder | source | licence | clips |
|---|---|---|--:|
{rows}
{said}"""


def _cell(text: str) -> str:
    return text.replace("|", "/") or "-"
