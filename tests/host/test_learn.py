"""A tiny network learns, converts exactly, and comes out the same each time."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tinywake.audio.dataset import CANDIDATE, NEGATIVE, STEPS, Dataset
from tinywake.audio.features import SCALE, ZERO_POINT
from tinywake.compiler.tflite.read import read_tflite
from tinywake.config import Network, Recipe, Training, Word
from tinywake.errors import ToolError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow", reason="tensorflow is not installed (pip install 'tinywake[train]')")

RECIPE = Recipe(
    Word("w"),
    network=Network(first_filters=8, filters=(8, 8), kernels=(5, 5), head=6),
    train=Training(seed=1, steps=120, batch=16, learning_rate=1e-2, dropout=0.0, average=0.9, checks=2),
)


def stream(rng: np.random.Generator, rising: bool, begins: int) -> tuple[np.ndarray, np.ndarray]:
    """Features with a band that rises or falls for 20 frames, and labels of the steps at which it has ended."""
    net = RECIPE.network
    length = net.window + net.stride * (STEPS - 1)
    x = rng.integers(-128, -90, (length, 40)).astype(np.int8)
    end = int(rng.integers(begins, length - 30))
    for n in range(20):
        x[end - 20 + n, (n if rising else 19 - n) + 8 : (n if rising else 19 - n) + 12] = 90
    label = np.full(STEPS, NEGATIVE, np.uint8)
    at = net.window + net.stride * np.arange(STEPS)
    label[(at >= end) & (at < end + 30)] = CANDIDATE
    return x, label


def streams(count: int, rising: bool, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    made = [stream(rng, rising, RECIPE.network.window) for _ in range(count)]
    return np.stack([x for x, _ in made]), np.stack([label for _, label in made])


@pytest.fixture(scope="module")
def data() -> Dataset:
    """The "word" is a band that rises for 20 frames; other streams have the same band falling."""
    (wanted, labels), (other, _) = streams(40, True, 0), streams(40, False, 1)
    features, labels = np.concatenate([wanted, other]), np.concatenate([labels, np.full_like(labels, NEGATIVE)])
    positives, negatives = streams(12, True, 2)[0], streams(12, False, 3)[0]
    return Dataset(features, labels, positives, negatives, np.zeros(80, np.uint8), np.zeros(12, np.uint8))


@pytest.fixture(scope="module")
def trained(data: Dataset):  # type: ignore[no-untyped-def]
    from tinywake.learn.train import fit

    return fit(data, RECIPE)


def test_all_streams_without_the_word_are_scored_so_many_times(data: Dataset, trained) -> None:  # type: ignore[no-untyped-def]
    import tensorflow as tf

    from tinywake.learn.batches import Batches, Ranking

    streams = [tf.constant(part) for part in (data.features, data.labels, data.which.astype(np.int32))]
    seen = []
    for times in (0, 4):
        batches = Batches(data.labels, 16, 1)
        ranking = Ranking(trained.model, streams, RECIPE.detector.window, batches, (100, times))
        before = batches.state()["loss"].copy()
        for done in range(100):
            ranking.after(done)
            now = batches.state()["loss"]
            seen += [(times, done)] if (now != before).any() else []
            batches.learn(batches.without, np.ones(len(batches.without), np.float32))
        ranking.after(100)
    assert seen == [(4, done) for done in (0, 20, 40, 60, 80)]
    known = batches.state()["loss"]
    assert (known[:40] == 1).all(), "streams with the word are drawn alike"
    assert len(np.unique(known[40:])) > 30, "the others by what the network makes of them"


@pytest.mark.parametrize(("threshold", "middle"), [(None, 128), (0.8, 205)])
@pytest.mark.parametrize("loud", [-9.0, 0.0, 9.0])
def test_the_threshold_lies_where_scores_have_many_steps(
    data: Dataset, monkeypatch: pytest.MonkeyPatch, loud: float, threshold: float | None, middle: int
) -> None:
    # Bug: of several calibrations the one with the fewest misses was taken, by chance one whose threshold was 250 of
    # 256: other people's misses at a few false accepts an hour rose from 27 % to as much as 80 %.
    from tinywake.learn import judge

    def logits(model: object, features: np.ndarray) -> np.ndarray:
        z = np.random.default_rng(len(features)).normal(loud, 1.0, (len(features), 60, 1))
        z[:, 20:30] += 6.0 * (len(features) == 12)  # the word
        return z

    negatives = np.repeat(data.negatives, 5, axis=0)
    heard = replace(data, negatives=negatives)
    monkeypatch.setattr(judge, "logits", logits)
    model = SimpleNamespace(get_weights=lambda: [], set_weights=lambda weights: None)
    recipe = replace(RECIPE, detector=replace(RECIPE.detector, threshold=threshold))
    judged = judge.judge(model, [], heard, recipe)  # type: ignore[arg-type]
    assert judged.order[0] == 0
    assert abs(judged.curve.threshold_for(recipe.detector.false_accepts_per_hour) - middle) <= 3


def test_it_learns(trained) -> None:  # type: ignore[no-untyped-def]
    assert trained.judgement.curve.misses_at(0.5) <= 0.1


def test_training_again_gives_the_same_weights(data: Dataset, trained) -> None:  # type: ignore[no-untyped-def]
    from tinywake.learn.train import fit

    again = fit(data, RECIPE)
    for one, two in zip(trained.model.get_weights(), again.model.get_weights(), strict=True):
        assert np.array_equal(one, two)


def test_folding_changes_nothing(data: Dataset, trained) -> None:  # type: ignore[no-untyped-def]
    from tinywake.learn.judge import logits
    from tinywake.learn.networks import deployed_network

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
    from tinywake.learn.judge import logits, score_bytes
    from tinywake.learn.networks import deployed_network

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


def test_an_interrupted_run_goes_on_to_the_same_weights(data: Dataset, trained, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    from tinywake.learn import train

    monkeypatch.setattr(train, "_KEEP", 40)

    def stop(stage: str, fraction: float) -> None:
        if fraction >= 0.9:  # after the first check, and after the last state was saved
            raise KeyboardInterrupt

    recipe = Recipe(RECIPE.word, network=RECIPE.network, train=replace(RECIPE.train, dropout=0.1, rankings=3))
    whole = train.fit(data, recipe)
    with pytest.raises(KeyboardInterrupt):
        train.fit(data, recipe, stop, kept=tmp_path / "kept.npz")
    seen: list[float] = []
    again = train.fit(data, recipe, lambda _, fraction: seen.append(fraction), kept=tmp_path / "kept.npz")
    assert min(seen) >= 0.6
    done = train.fit(data, recipe, kept=tmp_path / "kept.npz")  # nothing is left to do
    assert all(np.array_equal(a, b) for a, b in zip(done.model.get_weights(), whole.model.get_weights(), strict=True))
    for one, two in zip(whole.model.get_weights(), again.model.get_weights(), strict=True):
        assert np.array_equal(one, two)
    assert again.judgement.order == whole.judgement.order


def test_what_fails_later_does_not_cost_the_training(data: Dataset, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    # Bug: the state was removed before conversion, threshold, compiler and card, any of which may fail.
    from tinywake.learn import convert, networks, train
    from tinywake.pipeline.training import run as pipeline

    def fit(*_: object, kept: Path, **more: object) -> SimpleNamespace:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(b"state")
        return SimpleNamespace(judgement=SimpleNamespace(order=(0.0, 0.0)), model=None, calibration=(1.0, 0.0))

    def fail(*_: object) -> bytes:
        raise ToolError("no space left")

    for number in range(12):
        (tmp_path / f"old{number}").mkdir()
        os.utime(tmp_path / f"old{number}", (number, number))
    monkeypatch.setattr(train, "fit", fit)
    monkeypatch.setattr(networks, "deployed_network", lambda *_: None)
    monkeypatch.setattr(convert, "convert", fail)
    with pytest.raises(ToolError, match="no space left"):
        pipeline._learn(RECIPE, data, None, tmp_path / "key", None, None)
    assert (tmp_path / "key" / "0.npz").read_bytes() == b"state"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "key") == sorted(
        f"old{number}" for number in range(4, 12)
    )


def test_what_an_output_accepts_counts_though_nobody_says_its_word(data: Dataset) -> None:
    # Bug: with no validation clip of a word, nothing that its output fired at was counted.
    from tinywake.learn.judge import curve_of, rule_of

    quiet, loud = np.zeros((STEPS, 2), np.uint8), np.zeros((STEPS, 2), np.uint8)
    loud[:, 1] = 200
    two = replace(data, outputs=2, spoken=np.zeros(len(data.positives), np.uint8))
    curve = curve_of([quiet] * len(data.positives), [loud] * 3, two, rule_of(RECIPE))
    assert curve.false_accepts[100] >= 3
    assert curve.misses[100] == len(data.positives)


def test_two_words_have_an_output_each(data: Dataset) -> None:
    """The band that rises is one word, the one that falls the other."""
    from tinywake.learn.convert import convert, score_streams, windows_of
    from tinywake.learn.networks import deployed_network
    from tinywake.learn.train import fit

    (rising, up), (falling, down) = streams(40, True, 4), streams(40, False, 5)
    silent = np.random.default_rng(6).integers(-128, -90, (40, *rising.shape[1:])).astype(np.int8)
    positives = np.concatenate([data.positives, data.negatives])
    both = Dataset(
        np.concatenate([rising, falling, silent]),
        np.concatenate([up, down, np.full_like(up, NEGATIVE)]),
        positives,
        silent[:12],
        np.repeat(np.array([0, 1, 0], np.uint8), 40),
        np.repeat(np.array([0, 1], np.uint8), 12),
        outputs=2,
    )
    trained = fit(both, RECIPE)
    net = RECIPE.network
    content = convert(deployed_network(net, 2, trained.model, trained.calibration), windows_of(both, net.window, 3))
    scores = score_streams(content, positives, net.stride)
    assert scores[0].shape == (STEPS, 2)
    assert np.mean([score.max(axis=0).argmax() == n // 12 for n, score in enumerate(scores)]) > 0.9
