# SPDX-License-Identifier: MIT
"""The search as an Optuna study: in a database that any number of processes share, on one computer or on many."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from tinywake.config import Network, Recipe
from tinywake.errors import ConfigError
from tinywake.pipeline.compression.row import Row
from tinywake.pipeline.search.space import parameters_of, proposed
from tinywake.pipeline.search.tries import counts

__all__ = ["Study", "Tried"]

_BEAT_S = 60  # a trial whose process has been silent for twice as long is tried again
_BETWEEN_JOBS = 1000  # from one process's seed to the next one's
Tried = list[tuple[int, Row]]  # number of the trial, its network


class Study:
    """The trials of one recipe, data and target, done and to be done."""

    def __init__(self, url: str, name: str, recipe: Recipe, job: int = 0) -> None:
        """url: of Optuna's storage. name: of all that the figures depend on. Raises ConfigError."""
        self._recipe = recipe
        optuna.logging.set_verbosity(logging.ERROR)
        warnings.simplefilter("ignore", ExperimentalWarning)  # the heartbeat is one, since version 2.8
        try:
            storage = RDBStorage(
                url, heartbeat_interval=_BEAT_S, heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback()
            )
            self._study = optuna.create_study(
                storage=storage, study_name=name, directions=["minimize", "minimize"], load_if_exists=True
            )
        except (ImportError, ArgumentError, SQLAlchemyError) as error:
            raise ConfigError(f"--storage {url}: {str(error).splitlines()[0]}") from error
        seed = recipe.train.seed + _BETWEEN_JOBS * job + len(self._study.trials)
        search, samplers = recipe.search, optuna.samplers
        self._study.sampler = (
            samplers.NSGAIISampler(seed=seed, population_size=min(50, max(4, search.trials // 4)))
            if search.sampler == "nsga2"
            else samplers.TPESampler(seed=seed, n_startup_trials=min(10, max(2, search.trials // 4)))
        )

    @property
    def done(self) -> int:
        """Trials that have been measured."""
        return len(self._known())

    def begin(self) -> None:
        """The recipe's own network first, where it is in the space, and what was interrupted once more."""
        own = parameters_of(self._recipe.network, self._recipe.search)
        if own is not None:
            self._study.enqueue_trial(own, skip_if_exists=True)
        again = list(self._study.user_attrs.get("again", []))
        failed = [trial for trial in self._study.get_trials(states=(TrialState.FAIL,)) if trial.number not in again]
        for trial in failed:
            self._study.enqueue_trial(trial.params)
        self._study.set_user_attr("again", again + [trial.number for trial in failed])

    def work(self, row_of: Callable[[Network], Row], on_trial: Callable[[int], None]) -> None:
        """Try networks until all trials of the recipe are done. on_trial: told how many are. May be in many processes.

        A process whose parent has ended stops after its trial.
        """
        trials, parent = self._recipe.search.trials, os.getppid()

        def objective(trial: optuna.Trial) -> tuple[float, float]:
            net = proposed(trial, self._recipe.search, self._recipe.network)
            row = next((row for _, row in self._known() if row.network == net), None) or row_of(net)
            cost = counts(row)
            trial.set_user_attr("row", row.record())
            return row.judged(self._recipe.detector.false_accepts_per_hour)[0], float(cost)

        def after(study: optuna.Study, trial: FrozenTrial) -> None:
            done = self.done
            on_trial(done)
            if done >= trials or os.getppid() != parent:
                study.stop()

        if self.done < trials:
            self._study.optimize(objective, callbacks=[after])

    def found(self) -> Tried:
        """Every network once, the cheapest first."""
        known: dict[Network, tuple[int, Row]] = {}
        for number, row in self._known():
            known.setdefault(row.network, (number, row))
        return sorted(known.values(), key=lambda each: (counts(each[1]), each[0]))

    def _known(self) -> Tried:
        trials = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return [(trial.number, Row.of(trial.user_attrs["row"])) for trial in trials]
