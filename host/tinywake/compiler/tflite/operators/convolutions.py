# SPDX-License-Identifier: MIT
"""Operators with weights: CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED; and the pools, which share their geometry."""

from __future__ import annotations

from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from tinywake.compiler.graph import (
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    GroupedConv2D,
    MaxPool2D,
    Requant,
    Tensor,
)
from tinywake.compiler.tflite import quantise
from tinywake.compiler.tflite.flatbuffer import Operator
from tinywake.compiler.tflite.network import Network, Problem

__all__ = ["READERS", "Window", "activation", "convolve", "kernel_of", "window"]

Pair = tuple[int, int]
Window = tuple[Pair, Pair, Pair]  # stride, pad (top, left), dilation

_ACTIVATIONS = {v: k for k, v in vars(tflite.ActivationFunctionType).items() if isinstance(v, int)}
_BIGGEST_SHIFT = 30
_BIGGEST_FIELD = 255


def activation(op: Operator, y: Tensor) -> Pair:
    """The clamp of a fused activation."""
    name = _ACTIVATIONS.get(op.option("FusedActivationFunction"), "?")
    if name not in quantise.ACTIVATIONS:
        raise Problem(f"fused activation {name} is not supported; use RELU or RELU6")
    return quantise.activation_range(name, y.scale, y.zero_point)


def window(op: Operator, x: Tensor, y: Tensor, kernel: Pair) -> Window:
    """Stride, pad and dilation of a kernel over height and width. SAME puts the odd element below and right."""
    if len(x.shape) != 4 or len(y.shape) != 4 or x.shape[0] != 1 or y.shape[0] != 1:
        raise Problem(
            f"shapes {list(x.shape)} and {list(y.shape)} are not [1, height, width, channels]; use batch size 1"
        )
    stride = op.option("StrideH"), op.option("StrideW")
    pool = "POOL" in op.name
    dilation = (1, 1) if pool else (op.option("DilationHFactor"), op.option("DilationWFactor"))
    if min(*stride, *kernel, *dilation) < 1 or max(*stride, *kernel, *dilation) > _BIGGEST_FIELD:
        raise Problem(f"has kernel {kernel}, stride {stride}, dilation {dilation}; each is 1 to {_BIGGEST_FIELD}")
    if op.option("Padding") not in (tflite.Padding.SAME, tflite.Padding.VALID):
        raise Problem(f"has padding {op.option('Padding')}; use SAME or VALID")
    valid = op.option("Padding") == tflite.Padding.VALID
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    sizes, outs = x.shape[1:3], y.shape[1:3]
    expected = [(n - r) // s + 1 if valid else -(-n // s) for n, r, s in zip(sizes, reach, stride, strict=True)]
    if list(outs) != expected:
        raise Problem(f"output {y.name!r} is {list(outs)} high and wide, not {expected}; export it again")
    pad = [
        0 if valid else max(0, (o - 1) * s + r - n) // 2 for o, s, r, n in zip(outs, stride, reach, sizes, strict=True)
    ]
    return stride, (pad[0], pad[1]), dilation


def kernel_of(net: Network, op: Operator, rank: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Weights and their scales: one, or one a channel."""
    index = net.value(op, 1)
    v, data = net.values[index], net.constants.get(index)
    if v.dtype != "INT8":
        raise Problem(f"weights {v.name!r} are {v.dtype}, not INT8; convert with full integer quantisation")
    if data is None:
        raise Problem(f"weights {v.name!r} are {v.odd or 'not constant'}; freeze them before converting")
    if data.ndim != rank or not data.size or np.any(v.zero_points):
        raise Problem(
            f"weights {v.name!r} of shape {list(data.shape)} are not symmetric int8 of rank {rank}; convert them again"
        )
    if not len(v.scales) or not np.all((v.scales >= 0) & (v.scales < 1e20)):
        raise Problem(f"weights {v.name!r} have no usable scales; convert with full integer quantisation")
    return data, v.scales


def _bias(net: Network, op: Operator, units: int) -> NDArray[np.int32]:
    if len(op.inputs) < 3 or op.inputs[2] < 0:
        return np.zeros(units, np.int32)
    v, data = net.values[op.inputs[2]], net.constants.get(op.inputs[2])
    if data is None or data.dtype != np.int32 or data.size != units:
        raise Problem(f"bias {v.name!r} is not a constant of {units} INT32; convert with full integer quantisation")
    return data.reshape(units)


def _requant(x: Tensor, scales: NDArray[np.float32], y: Tensor, name: str, channels: int) -> Requant:
    if len(scales) not in (1, channels):
        raise Problem(f"weights {name!r} have {len(scales)} scales for {channels} channels; convert them again")
    requant = quantise.conv_requant(x.scale, [float(s) for s in scales], y.scale)
    if np.any(requant.shift > _BIGGEST_SHIFT):
        raise Problem(f"the scales of {x.name!r}, {name!r} and {y.name!r} are too far apart; convert with other data")
    return requant


def _each(requant: Requant, channels: int) -> Requant:
    """One multiplier a channel, also where the weights have one scale."""
    return Requant(
        np.broadcast_to(requant.multiplier, channels).copy(), np.broadcast_to(requant.shift, channels).copy()
    )


def convolve(net: Network, op: Operator, x: int, y: int, frame: Window, weights: NDArray[np.int8]) -> None:
    """Emit the convolution of x into y, whose geometry is `frame`."""
    a, b = net.tensors[x], net.tensors[y]
    scales = net.values[net.value(op, 1)].scales
    name = net.values[net.value(op, 1)].name
    deep = op.name == "DEPTHWISE_CONV_2D"
    channels, depth, given = weights.shape[3 if deep else 0], weights.shape[3], a.shape[3]
    fits = (
        channels % given == 0 and weights.shape[0] == 1 if deep else given % depth == 0 == channels % (given // depth)
    )
    if b.shape[3] != channels or not fits:
        raise Problem(f"shapes {list(a.shape)} and {list(b.shape)} do not fit weights {list(weights.shape)}")
    if deep and op.option("DepthMultiplier") != channels // given:
        raise Problem(f"has depth multiplier {op.option('DepthMultiplier')}, not {channels // given}; export it again")
    stride, pad, dilation = frame
    common: dict[str, Any] = {"stride": stride, "pad": pad, "dilation": dilation, "act": activation(op, b)}
    bias, requant = _bias(net, op, channels), _each(_requant(a, scales, b, name, channels), channels)
    if not deep and depth == 1 < given:  # every group one channel: that is depthwise
        deep, weights = True, np.ascontiguousarray(weights.transpose(3, 1, 2, 0))
    kind = DepthwiseConv2D if deep else Conv2D if depth == given else GroupedConv2D
    net.emit(kind(op.index, (x,), y, weights=weights, bias=bias, requant=requant, **common))


def _convolution(net: Network, op: Operator) -> None:
    x, y = net.input(op), net.output(op)
    weights, _ = kernel_of(net, op, 4)
    kernel = weights.shape[1], weights.shape[2]
    convolve(net, op, x, y, window(op, net.tensors[x], net.tensors[y], kernel), weights)


def _fully_connected(net: Network, op: Operator) -> None:
    x, y = net.input(op), net.output(op)
    weights, scales = kernel_of(net, op, 2)
    a, b = net.tensors[x], net.tensors[y]
    units, depth = weights.shape
    if a.count % depth or b.count != a.count // depth * units or b.shape[-1:] != (units,):
        raise Problem(f"input {a.name!r} of {a.count} elements does not fit weights {list(weights.shape)}")
    if op.option("WeightsFormat"):
        raise Problem("has shuffled weights; convert without them")
    requant = _requant(a, scales, b, net.values[net.value(op, 1)].name, units)
    act = activation(op, b)
    net.emit(FullyConnected(op.index, (x,), y, weights=weights, bias=_bias(net, op, units), requant=requant, act=act))


def _pool(net: Network, op: Operator) -> None:
    x, y = net.input(op), net.output(op)
    a, b = net.tensors[x], net.tensors[y]
    net.same(a, b)
    if a.shape[-1:] != b.shape[-1:]:
        raise Problem(f"shapes {list(a.shape)} and {list(b.shape)} do not fit each other")
    kernel = op.option("FilterHeight"), op.option("FilterWidth")
    stride, pad, _ = window(op, a, b, kernel)
    kind = MaxPool2D if op.name == "MAX_POOL_2D" else AveragePool2D
    net.emit(kind(op.index, (x,), y, kernel, stride, pad, activation(op, b)))


READERS = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "FULLY_CONNECTED": _fully_connected,
    "AVERAGE_POOL_2D": _pool,
    "MAX_POOL_2D": _pool,
}
