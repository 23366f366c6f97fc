"""Published networks on boards: the very outputs of TensorFlow Lite Micro, invoke by invoke."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tinywake.compiler.build import compile_tflite
from tinywake.device.targets.registry import TARGETS
from tinywake.device.targets.unix import UnixBoard
from tinywake.pipeline.running import run_network

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "core"))
from test_reference import NETWORKS, WAKE_WORDS, Oracle, random_inputs, sequences


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_equal_tflite_micro_on_the_unix_board(reference: Path, tmp_path: Path, name: str) -> None:
    lacks = UnixBoard.available()
    if lacks is not None:
        pytest.skip(lacks)
    path, model = reference / f"{name}.tflite", tmp_path / "model.twm"
    compiled = compile_tflite(path)
    model.write_bytes(compiled.blob)
    shape = compiled.graph.tensors[compiled.graph.input].shape
    xs = random_inputs(shape)
    if name in WAKE_WORDS:
        xs = np.concatenate([xs, *(clip.reshape(-1, *shape) for clip in sequences(reference, shape[1]))])
    oracle = Oracle(path)
    ys = run_network(model, xs, "unix").view(np.uint8)
    for number, (x, y) in enumerate(zip(xs, ys, strict=True)):
        np.testing.assert_array_equal(np.ravel(y), oracle.invoke(x), err_msg=f"{name}, invoke {number}")


# Each with kernels of its own on some processor, and small enough for every chip.
ON_CHIPS = (
    "mlperf-tiny/kws_ref_model",
    "micro-speech/micro_speech_quantized",
    *WAKE_WORDS,
    "small/emlearn_mnist_cnn_int8",
)


@pytest.mark.lean("qemu-armv6m", "qemu-rv32imc")
@pytest.mark.parametrize("name", ON_CHIPS)
@pytest.mark.parametrize("target", sorted(set(TARGETS) - {"unix"}))
def test_outputs_equal_tflite_micro_on_a_chip(place: str, reference: Path, tmp_path: Path, name: str) -> None:
    path, model = reference / f"{name}.tflite", tmp_path / "model.twm"
    compiled = compile_tflite(path)
    model.write_bytes(compiled.blob)
    xs = random_inputs(compiled.graph.tensors[compiled.graph.input].shape)[:4]
    oracle = Oracle(path)
    ys = run_network(model, xs, place).view(np.uint8)
    for number, (x, y) in enumerate(zip(xs, ys, strict=True)):
        np.testing.assert_array_equal(np.ravel(y), oracle.invoke(x), err_msg=f"{name}, invoke {number}")
