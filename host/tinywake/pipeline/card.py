# SPDX-License-Identifier: MIT
"""CARD.md: what a trained word is, what it was made of, and what it was measured to do. Generated, never edited."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinywake import __version__
from tinywake.audio.voices.census import Census
from tinywake.coded import decoded, is_coded
from tinywake.compiler.build import Compiled
from tinywake.config import GOOGLE_SPEECH, Recipe, Teacher
from tinywake.evaluate.metrics import DetCurve, poisson_bounds
from tinywake.pipeline.credits import credits_of, credits_section

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
    arena = plan.arena_bytes + plan.state_bytes
    recordings = ", ".join(folder.name for folder in data) or "none"
    return f"""# {", ".join(recipe.labels)}

Written by `tinywake train` {__version__}; the recipe has every parameter.

| | |
|---|---|
| file | {len(compiled.blob):,} bytes (.twm: graph, weights, front end, labels, detector) |
{_form(compiled.blob)}| memory | {arena:,} bytes of arena, of which {plan.state_bytes:,} are streaming state |
| work | {compiled.graph.macs():,} multiply-accumulates every {step} ms |
| receptive field | {10 * recipe.network.window + 20} ms |
| detector | mean of {rule.window} steps over {threshold}/256, {rule.refractory_ms} ms refractory |
| voices in training | {voices[0]} |
| voices that chose the threshold | {voices[1]} |
| recordings | {recordings} |
{_taught(recipe.teacher)}
On the voices that chose the threshold (so these are no independent figures), {curve.positives} clips with the word and
{60 * curve.hours:.0f} minutes of other speech, in mild noise:

| false accepts an hour at most | threshold | missed | false accepts counted |
|--:|--:|--:|--:|
{table}

At the threshold in the file: {100 * missed_here:.1f} % missed, {counted_here} false
accepts ({low:.1f} to {high:.1f} an hour at 95 %). The curve is det.png.
{credits_section(credits_of(data), "chose the threshold")}
Measure it on people before relying on it: `tinywake eval --model model.twm --positives DIR --negatives DIR`.
"""


def _taught(teacher: Teacher) -> str:
    """A row for who taught besides the labels; none where nobody did."""
    if not teacher.embedding:
        return ""
    who = teacher.embedding
    if who == GOOGLE_SPEECH:
        who = "Google's speech embedding (arXiv 2002.01322, Apache-2.0)"
    return f"| teacher | {who}, with {teacher.heads} heads trained on the same clips |\n"


def _form(blob: bytes) -> str:
    """A row for a file that boards do not read in place; none for the others."""
    if not is_coded(blob):
        return ""
    return f"| form | coded: a board decodes it once, into {len(decoded(blob)):,} bytes of RAM |\n"
