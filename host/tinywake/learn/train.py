# SPDX-License-Identifier: MIT
"""The training loop: hard streams more often, a moving average of the weights, the checkpoint that hears best."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinywake.audio.dataset import Dataset
from tinywake.config import Recipe
from tinywake.learn.batches import Batches, Ranking
from tinywake.learn.judge import Judgement, judge
from tinywake.learn.losses import masked, stream_losses
from tinywake.learn.networks import Calibration, freeze, training_network
from tinywake.learn.saved import Variables, begin_with, load_state, save_state
from tinywake.learn.teacher.lessons import Lessons, Pupil

__all__ = ["Trained", "averaging", "fit", "optimizer", "part_of", "set_threads"]

Progress = Callable[[str, float], None]

_THREADS = 2  # fixed, for the order of floating-point sums depends on it
_KEEP = 250  # steps from one saved state to the next


@dataclass(frozen=True)
class Trained:
    """The best checkpoint, its weights averaged, and how it was judged."""

    model: keras.Model
    judgement: Judgement  # float network, validation voices

    @property
    def calibration(self) -> Calibration:
        """Maps its logits to probabilities that int8 can hold."""
        return self.judgement.calibration


def set_threads(threads: int = _THREADS) -> None:
    """Limit TensorFlow to so many threads. Once it has computed something, its threads stay as they are."""
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def fit(
    dataset: Dataset, recipe: Recipe, progress: Progress | None = None, *, seed: int | None = None,
    kept: Path | None = None, base: Path | None = None, lessons: Lessons | None = None,
) -> Trained:  # fmt: skip
    """Train a network; the checkpoint is the one with the fewest misses at the recipe's false accepts.

    seed: of the network, else the recipe's. kept: a file for what an interrupted run needs to go on (a finished one has
    nothing left to do). base: weights to begin with (``saved``), else random ones. lessons: what teachers say of the
    training streams. The same data, recipe and machine give the same weights, interrupted or not.
    """
    tf.config.experimental.enable_op_determinism()
    train = recipe.train
    seed = train.seed if seed is None else seed
    model = training_network(recipe.network, dataset.outputs, train.dropout, seed)
    if base is not None:
        begin_with(model, base)
        freeze(model, train.frozen)
    step = _Step(model, dataset, recipe, seed, lessons)
    batches = Batches(dataset.labels, train.batch, seed)
    ranking = Ranking(model, step.plainly, recipe.detector.window, batches, (train.steps, train.rankings))
    first, best, chosen_weights = 0, None, model.get_weights()
    state = load_state(kept)
    if state is not None and step.held.fits(state):  # else another version of Keras wrote it: begin again
        first, best = int(state["next"]), Judgement.of(state)
        chosen_weights = [state[f"best.{n}"] for n in range(len(chosen_weights))]
        step.held.restore(state)
        batches.restore(state)
    checks = {round(train.steps * (0.5 + 0.5 * (n + 1) / train.checks)) for n in range(train.checks)}
    for index in range(first, train.steps):
        chosen = batches.draw()
        batches.learn(chosen, step(chosen, index))
        if progress and index % 10 == 0:
            progress("training", index / train.steps)
        ranking.after(index + 1)
        if index + 1 in checks:
            weights = step.averaged()
            judged = judge(model, weights, dataset, recipe)
            if best is None or judged.order < best.order:
                best, chosen_weights = judged, weights
        if kept is not None and ((index + 1) % _KEEP == 0 or index + 1 == train.steps):
            bests = {f"best.{n}": value for n, value in enumerate(chosen_weights)}
            known = {} if best is None else best.state()
            save_state(kept, {"next": np.array(index + 1), **bests, **known, **step.held.state(), **batches.state()})
    assert best is not None
    model.set_weights(chosen_weights)
    if progress:
        progress("training", 1.0)
    return Trained(model, best)


def part_of(progress: Callable[[float], None], number: int, count: int) -> Callable[[float], None]:
    """Progress of one of `count` rounds, as a part of all."""
    return lambda done: progress((number + done) / count)


def optimizer(
    weights: Sequence[Any], steps: int, learning_rate: float, first: float = 1e-5
) -> keras.optimizers.Optimizer:
    """AdamW for these weights; the rate rises from `first` over a twentieth of the steps and falls as a cosine."""
    rate = keras.optimizers.schedules.CosineDecay(
        first, max(1, steps - steps // 20), alpha=0.01, warmup_target=learning_rate, warmup_steps=max(1, steps // 20)
    )
    made = keras.optimizers.AdamW(rate, weight_decay=1e-3, clipnorm=5.0)
    made.build(weights)
    return made


def averaging(decay: float, index: int) -> Any:
    """Decay of the moving average at a step: at first it forgets more, for there is little to remember."""
    return tf.constant(min(decay, (1.0 + index) / (10.0 + index)), tf.float32)


class _Step:
    """One update, compiled."""

    def __init__(
        self, model: keras.Model, dataset: Dataset, recipe: Recipe, seed: int, lessons: Lessons | None
    ) -> None:  # fmt: skip
        train = recipe.train
        self._model, self._window, self._seed = model, recipe.detector.window, seed
        self._pupil = Pupil(model, lessons, len(dataset.labels), seed)
        self._learning = [*model.trainable_variables, *self._pupil.variables]
        self._optimizer = optimizer(self._learning, train.steps, train.learning_rate)
        which = np.asarray(dataset.which, np.int32)
        self.plainly = [tf.constant(part) for part in (dataset.features, dataset.labels, which)]
        self._taught = [tf.constant(part) for part in self._pupil.said]
        self._average = [tf.Variable(weight) for weight in model.get_weights()]
        self._decay = train.average
        self.held = Variables(
            model=model.variables, optimizer=self._optimizer.variables, average=self._average,
            hint=self._pupil.variables,
        )  # fmt: skip
        self._update = tf.function(self._eager, jit_compile=True)

    def __call__(self, chosen: NDArray[np.int64], index: int) -> NDArray[np.float32]:
        """Train on the streams `chosen`; return the loss of each."""
        seed = tf.constant([self._seed, index], tf.int32)
        at = tf.constant(chosen, tf.int32)
        streams = [tf.gather(part, at) for part in (*self.plainly, *self._taught)]
        losses: NDArray[np.float32] = self._update(*streams, seed, averaging(self._decay, index)).numpy()
        return losses

    def averaged(self) -> list[NDArray[np.float32]]:
        return [weight.numpy() for weight in self._average]

    def _eager(self, x: Any, y: Any, which: Any, told: Any, wanted: Any, seed: Any, decay: Any) -> Any:
        x = masked(tf.cast(x, tf.float32) + 128.0, seed)
        with tf.GradientTape() as tape:
            features, z = self._pupil(x)
            losses = stream_losses(z, y, which, self._window)
            loss = self._pupil.loss(losses, features, z, told, wanted)
        slopes = tape.gradient(loss, [variable.value for variable in self._learning])
        self._optimizer.apply_gradients(zip(slopes, self._learning, strict=True))
        for kept, weight in zip(self._average, self._model.weights, strict=True):
            kept.assign(decay * kept + (1 - decay) * weight.value)
        return losses
