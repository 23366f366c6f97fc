"""Golden vectors for the kernels: small networks, random inputs, and TensorFlow Lite Micro's outputs.

    .venv/bin/python tests/vectors/make_networks.py

writes tests/vectors/networks/<name>.tflite and <name>.npz (x int8 [n, ...], y int8 [n, ...], versions). Needs the
extras train and dev; the tests that read the files need neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from tflite_micro import runtime

FOLDER = Path(__file__).parent / "networks"


def image() -> keras.Model:
    """SAME padding with odd remainders, stride 2, RELU6, depth multiplier, average pool, fully connected, softmax."""
    x = i = keras.Input((9, 11, 3), batch_size=1)
    x = layers.Conv2D(8, (3, 5), strides=2, padding="same", activation="relu6")(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", activation="relu")(x)
    x = layers.Conv2D(5, 1)(x)
    x = layers.AveragePooling2D((2, 3), strides=(2, 1), padding="same")(x)
    x = layers.Flatten()(x)
    return keras.Model(i, layers.Softmax()(layers.Dense(7)(x)))


def pooled() -> keras.Model:
    """Dilation, maximum pool with and without padding, strides that differ, several fully connected layers."""
    x = i = keras.Input((12, 10, 1), batch_size=1)
    x = layers.Conv2D(6, 3, dilation_rate=2, activation="relu")(x)
    x = layers.MaxPooling2D((3, 2), strides=(1, 2), padding="same")(x)
    x = layers.DepthwiseConv2D((4, 2), strides=2)(x)
    x = layers.MaxPooling2D(2, padding="same")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(9, activation="relu", use_bias=False)(x)
    return keras.Model(i, layers.Dense(3)(x))


def word() -> keras.Model:
    """A small wake-word network: time VALID, stride 3 in front, separable convolutions, mean over time, sigmoid."""
    x = i = keras.Input((40, 1, 10), batch_size=1)
    x = layers.Conv2D(8, (5, 1), strides=(3, 1), activation="relu")(x)
    for kernel in (3, 5):
        x = layers.DepthwiseConv2D((kernel, 1), activation="relu")(x)
        x = layers.Conv2D(8, 1, activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(i, layers.Dense(1, activation="sigmoid")(x))


def flat() -> keras.Model:
    """Another: average pool and strides within, flattened over time, several labels."""
    x = i = keras.Input((30, 6, 1), batch_size=1)
    x = layers.Conv2D(4, (4, 3), activation="relu")(x)
    x = layers.AveragePooling2D((3, 2), strides=(2, 2))(x)
    x = layers.DepthwiseConv2D((2, 1), dilation_rate=(1, 1))(x)
    x = layers.Conv2D(3, (2, 2), strides=(2, 1), activation="relu6")(x)
    x = layers.Flatten()(x)
    return keras.Model(i, layers.Softmax()(layers.Dense(4)(x)))


def rows() -> keras.Model:
    """Three dimensions: convolution in one of them (RESHAPE around CONV_2D), fully connected by row, mean."""
    x = i = keras.Input((20, 4), batch_size=1)
    x = layers.Conv1D(6, 3, activation="relu")(x)
    x = layers.Dense(5)(x)
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(i, layers.Dense(2, activation="sigmoid")(x))


def clipped() -> keras.Model:
    """A mean whose input and output have the same scale and zero point (both are clipped to 0..6)."""
    x = i = keras.Input((8, 7, 2), batch_size=1)
    x = layers.Conv2D(6, 3, activation="relu6", name="clips")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(i, layers.Dense(4)(x))


NETWORKS: tuple[Callable[[], keras.Model], ...] = (image, pooled, word, flat, rows, clipped)


def spread(model: keras.Model, rng: np.random.Generator) -> None:
    """Scale the last fully connected layer so that random inputs use its whole range."""
    dense = [layer for layer in model.layers if isinstance(layer, layers.Dense)][-1]
    before = keras.Model(model.input, dense.input)
    hidden = np.concatenate([before.predict(rng.normal(size=model.input_shape), verbose=0) for _ in range(100)])
    kernel, bias = dense.get_weights()
    z = hidden @ kernel
    kernel = kernel / z.std(axis=0) * 2
    dense.set_weights([kernel, -(hidden @ kernel).mean(axis=0) + 0 * bias])


def converted(model: keras.Model, rng: np.random.Generator) -> bytes:
    shape = model.input_shape[1:]

    def representative() -> Iterator[list[np.ndarray]]:
        for _ in range(100):
            yield [rng.normal(size=(1, *shape)).astype(np.float32)]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    content: bytes = converter.convert()
    return content


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for seed, build in enumerate(NETWORKS):
        keras.utils.set_random_seed(seed)
        rng = np.random.default_rng(seed)
        model = build()
        for layer in model.layers:
            weights = layer.get_weights()
            if weights:  # biases too, and channels of very different size
                layer.set_weights(
                    [
                        rng.normal(scale=w[..., 0].size ** -0.5, size=w.shape) * rng.uniform(0.3, 1.5, w.shape[-1])
                        for w in weights
                    ]
                )
        if "clips" in {layer.name for layer in model.layers}:  # from never to always at 6
            kernel, bias = model.get_layer("clips").get_weights()
            model.get_layer("clips").set_weights([kernel, np.linspace(-1, 20, len(bias))])
        spread(model, rng)
        content = converted(model, rng)
        x = rng.integers(-128, 128, (24, *model.input_shape[1:])).astype(np.int8)
        x[0], x[1], x[2] = -128, 127, 0
        interpreter = runtime.Interpreter.from_bytes(content)
        y = []
        for one in x:
            interpreter.set_input(one[None], 0)
            interpreter.invoke()
            y.append(interpreter.get_output(0)[0].copy())
        versions = f"tensorflow {version('tensorflow')}, tflite-micro {version('tflite-micro')}"
        (FOLDER / f"{build.__name__}.tflite").write_bytes(content)
        np.savez_compressed(FOLDER / f"{build.__name__}.npz", x=x, y=np.array(y), versions=versions)
        print(build.__name__, len(content), np.unique(np.array(y)).size, "distinct outputs")


if __name__ == "__main__":
    main()
