"""Networks of one idea each, for the tests of the reader; most in one operator, from tensor 0 to tensor 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from forge import O, Sub, T, forge, single

__all__ = ["ADD", "MUL", "SUB", "Q", "R", "chained", "conv", "dilated", "flattened", "ints", "sliced", "stepping"]

ADD, MUL, SUB = (f"{name}Options" for name in ("Add", "Mul", "Sub"))
Q = {"scale": 0.5, "zero": 3}
R = {"scale": 0.25, "zero": -7}


def ints(*values: int, dtype: str = "INT32", shape: tuple[int, ...] | None = None) -> T:
    return T((len(values),) if shape is None else shape, dtype, data=list(values))


def chained(*ops: O, tensors: list[T] | None = None, outputs: tuple[int, ...] = (1,)) -> bytes:
    """Operators on these tensors, by default three alike."""
    return forge(Sub(tensors or [T((1, 4), **Q)] * 3, list(ops), (0,), outputs))


def sliced(
    begin: Any, end: Any, step: Any, y: tuple[int, ...], shape: tuple[int, ...] = (1, 6, 5, 4), **masks: int
) -> bytes:
    options = ("StridedSliceOptions", masks)
    return single("STRIDED_SLICE", T(shape, **Q), T(y, **Q), ints(*begin), ints(*end), ints(*step), options=options)


def conv(x: tuple[int, ...], y: tuple[int, ...], w: tuple[int, ...], *, bias: bool = True, scales: int | None = None,
         name: str = "CONV_2D", seed: int = 0, **fields: int) -> bytes:  # fmt: skip
    rng = np.random.default_rng(seed)
    channels = w[3] if name == "DEPTHWISE_CONV_2D" else w[0]
    count = channels if scales is None else scales
    axis = 3 if name == "DEPTHWISE_CONV_2D" else 0
    weights = T(w, scale=rng.uniform(0.01, 0.02, count), data=rng.integers(-127, 128, w), axis=axis)
    others = [weights, *([T((channels,), "INT32", data=rng.integers(-900, 900, channels))] if bias else [])]
    kind = "DepthwiseConv2DOptions" if name == "DEPTHWISE_CONV_2D" else "Conv2DOptions"
    if name == "DEPTHWISE_CONV_2D":
        fields.setdefault("DepthMultiplier", w[3] // x[3])
    for field in ("StrideH", "StrideW", "DilationHFactor", "DilationWFactor"):
        fields.setdefault(field, 1)
    return single(name, T(x, **Q), T(y, scale=1.0, zero=-5), *others, options=(kind, fields))


def dilated(
    x: T, y: T, block: tuple[int, ...], pads: tuple[int, ...], crops: tuple[int, ...], inner: tuple[int, ...]
) -> bytes:
    """SPACE_TO_BATCH_ND, CONV_2D, BATCH_TO_SPACE_ND; between them the batch is 1, as the converter writes it."""
    rng = np.random.default_rng(0)
    flat = len(x.shape) == 3
    k = (4, 1, 3, x.shape[-1]) if flat else (4, 3, 3, x.shape[-1])
    kernel = T(k, scale=rng.uniform(0.01, 0.02, 4), data=rng.integers(-127, 128, k))
    bias = T((4,), "INT32", data=rng.integers(-900, 900, 4))
    n = len(block)
    after = (1, inner[1] - (0 if flat else 2), inner[2] - 2, 4)
    before_conv, behind_conv = ((1, *inner[2:]), (1, *after[2:])) if flat else (inner, after)
    tensors = [
        x, T(before_conv, **Q), T(inner, **Q), T(after, **R), T(behind_conv, **R), y, kernel, bias,
        ints(*block), ints(*pads, shape=(n, 2)), ints(*crops, shape=(n, 2)), ints(1, shape=()), ints(1, 2, 3),
    ]  # fmt: skip
    options = ("Conv2DOptions", {"Padding": 1, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1})
    into, out = O("SPACE_TO_BATCH_ND", (0, 8, 9), (1,)), O("BATCH_TO_SPACE_ND", (4 if flat else 3, 8, 10), (5,))
    between = [O("CONV_2D", (2 if flat else 1, 6, 7), (3,), options)]
    if flat:
        between = [O("EXPAND_DIMS", (1, 11), (2,)), *between, O("RESHAPE", (3, 12), (4,), ("ReshapeOptions", {}))]
    ops = [into, *between, out]
    return forge(Sub(tensors, ops, (0,), (5,)))


def flattened(*, dynamic: bool = True) -> Sub:
    """What the converter writes for a Flatten without a batch size."""
    signature = (-1, 3, 4) if dynamic else None
    tensors = [
        T((1, 3, 4), **Q, signature=signature), T((3,), "INT32"), T((), "INT32"), T((2,), "INT32"),
        T((1, 12), **Q, signature=(-1, 12)), ints(0), ints(1), ints(1), ints(-1, shape=()),
    ]  # fmt: skip
    ops = [
        O("SHAPE", (0,), (1,), ("ShapeOptions", {"OutType": 2})),
        O("STRIDED_SLICE", (1, 5, 6, 7), (2,), ("StridedSliceOptions", {"ShrinkAxisMask": 1})),
        O("PACK", (2, 8), (3,), ("PackOptions", {"ValuesCount": 2})),
        O("RESHAPE", (0, 3), (4,), ("ReshapeOptions", {})),
    ]
    return Sub(tensors, ops, (0,), (4,))


def stepping(
    first: Any = None,
    *,
    zero: int = 7,
    dtype: str = "INT8",
    once: int = 1,
    container: str | None = None,
    order: int = 0,
) -> bytes:
    """y = variable + x, kept in the variable. `first`: what a subgraph initialises it with."""
    quantised = {"scale": 0.5, "zero": zero}
    name: dict[str, Any] = {"SharedName": "v"}
    tensors = [T((1, 4), **quantised), T((), "RESOURCE"), T((1, 4), dtype, **quantised), T((1, 4), **quantised)]
    handle = ("VarHandleOptions", name if container is None else {**name, "Container": container})
    ops = [
        O("VAR_HANDLE", (), (1,), handle),
        O("READ_VARIABLE", (1,), (2,)),
        O("ADD", (2, 0), (3,), (ADD, {})),
        O("ASSIGN_VARIABLE", (1, 3), ()),
    ]
    if first is None:
        return forge(Sub(tensors, ops, (0,), (3,)))
    ops.insert(order, O("CALL_ONCE", (), (), ("CallOnceOptions", {"InitSubgraphIndex": once})))
    start = [T((), "RESOURCE"), T((1, 4), scale=0.5, zero=1, data=first)]
    assignment = [O("VAR_HANDLE", (), (0,), ("VarHandleOptions", name)), O("ASSIGN_VARIABLE", (0, 1), ())]
    return forge(Sub(tensors, ops, (0,), (3,)), Sub(start, assignment, (), ()))
