"""A tiny network learns, converts exactly, and comes out the same each time."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tinywake.audio.dataset import CANDIDATE, NEGATIVE, STEPS, Dataset
from tinywake.audio.features import SCALE, ZERO_POINT
from tinywake.compiler.tflite.read import read_tflite
from tinywake.config import Network, Recipe, Training, Word

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow", reason="tensorflow is not installed (pip install 'tinywake[train]')")

RECIPE = Recipe(
    Word("w"),
    network=Network(first_filters=8, filters=(8, 8), kernels=(5, 5), head=6),
    train=Training(seed=1, steps=120, batch=16, learning_rate=1e-2, dropout=0.0, average=0.9, checks=2),
)


@pytest.fixture(scope="module")
def data() -> Dataset:
    """The "word" is a band that rises for 20 frames; other streams have the same band falling."""
    rng = np.random.default_rng(0)
    window, stride = RECIPE.network.window, RECIPE.network.stride
    frames = window + stride * (STEPS - 1)

    def stream(length: int, rising: bool) -> tuple[np.ndarray, int]:
        x = rng.integers(-128, -90, (length, 40)).astype(np.int8)
        end = int(rng.integers(window, length - 30))
        for n in range(20):
            x[end - 20 + n, (n if rising else 19 - n) + 8 : (n if rising else 19 - n) + 12] = 90
        return x, end

    features, labels = [], []
    for n in range(80):
        x, end = stream(frames, n < 40)
        label = np.full(STEPS, NEGATIVE, np.uint8)
        at = window + stride * np.arange(STEPS)
        if n < 40:
            label[(at >= end) & (at < end + 30)] = CANDIDATE
        features.append(x)
        labels.append(label)
    positives = np.stack([stream(frames, True)[0] for _ in range(12)])
    negatives = np.stack([stream(frames, False)[0] for _ in range(12)])
    return Dataset(np.stack(features), np.stack(labels), positives, negatives)


@pytest.fixture(scope="module")
def trained(data: Dataset):  # type: ignore[no-untyped-def]
    from tinywake.learn.train import fit

    return fit(data, RECIPE)


def test_it_learns(trained) -> None:  # type: ignore[no-untyped-def]
    assert trained.curve.misses_at(0.5) <= 0.1


def test_training_again_gives_the_same_weights(data: Dataset, trained) -> None:  # type: ignore[no-untyped-def]
    from tinywake.learn.train import fit

    again = fit(data, RECIPE)
    for one, two in zip(trained.model.get_weights(), again.model.get_weights(), strict=True):
        assert np.array_equal(one, two)


def test_folding_changes_nothing(data: Dataset, trained) -> None:  # type: ignore[no-untyped-def]
    from tinywake.learn.networks import deployed_network
    from tinywake.learn.train import logits

    gain, shift = 0.5, -1.0
    deployed = deployed_network(RECIPE.network, 1, trained.model, (gain, shift))
    stream = data.positives[0]
    long = 1 / (1 + np.exp(-(gain * logits(trained.model, stream[None])[0] + shift)))
    window, stride = RECIPE.network.window, RECIPE.network.stride
    for step in range(0, STEPS, 7):
        part = (stream[step * stride : step * stride + window].astype(np.float32) + 128) * SCALE
        assert float(deployed(part[None, :, None, :])[0, 0]) == pytest.approx(long[step], abs=1e-4)


def test_the_tflite_is_plain_and_deterministic(data: Dataset, trained, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    from tinywake.learn.convert import convert, score_streams, windows_of
    from tinywake.learn.networks import deployed_network
    from tinywake.learn.train import logits, score_bytes

    net = RECIPE.network
    windows = windows_of(data, net.window, net.stride)
    content = [convert(deployed_network(net, 1, trained.model, trained.calibration), windows) for _ in range(2)]
    assert content[0] == content[1]
    (tmp_path / "m.tflite").write_bytes(content[0])
    graph = read_tflite(tmp_path / "m.tflite")
    kinds = [type(op).__name__ for op in graph.ops]
    assert set(kinds) == {"Conv2D", "DepthwiseConv2D", "Table", "Reshape"}
    given = graph.tensors[graph.input]
    assert (given.scale, given.zero_point, given.shape) == (SCALE, ZERO_POINT, (1, net.window, 1, 40))
    exact = score_bytes(logits(trained.model, data.positives), trained.calibration)
    scores = score_streams(content[0], data.positives, net.stride)
    difference = np.abs(np.stack(scores).astype(int) - exact)
    assert difference.mean() < 6  # int8 throughout
