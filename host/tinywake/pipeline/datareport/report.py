# SPDX-License-Identifier: MIT
"""Recordings -> a report: what there is, faults, warnings. `train` asks for the same faults before it begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinywake.audio.survey.survey import Surveyed, survey
from tinywake.audio.survey.twins import twins
from tinywake.config import Recipe
from tinywake.errors import AudioError
from tinywake.pipeline.datareport.findings import Finding, clip_findings
from tinywake.pipeline.datareport.picture import draw
from tinywake.pipeline.datareport.together import (
    amount_findings,
    channel_findings,
    speaker_findings,
    twin_findings,
)

__all__ = ["DataReport", "data_report", "refuse_faults"]

Progress = Callable[[str, float], None]
_LINES = 12  # groups that get a line of their own


@dataclass(frozen=True)
class DataReport:
    """What was found. `clips` has every clip, in order of its folder."""

    clips: tuple[Surveyed, ...]
    findings: tuple[Finding, ...]
    word_known: bool
    picture: Path | None = None

    @property
    def faults(self) -> list[Finding]:
        """What no training begins with."""
        return [finding for finding in self.findings if finding.fault]

    @property
    def warnings(self) -> list[Finding]:
        """What is doubtful, or makes a worse model."""
        return [finding for finding in self.findings if not finding.fault]

    def facts(self) -> dict[str, object]:
        """As JSON-able values."""
        parts = {"faults": self.faults, "warnings": self.warnings}
        return {
            "clips": len(self.clips),
            "groups": [_amounts(name, clips) for name, clips in self._groups()],
            **{
                name: [{"kind": f.kind, "text": f.text, "clips": list(f.clips)} for f in found]
                for name, found in parts.items()
            },
            "picture": str(self.picture) if self.picture else None,
        }

    def lines(self) -> list[str]:
        """For people."""
        found = [*(f"fault: {f.text}" for f in self.faults), *(f"warning: {f.text}" for f in self.warnings)]
        return [*self._table(), *found, *self._verdict()]

    def _groups(self) -> list[tuple[str, list[Surveyed]]]:
        kinds = ("word", "phrase", "other", "noise") if self.word_known else ()
        names = sorted({clip.group for clip in self.clips})
        found = [(name, [clip for clip in self.clips if clip.group == name]) for name in (*kinds, *names)]
        chosen = {name: clips for name, clips in found if clips}
        return list(chosen.items()) if self.word_known else sorted(chosen.items(), key=lambda g: (-len(g[1]), g[0]))

    def _table(self) -> Iterator[str]:
        titles = {"word": "the word", "phrase": "the word inside speech", "other": "other speech"}
        groups = self._groups()
        for name, clips in groups[:_LINES]:
            a = _amounts(name, clips)
            title = titles.get(name, name) if self.word_known else name
            who = f"{a['speakers']} speakers ({a['validating']} validate)" if a["named"] else "speakers not named"
            median = (
                f", median level {a['level_db']:.0f} dB, band {a['band_hz'] / 1000:.3g} kHz" if a["level_db"] else ""
            )
            yield f"{title[:40]}: {a['clips']:,} clips, {who}, {_length(a['seconds'])}{median}"
        if len(groups) > _LINES:
            rest = [clip for _, clips in groups[_LINES:] for clip in clips]
            seconds = sum(clip.measures.seconds for clip in rest if clip.measures)
            yield f"{len(groups) - _LINES} more labels: {len(rest):,} clips, {_length(seconds)}"
        if not self.word_known:
            yield "which of these is the word is not known: --recipe RECIPE says so, and more is checked"

    def _verdict(self) -> Iterator[str]:
        if self.faults:
            yield f"{len(self.faults)} faults: train refuses this data"
        elif not self.findings:
            yield "nothing is wrong with it"
        if self.picture:
            yield f"{self.picture}: durations, levels, bandwidth, speakers"


def data_report(
    data: Sequence[Path], recipe: Recipe | None = None, picture: Path | None = None, progress: Progress | None = None
) -> DataReport:
    """Look at every clip of some folders or manifests; with `picture`, draw a PNG.

    Raises AudioError where there is no such folder or manifest; a bad clip is a fault in the report.
    """
    texts = recipe.spoken if recipe else ()
    clips = survey(data, texts, progress, labels=recipe.labels if recipe else ())
    findings = [
        *amount_findings(clips, texts),
        *speaker_findings(clips),
        *channel_findings(clips, texts),
        *clip_findings(clips),
        *twin_findings(clips, twins([clip for clip in clips if clip.recording.kind != "noise"], progress)),
    ]
    if picture is not None:
        draw(clips, picture, recipe.word.label if recipe else "")
    return DataReport(tuple(clips), tuple(findings), recipe is not None, picture)


def refuse_faults(
    data: Sequence[Path], recipe: Recipe, progress: Progress | None = None, warn: Callable[[str], None] | None = None
) -> None:
    """Raise AudioError with the first fault of the recordings; `warn` is told each warning."""
    report = data_report(data, recipe, None, progress)
    if report.faults:
        more = f" ({len(report.faults) - 1} more faults: tinywake data-report)" if len(report.faults) > 1 else ""
        raise AudioError(report.faults[0].text + more)
    for finding in report.warnings if warn else ():
        assert warn is not None
        warn(finding.text)


def _amounts(name: str, clips: Sequence[Surveyed]) -> dict[str, Any]:
    measures = [clip.measures for clip in clips if clip.measures]
    people = {clip.recording.speaker: clip.validates for clip in clips}
    return {
        "group": name,
        "clips": len(clips),
        "speakers": len(people),
        "validating": sum(people.values()),
        "named": any(clip.recording.named for clip in clips),
        "seconds": round(sum(m.seconds for m in measures), 2),
        "level_db": round(float(np.median([m.level_db for m in measures])), 1) if measures else None,
        "band_hz": float(np.median([m.band_hz for m in measures])) if measures else None,
    }


def _length(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"
