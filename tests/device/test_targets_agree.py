"""What the host computes is what the board computes, bit for bit: the same clips and inputs on both."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinywake.compiler.build import compile_tflite
from tinywake.device.targets.registry import TARGETS
from tinywake.pipeline.hearing import hear
from tinywake.pipeline.running import run_network

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from records import Tensor, copy_op, twm
from tiny import listening_model

CHIPS = pytest.mark.lean("qemu-armv6m", "qemu-rv32imc", "circuitpython")


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@CHIPS
def test_the_same_scores(place: str, tmp_path: Path) -> None:
    model = tmp_path / "loud.twm"
    model.write_bytes(listening_model())
    rng = np.random.default_rng(0)
    clips = []
    for number, (level, samples) in enumerate(((3000, 40_000), (30_000, 16_001), (5, 8_000))):
        clips.append(tmp_path / f"{number}.wav")
        swell = np.sin(np.arange(samples) / 3000) ** 2
        soundfile.write(clips[-1], (rng.normal(0, level, samples) * swell).clip(-32768, 32767).astype(np.int16), 16000)
    here, there = list(hear(model, clips)), list(hear(model, clips, place))
    assert len(here) == len(there) == 3
    assert any(heard.hits for heard in here)
    for a, b in zip(here, there, strict=True):
        assert (a.clip, a.labels, a.hits) == (b.clip, b.labels, b.hits)
        for name in ("scores", "means", "t_ms", "ready"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


@CHIPS
def test_listen_from_the_command_line(target: str, tmp_path: Path) -> None:
    """A board that is started, filled, asked and ended."""
    if lacking := TARGETS[target].available():
        pytest.skip(lacking)
    (tmp_path / "loud.twm").write_bytes(listening_model(threshold=120, window=1, refractory_ms=100))
    clip = tmp_path / "clip.wav"
    noise = np.random.default_rng(7).integers(-30_000, 30_000, 12_000)
    noise[:8_000] //= 500
    soundfile.write(clip, noise.astype(np.int16), 16000)
    said = {}
    for where in ("host", target):
        command = [
            sys.executable,
            "-m",
            "tinywake",
            "listen",
            str(clip),
            "--model",
            str(tmp_path / "loud.twm"),
            "--target",
        ]
        done = subprocess.run(
            [*command, where, "--scores", str(tmp_path / f"{where}.npz")], capture_output=True, text=True, check=True
        )
        said[where] = done.stdout, {name: array.tobytes() for name, array in np.load(tmp_path / f"{where}.npz").items()}
    assert said["host"][0].count("loud") >= 1
    assert set(said["host"][1]) == {str(clip), f"{clip}#detector"}
    assert said[target] == said["host"]


@CHIPS
@pytest.mark.parametrize("name", ["image", "word", "residual", "shapes", "streaming"])
def test_the_same_outputs(place: str, vectors: Path, tmp_path: Path, name: str) -> None:
    golden = np.load(vectors / "networks" / f"{name}.npz")
    model = tmp_path / f"{name}.twm"
    model.write_bytes(compile_tflite(vectors / "networks" / f"{name}.tflite").blob)
    np.testing.assert_array_equal(run_network(model, golden["x"], place).reshape(golden["y"].shape), golden["y"])


@pytest.mark.parametrize("distance", [-448, -1, 0, 1, 4, 448, 8000])
def test_a_run_may_overlap_itself_either_way(place: str, tmp_path: Path, distance: int) -> None:
    # Bug: gcc folded the native module's memmove into its memcpy and expanded that: copies upwards repeated themselves.
    model, size = tmp_path / "copy.twm", 8000
    x_at, y_at = max(-distance, 0), max(distance, 0)
    model.write_bytes(twm([Tensor((1, 1, size), x_at), Tensor((1, 1, size), y_at)], [copy_op(run=size)]))
    x = np.random.default_rng(0).integers(-128, 128, (1, 1, 1, size)).astype(np.int8)
    np.testing.assert_array_equal(run_network(model, x, place).ravel(), x.ravel())
