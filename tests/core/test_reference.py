"""Networks that others published, against TensorFlow Lite Micro: outputs, and the memory they need.

The files are not part of the project: TINYWAKE_REFERENCE says where they are; without them the tests skip.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinywake.audio.clips import read_clip
from tinywake.compiler.build import compile_tflite
from tinywake.compiler.graph import Conv2D, FullyConnected
from tinywake.compiler.twm.listening import ESPHOME_MAP
from tinywake.core import Frontend, Model

NETWORKS = (
    "mlperf-tiny/kws_ref_model",
    "mlperf-tiny/ad01_int8",
    "mlperf-tiny/str_ww_ref_model",
    "mlperf-tiny/vww_96_int8",
    "mlperf-tiny/pretrainedResnet_quant",
    "micro-speech/micro_speech_quantized",
    "micro-wake-word/okay_nabu",
    "micro-wake-word/hey_jarvis",
    "micro-wake-word/vad",
    "micro-wake-word/v1/hey_jarvis",
    "small/emlearn_mnist_cnn_int8",
    "small/tinymaix_mnist_valid_q",
)
WAKE_WORDS = tuple(name for name in NETWORKS if name.startswith("micro-wake-word/"))


class Oracle:
    """TensorFlow Lite Micro's reference kernels, one invoke after the other."""

    def __init__(self, path: Path) -> None:
        runtime: Any = pytest.importorskip("tflite_micro", reason="tflite-micro is not installed").runtime
        self._interpreter = runtime.Interpreter.from_file(str(path))

    def reset(self) -> None:
        self._interpreter.reset()

    def invoke(self, x: np.ndarray) -> np.ndarray:
        self._interpreter.set_input(x, 0)
        self._interpreter.invoke()
        return np.ravel(self._interpreter.get_output(0)).view(np.uint8).copy()


def agree(path: Path, model: Model, oracle: Oracle, xs: np.ndarray) -> int:
    """Compare invoke by invoke; return how many different outputs there were."""
    seen = set()
    for number, x in enumerate(xs):
        y = oracle.invoke(x)
        np.testing.assert_array_equal(model.invoke(x), y, err_msg=f"{path.name}, invoke {number}")
        seen.add(y.tobytes())
    return len(seen)


def random_inputs(shape: tuple[int, ...], count: int = 64) -> np.ndarray:
    """Noise of every loudness around every level; every second one smooth along height, as features and images are."""
    rng = np.random.default_rng(3)
    xs = np.empty((count, *shape), np.int8)
    for number in range(count):
        noise = rng.normal(size=shape)
        if number % 2:
            noise = np.cumsum(noise, axis=1 if len(shape) > 2 else -1)
            noise /= noise.std() + 1e-9
        xs[number] = np.clip(rng.uniform(-128, 128) + rng.uniform(0, 120) * noise, -128, 127).round()
    return xs


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_equal_tflite_micro(reference: Path, name: str) -> None:
    """64 random inputs; then, from a reset, the same again."""
    path = reference / f"{name}.tflite"
    compiled = compile_tflite(path)
    model, oracle = Model(compiled.blob), Oracle(path)
    xs = random_inputs(compiled.graph.tensors[compiled.graph.input].shape)
    for _ in range(2):
        distinct = agree(path, model, oracle, xs)
        model.reset()
        oracle.reset()
    assert distinct > 2 or name in WAKE_WORDS  # these hear nothing in noise: real features below


def sequences(reference: Path, frames: int) -> Iterator[np.ndarray]:
    """Real features as int8 [invokes, frames, 40]: each clip, scaled as ESPHome and as pymicro-wakeword do it."""
    frontend = Frontend()
    for clip in sorted((reference / "micro-wake-word" / "clips").rglob("*.wav")):
        features = frontend.features(read_clip(clip, silent_ok=True))
        features = features[: len(features) // frames * frames].reshape(-1, frames, 40)
        yield ESPHOME_MAP.apply(features)
        yield np.clip(np.round(features / 25.6 / (26 / 256) - 128), -128, 127).astype(np.int8)


@pytest.mark.parametrize("name", WAKE_WORDS)
def test_wake_words_equal_tflite_micro_on_real_features(reference: Path, name: str) -> None:
    """Whole clips one after the other, from fresh state, from carried state and after a reset."""
    path = reference / f"{name}.tflite"
    compiled = compile_tflite(path)
    model, oracle = Model(compiled.blob), Oracle(path)
    shape = compiled.graph.tensors[compiled.graph.input].shape
    most = 0
    for number, xs in enumerate(sequences(reference, shape[1])):
        most = max(most, agree(path, model, oracle, xs.reshape(-1, *shape)))
        if number % 3 == 2:
            model.reset()
            oracle.reset()
    assert most >= 10, "some clip moves the score"


# TFLM's arena: on a 32-bit Cortex-M0+ where design/PERFORMANCE.md of the project's engineers has it, else on x86-64.
ARENAS = {
    "mlperf-tiny/kws_ref_model": (22_772, 0.5),
    "micro-wake-word/okay_nabu": (18_788, 0.5),
    "micro-wake-word/hey_jarvis": (15_908, 0.5),
    "micro-speech/micro_speech_quantized": (6_788, 0.5),
    "mlperf-tiny/vww_96_int8": (103_680, 0.6),
    "mlperf-tiny/pretrainedResnet_quant": (55_984, 0.6),
    "micro-wake-word/vad": (12_208, 0.5),
    "micro-wake-word/v1/hey_jarvis": (53_136, 0.5),
    "mlperf-tiny/str_ww_ref_model": (16_640, 0.5),
}


@pytest.mark.parametrize("name", ARENAS)
def test_working_memory_against_tflite_micro(reference: Path, name: str) -> None:
    theirs, share = ARENAS[name]
    ours = Model(compile_tflite(reference / f"{name}.tflite").blob).arena_bytes
    assert ours <= share * theirs


def test_a_file_is_little_more_than_its_numbers(reference: Path) -> None:
    """Weights, biases and requantisation, and at most 1 kB: the keyword-spotting network of MLPerf Tiny."""
    compiled = compile_tflite(reference / "mlperf-tiny/kws_ref_model.tflite")
    numbers = sum(
        op.weights.size + 4 * op.bias.size + 5 * len(op.requant.multiplier)
        for op in compiled.graph.ops
        if isinstance(op, Conv2D | FullyConnected)
    )
    assert len(compiled.blob) <= numbers + 1024
