"""Golden vectors for the kernels: small networks, random inputs, and TensorFlow Lite Micro's outputs.

    .venv/bin/python tests/vectors/make_networks.py [NAME...]

writes tests/vectors/networks/<name>.tflite and <name>.npz (x int8 [n, ...], y int8 [n, ...], versions). Needs the
extras train and dev; the tests that read the files need neither.
"""

from __future__ import annotations

import sys
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


def residual() -> keras.Model:
    """Sums, differences and products of tensors and of constants, a concatenation of channels, PAD, functions."""
    x = i = keras.Input((10, 9, 3), batch_size=1)
    x = layers.ZeroPadding2D(((0, 1), (2, 1)))(x)
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    a = layers.DepthwiseConv2D(3, padding="same")(x)
    a = layers.BatchNormalization(name="norm")(layers.Activation("hard_swish")(a))
    x = layers.Activation("relu6")(layers.Add()([x, a]))
    b = layers.LeakyReLU(negative_slope=0.2)(layers.Conv2D(8, 1)(x))
    gate = layers.Conv2D(8, 1, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(b))
    b = layers.Subtract()([layers.Multiply()([b, gate]), x])
    x = layers.Concatenate()([b, layers.Activation("tanh")(layers.Conv2D(4, 1)(x))])
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(x)
    return keras.Model(i, layers.Dense(5)(layers.Flatten()(x)))


def shapes() -> keras.Model:
    """Slices, splits, paddings, transpositions and concatenations along every axis; a mean over one axis."""
    x = i = keras.Input((8, 6, 4), batch_size=1)
    a = layers.Conv2D(4, 1)(x[:, 1:7:2, :, :])
    b = layers.Conv2D(4, 1)(x[:, 5:8, ::-1, :][:, :, ::-1, :])
    y = layers.Concatenate(axis=1)([a, b])
    y = layers.Permute((2, 1, 3))(y)
    y = layers.Concatenate(axis=2)([y, x[:, 2:8, 1:4, :]])
    left, right = y[..., :1], y[..., 1:]
    y = layers.Concatenate(axis=3)([right, left, right])
    y = layers.Conv2D(5, (2, 2), activation="relu")(y)
    y = keras.ops.mean(y, axis=2)
    return keras.Model(i, layers.Dense(3)(layers.Flatten()(y)))


class Streaming(tf.Module):
    """Variables over time and kernels of two sizes, as micro-wake-word's networks have them; uint8 probabilities."""

    input_shape = (1, 3, 10)

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__()

        def weights(*shape: int) -> tf.Tensor:
            return tf.constant(rng.normal(scale=np.prod(shape[:-1]) ** -0.5, size=shape), tf.float32)

        self.first, self.bias = weights(5, 1, 10, 8), weights(8) * 0.2
        self.short, self.long = weights(3, 1, 4, 1), weights(6, 1, 4, 1)
        self.point, self.last = weights(1, 1, 8, 8) * 0.5, weights(40, 1) * 0.5
        self.frames, self.rows, self.end = (tf.Variable(tf.zeros((1, n, 1, c))) for n, c in ((2, 10), (5, 8), (4, 8)))

    @tf.function(input_signature=[tf.TensorSpec(input_shape, tf.float32)])
    def step(self, x: tf.Tensor) -> tf.Tensor:
        x = self.window(self.frames, x[:, :, None, :])
        x = self.window(self.rows, tf.nn.relu(tf.nn.conv2d(x, self.first, 1, "VALID") + self.bias))
        short, long = tf.split(x, 2, axis=3)
        short = tf.nn.depthwise_conv2d(short[:, -3:], self.short, (1, 1, 1, 1), "VALID")
        long = tf.nn.depthwise_conv2d(long[:, -6:], self.long, (1, 1, 1, 1), "VALID")
        x = tf.nn.relu(tf.nn.conv2d(tf.concat([short, long], 3), self.point, 1, "VALID"))
        return tf.sigmoid(tf.reshape(self.window(self.end, x), (1, 40)) @ self.last)

    @staticmethod
    def window(old: tf.Variable, new: tf.Tensor) -> tf.Tensor:
        both = tf.concat([old, new], 1)
        old.assign(both[:, new.shape[1] :])
        return both


NETWORKS: tuple[Callable[[], keras.Model], ...] = (image, pooled, word, flat, rows, clipped, residual, shapes)


def spread(model: keras.Model, rng: np.random.Generator) -> None:
    """Scale the last fully connected layer so that random inputs use its whole range."""
    dense = [layer for layer in model.layers if isinstance(layer, layers.Dense)][-1]
    before = keras.Model(model.input, dense.input)
    hidden = np.concatenate([before.predict(rng.normal(size=model.input_shape), verbose=0) for _ in range(100)])
    kernel, bias = dense.get_weights()
    z = hidden @ kernel
    kernel = kernel / z.std(axis=0) * 2
    dense.set_weights([kernel, -(hidden @ kernel).mean(axis=0) + 0 * bias])


def convert(converter: tf.lite.TFLiteConverter, shape: tuple[int, ...], rng: np.random.Generator) -> bytes:
    def representative() -> Iterator[list[np.ndarray]]:
        for _ in range(100):
            yield [rng.normal(size=shape).astype(np.float32)]

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    content: bytes = converter.convert()
    return content


def random_weights(model: keras.Model, rng: np.random.Generator) -> None:
    """Biases too, and channels of very different size."""
    for layer in model.layers:
        weights = layer.get_weights()
        if layer.name == "norm":
            layer.set_weights([rng.uniform(0.5, 2, w.shape) for w in weights])
        elif weights:
            layer.set_weights(
                [
                    rng.normal(scale=w[..., 0].size ** -0.5, size=w.shape) * rng.uniform(0.3, 1.5, w.shape[-1])
                    for w in weights
                ]
            )
    if "clips" in {layer.name for layer in model.layers}:  # from never to always at 6
        kernel, bias = model.get_layer("clips").get_weights()
        model.get_layer("clips").set_weights([kernel, np.linspace(-1, 20, len(bias))])


def from_keras(build: Callable[[], keras.Model], rng: np.random.Generator) -> bytes:
    model = build()
    random_weights(model, rng)
    spread(model, rng)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.inference_output_type = tf.int8
    return convert(converter, (1, *model.input_shape[1:]), rng)


def from_module(rng: np.random.Generator) -> bytes:
    network = Streaming(rng)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.step.get_concrete_function()], network)
    converter.experimental_enable_resource_variables = True
    converter.inference_output_type = tf.uint8
    return convert(converter, network.input_shape, rng)


def write(name: str, content: bytes, rng: np.random.Generator) -> None:
    """The network, and what TensorFlow Lite Micro makes of random inputs, one after the other."""
    interpreter = runtime.Interpreter.from_bytes(content)
    shape = interpreter.get_input_details(0)["shape"][1:]
    x = rng.integers(-128, 128, (24, *shape)).astype(np.int8)
    x[0], x[1], x[2] = -128, 127, 0
    y = []
    for one in x:
        interpreter.set_input(one[None], 0)
        interpreter.invoke()
        y.append(interpreter.get_output(0)[0].copy())
    versions = f"tensorflow {version('tensorflow')}, tflite-micro {version('tflite-micro')}"
    (FOLDER / f"{name}.tflite").write_bytes(content)
    np.savez_compressed(FOLDER / f"{name}.npz", x=x, y=np.array(y), versions=versions)
    print(name, len(content), np.unique(np.array(y)).size, "distinct outputs")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for seed, build in enumerate(NETWORKS):
        if sys.argv[1:] and build.__name__ not in sys.argv[1:]:
            continue
        keras.utils.set_random_seed(seed)
        rng = np.random.default_rng(seed)
        write(build.__name__, from_keras(build, rng), rng)
    if not sys.argv[1:] or "streaming" in sys.argv[1:]:
        rng = np.random.default_rng(len(NETWORKS))
        write("streaming", from_module(rng), rng)


if __name__ == "__main__":
    main()
