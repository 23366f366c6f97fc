# SPDX-License-Identifier: MIT
"""An evaluation as a section of a model's card: figures on a named set, and whom it hears badly, without ids."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from tinywake.errors import ConfigError
from tinywake.evaluate.det.speakers import BAD, SpeakerShare
from tinywake.files import why_unread, write_beside
from tinywake.pipeline.evaluation.result import Evaluation, said

__all__ = ["note_in_card", "whom_it_hears_badly"]


def note_in_card(card: Path, name: str, result: Evaluation) -> None:
    """Write the figures under a heading of the set's name; what stood under it before is replaced.

    The same evaluation gives the same bytes: no dates, no paths, no speaker's id. Raises ConfigError where the card
    cannot be read or the name is no line of text.
    """
    if not name.strip() or not name.isprintable() or name.startswith("#"):
        raise ConfigError(f"--set {name!r}: a name for the clips, one line of text")
    try:
        text = card.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = why_unread(error) if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(f"{card}: {why}") from error
    heading = f"## Measured on {name.strip()}\n"
    section = heading + "\n" + "\n".join(_lines(result)) + "\n"
    old = re.search(rf"^{re.escape(heading)}.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if old:
        kept = text[: old.start()] + section + ("\n" if old.end() < len(text) else "") + text[old.end() :]
    else:
        kept = text.rstrip("\n") + "\n\n" + section
    write_beside(card, lambda part: part.write_text(kept, encoding="utf-8"))


def whom_it_hears_badly(speakers: Sequence[SpeakerShare], at: int) -> str:
    """A sentence on several speakers' shares at a threshold; no speaker is named."""
    rates = [share.rate for share in speakers]
    bad = [share for share in speakers if share.rate > BAD]
    lost, everything = (sum(share.missed for share in shares) for shares in (bad, speakers))
    who = f", who make {lost} of {everything} misses" if bad else ""
    spread = f"{100 * median(rates):.0f} % (median) to {100 * max(rates):.0f} % (worst)"
    return (
        f"Who it hears badly, at threshold {at}: of {len(rates)} speakers it misses {spread}; {len(bad)} of them more "
        f"than {100 * BAD:.0f} %{who}."
    )


def _lines(result: Evaluation) -> list[str]:
    rows = [
        "| false accepts an hour at most | threshold | missed (95 %) | false accepts counted (an hour, 95 %) |",
        "|--:|--:|--:|--:|",
    ]
    for budget, threshold, _, _ in result.curve.table(result.budgets):
        missed, counted = said(result.curve, result.miss_bounds, threshold)
        rows.append(f"| {budget:g} | {threshold} | {missed} | {counted} |")
    missed, counted = said(result.curve, result.miss_bounds, result.threshold)
    lines = [
        f"{result.curve.positives} clips with the word, {result.curve.hours:.2f} h without it.",
        "",
        *rows,
        "",
        f"At the threshold in the file, {result.threshold}: {missed} missed, {counted} false accepts.",
    ]
    if result.crossfit is not None:
        lines += ["", f"C{result.crossfit.line()[1:]}."]
    if len(result.speakers) > 1:
        lines += ["", whom_it_hears_badly(result.speakers, result.at)]
    if result.cells:
        lines += ["", f"| noise | SNR | missed at {result.at} | false accepts |", "|---|--:|--:|--:|"]
        for cell in result.cells:
            missed, counted = said(cell.curve, cell.miss_bounds, result.at)
            lines.append(f"| {cell.kind} | {cell.snr_db:g} dB | {missed} | {counted} |")
    return [*lines, *(f"\nNote: {note}." for note in result.notes)]
