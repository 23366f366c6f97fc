"""The float network that int8 is measured against is the one that the file was made of, step for step."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinywake.audio.features import to_int8
from tinywake.config import Network, Recipe, Word
from tinywake.core import Frontend

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow", reason="tensorflow is not installed (pip install 'tinywake[train]')")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bench"))

NET = Network(stride=3, first_kernel=4, first_filters=8, filters=(8, 8), kernels=(5, 7), head=6)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Noise that comes and goes: features that differ."""
    rng = np.random.default_rng(5)
    loud = np.repeat(rng.uniform(10, 12_000, 30), 1600)
    soundfile.write(tmp_path / "clip.wav", (rng.normal(0, 0.3, loud.size) * loud).astype(np.int16), 16_000)
    return tmp_path / "clip.wav"


def test_float_and_core_step_together_under_one_calibration(clip: Path, tmp_path: Path) -> None:
    import float_path

    from tinywake.learn.convert import convert
    from tinywake.learn.judge import GAIN
    from tinywake.learn.networks import deployed_network, training_network
    from tinywake.learn.saved import save_weights
    from tinywake.pipeline.compression.measure import compiled_of

    model = training_network(NET, 1, 0.0, 7)
    head = model.get_layer("head")
    kernel, bias = head.get_weights()
    head.set_weights([30 * kernel, bias + 0.7])  # scores of all heights
    features = to_int8(Frontend().features(soundfile.read(clip, dtype="int16")[0]))
    windows = np.stack([features[at : at + NET.window] for at in range(0, len(features) - NET.window, 3)])
    (tmp_path / "model.tflite").write_bytes(convert(deployed_network(NET, 1, model, (GAIN, -0.4)), windows))
    recipe = Recipe(Word("x"), network=NET)
    (tmp_path / "model.twm").write_bytes(compiled_of(tmp_path / "model.tflite", recipe, 128, {}).blob)
    save_weights(tmp_path / "weights.npz", model)
    exact, core, seconds = float_path.Pair(tmp_path, NET.stride).hear(clip)
    assert seconds == pytest.approx(3.0)
    assert len(exact) == len(core) > 50
    assert np.ptp(core) > 60
    apart = np.abs(exact.astype(int) - core.astype(int))
    assert apart.mean() < 4
    assert apart.mean() < np.abs(exact[1:].astype(int) - core[:-1].astype(int)).mean() / 2, "a step early or late"
