"""A network that begins with another one's layers."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinywake.config import Network
from tinywake.errors import ConfigError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow", reason="tensorflow is not installed (pip install 'tinywake[train]')")

NET = Network(first_filters=8, filters=(8, 8), kernels=(5, 5), head=6)


def test_all_layers_but_the_head_are_taken_over(tmp_path: Path) -> None:
    from tinywake.learn.networks import training_network
    from tinywake.learn.saved import begin_with, save_weights

    many, one = training_network(NET, 7, 0.1, 1), training_network(NET, 1, 0.0, 2)
    save_weights(tmp_path / "a.npz", many)
    save_weights(tmp_path / "b.npz", many)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    head = [np.asarray(weight) for weight in one.get_layer("head").weights]
    begin_with(one, tmp_path / "a.npz")
    for name in ("first", "first_norm", "time_0", "mix_1", "norm_1"):
        for own, given in zip(one.get_layer(name).weights, many.get_layer(name).weights, strict=True):
            assert np.array_equal(own, given)
    assert all(np.array_equal(a, b) for a, b in zip(head, one.get_layer("head").weights, strict=True))


def test_weights_that_do_not_fit_are_refused_before_anything_is_spoken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Bug: after everything had been spoken and mixed.
    from tinywake.learn.networks import training_network
    from tinywake.learn.saved import save_weights
    from tinywake.pipeline.training import run as pipeline

    monkeypatch.setenv("TINYWAKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pipeline.sources, "identity", lambda *_: "sound")
    monkeypatch.setattr(pipeline, "streams_of", None)
    save_weights(tmp_path / "a.npz", training_network(NET, 1, 0.0, 1))
    (tmp_path / "recipe.toml").write_text('[word]\nlabel = "w"\n[train]\nbase = "a.npz"\n')
    with pytest.raises(ConfigError, match=r"train\.base: .*a\.npz: .* must be the same"):
        pipeline.train(tmp_path / "recipe.toml", tmp_path / "out")


def test_another_network_is_refused_with_the_layer(tmp_path: Path) -> None:
    from tinywake.learn.networks import training_network
    from tinywake.learn.saved import begin_with, save_weights

    save_weights(tmp_path / "a.npz", training_network(NET, 1, 0.0, 1))
    with pytest.raises(ConfigError, match=r"a\.npz: mix_1\.0 is \[1, 8, 8\] there and \[1, 8, 12\] here"):
        begin_with(training_network(replace(NET, filters=(8, 12)), 1, 0.0, 1), tmp_path / "a.npz")
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(ConfigError, match=r"a\.npz: not a file of weights"):
        begin_with(training_network(NET, 1, 0.0, 1), tmp_path / "a.npz")
    np.save(tmp_path / "a.npy", np.zeros(3))  # Bug: a TypeError
    with pytest.raises(ConfigError, match=r"a\.npy: not a file of weights"):
        begin_with(training_network(NET, 1, 0.0, 1), tmp_path / "a.npy")
    with pytest.raises(ConfigError, match=r"none\.npz"):
        begin_with(training_network(NET, 1, 0.0, 1), tmp_path / "none.npz")
