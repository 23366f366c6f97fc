"""Networks and sound for the tests of gates: streaming networks of any reach; bursts that open a gate now and then."""

from __future__ import annotations

import numpy as np
from nets import Net

from tinywake.compiler.graph import Graph, Table, Tensor
from tinywake.compiler.memory.plan import plan
from tinywake.compiler.passes.stream import stream
from tinywake.compiler.tflite.tables import logistic
from tinywake.compiler.twm.listening import Detector, Label, Listening
from tinywake.compiler.twm.pack import pack
from tinywake.frontend import FrontendParams

__all__ = ["audio", "streaming"]


def streaming(
    frames: int, kernels: tuple[int, ...], *, seed: int = 0, threshold: int = 128, window: int = 3, hop_ms: int = 10
) -> bytes:
    """A listener of convolutions over time, one after another, that takes so many frames a step."""
    net = Net(1, 1 + sum(kernel - 1 for kernel in kernels), 1, 40, seed=seed)
    value = net.input
    for place, kernel in enumerate(kernels):
        value = net.conv(value, 1 if place == len(kernels) - 1 else 6, (kernel, 1))
    graph = net.graph(value)
    last = graph.tensors[value]
    tensors = {**graph.tensors, value: Tensor("logit", last.shape, "int8", 1 / 16, 0, last.storage)}
    end = len(tensors)
    tensors[end] = Tensor("probability", last.shape, "int8", 1 / 256, -128, end)
    squash = Table(len(graph.ops), (value,), end, "LOGISTIC", logistic(tensors[value], tensors[end]))
    streamed = stream(Graph(tensors, (*graph.ops, squash), graph.input, end), frames)
    detector = Detector((Label("word", threshold),), window, 300)
    return pack(streamed, plan(streamed), Listening(detector, FrontendParams(hop_ms=hop_ms)))


def audio(seconds: float = 12.0, seed: int = 0) -> np.ndarray:
    """Bursts of noise, of any length and level, and in between less."""
    rng = np.random.default_rng(seed)
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < seconds * 16000:
        length = int(rng.integers(500, 20_000))
        parts.append(rng.normal(0, rng.choice([3.0, 40.0, 4000.0], p=[0.45, 0.45, 0.1]), length))
    return np.concatenate(parts)[: int(seconds * 16000)].clip(-32768, 32767).astype(np.int16)
