# SPDX-License-Identifier: MIT
"""A few utterances of an owner -> the same model with its last layer moved towards them."""

from __future__ import annotations

import hashlib
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tinywake.compiler.coding.encode import in_form_of
from tinywake.compiler.twm.head import Head, read_head, with_head
from tinywake.compiler.twm.layout import Section
from tinywake.compiler.twm.sections import sections_of, with_sections
from tinywake.compiler.twm.unpack import parse
from tinywake.core import Model
from tinywake.errors import AudioError
from tinywake.evaluate.sounds.clipset import clip_set
from tinywake.files import check_writable, write_beside
from tinywake.pipeline.enrolment.background import Background, gather_background
from tinywake.pipeline.enrolment.check import check_on
from tinywake.pipeline.enrolment.ear import Ear, Said, loudest
from tinywake.pipeline.enrolment.result import Enrolment, Heard
from tinywake.pipeline.enrolment.shift import Moved, Shift
from tinywake.pipeline.enrolment.utterances import read_utterances
from tinywake.pipeline.evaluation.contenders import Contender, contenders_of

__all__ = ["Owner", "adapt", "enrol", "refuse_unlike"]

Progress = Callable[[str, float], None]
_GAINS = tuple(float(gain) for gain in range(1, 9))  # logits; more were not worth more (docs/enrolment.md)
_MARGIN = 1.0  # logits over the threshold that an utterance should have when the others alone are enrolled
_ROOM = 0.25  # logits below what the output can say
_LIKE, _ALL_LIKE = 0.5, 0.7  # shares of other speech that each utterance, and their median, must stand above
_LOSS = 0.05  # share of the word in other voices that may no longer be heard


@dataclass(frozen=True)
class Owner:
    """What an enrolment is given. utterances: sound files of the word; negatives: folders or CSVs without it."""

    utterances: tuple[Path, ...]
    negatives: tuple[Path, ...] = ()
    check: Path | None = None  # folder or manifest with the word and without it: reported, never learnt from
    label: str | None = None  # where the model has several wake labels


def enrol(model: Path, owner: Owner, out: Path, progress: Progress | None = None) -> Enrolment:
    """Write `model`, adapted to the owner, to `out`: of the last layer weights and bias of one output move, no more.

    The least gain is taken with which every utterance is heard by what the other utterances alone have taught. Other
    speech is accepted no more often than before, the word in other voices heard no less. Raises ModelError where the
    model has no such layer, AudioError where the utterances are unfit or do not resemble the word, ToolError.
    """
    check_writable(out)
    (given,) = contenders_of([model], owner.label)
    assert given.file.detector is not None
    unit = next(i for i, entry in enumerate(given.file.detector.labels) if entry.name == given.label and entry.wake)
    head = read_head(given.data, str(model), unit)
    clips = read_utterances(owner.utterances)
    ear = Ear(given.data, str(model), head, given.lead_ms)
    said = [ear.hear(pcm) for pcm in clips]
    background = gather_background(ear, given.label, owner.negatives, progress)
    shift = Shift(head, background, given.rule, given.threshold)
    refuse_unlike(shift, said, owner.utterances, given.label)
    gain, moved, stopped = adapt(shift, said, background, given, head)
    data = given.data if moved is None else _written(given.data, head, moved, len(clips))
    Model(data, str(out)).verify()
    made = replace(given, data=data, file=parse(data), name="enrolled")
    after = [Ear(data, str(out), head, given.lead_ms).hear(pcm) for pcm in clips]
    window = given.rule.window
    left = _left_out(shift, said, gain) if moved else [loudest(one.scores, window) for one in said]
    heard = tuple(
        Heard(str(path), loudest(one.scores, window), loudest(two.scores, window), alone if len(said) > 1 else None)
        for path, one, two, alone in zip(owner.utterances, said, after, left, strict=True)
    )
    checked = None
    if owner.check is not None:
        negatives = [clip.path for clip in clip_set(owner.negatives)] if owner.negatives else []
        checked = check_on(owner.check, given, made, progress, learnt=(*owner.utterances, *negatives))
    file = in_form_of(model.read_bytes(), data)
    write_beside(out, lambda part: part.write_bytes(file))
    return Enrolment(
        out, given.label, given.threshold, gain, heard, background.seconds, background.spoken, background.recorded,
        (shift.accepted, shift.accepts(moved)),
        (shift.heard(None, background.others), shift.heard(moved, background.others), len(background.others)),
        checked, tuple(_notes(len(said), gain, stopped, background)),
    )  # fmt: skip


def refuse_unlike(shift: Shift, said: Sequence[Said], paths: Sequence[Path], label: str) -> None:
    """Raise AudioError for utterances in which the model hears nothing of the word."""
    likeness = [shift.resembles(one.inputs) for one in said]
    for share, path in zip(likeness, paths, strict=True):
        if share < _LIKE:
            raise AudioError(
                f"{path}: does not resemble {label!r}: {100 * (1 - share):.0f} % of other speech sounds more like it "
                "to this model; leave it out, or record it again"
            )
    if statistics.median(likeness) < _ALL_LIKE:
        raise AudioError(
            f"{paths[0]} and {len(paths) - 1} others: do not resemble {label!r}: to this model more than "
            f"{100 * (1 - _ALL_LIKE):.0f} % of other speech sounds more like it; is it another word?"
        )


def adapt(
    shift: Shift, said: Sequence[Said], background: Background, given: Contender, head: Head
) -> tuple[float, Moved | None, bool]:
    """The gain and the layer, 0 and None where everything is heard already; whether other voices forbade more gain."""
    wanted = _byte(min(_logit(given.threshold) + _MARGIN, head.most - _ROOM))
    if all(loudest(one.scores, given.rule.window) >= wanted for one in said):
        return 0.0, None, False
    words = [shift.word(one.inputs) for one in said]
    fewest = shift.heard(None, background.others) - _LOSS * len(background.others)
    best: tuple[float, Moved] | None = None
    stopped = False
    for gain in _GAINS:
        moved = shift.move(words, gain)
        if shift.heard(moved, background.others) < fewest:
            stopped = True
            break
        best = gain, moved
        if all(score >= wanted for score in _left_out(shift, said, gain)):
            break
    if best is None:
        raise AudioError(
            f"these utterances cannot be enrolled: any change towards them loses {given.label!r} in other voices; "
            "check that they are the word, or train with them (--data)"
        )
    return *best, stopped


def _left_out(shift: Shift, said: Sequence[Said], gain: float) -> list[int]:
    """The score of each utterance when only the others are enrolled; of a single one, its own."""
    words = [shift.word(one.inputs) for one in said]
    scores = []
    for number, one in enumerate(said):
        others = [word for other, word in enumerate(words) if other != number] or words
        scores.append(shift.score(shift.move(others, gain), one.inputs))
    return scores


def _written(data: bytes, head: Head, moved: Moved, utterances: int) -> bytes:
    made = with_head(data, head, moved.weights, moved.bias)
    notes = sections_of(data).get(Section.PROVENANCE)
    if notes is None:
        return made
    kept = b"".join(line for line in notes.splitlines(keepends=True) if not line.startswith(b"enrolled "))
    origin = hashlib.sha256(data).hexdigest()[:16]
    kept += f"enrolled utterances={utterances}\nenrolled from={origin}\n".encode()
    return with_sections(made, {Section.PROVENANCE: kept})


def _notes(utterances: int, gain: float, stopped: bool, background: Background) -> list[str]:
    notes = []
    if utterances < 3:
        notes.append("three utterances or more, not all in one breath, say better what the next one will be like")
    if stopped:
        notes.append(f"more gain would lose over {100 * _LOSS:.0f} % of the word in other voices")
    if gain == _GAINS[-1]:
        notes.append("the limit of what enrolment may change is reached; more utterances, or training, may do more")
    if not background.spoken:
        notes.append(
            "no speech engine is installed to say the word in other voices: whether others lose it is not known"
        )
    return notes


def _logit(score: float) -> float:
    share = min(max(score, 0.5), 255.5) / 256
    return math.log(share / (1 - share))


def _byte(logit: float) -> int:
    return min(255, round(256 / (1 + math.exp(-logit))))
