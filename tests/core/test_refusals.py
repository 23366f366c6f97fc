"""What the reader says of networks that are not run, and of files that are damaged: one line, and never a crash."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forge import O, Sub, T, forge, single
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interpret import Interpreter
from samples import ADD, MUL, SUB, Q, R, chained, conv, dilated, flattened, ints, sliced, stepping

from tinywake.compiler.graph import Graph
from tinywake.compiler.tflite.read import problems, read_tflite
from tinywake.errors import CompileError, ModelError

A = T((1, 4), **Q)
B = T((1, 4), **R)
P = T((1, 4), scale=1 / 256, zero=-128)
F = T((1, 4), "FLOAT32")
ZEROS = T((4,), **Q, data=[0] * 4)
IMAGE = T((1, 3, 3, 2), **Q)
REDUCE = ("ReducerOptions", {})


def add(x: T = A, y: T = A, other: T = ZEROS, **fields: int) -> bytes:
    return single("ADD", x, y, other, options=(ADD, fields))


def of_one(name: str, x: T, y: T) -> bytes:
    return single(name, x, y)


def weighted(weights: T) -> bytes:
    return single("CONV_2D", IMAGE, IMAGE, weights, options=("Conv2DOptions", {"StrideH": 1, "StrideW": 1}))


def pooled(x: T) -> bytes:
    options = ("Pool2DOptions", {"StrideH": 1, "StrideW": 1, "FilterHeight": 1, "FilterWidth": 1})
    ops = O("RESHAPE", (0,), (1,)), O("AVERAGE_POOL_2D", (1,), (2,), options)
    return chained(*ops, tensors=[T((1, 8), **Q), x, x], outputs=(2,))


WHOLE = "convert with full integer quantisation"
REFUSED: dict[str, tuple[bytes, str]] = {
    # operators
    "unknown": (of_one("SQRT", A, A), r"operator 0 SQRT: is not supported by this compiler; see docs/operators"),
    "custom": (
        chained(O("CUSTOM", (0,), (1,), custom="Flex\nBad")),
        r"operator 0 CUSTOM 'Flex\\nBad': is not supported",
    ),
    "future": (of_one("250", A, A), r"operator 0 number 250: is not supported"),
    "mirror": (single("MIRROR_PAD", A, A, ints(0, 0, 1, 1)), r"operator 0 MIRROR_PAD: is not supported"),
    "two limits": (chained(O("MAXIMUM", (0, 0), (1,))), r"operator 0 MAXIMUM: of two tensors is not supported"),
    "activation": (add(FusedActivationFunction=4), r"operator 0 ADD: fused activation TANH is not supported; use RELU"),
    "batches": (
        single(
            "SPACE_TO_BATCH_ND", T((1, 4, 4, 2), **Q), T((4, 2, 2, 2), **Q), ints(2, 2), ints(0, 0, 0, 0, shape=(2, 2))
        ),
        r"operator 0 SPACE_TO_BATCH_ND: is not followed by a convolution",
    ),
    # types and quantisation
    "float": (
        add(F, F, T((4,), "FLOAT32", data=[0] * 4)),
        rf"tensor 't0' and 1 more are FLOAT32, not INT8 or UINT8; {WHOLE}",
    ),
    "int16": (
        of_one("LOGISTIC", T((1, 4), "INT16", scale=1.0), T((1, 4), "INT16", scale=1.0)),
        r"are INT16, not INT8 or UINT8; .*TFLITE_BUILTINS_INT8",
    ),
    "unsigned": (add(T((1, 4), "UINT8", 1.0), A), r"operator 0 ADD: tensor 't0' is UINT8, not INT8"),
    "float output": (chained(O("DEQUANTIZE", (0,), (1,)), tensors=[A, F]), r"tensor 't1' is FLOAT32"),
    "unquantised": (of_one("LOGISTIC", T((1, 4)), P), r"'t0' has no single quantisation scale"),
    "scale": (of_one("LOGISTIC", T((1, 4), scale=0.0), P), r"'t0': scale 0, zero point 0"),
    "zero point": (
        of_one("RELU", A, T((1, 4), scale=0.5, zero=200)),
        r"operator 0 RELU: tensor 't1': scale 0.5, zero point 200",
    ),
    "probabilities": (of_one("LOGISTIC", A, A), r"output 't1' must have scale 1/256 and zero point -128"),
    "slopes": (of_one("TANH", A, A), r"output 't1' must have scale 1/128 and zero point 0"),
    "swish": (
        of_one("HARD_SWISH", T((1, 4), scale=9.0), T((1, 4), scale=0.01)),
        r"operator 0 HARD_SWISH: the scales of input and",
    ),
    "sum": (
        add(T((1, 4), scale=1e6), T((1, 4), scale=1.0)),
        r"operator 0 ADD: output 't1' has scale 1, too far from its inputs'",
    ),
    "rescaled": (
        of_one("RESHAPE", A, T((4, 1), **R)),
        r"tensors 't0' and 't1' must have the same scale and zero point",
    ),
    # shapes
    "batch": (
        of_one("RELU", T((2, 4), **Q), T((2, 4), **Q)),
        r"input 't0' has shape \[2, 4\]; export with batch size 1",
    ),
    "open axis": (
        of_one("RELU", T((1, 1, 4), **Q, signature=(-1, -1, 4)), A),
        r"axes \[1\] left open; give them a length",
    ),
    "empty": (of_one("RELU", T((1, 0), **Q), T((1, 0), **Q)), r"'t0' has shape \[1, 0\]; export with a fixed shape"),
    "large": (of_one("RELU", T((1, 1 << 25), **Q), T((1, 1 << 25), **Q)), r"is too large; a .twm has 2\^24 elements"),
    "rank": (of_one("RELU", T((1,) * 7, **Q), T((1,) * 7, **Q)), r"6 dimensions"),
    "shapes": (add(other=T((3,), **Q, data=[0] * 3)), r"shapes \[1, 4\] and \[3\] do not make \[1, 4\]"),
    "reshape": (
        of_one("RESHAPE", A, T((1, 5), **Q)),
        r"turns shape \[1, 4\] into \[1, 5\], another number of elements",
    ),
    "apart": (single("MEAN", T((1, 3, 4, 5), **Q), A, ints(1, 3), options=REDUCE), r"do not follow each other"),
    "axis": (single("MEAN", A, T((1, 1), **Q), ints(7), options=REDUCE), r"is along axis 7 of 2"),
    "computed axis": (single("MEAN", A, T((1, 1), **Q), T((1,), "INT32")), r"input 't2' must be constant"),
    "slices": (sliced((0, 0, 0, 0), (1, 6, 5, 4), (1, 0, 1, 1), (1, 6, 5, 4)), r"strides \[1, 0, 1, 1\]"),
    "sliced": (
        sliced((0, 0, 0, 0), (1, 6, 5, 4), (1, 2, 1, 1), (1, 6, 5, 4)),
        r"makes \[1, 3, 5, 4\] of \[1, 6, 5, 4\], but",
    ),
    "reversed": (
        sliced((0, 69, 0, 0), (1, 0, 5, 4), (1, -1, 1, 1), (1, 70, 5, 4), (1, 70, 5, 4), EndMask=2),
        r"takes \[1, 70, 5, 4\] backwards, over 64 parts",
    ),
    "fused": (
        single("CONCATENATION", A, T((1, 8), **Q), A, options=("ConcatenationOptions", {"FusedActivationFunction": 1})),
        r"operator 0 CONCATENATION: has a fused activation",
    ),
    # weights and windows
    "weights": (weighted(T((2, 1, 1, 2), **Q)), r"operator 0 CONV_2D: weights 't2' are not constant"),
    "float weights": (
        weighted(T((2, 1, 1, 2), "FLOAT32", data=[0] * 4)),
        rf"weights 't2' are FLOAT32, not INT8; {WHOLE}",
    ),
    "asymmetric": (weighted(T((2, 1, 1, 2), **Q, data=[0] * 4)), r"weights 't2' of shape .* are not symmetric int8"),
    "channels": (conv((1, 3, 3, 4), (1, 3, 3, 5), (5, 1, 1, 3)), r"do not fit weights \[5, 1, 1, 3\]"),
    "scales": (conv((1, 3, 3, 4), (1, 3, 3, 5), (5, 1, 1, 4), scales=3), r"weights 't2' have 3 scales for 5 channels"),
    "size": (conv((1, 9, 9, 4), (1, 9, 9, 5), (5, 3, 3, 4), Padding=1), r"is \[9, 9\] high and wide, not \[7, 7\]"),
    "stride": (
        conv((1, 9, 9, 4), (1, 9, 9, 5), (5, 3, 3, 4), StrideH=0),
        r"has kernel \(3, 3\), stride \(0, 1\), .* each is 1 to 255",
    ),
    "multiplier": (
        conv((1, 3, 3, 4), (1, 3, 3, 8), (1, 1, 1, 8), name="DEPTHWISE_CONV_2D", DepthMultiplier=1),
        r"has depth multiplier 1, not 2",
    ),
    "batch of a window": (
        pooled(T((2, 2, 2, 1), **Q)),
        r"operator 1 AVERAGE_POOL_2D: .* are not \[1, height, width, channels\]",
    ),
    # ends
    "inputs": (
        forge(Sub([A] * 3, [O("ADD", (0, 1), (2,), (ADD, {}))], (0, 1), (2,))),
        r"needs exactly one input, not 2 \('t0', 't1'\); concatenate them, or split the network",
    ),
    "outputs": (
        chained(O("RELU", (0,), (1,)), O("RELU", (0,), (2,)), outputs=(1, 2)),
        r"needs exactly one output, not 2 \('t1', 't2'\)",
    ),
    "no output": (chained(O("RELU", (0,), (1,)), outputs=()), r"exactly one output, not 0 \(none\)"),
    "uncomputed": (
        chained(O("RELU", (2,), (1,))),
        r"operator 0 RELU: input 't2' is not computed by an earlier operator",
    ),
    "unwritten": (chained(O("RELU", (0,), (1,)), outputs=(2,)), r"output 't2' is not computed by any operator"),
    # state
    "first values": (stepping([1, 2, 3, 4]), r"operator 2 READ_VARIABLE: variable 'v' starts with values that differ"),
    "integer state": (stepping([5] * 4, dtype="INT32"), r"operator 2 READ_VARIABLE: tensor 't2' is INT32"),
    "late start": (stepping([5] * 4, order=3), r"operator 3 CALL_ONCE: comes after operators that use variable 'v'"),
    "no handle": (
        chained(O("READ_VARIABLE", (0,), (1,))),
        r"operator 0 READ_VARIABLE: input 't0' is no variable of a VAR_HANDLE",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(tmp_path: Path, name: str) -> None:
    blob, message = REFUSED[name]
    path = tmp_path / "m.tflite"
    path.write_bytes(blob)
    with pytest.raises(CompileError, match=message) as raised:
        read_tflite(path)
    said = str(raised.value)
    assert len(said.splitlines()) == 1
    assert said.startswith(f"{path}: ")
    assert said.startswith(problems(path)[0])


def test_all_problems_at_once(tmp_path: Path) -> None:
    """Every operator that does not run, in order; a type that does not, once; nothing that follows from another."""
    ops = [
        O("SQRT", (0,), (1,)),
        O("EXP", (1,), (2,)),
        O("LOG", (2,), (3,)),
        O("QUANTIZE", (3,), (4,)),  # of a float tensor that LOG would have computed
        O("RELU", (4,), (5,)),
        O("LOGISTIC", (5,), (6,)),
    ]
    path = tmp_path / "m.tflite"
    path.write_bytes(forge(Sub([A, A, F, F, A, A, A], ops, (0,), (6,))))
    found = problems(path)
    assert [line.removeprefix(f"{path}: ").split(":")[0] for line in found] == [
        "operator 0 SQRT", "operator 1 EXP", "operator 2 LOG", "operator 5 LOGISTIC",
    ]  # fmt: skip
    with pytest.raises(CompileError, match=r"operator 0 SQRT: .* \(and 3 more: compile --report lists them\)"):
        read_tflite(path)
    path.write_bytes(of_one("RELU", A, B))
    assert problems(path) == []


def test_a_float_network_is_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(forge(Sub([F] * 6, [O("RELU", (i,), (i + 1,)) for i in range(5)], (0,), (5,))))
    (found,) = problems(path)
    assert "tensor 't0' and 5 more are FLOAT32" in found


# ---- what is damaged


def test_no_tflite_at_all(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        read_tflite(tmp_path / "absent.tflite")
    path = tmp_path / "m.tflite"
    for content in (b"", b"TFL3", b"\0" * 100, b"\x10\0\0\0TFL2" + b"\0" * 50):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"not a \.tflite file"):
            read_tflite(path)
    path.write_bytes(b"\xff\xff\xff\x7fTFL3")
    with pytest.raises(ModelError, match=r"damaged \.tflite"):
        read_tflite(path)


def alone(t: T, version: int = 3) -> bytes:
    """A network of no operators."""
    return forge(Sub([t], [], (0,), (0,)), version=version)


BROKEN: dict[str, tuple[bytes, str]] = {
    "version": (alone(A, version=4), "schema version 4, not 3"),
    "no subgraph": (forge(), "0 subgraphs"),
    "index": (chained(O("RELU", (9,), (1,))), r"tensor 9 of 3"),
    "negative index": (chained(O("RELU", (-2,), (1,))), r"tensor -2 of 3"),
    "no input": (chained(O("RELU", (), (1,))), "operator 0 RELU: has no input 0"),
    "no output": (chained(O("RELU", (0,), ())), "operator 0 RELU: has no output 0"),
    "twice": (chained(O("RELU", (0,), (1,)), O("RELU", (0,), (1,))), "operator 1 RELU: output 't1' is written twice"),
    "into the input": (chained(O("RELU", (0,), (0,))), "output 't0' is written twice"),
    "buffer": (alone(T((1, 4), **Q, buffer=77)), r"tensor 't0': damaged .tflite \(buffer 77 of 1\)"),
    "length": (add(other=T((4,), **Q, data=b"123")), r"shape \[4\] of INT8, but 3 bytes"),
    "huge": (add(other=T((1 << 30, 1 << 30), **Q, data=b"123")), r"but 3 bytes"),
    "negative shape": (add(other=T((-1, -4), **Q, data=b"1234")), r"shape \[-1, -4\]"),
    "dimensions": (alone(T((1,) * 9, **Q)), "9 dimensions"),
    "options": (single("ADD", A, A, ZEROS), "operator 0 ADD: has no options"),
    "wrong options": (single("ADD", A, A, ZEROS, options=("ReshapeOptions", {})), "operator 0 ADD: damaged options"),
    "subgraph": (stepping([5] * 4, once=7), r"operator 0 CALL_ONCE: damaged .tflite \(subgraph 7\)"),
    "own subgraph": (stepping([5] * 4, once=0), r"operator 0 CALL_ONCE: damaged .tflite \(subgraph 0\)"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_damaged_in_one_line(tmp_path: Path, name: str) -> None:
    blob, message = BROKEN[name]
    path = tmp_path / "m.tflite"
    path.write_bytes(blob)
    with pytest.raises(ModelError, match=message) as raised:
        read_tflite(path)
    assert not isinstance(raised.value, CompileError)
    assert str(raised.value).startswith(f"{path}: ")
    assert len(str(raised.value).splitlines()) == 1


def tried(path: Path, blob: bytes) -> tuple[Graph | None, str]:
    """Read, whatever it is: a graph, or one line; nothing else, and soon."""
    path.write_bytes(blob)
    before = time.monotonic()
    graph, message = None, ""
    try:
        graph = read_tflite(path)
    except ModelError as e:
        message = str(e)
    assert time.monotonic() - before < 10
    assert (graph is None) == message.startswith(f"{path}: ")
    assert len(message.splitlines()) <= 1
    return graph, message


def seeds(vectors: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((vectors / "networks").glob("*.tflite"))] + [
        stepping([5] * 4), forge(flattened()), conv((1, 5, 5, 8), (1, 5, 5, 12), (12, 3, 3, 2)),
        dilated(T((1, 20, 3), **Q), T((1, 20, 4), **R), (4,), (4, 8), (0, 4), (1, 1, 8, 3)),
    ]  # fmt: skip


def test_flipped_bytes(vectors: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    read = 0
    for blob in seeds(vectors):
        for length in rng.integers(0, len(blob), 15).tolist():
            tried(tmp_path / "m.tflite", blob[:length])
        for count in (1, 1, 2, 3, 8, 30):
            for _ in range(20):
                file = bytearray(blob)
                for at in rng.integers(0, len(blob), count):
                    file[at] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.integers(256)]))
                read += tried(tmp_path / "m.tflite", bytes(file))[0] is not None
    assert read > 50, "weights may be anything"


def test_flipped_words(vectors: Path, tmp_path: Path) -> None:
    """Offsets, lengths, indices and shapes are words: turn each into what another is, or into an extreme."""
    rng = np.random.default_rng(2)
    extremes = np.array([0, 1, 2, 4, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFE, 1 << 16, 1 << 24], np.uint32)
    for blob in seeds(vectors):
        words = np.frombuffer(blob[: len(blob) // 4 * 4], "<u4")
        small = np.flatnonzero(words < 4 * len(blob))
        for _ in range(150):
            file = words.copy()
            for at in rng.choice(small, rng.integers(1, 4)):
                file[at] = rng.choice(extremes) if rng.integers(2) else rng.choice(words)
            tried(tmp_path / "m.tflite", file.tobytes())


def test_vectors_that_share_their_bytes_cost_no_memory(tmp_path: Path) -> None:
    """Thousands of tensors that all have the same megabyte as their data, or as their name."""
    million = 1 << 20
    shared = [T((million,), **Q, data=bytes(million)), *[T((million,), **Q, buffer=1)] * 2000]
    names = bytearray(forge(Sub([T((1,), **Q, name="n" * million), *[T((1,), **Q)] * 2000], [], (0,), (0,))))
    for at in range(4, len(names) - million):
        if names[at : at + 2] == b"t1":  # as long as the long one
            names[at - 4 : at] = million.to_bytes(4, "little")
    tracemalloc.start()
    tried(tmp_path / "m.tflite", forge(Sub(shared, [], (0,), (0,))))
    assert "names longer than the file" in tried(tmp_path / "m.tflite", bytes(names))[1]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 << 20


TENSORS = st.builds(
    T,
    shape=st.lists(st.integers(-1, 5), max_size=6).map(tuple),
    dtype=st.sampled_from(["INT8", "INT8", "INT8", "UINT8", "INT32", "INT64", "FLOAT32", "RESOURCE"]),
    scale=st.sampled_from([0.5, 0.25, 1 / 256, 1 / 128, None]),
    zero=st.sampled_from([0, 3, -128]),
    data=st.one_of(st.none(), st.binary(max_size=40)),
    signature=st.one_of(st.none(), st.just((-1, 2))),
)
OPTIONS = {
    "ADD": ADD, "MUL": MUL, "SUB": SUB, "CONV_2D": "Conv2DOptions", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions", "SOFTMAX": "SoftmaxOptions", "CONCATENATION": "ConcatenationOptions",
    "STRIDED_SLICE": "StridedSliceOptions", "PACK": "PackOptions", "UNPACK": "UnpackOptions", "SPLIT": "SplitOptions",
    "CALL_ONCE": "CallOnceOptions", "VAR_HANDLE": "VarHandleOptions", "GATHER": "GatherOptions",
    "SQUEEZE": "SqueezeOptions", "LEAKY_RELU": "LeakyReluOptions", "MAX_POOL_2D": "Pool2DOptions",
    "SPACE_TO_DEPTH": "SpaceToDepthOptions", "SUM": "ReducerOptions", "REDUCE_MAX": "ReducerOptions",
    "MEAN": "ReducerOptions", "SHAPE": "ShapeOptions",
}  # fmt: skip
NAMES = [
    *OPTIONS, "RESHAPE", "RELU", "RELU6", "QUANTIZE", "DEQUANTIZE", "ELU", "PRELU", "LOGISTIC", "TANH", "SLICE",
    "SPLIT_V", "TRANSPOSE", "PAD", "PADV2", "EXPAND_DIMS", "FILL", "CAST", "RANGE", "READ_VARIABLE", "ASSIGN_VARIABLE",
    "MINIMUM", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND", "BROADCAST_TO", "FLOOR_DIV", "SELECT_V2", "HARD_SWISH",
]  # fmt: skip


@st.composite
def networks(draw: Any) -> bytes:
    """A flatbuffer that is whole, of operators put together without sense."""
    tensors = draw(st.lists(TENSORS, min_size=1, max_size=10))
    tensors[0] = T((1, 4, 5, 2), **Q)
    index = st.integers(-1, len(tensors) - 1)
    ops = []
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=8)):
        inputs = tuple(draw(st.lists(index, max_size=4)))
        outputs = tuple(draw(st.lists(index, max_size=3)))
        kind = OPTIONS.get(name)
        ops.append(O(name, inputs, outputs, None if kind is None else (kind, {})))
    sub = Sub(tensors, ops, (0,), (draw(index),))
    return forge(*([sub] * draw(st.integers(1, 2))))


@settings(max_examples=400, suppress_health_check=list(HealthCheck), derandomize=True)
@given(blob=networks())
def test_nonsense_is_refused_in_one_line(blob: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    graph, _ = tried(tmp_path_factory.getbasetemp() / "nonsense.tflite", blob)
    if graph is not None:
        x = graph.tensors[graph.input]
        Interpreter(graph).invoke(np.zeros(x.shape, x.dtype))


def test_a_signature_longer_than_the_shape(tmp_path: Path) -> None:
    """Bug: a scalar input with an open axis was an IndexError."""
    assert "axes [0] left open" in tried(tmp_path / "m.tflite", alone(T((), **Q, signature=(-1,))))[1]


def test_a_circle(tmp_path: Path) -> None:
    """Bug: a reshape of its own output, behind SPACE_TO_BATCH_ND, was followed for ever."""
    tensors = [T((1, 4, 4, 2), **Q), T((1, 2, 2, 2), **Q), ints(2, 2), ints(0, 0, 0, 0, shape=(2, 2))]
    ops = [O("SPACE_TO_BATCH_ND", (0, 2, 3), (1,)), O("RESHAPE", (1,), (1,))]
    assert "output 't1' is written twice" in tried(tmp_path / "m.tflite", forge(Sub(tensors, ops, (0,), (1,))))[1]
