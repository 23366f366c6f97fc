# SPDX-License-Identifier: MIT
"""A network as its arrays, LAYER.NUMBER as in weights.npz: what can be cut, kept in a file and made a network again."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from tinywake.audio.dataset import STEPS, Dataset
from tinywake.config import Network
from tinywake.errors import ConfigError
from tinywake.files import why_unread
from tinywake.learn.networks import training_network

__all__ = ["Arrays", "arrays_of", "cropped", "fill", "model_of", "named", "network_of", "read_arrays"]

Arrays = dict[str, NDArray[np.float32]]


def named(model: keras.Model) -> dict[str, keras.Variable]:
    """A network's variables by the names of their arrays, in the order of ``model.weights``."""
    return {f"{layer.name}.{n}": weight for layer in model.layers for n, weight in enumerate(layer.weights)}


def arrays_of(model: keras.Model) -> Arrays:
    """The arrays of a network."""
    return {name: np.asarray(variable, np.float32) for name, variable in named(model).items()}


def read_arrays(path: Path, what: str) -> Arrays:
    """What `tinywake train` left in a weights.npz. Raises ConfigError, which begins with `what`."""
    try:
        with np.load(path) as file:
            arrays = {name: np.asarray(value, np.float32) for name, value in dict(file).items()}
    except OSError as error:
        raise ConfigError(f"{what}: {path}: {why_unread(error)}") from error
    except (ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:  # TypeError: an .npy
        raise ConfigError(f"{what}: {path}: not a file of weights ({error})") from error
    try:
        fill(training_network(network_of(arrays, 1), arrays["head.1"].shape[0], 0.0, 0), arrays)
    except (KeyError, ValueError, IndexError) as error:
        raise ConfigError(f"{what}: {path}: not the weights of such a network ({error})") from error
    return arrays


def network_of(arrays: Mapping[str, NDArray[np.float32]], stride: int) -> Network:
    """The shape of a network from its arrays; its stride is not in them."""
    blocks = sum(re.fullmatch(r"mix_\d+\.0", name) is not None for name in arrays)
    first_kernel, _, first_filters = arrays["first.0"].shape
    return Network(
        stride=stride,
        first_kernel=first_kernel,
        first_filters=first_filters,
        filters=tuple(arrays[f"mix_{n}.0"].shape[-1] for n in range(blocks)),
        kernels=tuple(arrays[f"time_{n}.0"].shape[0] for n in range(blocks)),
        head=arrays["head.0"].shape[0],
    )


def model_of(
    arrays: Mapping[str, NDArray[np.float32]], stride: int, seed: int, dropout: float = 0.0
) -> keras.Model:  # fmt: skip
    """The training network with these arrays. `seed`: of what it draws while it trains, as `dropout` is of that."""
    model = training_network(network_of(arrays, stride), arrays["head.1"].shape[0], dropout, seed)
    fill(model, arrays)
    return model


def fill(model: keras.Model, arrays: Mapping[str, NDArray[np.float32]]) -> None:
    """Give a network's variables the arrays of the same names. Raises KeyError or ValueError where one is missing."""
    for name, variable in named(model).items():
        variable.assign(arrays[name])


def cropped(data: Dataset, net: Network) -> Dataset:
    """The data for a network that sees fewer frames: the last ones, so that labels stay where they are.

    Raises ConfigError where it sees more.
    """
    made_for = data.features.shape[1] - net.stride * (STEPS - 1)
    if net.window > made_for:
        raise ConfigError(f"a network that sees {net.window} frames cannot learn from streams made for {made_for}")
    first = made_for - net.window
    return replace(data, features=data.features[:, first:], positives=data.positives[:, first:])
