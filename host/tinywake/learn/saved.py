# SPDX-License-Identifier: MIT
"""What training writes down: what an interrupted run needs to go on, and weights that another training begins with."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tinywake.errors import ConfigError
from tinywake.files import why_unread, write_beside

__all__ = ["Variables", "begin_with", "load_state", "save_state", "save_weights"]

_HEAD = "head."  # of every word its own


class Variables:
    """All that decides the updates to come, in groups by number or by name: as arrays, and back from them."""

    def __init__(self, **groups: Sequence[Any] | Mapping[str, Any]) -> None:
        self._each = {
            f"{name}.{n}": value
            for name, values in groups.items()
            for n, value in (values.items() if isinstance(values, Mapping) else enumerate(values))
        }

    def state(self) -> dict[str, NDArray[Any]]:
        """A copy, by name."""
        return {name: np.asarray(variable) for name, variable in self._each.items()}

    def fits(self, state: Mapping[str, NDArray[Any]]) -> bool:
        """Whether `state` is of the same variables."""
        return all(name in state and state[name].shape == tuple(v.shape) for name, v in self._each.items())

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on as if from `state`."""
        for name, variable in self._each.items():
            variable.assign(state[name])


def save_state(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Replace what was saved before."""

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez(file, **dict(arrays))  # type: ignore[arg-type]

    write_beside(path, write)


def load_state(path: Path | None) -> dict[str, NDArray[Any]] | None:
    """What was saved last; None where nothing was, or it cannot be read (then the run begins again)."""
    if path is None:
        return None
    try:
        with np.load(path) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def save_weights(path: Path, model: keras.Model) -> None:
    """Write every layer's weights, float32, as LAYER.NUMBER in an .npz. The same weights give the same bytes."""

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez(file, **_named(model))  # type: ignore[arg-type]

    write_beside(path, write)


def begin_with(model: keras.Model, path: Path) -> None:
    """Give `model` what `save_weights` wrote of a network with the same layers, whatever words that one hears.

    Raises ConfigError with the layer that differs, or where the file cannot be read.
    """
    try:
        with np.load(path) as arrays:
            given = dict(arrays)
    except OSError as error:
        raise ConfigError(f"train.base: {path}: {why_unread(error)}") from error
    except (ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:  # TypeError: an .npy
        raise ConfigError(f"train.base: {path}: not a file of weights ({error})") from error
    own = _named(model)
    for name, value in own.items():
        if name.startswith(_HEAD):
            continue
        if name not in given or given[name].shape != value.shape:
            has = list(given[name].shape) if name in given else "nothing"
            raise ConfigError(
                f"train.base: {path}: {name} is {has} there and {list(value.shape)} here; [network] must be the same"
            )
        own[name] = given[name]
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([own[f"{layer.name}.{n}"] for n in range(len(layer.weights))])


def _named(model: keras.Model) -> dict[str, NDArray[np.float32]]:
    return {
        f"{layer.name}.{n}": np.asarray(weight, np.float32)
        for layer in model.layers
        for n, weight in enumerate(layer.weights)
    }
