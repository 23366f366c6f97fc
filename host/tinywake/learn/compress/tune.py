# SPDX-License-Identifier: MIT
"""The training of a stage: from weights that are there, taught by a teacher, towards what a form allows."""

from __future__ import annotations

from collections.abc import Callable
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
from tinywake.learn.compress.arrays import Arrays, arrays_of, fill, named
from tinywake.learn.compress.forms import Form
from tinywake.learn.judge import Judgement, judge
from tinywake.learn.losses import masked, stream_losses
from tinywake.learn.saved import Variables, load_state, save_state
from tinywake.learn.teacher.lessons import Lessons, Pupil
from tinywake.learn.train import averaging, optimizer

__all__ = ["Course", "Tuned", "tune"]

_TIGHTEN = 20  # steps from one tightening of the form to the next
_KEEP = 250  # steps from one saved state to the next
_CHECKS = 4  # times a checkpoint is judged, once the form has settled


@dataclass(frozen=True)
class Course:
    """How a stage trains."""

    data: Dataset  # as the network's window wants it
    recipe: Recipe
    lessons: Lessons
    steps: int
    learning_rate: float
    seed: int
    kept: Path  # a file for what an interrupted run needs to go on


@dataclass(frozen=True)
class Tuned:
    """The best checkpoint once the form had settled, its weights averaged and allowed ones, and how it was judged."""

    arrays: Arrays
    judgement: Judgement


def tune(model: keras.Model, form: Form, course: Course, progress: Callable[[float], None]) -> Tuned:
    """Train a network, which has its first weights. The same arguments and machine give the same weights.

    progress: told the share that is done.
    """
    tf.config.experimental.enable_op_determinism()
    step = _Step(model, form, course)
    batches = Batches(course.data.labels, course.recipe.train.batch, course.seed)
    pace = course.steps, course.recipe.train.rankings
    ranking = Ranking(model, step.plainly, course.recipe.detector.window, batches, pace)
    first, best, chosen = 0, None, arrays_of(model)
    state = load_state(course.kept)
    if state is not None and step.held.fits(state):  # else another version of Keras wrote it: begin again
        first, best = int(state["next"]), Judgement.of(state)
        chosen = {name: state[f"best.{name}"] for name in chosen}
        step.held.restore(state)
        batches.restore(state)
    checks = {
        max(1, round(course.steps * (form.settled + (1 - form.settled) * (n + 1) / _CHECKS))) for n in range(_CHECKS)
    }
    for index in range(first, course.steps):
        if index % _TIGHTEN == 0:
            step.tighten(index / course.steps)
        ranking.after(index)
        drawn = batches.draw()
        batches.learn(drawn, step(drawn, index))
        if index % 10 == 0:
            progress(index / course.steps)
        if index + 1 in checks:
            step.tighten((index + 1) / course.steps)
            arrays = step.averaged()
            judged = judge(model, list(arrays.values()), course.data, course.recipe)
            if best is None or judged.order < best.order:
                best, chosen = judged, arrays
        if (index + 1) % _KEEP == 0 or index + 1 == course.steps:
            bests = {f"best.{name}": value for name, value in chosen.items()}
            known = {} if best is None else best.state()
            save_state(
                course.kept, {"next": np.array(index + 1), **bests, **known, **step.held.state(), **batches.state()}
            )
    assert best is not None
    fill(model, chosen)
    progress(1.0)
    return Tuned(chosen, best)


class _Step:
    """One update, compiled. `free` are the weights that learn; the network itself has what the form allows of them."""

    def __init__(self, model: keras.Model, form: Form, course: Course) -> None:
        self._model, self._form, self._course = model, form, course
        self._variables = named(model)
        self._free = {
            name: keras.Variable(variable.numpy(), name=f"free_{n}")
            for n, (name, variable) in enumerate(self._variables.items())
            if variable.trainable
        }
        self._pupil = Pupil(model, course.lessons, len(course.data.labels), course.seed)
        self._learning = [*self._free.values(), *self._pupil.variables]
        self._optimizer = optimizer(self._learning, course.steps, course.learning_rate, 1e-6)
        self._average = {name: tf.Variable(self._now(name)) for name in self._variables}
        data = course.data
        which = np.asarray(data.which, np.int32)
        self.plainly = [tf.constant(part) for part in (data.features, data.labels, which)]
        self._taught = [tf.constant(part) for part in self._pupil.said]
        self._update = tf.function(self._eager, jit_compile=True)
        self._allow = tf.function(lambda values: {n: form.nearest(n, v) for n, v in values.items()}, jit_compile=True)

    def __call__(self, drawn: NDArray[np.int64], index: int) -> NDArray[np.float32]:
        """Train on the streams `drawn`; return the loss of each by the labels alone."""
        decay = averaging(self._course.recipe.train.average, index)
        seed = tf.constant([self._course.seed, index], tf.int32)
        at = tf.constant(drawn, tf.int32)
        streams = [tf.gather(part, at) for part in (*self.plainly, *self._taught)]
        losses: NDArray[np.float32] = self._update(*streams, seed, decay).numpy()
        return losses

    def tighten(self, done: float) -> None:
        """Let the form become as strict as it is now to be, and the network follow."""
        self._form.tighten(done, {name: variable.numpy() for name, variable in self._free.items()})
        for name, value in self._allow({name: tf.identity(free.value) for name, free in self._free.items()}).items():
            self._variables[name].assign(value)

    @property
    def held(self) -> Variables:
        """All that decides the updates to come; a form may hold other variables once it has begun."""
        return Variables(
            network=self._model.variables, free=self._free, average=self._average, form=self._form.held,
            hint=self._pupil.variables, optimizer=self._optimizer.variables,
        )  # fmt: skip

    def averaged(self) -> Arrays:
        """The averages, as near as the form allows; in the order of the network's variables."""
        allowed = self._allow({name: tf.identity(self._average[name]) for name in self._free})
        return {name: np.asarray(allowed.get(name, value)) for name, value in self._average.items()}

    def _now(self, name: str) -> Any:
        return (self._free[name] if name in self._free else self._variables[name]).value

    def _eager(self, x: Any, y: Any, which: Any, told: Any, wanted: Any, seed: Any, decay: Any) -> Any:
        x = masked(tf.cast(x, tf.float32) + 128.0, seed)
        learning = {name: self._variables[name] for name in self._free}
        with tf.GradientTape() as tape:
            features, z = self._pupil(x)
            hard = stream_losses(z, y, which, self._course.recipe.detector.window)
            loss = self._pupil.loss(hard, features, z, told, wanted)
        sources = [*learning.values(), *self._pupil.variables]
        slopes = tape.gradient(loss, [variable.value for variable in sources])
        self._optimizer.apply_gradients(zip(slopes, self._learning, strict=True))
        for name, variable in learning.items():
            variable.assign(self._form.nearest(name, self._free[name].value))
        for name, average in self._average.items():
            average.assign(decay * average + (1 - decay) * self._now(name))
        return hard
