# SPDX-License-Identifier: MIT
"""Read an int8 .tflite into the graph, without TensorFlow."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tflite
from numpy.typing import NDArray

from tinywake.compiler.graph import (
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    Logistic,
    MaxPool2D,
    Mean,
    Op,
    Reshape,
    Softmax,
    Tensor,
)
from tinywake.compiler.tflite import quantise
from tinywake.errors import CompileError, ModelError

__all__ = ["read_tflite"]

_DTYPES: dict[int, Any] = {
    tflite.TensorType.INT8: np.int8,
    tflite.TensorType.UINT8: np.uint8,
    tflite.TensorType.INT32: np.int32,
    tflite.TensorType.INT64: np.int64,
}
_TYPE_NAMES = {v: k for k, v in vars(tflite.TensorType).items() if isinstance(v, int)}
_SCALES = 1e-20, 1e20  # beyond them requantisation means nothing
_ACTIVATIONS = {v: k for k, v in vars(tflite.ActivationFunctionType).items() if isinstance(v, int)}


def read_tflite(path: Path) -> Graph:
    """Read a network with one int8 input and one int8 output.

    Raises ModelError where the file cannot be read as a .tflite, CompileError where it holds something that this
    compiler does not run; the message names operator, index and tensor.
    """
    try:
        data = path.read_bytes()
    except OSError as e:
        raise ModelError(f"{path}: {e.strerror or e}") from e
    if len(data) < 8 or data[4:8] != b"TFL3":
        raise ModelError(f"{path}: not a .tflite file (no TFL3 mark at byte 4); export it with tf.lite.TFLiteConverter")
    try:
        return _Reader(path, data).graph()
    except (struct.error, LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as e:
        raise ModelError(f"{path}: damaged .tflite ({type(e).__name__}: {e}); export or copy it again") from e


class _Value(NamedTuple):
    """A tensor of the flatbuffer: constant data where it has any."""

    name: str
    shape: tuple[int, ...]
    dtype: int
    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    data: NDArray[Any] | None


class _Reader:
    def __init__(self, path: Path, data: bytes) -> None:
        self.path = path
        self.model = tflite.Model.GetRootAs(data, 0)
        self.where = ""
        self.sub = self.model.Subgraphs(0)
        if self.sub is None or self.sub.InputsLength() != 1 or self.sub.OutputsLength() != 1:
            raise CompileError(f"{path}: needs exactly one input and one output; split the network")
        self.values = [self.value(i) for i in range(self.sub.TensorsLength())]
        self.tensors: dict[int, Tensor] = {}

    def fail(self, message: str) -> CompileError:
        return CompileError(f"{self.path}: {self.where}{message}")

    def value(self, index: int) -> _Value:
        t = self.sub.Tensors(index)
        shape = tuple(int(n) for n in t.ShapeAsNumpy()) if t.ShapeLength() else ()
        q = t.Quantization()
        scales = q.ScaleAsNumpy() if q is not None and q.ScaleLength() else np.zeros(0, np.float32)
        zeros = q.ZeroPointAsNumpy() if q is not None and q.ZeroPointLength() else np.zeros(0, np.int64)
        buffer = self.model.Buffers(t.Buffer())
        data = None
        if buffer is not None and buffer.DataLength() and t.Type() in _DTYPES:
            data = np.frombuffer(buffer.DataAsNumpy().tobytes(), _DTYPES[t.Type()]).reshape(shape)
        return _Value((t.Name() or b"").decode(), shape, t.Type(), scales, zeros, data)

    def graph(self) -> Graph:
        source, sink = int(self.sub.Inputs(0)), int(self.sub.Outputs(0))
        self.tensor(source)
        ops = tuple(self.op(i) for i in range(self.sub.OperatorsLength()))
        if sink not in self.tensors:
            raise self.fail(f"output {self.values[sink].name!r} is not computed by any operator")
        return Graph(self.tensors, ops, source, sink)

    def tensor(self, index: int) -> Tensor:
        """An activation: int8, one scale, static shape with batch 1."""
        if index in self.tensors:
            return self.tensors[index]
        v = self.values[index]
        if v.dtype != tflite.TensorType.INT8:
            kind = _TYPE_NAMES.get(v.dtype, str(v.dtype))
            raise self.fail(
                f"tensor {v.name!r} is {kind}, not INT8; convert with full integer quantisation "
                "(inference_input_type = inference_output_type = tf.int8)"
            )
        if len(v.scales) != 1 or len(v.zero_points) != 1:
            raise self.fail(f"tensor {v.name!r} has no single quantisation scale")
        if not _SCALES[0] < v.scales[0] < _SCALES[1] or not -128 <= v.zero_points[0] <= 127:
            raise self.fail(
                f"tensor {v.name!r}: scale {v.scales[0]:g}, zero point {v.zero_points[0]} are no int8 quantisation"
            )
        if not v.shape or any(n < 1 for n in v.shape) or (len(v.shape) > 1 and v.shape[0] != 1):
            raise self.fail(f"tensor {v.name!r} has shape {list(v.shape)}; export with a fixed shape and batch size 1")
        scale, zero = float(v.scales[0]), int(v.zero_points[0])
        self.tensors[index] = Tensor(v.name, v.shape, "int8", scale, zero, storage=index)
        return self.tensors[index]

    def constant(self, index: int, dtype: int) -> _Value:
        v = self.values[index]
        if v.data is None or v.dtype != dtype:
            kind = _TYPE_NAMES.get(dtype, str(dtype))
            raise self.fail(f"tensor {v.name!r} must be a constant {kind}; convert with full integer quantisation")
        return v

    def op(self, index: int) -> Op:
        flat = self.sub.Operators(index)
        code = self.model.OperatorCodes(flat.OpcodeIndex())
        name = tflite.opcode2name(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))
        self.where = f"operator {index} {name}: "
        read = getattr(self, f"op_{name.lower()}", None)
        if read is None:
            raise self.fail("not supported by this compiler; see docs/operators.md for those that are")
        inputs = [int(i) for i in flat.InputsAsNumpy()]
        if inputs[0] not in self.tensors:
            raise self.fail(f"input {self.values[inputs[0]].name!r} is not computed by an earlier operator")
        output = int(flat.Outputs(0))
        self.tensor(output)
        op: Op = read(flat, index, inputs, output)
        return op

    def options(self, flat: Any, kind: str) -> Any:
        table = flat.BuiltinOptions()
        if table is None:
            raise self.fail("has no options")
        options = getattr(tflite, kind)()
        options.Init(table.Bytes, table.Pos)
        return options

    def activation(self, options: Any, output: int) -> tuple[int, int]:
        name = _ACTIVATIONS.get(options.FusedActivationFunction(), "?")
        if name not in ("NONE", "RELU", "RELU6", "RELU_N1_TO_1"):
            raise self.fail(f"fused activation {name} is not supported; use RELU or RELU6")
        out = self.tensors[output]
        return quantise.activation_range(name, out.scale, out.zero_point)

    def padding(
        self, options: Any, source: int, output: int, kernel: tuple[int, int], stride: tuple[int, int]
    ) -> tuple[int, int]:
        """Top and left; `kernel` is the dilated one. TFLite's SAME puts the odd element below and right."""
        sizes, outs = self.tensors[source].hwc[:2], self.tensors[output].hwc[:2]
        if min(*stride, *kernel) < 1:
            raise self.fail(f"has kernel {kernel}, stride {stride}")
        valid = options.Padding() == tflite.Padding.VALID
        expected = [(n - k) // s + 1 if valid else -(-n // s) for n, k, s in zip(sizes, kernel, stride, strict=True)]
        if list(outs) != expected:
            raise self.fail(f"output {self.tensors[output].name!r} is {list(outs)}, not {expected}")
        if valid:
            return 0, 0
        top, left = (max(0, ((o - 1) * s + k - n) // 2) for o, s, k, n in zip(outs, stride, kernel, sizes, strict=True))
        return top, left

    def bias(self, inputs: list[int], units: int) -> NDArray[np.int32]:
        if len(inputs) < 3 or inputs[2] < 0:
            return np.zeros(units, np.int32)
        data = self.constant(inputs[2], tflite.TensorType.INT32).data
        assert data is not None
        return data.reshape(units)

    def weights(self, index: int, rank: int) -> _Value:
        v = self.constant(index, tflite.TensorType.INT8)
        if len(v.shape) != rank or np.any(v.zero_points) or not len(v.scales) or not np.all(v.scales > 0):
            raise self.fail(f"weights {v.name!r} are not symmetric int8 of rank {rank}")
        return v

    # ---- one method an operator

    def convolution(self, flat: Any, index: int, inputs: list[int], output: int, depthwise: bool) -> Op:
        options = self.options(flat, "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions")
        w = self.weights(inputs[1], 4)
        assert w.data is not None
        x, y = self.tensors[inputs[0]], self.tensors[output]
        channels = w.shape[3 if depthwise else 0]
        if len(w.scales) not in (1, channels):
            raise self.fail(f"weights {w.name!r} have {len(w.scales)} scales for {channels} channels")
        fits = channels % x.shape[-1] == 0 and w.shape[0] == 1 if depthwise else w.shape[3] == x.shape[-1]
        if len(x.shape) != 4 or len(y.shape) != 4 or y.shape[3] != channels or not fits:
            raise self.fail(f"shapes {list(x.shape)} and {list(y.shape)} do not fit weights {list(w.shape)}")
        scales = np.broadcast_to(w.scales, channels) if len(w.scales) == 1 else w.scales
        stride = options.StrideH(), options.StrideW()
        dilation = options.DilationHFactor(), options.DilationWFactor()
        if min(dilation) < 1:
            raise self.fail(f"has dilation {dilation}")
        reach = tuple((w.shape[1 + a] - 1) * dilation[a] + 1 for a in (0, 1))
        return (DepthwiseConv2D if depthwise else Conv2D)(
            index, inputs[0], output,
            weights=w.data,
            bias=self.bias(inputs, channels),
            requant=quantise.conv_requant(x.scale, [float(s) for s in scales], y.scale),
            stride=stride,
            pad=self.padding(options, inputs[0], output, (reach[0], reach[1]), stride),
            dilation=dilation,
            act=self.activation(options, output),
        )  # fmt: skip

    def op_conv_2d(self, flat: Any, index: int, inputs: list[int], output: int) -> Op:
        return self.convolution(flat, index, inputs, output, depthwise=False)

    def op_depthwise_conv_2d(self, flat: Any, index: int, inputs: list[int], output: int) -> Op:
        return self.convolution(flat, index, inputs, output, depthwise=True)

    def op_fully_connected(self, flat: Any, index: int, inputs: list[int], output: int) -> Op:
        options = self.options(flat, "FullyConnectedOptions")
        w = self.weights(inputs[1], 2)
        assert w.data is not None
        x, y = self.tensors[inputs[0]], self.tensors[output]
        units, depth = w.shape
        if x.count % depth or y.count != x.count // depth * units or y.shape[-1] != units:
            raise self.fail(f"input {x.name!r} of {x.count} elements does not fit weights {list(w.shape)}")
        if len(w.scales) == 1:
            requant = quantise.fully_connected_requant(x.scale, float(w.scales[0]), y.scale)
        else:
            requant = quantise.conv_requant(x.scale, [float(s) for s in w.scales], y.scale)
        return FullyConnected(
            index, inputs[0], output,
            weights=w.data,
            bias=self.bias(inputs, units),
            requant=requant,
            act=self.activation(options, output),
        )  # fmt: skip

    def pool(self, flat: Any, index: int, inputs: list[int], output: int, kind: type[AveragePool2D]) -> Op:
        options = self.options(flat, "Pool2DOptions")
        self.same_quantisation(inputs[0], output)
        x, y = self.tensors[inputs[0]], self.tensors[output]
        if len(x.shape) != 4 or len(y.shape) != 4 or x.shape[3] != y.shape[3]:
            raise self.fail(f"shapes {list(x.shape)} and {list(y.shape)} do not fit each other")
        kernel = options.FilterHeight(), options.FilterWidth()
        stride = options.StrideH(), options.StrideW()
        pad = self.padding(options, inputs[0], output, kernel, stride)
        return kind(index, inputs[0], output, kernel, stride, pad, self.activation(options, output))

    def same_quantisation(self, source: int, output: int) -> None:
        x, y = self.tensors[source], self.tensors[output]
        if (x.scale, x.zero_point) != (y.scale, y.zero_point):
            raise self.fail(f"tensors {x.name!r} and {y.name!r} must have the same scale and zero point")

    def op_average_pool_2d(self, flat: Any, index: int, inputs: list[int], output: int) -> Op:
        return self.pool(flat, index, inputs, output, AveragePool2D)

    def op_max_pool_2d(self, flat: Any, index: int, inputs: list[int], output: int) -> Op:
        return self.pool(flat, index, inputs, output, MaxPool2D)

    def op_mean(self, flat: Any, index: int, inputs: list[int], output: int) -> Op:
        x, y = self.tensors[inputs[0]], self.tensors[output]
        axes = self.constant(inputs[1], tflite.TensorType.INT32).data
        assert axes is not None
        rank = len(x.shape)
        reduced = {int(a) % rank for a in axes.ravel()}
        kept = [n for a, n in enumerate(x.shape[:-1]) if a not in reduced]
        if rank - 1 in reduced or math.prod(kept) != 1:
            raise self.fail(
                f"over axes {sorted(reduced)} of {list(x.shape)}; only a mean over all of time and width runs"
            )
        if y.count != x.shape[-1]:
            raise self.fail(f"output {y.name!r} has {y.count} values, not {x.shape[-1]}")
        multiplier, shift = quantise.mean_scaling(x.scale, y.scale, x.count // x.shape[-1])
        return Mean(index, inputs[0], output, multiplier, shift)

    def probabilities(self, source: int, output: int) -> None:
        y = self.tensors[output]
        if y.count != self.tensors[source].count:
            raise self.fail(f"output {y.name!r} has {y.count} values, its input {self.tensors[source].count}")
        if (y.scale, y.zero_point) != (1 / 256, -128):
            raise self.fail(f"output {y.name!r} must have scale 1/256 and zero point -128")

    def op_logistic(self, flat: Any, index: int, inputs: list[int], output: int) -> Op:
        self.probabilities(inputs[0], output)
        return Logistic(index, inputs[0], output, *quantise.logistic_scaling(self.tensors[inputs[0]].scale))

    def op_softmax(self, flat: Any, index: int, inputs: list[int], output: int) -> Op:
        self.probabilities(inputs[0], output)
        x = self.tensors[inputs[0]]
        if x.shape[-1] > 4095:
            raise self.fail(f"over {x.shape[-1]} classes; at most 4095")
        beta = self.options(flat, "SoftmaxOptions").Beta()
        return Softmax(index, inputs[0], output, *quantise.softmax_scaling(x.scale, beta))

    def op_reshape(self, flat: Any, index: int, inputs: list[int], output: int) -> Op:
        self.same_quantisation(inputs[0], output)
        if self.tensors[inputs[0]].count != self.tensors[output].count:
            raise self.fail("changes the number of elements")
        return Reshape(index, inputs[0], output)

    op_expand_dims = op_reshape
    op_squeeze = op_reshape
