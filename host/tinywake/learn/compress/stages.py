# SPDX-License-Identifier: MIT
"""The stages of [compress]: each takes a network's arrays and gives smaller ones, trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from tinywake.audio.dataset import Dataset
from tinywake.config import Recipe
from tinywake.errors import ConfigError
from tinywake.learn.compress import narrow
from tinywake.learn.compress.arrays import Arrays, arrays_of, cropped, model_of, network_of
from tinywake.learn.compress.folded import folded, grid_network
from tinywake.learn.compress.forms import Codebooks, Form, Sparse
from tinywake.learn.compress.teach import hints_of, soft_targets
from tinywake.learn.compress.tune import Course, Tuned, tune
from tinywake.learn.networks import training_network
from tinywake.learn.teacher.lessons import Lessons
from tinywake.learn.train import part_of

__all__ = ["Workshop"]

Progress = Callable[[float], None]
_LEAST_WINDOW = 40  # frames, as in a recipe


@dataclass(frozen=True)
class Workshop:
    """What all stages share: the streams, the recipe, what the teachers say of the streams, a folder for states."""

    data: Dataset
    recipe: Recipe
    told: NDArray[np.float32]
    kept: Path
    teacher: Arrays  # the trained network, which gives the hints

    @classmethod
    def of(
        cls, data: Dataset, recipe: Recipe, teachers: Sequence[Arrays], heads: Sequence[NDArray[np.float16]], kept: Path
    ) -> Workshop:
        """Ask the teachers, the trained network first; `heads` have been asked (``soft_targets``).

        Raises ConfigError for one that sees more frames than the streams were made for.
        """
        told = soft_targets(data, teachers, recipe.network.stride, recipe.compress.temperature, heads)
        return cls(data, recipe, told, kept, teachers[0])

    def run(self, stage: str, arrays: Arrays, progress: Progress) -> Tuned:
        """A stage by its name. Raises ConfigError where the network has not what the recipe wants to take away."""
        stages: dict[str, Callable[[Arrays, Progress], Tuned]] = {
            "distil": self._distil,
            "blocks": self._blocks,
            "channels": self._channels,
            "weights": self._weights,
            "quantise": partial(self._grids, None),
            "cluster": partial(self._grids, self.recipe.compress.values),
        }
        return stages[stage](arrays, progress)

    def _distil(self, arrays: Arrays, progress: Progress) -> Tuned:
        """A narrower network learns from nothing; one of the same shape goes on from the trained weights."""
        config, train, net = self.recipe.compress, self.recipe.train, self.recipe.network
        student = replace(
            net, first_filters=config.first_filters or net.first_filters, filters=config.filters or net.filters
        )
        if student == network_of(arrays, net.stride):
            begin, steps, rate = arrays, config.steps, config.learning_rate
        else:
            begin = arrays_of(training_network(student, self.data.outputs, 0.0, self._seed))
            steps, rate = train.steps, train.learning_rate
        model, data = self._made(begin)
        hints = hints_of(self.data, self.teacher, net.stride, config.hints) if config.hints else None
        course = self._course(data, "distil", steps)
        course = replace(course, learning_rate=rate, lessons=replace(course.lessons, hints=hints))
        return tune(model, Form(), course, progress)

    def _blocks(self, arrays: Arrays, progress: Progress) -> Tuned:
        config, stride = self.recipe.compress, self.recipe.network.stride

        def cut(arrays: Arrays, number: int) -> Arrays:
            without = [narrow.without_block(arrays, n) for n in narrow.removable(arrays)]
            without = [left for left in without if network_of(left, stride).window >= _LEAST_WINDOW]
            if not without:
                raise ConfigError(
                    f"compress.blocks = {config.blocks}: {number} can leave; a block must have as many channels in as "
                    f"out, another must stay, and the network must see {_LEAST_WINDOW} frames"
                )
            return min(without, key=self._loss)

        return self._rounds("blocks", config.blocks, cut, arrays, progress)

    def _channels(self, arrays: Arrays, progress: Progress) -> Tuned:
        config = self.recipe.compress
        whole = {layer: arrays[f"{layer}.0"].shape[-1] for layer in narrow.layers_of(arrays)}

        def cut(arrays: Arrays, number: int) -> Arrays:
            worth = narrow.channel_worth(*self._made(arrays), self.recipe.detector.window, self._seed)
            for layer, count in whole.items():
                left = narrow.width(count, config.channels * (number + 1) / config.rounds)
                kept = np.sort(np.argsort(-worth[layer], kind="stable")[:left])
                arrays = narrow.narrowed(arrays, layer, kept.tolist())
            return arrays

        return self._rounds("channels", config.rounds, cut, arrays, progress)

    def _rounds(
        self, name: str, count: int, cut: Callable[[Arrays, int], Arrays], arrays: Arrays, progress: Progress
    ) -> Tuned:
        """So many times, of which there is at least one, something leaves and what is left trains."""
        steps = self.recipe.compress.steps // count
        for number in range(count):
            share = part_of(progress, number, count)
            tuned = self._train(cut(arrays, number), Form(), share, f"{name}{number}", steps)
            arrays = tuned.arrays
        return tuned

    def _weights(self, arrays: Arrays, progress: Progress) -> Tuned:
        form = Sparse(arrays, self.recipe.compress.sparsity)
        return self._train(arrays, form, progress, "weights", self.recipe.compress.steps)

    def _grids(self, values: int | None, arrays: Arrays, progress: Progress) -> Tuned:
        arrays = folded(arrays)
        model = grid_network(arrays, self.recipe.network.stride, self._seed, self.recipe.train.dropout)
        data = cropped(self.data, network_of(arrays, self.recipe.network.stride))
        course = self._course(data, "grids" if values is None else "cluster", self.recipe.compress.steps)
        return tune(model, Codebooks(arrays, values), course, progress)

    def _train(self, arrays: Arrays, form: Form, progress: Progress, name: str, steps: int) -> Tuned:
        model, data = self._made(arrays)
        return tune(model, form, self._course(data, name, steps), progress)

    def _made(self, arrays: Arrays) -> tuple[keras.Model, Dataset]:
        stride = self.recipe.network.stride
        model = model_of(arrays, stride, self._seed, self.recipe.train.dropout)
        return model, cropped(self.data, network_of(arrays, stride))

    def _course(self, data: Dataset, name: str, steps: int) -> Course:
        config = self.recipe.compress
        kept = self.kept / f"{name}.npz"
        lessons = Lessons(self.told, config.soft, config.temperature)
        return Course(data, self.recipe, lessons, max(1, steps), config.learning_rate, self._seed, kept)

    def _loss(self, arrays: Arrays) -> float:
        model, data = self._made(arrays)
        return narrow.mean_loss(model, data, self.recipe.detector.window, self._seed)

    @property
    def _seed(self) -> int:
        own = self.recipe.compress.seed
        return self.recipe.train.seed if own is None else own
