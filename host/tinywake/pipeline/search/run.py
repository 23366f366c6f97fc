# SPDX-License-Identifier: MIT
"""`tinywake search`: trials in this process or in several, and what they found."""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import multiprocessing.connection
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tinywake.audio import sources
from tinywake.config import Recipe, fingerprint, load_recipe
from tinywake.device.targets.registry import TARGETS
from tinywake.errors import ConfigError, TinywakeError, ToolError
from tinywake.files import cache_folder, check_writable, write_beside
from tinywake.learn.diary import diary_in
from tinywake.pipeline.compression.measure import Prices, Scales
from tinywake.pipeline.compression.people import People
from tinywake.pipeline.search.picture import plot_search
from tinywake.pipeline.search.recipes import write_recipe
from tinywake.pipeline.search.result import SearchResult, front_of, spread
from tinywake.pipeline.search.tries import Tries
from tinywake.pipeline.training.streams import Progress, streams_of
from tinywake.pipeline.training.teaching import digest_of, ear_of, heads_of

if TYPE_CHECKING:
    from tinywake.learn.teacher.embedding import Embedding
    from tinywake.pipeline.search.study import Study

__all__ = ["Wanted", "search"]

_FORMAT = 2  # change it when the same network gets other figures
_COUNTING = ("qemu-armv6m", "qemu-rv32imc")  # where no target is named: the first that is built here
_BOARD = "RPI_PICO"  # whose flash and RAM are in the figures
_LOOK_S = 5  # from one look at what other processes have done to the next


@dataclass(frozen=True)
class Wanted:
    """What is to be done besides the recipe."""

    data: tuple[Path, ...] = ()
    target: str | None = None  # that counts what a step costs; None: one that is built here
    positives: tuple[Path, ...] = ()  # clips of people who train nothing: they judge
    negatives: tuple[Path, ...] = ()
    storage: str | None = None  # of Optuna, for several computers; None: a file beside the results
    jobs: int = 1


def search(recipe_path: Path, out: Path, asked: Wanted, progress: Progress | None = None) -> SearchResult:
    """Try the networks of the recipe's [search] and write what was found into `out`: search.json, search.png, and the
    best as recipes, best-1.toml the cheapest.

    Trials stay in a database, so a second run goes on, and processes or computers may share them.
    Raises ConfigError, AudioError, DeviceError, ToolError.
    """
    recipe = load_recipe(recipe_path)
    for package, extra in (("tensorflow", "train"), ("optuna", "search")):
        if importlib.util.find_spec(package) is None:
            raise ToolError(f"searching needs {package}: pip install 'tinywake[{extra}]'")
    if recipe.train.base is not None:
        raise ConfigError(f"{recipe_path}: train.base has the weights of one shape; leave it out to search for others")
    check_writable(out / "search.json", new_folder=True)
    asked = replace(asked, target=_counting(asked.target))  # what is not there is told before anything is spoken
    job = _Job(recipe, recipe_path.parent, asked, asked.storage or f"sqlite:///{(out / 'search.sqlite').resolve()}", 0)
    sound = sources.identity(recipe, asked.data, digest_of(recipe, recipe_path.parent))
    data = streams_of(recipe, asked.data, sound, progress, None, job.ear)
    heads = heads_of(recipe, data, sound, progress)
    out.mkdir(parents=True, exist_ok=True)  # for the database
    study = job.study(sound)
    study.begin()

    def on_trial(done: int) -> None:
        if progress:
            progress("searching", min(1.0, done / recipe.search.trials))

    if asked.jobs > 1:
        _share(job, sound, study, on_trial)
    else:
        job.work(Scales(recipe, data, {}), heads, sound, on_trial)
    budget = recipe.detector.false_accepts_per_hour
    rows = study.found()
    best = spread(front_of(rows, budget), recipe.search.keep)
    names = {f"best-{n}.toml": number for n, (number, _) in enumerate(best, 1)}
    for name, (number, row) in zip(names, best, strict=True):
        missed = 100 * row.judged(budget)[0]
        why = f"trial {number} of tinywake search: {row.cycles:,} {row.unit} a step, {missed:.1f} % missed"
        write_recipe(recipe_path, row.network, out / name, why)
    result = SearchResult(out, ", ".join(recipe.labels), tuple(rows), names, budget)
    plot_search(result, out / "search.png")
    facts = {name: value for name, value in result.facts().items() if name != "folder"}
    write_beside(out / "search.json", lambda part: part.write_text(json.dumps(facts, indent=1) + "\n"))
    return result


@dataclass(frozen=True)
class _Job:
    """All that a process needs. number: which one of the processes."""

    recipe: Recipe
    beside: Path  # the recipe's folder
    asked: Wanted
    url: str
    number: int

    def ear(self) -> Embedding | None:
        """The teacher's."""
        return ear_of(self.recipe, self.beside)

    def study(self, sound: str) -> Study:
        """The trials of this recipe on this sound, by this target and these people."""
        from tinywake.pipeline.search.study import Study

        return Study(self.url, fingerprint(self._key(sound), self._prices().known), self.recipe, self.number)

    def work(
        self, scales: Scales, heads: NDArray[np.float16] | None, sound: str, on_trial: Callable[[int], None]
    ) -> None:  # fmt: skip
        """Try networks until all trials are done."""
        from tinywake.learn import train as training

        training.set_threads()
        with diary_in(cache_folder() / "tensorflow.log"):
            self.study(sound).work(Tries(scales, self._prices(), self._key(sound), heads).row, on_trial)

    def _key(self, sound: str) -> str:
        recipe = self.recipe
        window, steps = recipe.network.window, recipe.search.steps
        return fingerprint(_FORMAT, sound, recipe.train.told(), recipe.teacher, recipe.detector, steps, window)

    def _prices(self) -> Prices:
        asked = self.asked
        people = People.of(asked.positives, asked.negatives, len(self.recipe.words))
        return Prices(_BOARD, asked.target, people)


def _share(job: _Job, sound: str, study: Study, on_trial: Callable[[int], None]) -> None:
    """Several processes, none of which outlives this one; each has begun afresh, for TensorFlow cannot be forked."""
    context = multiprocessing.get_context("spawn")
    failed: SimpleQueue[TinywakeError] = context.SimpleQueue()
    jobs = [replace(job, number=number) for number in range(job.asked.jobs)]
    workers = [context.Process(target=_work, args=(each, sound, failed), daemon=True) for each in jobs]
    try:
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            multiprocessing.connection.wait([worker.sentinel for worker in workers if worker.is_alive()], _LOOK_S)
            on_trial(study.done)
            if not failed.empty():
                raise failed.get()
    finally:
        for worker in workers:
            if worker.pid is not None:
                worker.terminate()
                worker.join()
    if any(worker.exitcode for worker in workers):
        raise RuntimeError("a process of the search ended with an error, which is above")


def _work(job: _Job, sound: str, failed: SimpleQueue[TinywakeError]) -> None:
    """In a process of its own. The streams are in the cache."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that an emulated board is ended as well
    try:
        data = streams_of(job.recipe, job.asked.data, sound, None, None, job.ear)
        heads = heads_of(job.recipe, data, sound, None)
        job.work(Scales(job.recipe, data, {}), heads, sound, lambda done: None)
    except TinywakeError as error:
        failed.put(error)


def _counting(target: str | None) -> str:
    """The target, or one that counts instructions and is built here. Raises ToolError where it cannot run."""
    if target is not None and target not in TARGETS and not re.fullmatch(r"COM\d+|.*/.*", target, re.IGNORECASE):
        raise ToolError(f"{target} counts nothing; known: {', '.join(TARGETS)}, or a serial port")
    names = _COUNTING if target is None else (target,)
    lacking = [TARGETS[name].available() if name in TARGETS else None for name in names]
    for name, lack in zip(names, lacking, strict=True):
        if lack is None:
            return name
    if target is not None:
        raise ToolError(str(lacking[0]))
    raise ToolError(f"nothing here counts what a step costs: {lacking[0]}; or name another with --target")
