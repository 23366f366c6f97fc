# SPDX-License-Identifier: MIT
"""What trained networks say to every step of the training streams, and what their heads read there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.dataset import Dataset
from tinywake.learn.compress.arrays import Arrays, cropped, model_of, network_of
from tinywake.learn.judge import logits
from tinywake.learn.teacher.lessons import Hints, features_of, probable, standardised

__all__ = ["hints_of", "soft_targets"]


def soft_targets(
    data: Dataset,
    teachers: Sequence[Arrays],
    stride: int,
    temperature: float,
    heads: Sequence[NDArray[np.float16]] = (),
) -> NDArray[np.float32]:
    """The mean of the teachers' probabilities at that temperature, [streams, steps, words].

    They hear the streams as they are, without the holes that are torn into them for the network that learns. heads:
    logits of others that were asked already; together they count as one teacher. Raises ConfigError for a teacher that
    sees more frames than the streams were made for.
    """
    said = []
    for arrays in teachers:
        heard = cropped(data, network_of(arrays, stride))
        said.append(probable(logits(model_of(arrays, stride, 0), heard.features), temperature))
    if len(heads):
        said.append(probable(np.stack(heads), temperature).mean(axis=0))
    return np.asarray(np.mean(said, axis=0), np.float32)


def hints_of(data: Dataset, teacher: Arrays, stride: int, weight: float) -> Hints:
    """What the teacher's head reads of the streams as they are. Raises ConfigError as ``soft_targets`` does."""
    heard = cropped(data, network_of(teacher, stride))
    return Hints(standardised(logits(features_of(model_of(teacher, stride, 0)), heard.features)), weight)
