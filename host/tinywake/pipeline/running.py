# SPDX-License-Identifier: MIT
"""A compiled network on arrays, here or on a board: the same bytes from either."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.twm.unpack import TwmFile, unpack
from tinywake.core import Model
from tinywake.device.connect import connected
from tinywake.device.line.compute import run_on
from tinywake.errors import ModelError

__all__ = ["run_network"]


def run_network(model: Path, x: NDArray[Any], target: str = "host") -> NDArray[Any]:
    """Return the outputs [N, ...output shape] of N invokes, state reset once and then carried.

    x: [N, ...input shape] in the network's own type (int8), with the batch axis of 1 or without it; the outputs have
    it where x has it, and the network's own type. Raises ModelError where x does not fit.
    """
    file = unpack(model)
    batched = x.shape[1:] == file.input_shape
    x = _fitting(model, file, x)
    count = len(x)
    if target == "host":
        network = Model.open(model)
        network.reset()
        outputs = np.array([network.invoke(one) for one in x], np.uint8).reshape(count, -1)
    else:
        with connected(target, model) as board:
            data = run_on(board.port, model.name, x.tobytes(), directory=board.directory)
        outputs = np.frombuffer(data, np.uint8).reshape(count, -1)
    dtype = np.dtype(file.tensors[file.output].dtype)
    return outputs.view(dtype).reshape(count, *(file.output_shape if batched else _without_batch(file.output_shape)))


def _without_batch(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape


def _fitting(model: Path, file: TwmFile, x: NDArray[Any]) -> NDArray[Any]:
    dtype = np.dtype(file.tensors[file.input].dtype)
    shape = _without_batch(file.input_shape)
    if x.dtype != dtype:
        raise ModelError(f"{model}: the input must be {dtype}, not {x.dtype}; quantise it with the model's scale")
    if x.ndim < 1 or len(x) == 0 or x.shape[1:] not in (shape, (1, *shape)):
        raise ModelError(f"{model}: the input must be [N, {', '.join(map(str, shape))}], not {list(x.shape)}")
    return np.ascontiguousarray(x).reshape(len(x), *shape)
