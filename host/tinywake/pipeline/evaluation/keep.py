# SPDX-License-Identifier: MIT
"""A threshold that was measured goes into the model's file."""

from __future__ import annotations

from pathlib import Path

from tinywake.compiler.coding.encode import in_form_of
from tinywake.compiler.twm.threshold import with_threshold
from tinywake.core import Model
from tinywake.errors import ModelError
from tinywake.evaluate.metrics import poisson_bounds
from tinywake.files import write_beside
from tinywake.pipeline.evaluation.contenders import contenders_of
from tinywake.pipeline.evaluation.result import Evaluation

__all__ = ["check_keepable", "keep_threshold"]


def check_keepable(model: Path, out: Path | None) -> None:
    """Raise ModelError where `model` is no file that can carry a threshold and no other one is named."""
    if out is None and model.suffix.lower() == ".json":
        raise ModelError(f"{model}: a manifest holds no threshold of ours; name a .twm to write with -o")


def keep_threshold(result: Evaluation, model: Path, out: Path | None = None) -> str:
    """Write the model with the threshold that was judged: to `out`, else over itself. All else stays as it is.

    Returns a line. Raises ModelError where nothing is heard at that threshold.
    """
    check_keepable(model, out)
    if result.curve.misses[result.at] == result.curve.positives:
        raise ModelError(
            f"{model}: not written: {result.budget:g} false accepts an hour are kept only where no word is heard; "
            "allow more with --fa-per-hour"
        )
    (contender,) = contenders_of([model], result.label)
    data = in_form_of(model.read_bytes(), with_threshold(contender.data, result.label, result.at))
    Model(data, str(out or model)).verify()
    write_beside(out or model, lambda part: part.write_bytes(data))
    counted = int(result.curve.false_accepts[result.at])
    low, high = poisson_bounds(counted, result.curve.hours)
    return (
        f"{out or model}: threshold {result.at} (was {contender.threshold}) for {result.budget:g}/h, "
        f"which counted {counted} in {result.curve.hours:.2f} h ({low:.2g} to {high:.2g} an hour at 95 %)"
    )
