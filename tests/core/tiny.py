"""A network small enough to write down: it looks at 6 frames, takes 3 an invoke, and its scores vary."""

from __future__ import annotations

import numpy as np

from tinywake.compiler.graph import Conv2D, Graph, Requant, Table, Tensor
from tinywake.compiler.memory.plan import plan
from tinywake.compiler.passes.stream import stream
from tinywake.compiler.tflite.tables import logistic
from tinywake.compiler.twm.listening import Detector, Label, Listening
from tinywake.compiler.twm.pack import pack


def listening_model(*, listens: bool = True, threshold: int = 150, window: int = 3, refractory_ms: int = 500) -> bytes:
    """A .twm that hears loud changes."""
    rng = np.random.default_rng(5)
    tensors = {
        0: Tensor("features", (1, 6, 1, 40), "int8", 26 / 256, -128, storage=0),
        1: Tensor("logit", (1, 1, 1, 1), "int8", 1 / 16, 0, storage=1),
        2: Tensor("probability", (1, 1, 1, 1), "int8", 1 / 256, -128, storage=2),
    }
    weights = np.sign(np.arange(6) - 2.5)[None, :, None, None] * rng.integers(20, 90, (1, 6, 1, 40))
    conv = Conv2D(
        0, (0,), 1,
        weights=weights.astype(np.int8), bias=np.array([0], np.int32),
        requant=Requant(np.array([1 << 30], np.int32), np.array([-10], np.int8)),
        stride=(1, 1), pad=(0, 0), dilation=(1, 1), act=(-128, 127),
    )  # fmt: skip
    sigmoid = Table(1, (1,), 2, "LOGISTIC", logistic(tensors[1], tensors[2]))
    streamed = stream(Graph(tensors, (conv, sigmoid), 0, 2), 3)
    listening = Listening(Detector((Label("loud", threshold),), window, refractory_ms)) if listens else None
    return pack(streamed, plan(streamed), listening)
