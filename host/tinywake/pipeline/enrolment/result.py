# SPDX-License-Identifier: MIT
"""What an enrolment did, as values and for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tinywake.compiler.report import align
from tinywake.evaluate.metrics import poisson_bounds

__all__ = ["Checked", "Enrolment", "Heard"]


@dataclass(frozen=True)
class Heard:
    """The highest mean of the detector's window in an utterance, 0..255.

    before, after: in the model given and the one written. without: after enrolment of the other utterances alone, which
    is what to expect of the next one; None where there is only one.
    """

    path: str
    before: int
    after: int
    without: int | None


@dataclass(frozen=True)
class Checked:
    """A named set, before and after. missed: of clips; false_accepts: in hours. speakers_worse: who lost a clip."""

    name: str
    clips: int
    missed: tuple[int, int]
    speakers: int
    speakers_worse: int
    hours: float
    false_accepts: tuple[int, int]
    left_out: int = 0  # clips that enrolment was given

    def lines(self) -> list[str]:
        """For people."""
        said = [] if self.clips else [f"{self.name}: no clip is labelled as the model's word: nothing to miss"]
        if self.left_out:
            said.append(f"{self.name}: {self.left_out} clips that enrolment was given are left out")
        if self.clips:
            before, after = (f"{100 * missed / self.clips:.1f} %" for missed in self.missed)
            said.append(
                f"{self.name}: {before} of {self.clips} clips with the word missed before, {after} after; "
                f"{self.speakers_worse} of {self.speakers} speakers lost a clip"
            )
        if self.hours:
            low, high = poisson_bounds(self.false_accepts[1], self.hours)
            said.append(
                f"{self.name}: {self.false_accepts[0]} false accepts in {self.hours:.2f} h before, "
                f"{self.false_accepts[1]} after ({low:.2g} to {high:.2g} an hour at 95 %)"
            )
        return said


@dataclass(frozen=True)
class Enrolment:
    """gain: logits that the owner's utterances were given, on average, before the bias made up for other speech.

    background: seconds of other speech that it was held to; accepted: false accepts in it, before and after. others:
    clips of the word in other voices that were heard before and after, and how many there are.
    """

    out: Path
    label: str
    threshold: int
    gain: float
    utterances: tuple[Heard, ...]
    background: float
    spoken: int
    recorded: int
    accepted: tuple[int, int]
    others: tuple[int, int, int]
    checked: Checked | None = None
    notes: tuple[str, ...] = ()

    def facts(self) -> dict[str, object]:
        """As JSON-able values."""
        return {**asdict(self), "out": str(self.out)}

    def lines(self) -> list[str]:
        """For people."""
        above = self.threshold
        rows = [["utterance", "before", "after", "enrolled by the others alone"]]
        for each in self.utterances:
            without = "" if each.without is None else f"{each.without}{_mark(each.without, above)}"
            cells = [f"{score}{_mark(score, above)}" for score in (each.before, each.after)]
            rows.append([each.path, *cells, without])
        heard = [sum(score > above for score in scores) for scores in self._scores()]
        left = [each.without for each in self.utterances if each.without is not None]
        expected = f"; {sum(score > above for score in left)} of {len(left)} by the others alone" if left else ""
        one, two, count = self.others
        said = [
            f"{self.out}: {self.label!r}, {len(self.utterances)} utterances, {self.gain:g} logits"
            + (", nothing to gain: the model is as it was" if not self.gain else ""),
            *align(rows, left=(0,)),
            f"above threshold {above}: {heard[0]} of {len(self.utterances)} before, {heard[1]} after{expected}",
            f"held to {self.background / 60:.0f} minutes of other speech ({self.spoken} clips spoken, {self.recorded} "
            f"recorded): {self.accepted[0]} false accepts before, {self.accepted[1]} after",
        ]
        if count:
            said.append(f"the word in other voices, spoken: {one} of {count} clips heard before, {two} after")
        return [*said, *(self.checked.lines() if self.checked else ()), *(f"note: {note}" for note in self.notes)]

    def _scores(self) -> Sequence[Sequence[int]]:
        return [each.before for each in self.utterances], [each.after for each in self.utterances]


def _mark(score: int, threshold: int) -> str:
    return " heard" if score > threshold else "      "
