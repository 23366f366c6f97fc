# SPDX-License-Identifier: MIT
"""Float network -> int8 .tflite with a known input quantisation, and the scores of such a file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from tinywake.audio.dataset import CANDIDATE, Dataset
from tinywake.audio.features import SCALE, ZERO_POINT
from tinywake.errors import ModelError

__all__ = ["convert", "score_streams", "windows_of"]

_SAMPLES = 300  # windows that set the ranges


def convert(model: keras.Model, windows: NDArray[np.int8]) -> bytes:
    """Full-integer .tflite of a deployed network; `windows`, int8 [n, window, 40], set the ranges of the activations.

    Its input is int8 with exactly SCALE and ZERO_POINT, so it takes what `features.to_int8` gives; its output is int8
    with scale 1/256 and zero point -128, so score = q + 128. The same weights and windows give the same bytes.
    """
    chosen = windows.copy()
    # The converter takes the range it has seen: one value at either end makes that the whole of int8.
    chosen[0, 0, 0], chosen[0, 0, 1] = -128, 127

    def representative() -> Iterator[list[NDArray[np.float32]]]:
        for window in chosen:
            yield [((window.astype(np.float32) + 128.0) * SCALE)[None, :, None, :].astype(np.float32)]

    spec = tf.TensorSpec(model.inputs[0].shape, tf.float32, name="features")
    call = tf.function(lambda features: model(features, training=False), input_signature=[spec])
    frozen = convert_variables_to_constants_v2(call.get_concrete_function())
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the input's statistics are not specified: they are measured
        content = bytes(converter.convert())
    _check(content)
    return content


def _check(content: bytes) -> None:
    interpreter = _interpreter(content)
    given, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    if given["dtype"] != np.int8 or given["quantization"] != (np.float32(SCALE), ZERO_POINT):
        raise ModelError(f"the converter chose {given['quantization']} for the input, not ({SCALE}, {ZERO_POINT})")
    if result["dtype"] != np.int8 or result["quantization"] != (1 / 256, -128):
        raise ModelError(f"the converter chose {result['quantization']} for the output, not (1/256, -128)")


def windows_of(dataset: Dataset, window: int, stride: int) -> NDArray[np.int8]:
    """Windows that show the network all it will meet: for each of some streams one at the word, or anywhere."""
    chosen = np.linspace(0, len(dataset.features) - 1, min(_SAMPLES, len(dataset.features))).astype(int)
    windows = []
    for index in chosen:
        label = dataset.labels[index]
        holds = np.flatnonzero(label == CANDIDATE)
        step = int(holds[len(holds) // 2]) if len(holds) else int(index) % len(label)
        windows.append(dataset.features[index, step * stride : step * stride + window])
    return np.stack(windows)


def score_streams(content: bytes, streams: NDArray[np.int8], stride: int) -> list[NDArray[np.uint8]]:
    """Scores 0..255 of a .tflite slid over int8 [streams, frames, 40] by `stride` frames: [steps, words] of each.

    Full windows only.
    """
    interpreter = _interpreter(content)
    given, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    window = int(given["shape"][1])
    scores = []
    for stream in streams:
        starts = range(0, len(stream) - window + 1, stride)
        row = np.zeros((len(starts), int(result["shape"][-1])), np.uint8)
        for index, start in enumerate(starts):
            interpreter.set_tensor(given["index"], stream[start : start + window].reshape(given["shape"]))
            interpreter.invoke()
            row[index] = interpreter.get_tensor(result["index"])[0].astype(np.int16) + 128
        scores.append(row)
    return scores


def _interpreter(content: bytes) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tf.lite moves to another package some day
        interpreter = tf.lite.Interpreter(
            model_content=content, num_threads=1,
            experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )  # fmt: skip
    interpreter.allocate_tensors()
    return interpreter
