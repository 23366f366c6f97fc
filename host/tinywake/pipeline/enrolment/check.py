# SPDX-License-Identifier: MIT
"""The model before and after on a set that enrolment has not seen: who is lost, what is gained."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from tinywake.audio.folders import recordings
from tinywake.errors import AudioError
from tinywake.evaluate.metrics import count_each, misses_by_speaker
from tinywake.evaluate.sounds.clipset import EvalClip
from tinywake.pipeline.enrolment.result import Checked
from tinywake.pipeline.evaluation.contenders import Contender
from tinywake.pipeline.evaluation.hear import Ears

__all__ = ["check_on"]


def check_on(
    data: Path,
    before: Contender,
    after: Contender,
    progress: Callable[[str, float], None] | None = None,
    *,
    learnt: Sequence[Path] = (),
) -> Checked:
    """Recordings as for train: a folder of labels, or a manifest. Clips with the word inside speech are left out.

    So are those of the same bytes as one in `learnt`. Raises AudioError where there are none.
    """
    known = {_digest(path) for path in learnt}
    every = recordings(data, (before.label,))
    found = [each for each in every if _digest(each.path) not in known]
    wanted = [EvalClip(each.path, each.speaker) for each in found if each.kind == "word"]
    unwanted = [EvalClip(each.path, each.speaker) for each in found if each.kind in ("other", "noise")]
    if not wanted and not unwanted:
        raise AudioError(f"{data}: nothing in it can be checked; a sub-folder {before.label}/ would hold the word")
    total = len(wanted) + len(unwanted)
    heard = Ears([before, after]).hear(
        wanted, unwanted, None if progress is None else lambda done: progress("checking", done / total)
    )
    missed, accepted, tables = [], [], []
    for number in (0, 1):
        scores = [each.scores[0, number].values for each in heard]
        speakers = [clip.speaker for clip in wanted]
        table = misses_by_speaker(scores[: len(wanted)], speakers, before.threshold, before.rule)
        tables.append(table)
        missed.append(sum(count for count, _ in table.values()))
        accepted.append(int(count_each(scores[len(wanted) :], before.rule)[:, before.threshold].sum()))
    worse = sum(tables[1][name][0] > tables[0][name][0] for name in tables[0])
    hours = sum(each.seconds for each in heard[len(wanted) :]) / 3600
    return Checked(
        data.name, len(wanted), (missed[0], missed[1]), len(tables[0]), worse, hours, (accepted[0], accepted[1]),
        len(every) - len(found),
    )  # fmt: skip


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()
