# SPDX-License-Identifier: MIT
"""`tinywake eval`: misses against false accepts per hour, by the core that boards run."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tinywake.audio.clips import read_clip
from tinywake.compiler.report import align
from tinywake.errors import AudioError, ConfigError
from tinywake.evaluate.det.alarms import alarms_of
from tinywake.evaluate.det.bounds import miss_bounds, too_short
from tinywake.evaluate.det.crossfit import cross_fit, folds_of
from tinywake.evaluate.det.latency import Latency
from tinywake.evaluate.det.speakers import shares_of
from tinywake.evaluate.det.trial import Trial
from tinywake.evaluate.metrics import misses_by_speaker
from tinywake.evaluate.plots import Trust, plot_det
from tinywake.evaluate.sounds.clipset import EvalClip, clip_set
from tinywake.evaluate.sounds.noise import BABBLE, Condition, Track, babble, parse_snr, recorded
from tinywake.pipeline.evaluation.contenders import Contender, contenders_of
from tinywake.pipeline.evaluation.gated import SETTLE_MS, behind, gate_of
from tinywake.pipeline.evaluation.hear import ClipScores, Ears, Effort
from tinywake.pipeline.evaluation.result import Cell, Evaluation, said

__all__ = ["Comparison", "Questions", "conditions_of", "evaluate", "parse_budgets"]

_BUDGETS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)  # false accepts an hour of the table, where none are named
_BUDGET = 0.5  # of the grid, likewise
_SNR = "20,10,5,0"
_Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Questions:
    """What is asked beyond the curve. budgets: false accepts an hour; the first one chooses the threshold to judge."""

    label: str | None = None
    gate: str | None = None
    budgets: tuple[float, ...] = ()
    noise: tuple[str, ...] = ()  # folders, CSV files, or "babble"
    snr: str | None = None
    cross_fit: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Comparison:
    """Every model on the same clips."""

    models: tuple[Evaluation, ...]
    effort: Effort

    def facts(self) -> dict[str, Any]:
        """As JSON-able values: one model's own, several as a list."""
        if len(self.models) == 1:
            return {**self.models[0].facts(), "effort": self.effort.facts()}
        return {"models": [each.facts() for each in self.models], "effort": self.effort.facts()}

    def plot(self, path: Path) -> None:
        """All curves in one PNG; marked is where each was judged."""
        names = ", ".join(sorted({each.label for each in self.models}))
        only = f", {self.models[0].model}" if len(self.models) == 1 else ""
        plot_det(
            {each.model: each.curve for each in self.models},
            path,
            names + only,
            {each.model: Trust(each.miss_bounds, (each.at,)) for each in self.models},
        )

    def lines(self) -> list[str]:
        """For people."""
        lines = []
        if len(self.models) > 1:
            budgets = self.models[0].budgets
            table = [["missed at", *(f"{budget:g}/h" for budget in budgets), "own threshold", "false accepts there"]]
            for each in self.models:
                at = [each.curve.threshold_for(budget) for budget in budgets]
                cells = [said(each.curve, each.miss_bounds, threshold)[0] for threshold in at]
                table.append([each.model, *cells, *said(each.curve, each.miss_bounds, each.threshold)])
            lines += [*align(table, left=range(len(table[0]))), ""]
        for each in self.models:
            lines += [*each.lines(), *([""] if len(self.models) > 1 else [])]
        return [*lines, self.effort.line()]


def parse_budgets(text: str | None) -> tuple[float, ...]:
    """`0.5,2` as false accepts an hour; none for None. Raises ConfigError."""
    if text is None:
        return ()
    try:
        budgets = tuple(float(part) for part in text.split(","))
    except ValueError:
        budgets = ()
    if not budgets or not all(0 <= budget <= 3600 for budget in budgets):
        raise ConfigError(f"--fa-per-hour {text}: numbers from 0 to 3600 with commas between them, such as 0.5,2")
    return budgets


def evaluate(
    models: Sequence[Path],
    positives: Sequence[Path],
    negatives: Sequence[Path],
    questions: Questions | None = None,
    on_clip: _Progress | None = None,
) -> Comparison:
    """Score every clip with every model and sweep the threshold.

    models: .twm, or micro-wake-word's manifests. positives, negatives: folders or CSV files; a clip that is in both
    counts as positive. Every clip, of either kind, is heard behind quiet noise as long as the network's receptive
    field and half a second (a board hears something before a word, too) and before half a second of it. A gate: the
    same clips are heard behind it as well. on_clip: called with clips done and clips in all.
    Raises AudioError, ConfigError, ModelError or FormatError.
    """
    asked = questions or Questions()
    contenders = contenders_of(models, asked.label)
    wanted, unwanted = _clips(positives, negatives)
    if asked.cross_fit is not None:  # refused before anything is heard, as the gate below
        speakers = [Counter(clip.speaker for clip in clips) for clips in (wanted, unwanted)]
        folds_of(speakers[0], speakers[1], asked.cross_fit)
    if asked.gate is not None:
        if len(contenders) > 1:
            raise ConfigError("--gate is for one model at a time")
        gate_of(contenders[0], asked.gate)
    ears = Ears(
        contenders, conditions_of(asked, [*wanted, *unwanted], unwanted), 0 if asked.gate is None else SETTLE_MS
    )
    every = [*wanted, *unwanted]
    total = len(every) * (1 if asked.gate is None else 2)
    heard = ears.hear(wanted, unwanted, None if on_clip is None else lambda done: on_clip(done, total))
    results = [_judged(ears, number, (wanted, unwanted), heard, asked) for number in range(len(contenders))]
    if asked.gate is not None:
        one, first = contenders[0], results[0]
        after = None if on_clip is None else lambda done: on_clip(len(every) + done, total)
        gated = behind(one, asked.gate, (wanted, unwanted), ears.lead_ms(one), one.threshold, after)
        results = [replace(first, gated=gated)]
    return Comparison(tuple(results), ears.effort)


def _clips(positives: Sequence[Path], negatives: Sequence[Path]) -> tuple[list[EvalClip], list[EvalClip]]:
    wanted = clip_set(positives)
    known = {clip.path for clip in wanted}
    unwanted = [clip for clip in clip_set(negatives) if clip.path not in known]
    if not unwanted:
        raise AudioError(f"{negatives[0]}: every clip in it is among the positives as well")
    return wanted, unwanted


def conditions_of(asked: Questions, clips: Sequence[EvalClip], unwanted: Sequence[EvalClip]) -> list[Condition]:
    """The cells of the grid that is asked for. unwanted: of the clips, those that babble is made of.

    Raises AudioError, ConfigError.
    """
    if not asked.noise:
        if asked.snr is not None:
            raise ConfigError("--snr says how loud noise is; name some with --noise DIR, or --noise babble")
        return []
    ratios = parse_snr(asked.snr or _SNR)
    kinds: dict[str, tuple[Track, ...]] = recorded([Path(each) for each in asked.noise if each != BABBLE])
    if BABBLE in asked.noise:
        kinds[BABBLE] = babble(unwanted, asked.seed, lambda path: read_clip(path, silent_ok=True))
    found = []
    for kind, tracks in kinds.items():
        content = hashlib.sha256(f"{asked.seed} {kind}".encode())
        for track in tracks:
            content.update(f" {len(track.pcm)} {sorted(track.speakers)}".encode() + track.pcm.tobytes())
        found += [Condition(kind, ratio, tracks, asked.seed, content.hexdigest()) for ratio in ratios]
        found[-1].check([clip.speaker for clip in clips])
    return found


def _judged(
    ears: Ears,
    number: int,
    clips: tuple[Sequence[EvalClip], Sequence[EvalClip]],
    heard: Sequence[ClipScores],
    asked: Questions,
) -> Evaluation:
    contender, (wanted, unwanted) = ears.contenders[number], clips
    trial = _trial(contender, 0, number, clips, heard)
    at = trial.curve.threshold_for(asked.budgets[0]) if asked.budgets else contender.threshold
    with_word, without = heard[: len(wanted)], heard[len(wanted) :]
    late = [
        each.scores[0, number].start + hits[0] * contender.rule.step_ms - each.end_ms
        for each, hits in zip(with_word, trial.hits(at), strict=True)
        if hits
    ]
    starts = [each.scores[0, number].start for each in without]
    alarms = alarms_of([clip.path for clip in unwanted], trial.negatives, starts, at, trial.rule)
    shares = shares_of(misses_by_speaker(trial.positives, trial.speakers, at, trial.rule))
    budget = asked.budgets[0] if asked.budgets else _BUDGET
    cells = []
    for k, condition in enumerate(ears.conditions, 1):
        noisy = _trial(contender, k, number, clips, heard)
        cells.append(Cell(condition.kind, condition.snr_db, noisy.curve, _bounds(noisy, asked.seed)))
    fit = None if asked.cross_fit is None else cross_fit(trial, budget, asked.cross_fit)
    return Evaluation(
        model=contender.name,
        label=contender.label,
        threshold=contender.threshold,
        at=at,
        budgets=asked.budgets or _BUDGETS,
        curve=trial.curve,
        miss_bounds=_bounds(trial, asked.seed),
        speakers=shares,
        latency=Latency(late),
        alarms=alarms,
        lead_ms=ears.lead_ms(contender),
        budget=budget,
        cells=tuple(cells),
        crossfit=fit,
        notes=tuple(_notes(trial, at, budget, asked)),
        each=trial.by_speaker()[1:],
    )


def _trial(
    contender: Contender,
    condition: int,
    number: int,
    clips: tuple[Sequence[EvalClip], Sequence[EvalClip]],
    heard: Sequence[ClipScores],
) -> Trial:
    wanted, unwanted = clips
    scores = [each.scores[condition, number].values for each in heard]
    return Trial(
        positives=scores[: len(wanted)],
        negatives=scores[len(wanted) :],
        speakers=[clip.speaker for clip in wanted],
        others=[clip.speaker for clip in unwanted],
        seconds=np.array([each.seconds for each in heard[len(wanted) :]]),
        rule=contender.rule,
    )


def _bounds(trial: Trial, seed: int) -> Any:
    _, missed, clips = trial.by_speaker()
    return miss_bounds(missed, clips, seed)


def _notes(trial: Trial, at: int, budget: float, asked: Questions) -> list[str]:
    notes = []
    if len(set(trial.speakers)) < 2:
        notes.append("one speaker says the word: no bounds on misses, since nobody knows how others differ")
    short = too_short(budget, trial.curve.hours)
    if short is not None:
        notes.append(short)
    if asked.budgets and trial.curve.misses[at] == trial.curve.positives:
        notes.append(f"only a threshold at which no word is heard keeps {budget:g} false accepts an hour")
    elif asked.budgets and asked.cross_fit is None:
        notes.append(
            f"threshold {at} was chosen on the very clips that judge it here, which flatters it: --cross-fit 2 lets "
            "other speakers judge it, or measure the file on other clips"
        )
    return notes
