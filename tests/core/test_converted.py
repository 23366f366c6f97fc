"""What TensorFlow's converter writes for Keras models, read and computed: equal to TensorFlow Lite Micro's outputs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interpret import Interpreter

from tinywake.compiler.graph import Conv2D, DepthwiseConv2D, Table
from tinywake.compiler.tflite.read import problems, read_tflite

if "TINYWAKE_SANITIZED" in os.environ:
    pytest.skip("TensorFlow does not start under the sanitizers", allow_module_level=True)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow", reason="tensorflow is not installed (pip install 'tinywake[train]')")

import keras  # noqa: E402
from keras import layers, ops  # noqa: E402

IMAGE, WINDOW = (12, 10, 4), (20, 6)
Build = Callable[[Any], Any]


def conv(x: Any, filters: int = 8, kernel: Any = 3, **options: Any) -> Any:
    return layers.Conv2D(filters, kernel, padding="same", **options)(x)


def function(name: str) -> Build:
    return lambda i: conv(layers.Activation(name)(conv(i)), 3)


def gated(i: Any) -> Any:
    x = conv(i, 4)
    return conv(x * conv(layers.GlobalAveragePooling2D(keepdims=True)(x), 4, 1, activation="sigmoid"), 3)


def constants(i: Any) -> Any:
    x = i * np.float32([0.5, 2, -1, 3]) + np.float32([1, 2, 3, 4])
    return conv((1.5 - x) - np.arange(10, dtype=np.float32)[:, None], 3)


def joined(i: Any) -> Any:
    x = layers.Concatenate(axis=1)([conv(i, 4), conv(i, 4, 1)])
    x = layers.Concatenate(axis=2)([x, x])
    return conv(layers.Concatenate(axis=3)([x, x, x]), 2)


def padded(i: Any) -> Any:
    return layers.Conv2D(4, 3)(layers.ZeroPadding2D(((1, 2), (0, 3)))(i))


def mixed_kernels(i: Any) -> Any:
    a, b, c = ops.split(conv(i, 8), [3, 4], axis=3)
    parts = [layers.DepthwiseConv2D(k, padding="same")(x) for k, x in ((3, a), (5, b), (1, c))]
    return conv(layers.Concatenate()(parts), 4)


def means(i: Any) -> Any:
    x = conv(i, 8)
    parts = [ops.mean(x, axis=axes) for axes in (1, 2, -1, (1, 2), (2, 3))]
    return layers.Concatenate()([layers.Flatten()(part) for part in parts])


def gated_time(i: Any) -> Any:
    """Two dilated convolutions of one tensor share their SPACE_TO_BATCH_ND."""
    x = layers.Conv1D(8, 3, padding="causal")(i)
    filtered, gate = (
        layers.Conv1D(8, 2, dilation_rate=2, padding="causal", activation=a)(x) for a in ("tanh", "sigmoid")
    )
    return layers.Conv1D(4, 1)(layers.Add()([x, filtered * gate]))


def attended(i: Any) -> Any:
    x = layers.Conv1D(8, 3)(i)
    return ops.sum(x * layers.Softmax(axis=1)(layers.Dense(1)(x)), axis=1)


def pools(i: Any) -> Any:
    return layers.MaxPooling2D(3, 2, padding="same")(layers.AveragePooling2D(3, 2, padding="same")(i))


def one_dimension(i: Any) -> Any:
    x = layers.SeparableConv1D(6, 3)(layers.Conv1D(8, 3, activation="relu")(i))
    return layers.Dense(3)(layers.AveragePooling1D(2)(layers.MaxPooling1D(3, 2, padding="same")(x)))


def dilated(i: Any) -> Any:
    x = layers.Conv1D(8, 3, dilation_rate=2, padding="causal")(i)
    return layers.GlobalMaxPooling1D()(layers.Conv1D(8, 3, dilation_rate=4, padding="same")(x))


def flat(i: Any) -> Any:
    return layers.Softmax()(layers.Dense(5)(layers.Flatten()(conv(i, activation="relu"))))


def reshaped(i: Any) -> Any:
    x = layers.Conv1D(6, 3)(layers.Reshape((-1, 40))(conv(i)))
    return conv(layers.Reshape((11, 2, 6))(x[:, :22]), 3)


def unstacked(i: Any) -> Any:
    parts = ops.unstack(conv(i, 4), axis=1)
    return ops.mean(ops.stack([parts[0] + parts[3], parts[1]], axis=1), axis=1)


MODELS: dict[str, tuple[tuple[int, ...], Build]] = {
    "sum": (IMAGE, lambda i: layers.Add()([conv(i, 4, activation="relu"), conv(i, 4)])),
    "difference": (IMAGE, lambda i: layers.GlobalAveragePooling2D()(layers.Subtract()([conv(i, 4), conv(i, 4, 1)]))),
    "product": (IMAGE, gated),
    "constants": (IMAGE, constants),
    "concatenations": (IMAGE, joined),
    "strided slices": (IMAGE, lambda i: conv(conv(i, 4)[:, 1:-1:2, 3:, 1:3], 3)),
    "a slice less": (IMAGE, lambda i: layers.Dense(3)(conv(i, 4)[:, -1])),
    "reversed": (IMAGE, lambda i: conv(i[:, 5::-1, ::-1], 3)),
    "pad": (IMAGE, padded),
    "pad folded": (IMAGE, lambda i: layers.DepthwiseConv2D(3, strides=2)(layers.ZeroPadding2D(((0, 1), (0, 1)))(i))),
    "crop": (IMAGE, lambda i: layers.Cropping2D(((1, 2), (3, 0)))(conv(i))),
    "fused relu6": (IMAGE, lambda i: layers.ReLU(6.0)(layers.MaxPooling2D(2)(i + conv(i, 4)))),
    "relu6": (IMAGE, lambda i: conv(layers.ReLU(6.0)(layers.Reshape((10, 12, 4))(i * 4.0)))),
    "relu": (IMAGE, lambda i: conv(layers.ReLU()(i), 3)),
    "clip": (IMAGE, lambda i: conv(ops.clip(conv(i), -1, 1))),
    "unit clip": (IMAGE, lambda i: conv(ops.clip(conv(i), 0, 1))),
    "leaky relu": (IMAGE, lambda i: conv(layers.LeakyReLU(0.2)(conv(i)), 3)),
    "several slopes": (IMAGE, lambda i: conv(layers.PReLU(shared_axes=[1, 2], name="slopes")(conv(i)), 3)),
    "hard swish": (IMAGE, function("hard_swish")),
    "hard sigmoid": (IMAGE, function("hard_sigmoid")),
    "tanh": (IMAGE, function("tanh")),
    "elu": (IMAGE, function("elu")),
    "swish": (IMAGE, function("swish")),
    "abs": (IMAGE, lambda i: conv(ops.abs(conv(i)))),
    "batch normalisation": (IMAGE, lambda i: conv(layers.BatchNormalization()(layers.MaxPooling2D(2)(i)), 3)),
    "separable": (IMAGE, lambda i: layers.SeparableConv2D(8, 3, activation="relu", depth_multiplier=2)(i)),
    "groups": (IMAGE, lambda i: conv(conv(i), 12, groups=4)),
    "groups of one": (IMAGE, lambda i: conv(conv(i), 16, groups=8)),
    "mixed kernels": (IMAGE, mixed_kernels),
    "means": (IMAGE, means),
    "sum over": (IMAGE, lambda i: ops.sum(conv(i, 8), axis=(1, 2))),
    "largest": (IMAGE, lambda i: ops.max(conv(i, 8), axis=2)),
    "transposed": (IMAGE, lambda i: layers.Dense(4)(layers.Permute((3, 2, 1))(conv(i)))),
    "dense rows": (IMAGE, lambda i: layers.Dense(5)(conv(i, 6))),
    "stacked": (IMAGE, unstacked),
    "pools": (IMAGE, pools),
    "one dimension": (WINDOW, one_dimension),
    "attended": (WINDOW, attended),
    "dilated": (WINDOW, dilated),
    "gated time": (WINDOW, gated_time),
    "flat": (IMAGE, flat),
}  # fmt: skip


def convert(name: str, shape: tuple[int, ...], build: Build, batch: int | None = 1, **settings: Any) -> bytes:
    """The network with weights of very different size, converted with random data."""
    keras.utils.set_random_seed(1)
    i = keras.Input(shape, batch_size=batch)
    model = keras.Model(i, build(i))
    rng = np.random.default_rng(3)
    for layer in model.layers:
        normal = isinstance(layer, layers.BatchNormalization) or layer.name == "slopes"
        layer.set_weights(
            [
                rng.uniform(0.2, 1.5, w.shape)
                if normal
                else rng.normal(scale=max(1, w[..., 0].size) ** -0.5, size=w.shape) * rng.uniform(0.3, 1.5, w.shape[-1])
                for w in layer.get_weights()
            ]
        )

    def data() -> Iterator[list[np.ndarray]]:
        for _ in range(30):
            yield [rng.normal(size=(1, *shape)).astype(np.float32)]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = data
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    for key, value in settings.items():
        setattr(converter, key, value)
    content: bytes = converter.convert()
    return content


def agree(path: Path, blob: bytes) -> list[Any]:
    """Read, compute, compare, and return the operators."""
    runtime: Any = pytest.importorskip("tflite_micro", reason="tflite-micro is not installed").runtime
    path.write_bytes(blob)
    graph = read_tflite(path)
    network, oracle = Interpreter(graph), runtime.Interpreter.from_bytes(blob, arena_size=1 << 22)
    x = graph.tensors[graph.input]
    rng = np.random.default_rng(0)
    levels = 0
    for _ in range(4):
        given = rng.integers(0, 256, x.shape).astype(np.uint8).view(x.dtype)
        oracle.set_input(given, 0)
        oracle.invoke()
        expected = oracle.get_output(0)
        np.testing.assert_array_equal(network.invoke(given), expected)
        levels = max(levels, np.unique(expected).size)
    assert levels > 2, "the network says something"
    return list(graph.ops)


@pytest.mark.parametrize("name", MODELS)
def test_keras_models(tmp_path: Path, name: str) -> None:
    shape, build = MODELS[name]
    agree(tmp_path / "m.tflite", convert(name, shape, build))


@pytest.mark.parametrize("build", [flat, reshaped])
def test_without_a_batch_size(tmp_path: Path, build: Build) -> None:
    agree(tmp_path / "m.tflite", convert("m", IMAGE, build, batch=None))


def test_one_scale_for_all_weights(tmp_path: Path) -> None:
    def build(i: Any) -> Any:
        return flat(layers.DepthwiseConv2D(3)(conv(i)))

    agree(tmp_path / "m.tflite", convert("m", IMAGE, build, _experimental_disable_per_channel=True))


def test_unsigned_ends(tmp_path: Path) -> None:
    blob = convert("m", IMAGE, flat, inference_input_type=tf.uint8, inference_output_type=tf.uint8)
    found = agree(tmp_path / "m.tflite", blob)
    assert [type(op) for op in (found[0], found[-1])] == [Table, Table]


def test_dilation_without_a_batch_size(tmp_path: Path) -> None:
    """TFLM cannot run what is written then; the convolutions are those of the network with a batch size."""
    path = tmp_path / "m.tflite"
    dilations = []
    for batch in (1, None):
        path.write_bytes(convert("m", WINDOW, dilated, batch=batch))
        graph = read_tflite(path)
        convs = [op for op in graph.ops if isinstance(op, Conv2D)]
        dilations.append([op.dilation for op in convs])
        weights = [op.weights for op in convs]
    assert dilations == [[(1, 2), (1, 4)]] * 2
    assert all(w.shape[1:3] == (1, 3) for w in weights)
    assert not any(isinstance(op, DepthwiseConv2D) for op in graph.ops)


def test_float_ends_are_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(convert("m", IMAGE, flat, inference_input_type=tf.float32, inference_output_type=tf.float32))
    (found,) = problems(path)
    assert "and 1 more are FLOAT32" in found
    assert "inference_input_type = inference_output_type = tf.int8" in found


def test_a_network_that_was_not_quantised(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    i = keras.Input(IMAGE, batch_size=1)
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(keras.Model(i, flat(i))).convert())
    (found,) = problems(path)
    assert "more are FLOAT32" in found
