"""compare: equal where the oracle is equal, else the first layer that differs, named; and the runs it can be given."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinywake.audio.clips import read_clip
from tinywake.compiler import build
from tinywake.compiler.build import compile_tflite, lower
from tinywake.compiler.memory.plan import plan
from tinywake.compiler.memory.slabs import slabs
from tinywake.compiler.twm import layout
from tinywake.compiler.twm.layout import Section
from tinywake.compiler.twm.pack import pack
from tinywake.compiler.twm.unpack import TwmOp, TwmTensor, unpack
from tinywake.core import Frontend
from tinywake.errors import ModelError, ToolError
from tinywake.evaluate.compare import Comparison, Row, Run, compare, parse_run
from tinywake.evaluate.traces import steps_of, trace_twm

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from forge import T, single
from nets import Net

NETWORKS = sorted(path.stem for path in (Path(__file__).parents[1] / "vectors" / "networks").glob("*.tflite"))
WEIGHTY = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


@pytest.fixture
def tflm() -> None:
    pytest.importorskip("tflite_micro", reason="tflite-micro is not installed")


@pytest.fixture
def networks(vectors: Path) -> Path:
    return vectors / "networks"


def compiled(source: Path, folder: Path, frames: int | None = None) -> Path:
    path = folder / f"{source.stem}{frames or ''}.twm"
    path.write_bytes(compile_tflite(source, frames=frames).blob)
    return path


def runs(*texts: object) -> tuple[Run, Run]:
    a, b = (parse_run(str(text)) for text in texts)
    return a, b


def with_weight(model: Path, operator: int, number: int, change: int) -> Path:
    """The file with one weight of one operator changed, checksums right again."""
    data = bytearray(model.read_bytes())
    _, weights = sections(data)[Section.WEIGHTS]
    data[weights + struct.unpack_from("<I", unpack(model).ops[operator].fields)[0] + number] ^= change
    return repaired(data, model.with_name("changed.twm"))


def sections(data: bytes | bytearray) -> dict[int, tuple[int, int]]:
    """Where each section's record and its bytes are."""
    records = range(layout.HEADER.size, end_of_table(data), layout.SECTION.size)
    return {kind: (at, offset) for at in records for kind, _, offset, _ in [layout.SECTION.unpack_from(data, at)]}


def end_of_table(data: bytes | bytearray) -> int:
    return int(layout.HEADER.size + layout.HEADER.unpack_from(data)[3] * layout.SECTION.size)


def repaired(data: bytearray, path: Path) -> Path:
    """Write it with checksums that are right again."""
    end = end_of_table(data)
    struct.pack_into("<I", data, 20, zlib.crc32(data[end:]))
    struct.pack_into("<I", data, 28, zlib.crc32(data[32:end], zlib.crc32(data[:28])))
    path.write_bytes(bytes(data))
    return path


def spoilt(model: Path, operator: int, x: np.ndarray) -> Path:
    """The file with such a weight of the operator changed that something differs for these inputs."""
    for weight in range(100):  # a weight may see nothing but zeros, or lead to a unit that is clamped
        changed = with_weight(model, operator, weight, 0x40)
        if compare(*runs(model, changed), x).first is not None:
            return changed
    raise AssertionError(f"no weight of operator {operator} matters")


@pytest.mark.usefixtures("tflm")
@pytest.mark.parametrize("name", NETWORKS)
def test_every_tensor_equals_tflite_micro(networks: Path, tmp_path: Path, name: str) -> None:
    source = networks / f"{name}.tflite"
    model = compiled(source, tmp_path)
    x = np.load(networks / f"{name}.npz")["x"]
    result = compare(*runs(source, model), x)
    assert result.first is None, result.lines()
    assert result.invokes == len(x)
    steps = steps_of(unpack(model))
    known = {step.origin for step in steps} - {None}
    assert {row.tensor for row in result.rows[:-1]} == known
    assert all(step.origin is not None for step in steps if step.kind in WEIGHTY)
    swapped = compare(*runs(model, source), x)
    assert swapped.first is None
    assert {row.tensor for row in swapped.rows[:-1]} == known


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("against", ["host", "tflm"])
def test_a_changed_weight_is_named(
    networks: Path, tmp_path: Path, name: str, against: str, request: pytest.FixtureRequest
) -> None:
    """One weight of one operator at a time: exactly that operator is the first that differs."""
    source = networks / f"{name}.tflite"
    model = compiled(source, tmp_path)
    if against == "tflm":
        request.getfixturevalue("tflm")
    a = source if against == "tflm" else model
    x = np.load(networks / f"{name}.npz")["x"]
    for number, op in enumerate(unpack(model).ops):
        if op.kind not in WEIGHTY or (against == "tflm" and op.origin is None):
            continue
        result = compare(*runs(a, spoilt(model, number, x)), x)
        assert result.first is not None, (name, number)
        assert result.first.operators[1] == number, result.lines()
        assert result.first.kinds[1] == op.kind
        assert result.first.tensor == op.origin
        assert 0 < result.first.differing <= result.first.elements
        assert f"first difference: {result.first.operators[0]} " in result.lines()[-1]


def test_where_and_how_much(networks: Path, tmp_path: Path) -> None:
    """The coordinates and values of the report are those of the arrays."""
    model = compiled(networks / "image.tflite", tmp_path)
    other = with_weight(model, 0, 4, 0x40)
    x = np.load(networks / "image.npz")["x"][:5]
    x[:2] = x[2]
    found = []
    for path in (model, other):
        target = tmp_path / f"{path.stem}-dump"
        np.save(tmp_path / "x.npy", x)
        done = tinywake("run", path, "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy", "--dump", target)
        assert done.returncode == 0, done.stderr
        found.append(np.load(target / "000-CONV_2D.npy"))
    row = compare(*runs(model, other), x).rows[0]
    places = np.argwhere(found[0] != found[1])
    assert row.shape == found[0].shape[1:]
    assert row.first == tuple(places[0])
    assert row.values == tuple(int(array[tuple(places[0])]) for array in found)
    assert (row.differing, row.elements) == (len(places), found[0].size)
    assert row.largest == np.abs(found[0].astype(int) - found[1].astype(int)).max()


def row(operator: int | None, first: tuple[int, ...] | None) -> Row:
    values = None if first is None else (1, 2)
    return Row((operator, operator), ("ADD", "ADD"), None, "", (2, 2), 8, int(first is not None), 1, first, values)


def test_a_difference_that_state_carries_back_is_not_the_first() -> None:
    """Operator 0 reads state that operator 2 writes: it differs too, but only from the next invoke on."""
    rows = (row(0, (2, 0, 0)), row(1, None), row(2, (1, 1, 1)), row(3, (1, 0, 0)), row(None, (1, 0, 0)))
    result = Comparison(("a", "b"), 4, "", rows, ((), ()))
    assert result.first is rows[2]
    assert result.facts()["first"]["operators"] == (2, 2)


def copy(source: int, output: int, run: int, origin: int | None = 5, *, filled: bool = False) -> TwmOp:
    """COPY of `run` elements (models/SPEC.md)."""
    fields = struct.pack(
        "<2I 3I I 3I 3I BbH",
        0, 0,  # in offset, out offset
        1, 1, 1,  # counts
        run,
        0, 0, 0, 0, 0, 0,  # strides
        filled, 0, 0,
    )  # fmt: skip
    return TwmOp("COPY", (source,), output, fields, origin)


RELU = TwmOp("TABLE", (0,), 3, bytes(4), 6)  # has nothing to do with tensors 1 and 2


@pytest.mark.parametrize(
    ("ops", "complete"),
    [
        ((copy(0, 1, 4), copy(0, 1, 4)), [1]),
        ((copy(0, 1, 4), RELU, copy(0, 1, 4)), [1, 2]),
        ((copy(0, 1, 4), TwmOp("TABLE", (1,), 2, bytes(4), 6), copy(0, 1, 4)), [0, 1, 2]),  # it has been read
        ((copy(0, 1, 4), copy(0, 1, 4, 7)), [0, 1]),  # another tensor in the same place
        ((copy(0, 1, 8), copy(0, 1, 8)), [0, 1]),  # each is the whole tensor
        ((copy(0, 1, 4), copy(0, 1, 4, filled=True), copy(0, 1, 4)), [0, 2]),  # the second begins anew
        ((copy(0, 1, 4), TwmOp("TABLE", (0,), 1, bytes(4), 5)), [0, 1]),
        ((copy(0, 1, 4), copy(0, 2, 4), copy(0, 1, 4), copy(0, 2, 4)), [2, 3]),
    ],
)
def test_a_tensor_is_complete_after_its_last_copy(
    networks: Path, tmp_path: Path, ops: tuple[TwmOp, ...], complete: list[int]
) -> None:
    file = unpack(compiled(networks / "clipped.tflite", tmp_path))
    tensors = tuple(TwmTensor(8 * n, (2, 1, 4), "int8", "arena", 0, 0) for n in range(4))
    steps = steps_of(replace(file, ops=ops, tensors=tensors, state_bytes=100))
    assert [step.operator for step in steps] == complete
    assert all(step.end - step.start == 8 for step in steps)
    assert all(step.start == 100 + 8 * ops[step.operator].output for step in steps)


def test_parts_of_a_sum_are_numbers_of_32_bits(tmp_path: Path) -> None:
    net = Net(1, 16, 16, 4)
    graph = slabs(lower(net.graph(net.dense(net.conv(net.input, 16), 4))))
    path = tmp_path / "parts.twm"
    path.write_bytes(pack(graph, plan(graph)))
    found = [(step.kind, step.shape, step.dtype) for step in steps_of(unpack(path)) if "PART" in step.kind]
    assert len(found) > 2
    assert set(found[:-1]) == {("FULLY_CONNECTED_PART", (1, 1, 4), "int32")}
    assert found[-1] == ("FULLY_CONNECTED_PART", (1, 1, 4), "int8")
    x = np.random.default_rng(0).integers(-128, 128, (1, 16, 16, 4)).astype(np.int8)
    sums = [layer.values for layer in trace_twm(path, x).layers if "PART" in layer.kind][-2]
    assert sums.dtype == np.int32
    assert np.abs(sums).max() > 127


def test_files_of_one_network_with_other_operators(
    networks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers are not those of the same operators then; tensors are matched by their origin."""
    source = networks / "residual.tflite"
    folded = compiled(source, tmp_path)
    monkeypatch.setattr(build, "fold_padding", lambda graph: graph)
    (tmp_path / "padded").mkdir()
    padded = compiled(source, tmp_path / "padded")
    kinds = [[op.kind for op in unpack(path).ops] for path in (folded, padded)]
    assert kinds[1].count("COPY") > kinds[0].count("COPY")
    result = compare(*runs(folded, padded))
    assert (result.first, result.matched) == (None, "by their numbers in the .tflite")
    assert len(result.rows) > 10
    assert result.alone[0] == ()
    assert all(name.endswith(" COPY") for name in result.alone[1])
    conv = [[n for n, kind in enumerate(k) if kind == "CONV_2D"][-1] for k in kinds]
    assert conv[0] != conv[1]
    x = np.random.default_rng(0).integers(-128, 128, (8, *unpack(folded).input_shape)).astype(np.int8)
    first = compare(*runs(folded, spoilt(padded, conv[1], x)), x).first
    assert first is not None
    assert first.operators == tuple(conv)


def test_streamed_files_are_matched_operator_by_operator(networks: Path, tmp_path: Path) -> None:
    streamed = compiled(networks / "word.tflite", tmp_path, frames=3)
    assert all(op.origin is None for op in unpack(streamed).ops)
    result = compare(*runs(streamed, streamed), count=20)
    assert (result.first, result.matched) == (None, "operator by operator")
    assert [r.kinds[0] for r in result.rows[:-1]] == [op.kind for op in unpack(streamed).ops]
    x = np.random.default_rng(0).integers(-128, 128, (20, *unpack(streamed).input_shape)).astype(np.int8)
    conv = next(n for n, op in enumerate(unpack(streamed).ops) if op.kind == "DEPTHWISE_CONV_2D")
    first = compare(*runs(streamed, spoilt(streamed, conv, x)), x).first
    assert first is not None
    assert first.operators == (conv, conv)


@pytest.mark.usefixtures("tflm")
def test_without_origins_only_the_outputs_are_compared(networks: Path, tmp_path: Path) -> None:
    source = networks / "word.tflite"
    data = bytearray(compiled(source, tmp_path).read_bytes())
    record, _ = sections(data)[Section.ORIGINS]
    struct.pack_into("<H", data, record, 0xFFFE)  # a section that nobody knows
    result = compare(*runs(source, repaired(data, tmp_path / "bare.twm")))
    assert result.first is None
    assert len(result.rows) == 1
    assert "no operators in common" in result.lines()[-2]


def test_what_cannot_be_compared_says_why(networks: Path, tmp_path: Path) -> None:
    source = networks / "word.tflite"
    streamed, image = compiled(source, tmp_path, frames=3), compiled(networks / "image.tflite", tmp_path)
    with pytest.raises(ModelError, match=r"takes int8 \[1, 40, 1, 10\].* int8 \[1, 3, 1, 10\].*--stream"):
        compare(*runs(source, streamed))
    with pytest.raises(ModelError, match=r"there is nothing to compare$"):
        compare(*runs(source, image))
    with pytest.raises(ModelError, match="must be int8, not float32"):
        compare(*runs(image, image), np.zeros((2, 9, 11, 3), np.float32))
    for text, says in (
        (f"{source}@unix", "a .tflite runs in tflm or litert; compile it"),
        (f"{image}@tflm", "a .twm runs on host"),
        (f"{tmp_path}/none.twm@unix", "there is no such file"),
        ("", "there is no such file"),
        ("@", "there is no such file"),
    ):
        with pytest.raises(ModelError, match=says):
            parse_run(text)


def test_a_run_is_a_file_and_a_place(networks: Path, tmp_path: Path) -> None:
    model = compiled(networks / "rows.tflite", tmp_path)
    odd = tmp_path / "rows@home.twm"
    odd.write_bytes(model.read_bytes())
    bare = tmp_path / "rows@home"
    bare.write_bytes((networks / "rows.tflite").read_bytes())
    for text, path, where in (
        (model, model, "host"),
        (f"{model}@unix", model, "unix"),
        (f"{model}@/dev/ttyACM0", model, "/dev/ttyACM0"),
        (f"{model}@socket://me@there:99", model, "socket://me@there:99"),
        (f"{model}@COM3", model, "COM3"),
        (odd, odd, "host"),
        (f"{odd}@host", odd, "host"),
        (bare, bare, "tflm"),
        (f"{bare}@litert", bare, "litert"),
    ):
        run = parse_run(str(text))
        assert (run.path, run.where) == (path, where)


def test_an_oracle_that_is_missing_is_one_line(networks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = networks / "rows.tflite"
    for name in ("tflite_micro", "ai_edge_litert.interpreter", "tensorflow.lite.python.interpreter"):
        monkeypatch.setitem(sys.modules, name, None)
    for where, package in (("tflm", "tflite-micro"), ("litert", "ai-edge-litert")):
        with pytest.raises(ToolError, match=f"pip install {package}"):
            compare(*runs(f"{source}@{where}", f"{source}@{where}"))


@pytest.mark.usefixtures("tflm")
def test_what_the_oracle_does_not_run_is_one_line(
    networks: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its C++ writes to standard error; only our line may reach the terminal, and says what it said."""
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(single("LSTM", T((1, 4), scale=0.5), T((1, 4), scale=0.5)))
    with pytest.raises(ModelError, match=r"tflm cannot run it .*LSTM") as caught:
        compare(*runs(broken, broken))
    assert len(str(caught.value).splitlines()) == 1
    broken.write_bytes((networks / "image.tflite").read_bytes()[:900])
    with pytest.raises(ModelError, match=r"broken\.tflite: damaged"):
        compare(*runs(broken, broken))
    assert capfd.readouterr().err == ""


def tinywake(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tinywake", *map(str, arguments)], capture_output=True, text=True, timeout=120
    )


def test_the_verb_exits_like_cmp(networks: Path, tmp_path: Path) -> None:
    model = compiled(networks / "word.tflite", tmp_path)
    x = np.random.default_rng(0).integers(-128, 128, (3, *unpack(model).input_shape)).astype(np.int8)
    other = spoilt(model, 1, x)
    np.save(tmp_path / "x.npy", x)
    same = tinywake("compare", model, model)
    assert (same.returncode, same.stdout.splitlines()[-1]) == (0, "equal"), same.stderr
    differs = tinywake("compare", model, other, "--input", tmp_path / "x.npy")
    assert differs.returncode == 1
    assert differs.stdout.splitlines()[-1].startswith("first difference: 1 DEPTHWISE_CONV_2D, ")
    facts = json.loads(tinywake("compare", model, other, "--input", tmp_path / "x.npy", "--json").stdout)
    assert (facts["equal"], facts["invokes"], facts["first"]["operators"]) == (False, 3, [1, 1])
    assert [r["operators"][0] for r in facts["rows"]] == [*range(len(unpack(model).ops)), None]
    facts = json.loads(tinywake("compare", model, model, "-n", 5, "--json").stdout)
    assert (facts["equal"], facts["invokes"], facts["first"]) == (True, 5, None)
    refused = tinywake("compare", model, tmp_path / "none.twm")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "none.twm" in refused.stderr


def test_random_inputs_are_those_of_the_seed(networks: Path, tmp_path: Path) -> None:
    model = compiled(networks / "word.tflite", tmp_path)
    other = with_weight(model, 0, 0, 0x40)
    first = [compare(*runs(model, other), seed=seed).facts() for seed in (1, 1, 2)]
    assert first[0] == first[1] != first[2]


@pytest.mark.usefixtures("tflm")
@pytest.mark.parametrize("name", ["micro-wake-word/okay_nabu", "micro-wake-word/hey_jarvis", "micro-wake-word/vad"])
def test_a_streaming_network_over_a_clip(reference: Path, tmp_path: Path, name: str) -> None:
    """Every tensor of every step of real speech, with the state that both carry."""
    source = reference / f"{name}.tflite"
    clip = reference / "micro-wake-word" / "clips" / "okay_nabu_1.wav"
    features = Frontend().features(read_clip(clip)).astype(np.int64)
    x = np.clip((features * 256 + 333) // 666 - 128, -128, 127).astype(np.int8)
    x = x[: len(x) // 3 * 3].reshape(-1, 3, 40)
    result = compare(*runs(source, compiled(source, tmp_path)), x)
    assert result.first is None, result.lines()
    assert len(result.rows) > 10
    assert result.invokes == len(x) > 20


@pytest.mark.usefixtures("tflm")
@pytest.mark.parametrize("name", ["kws_ref_model", "pretrainedResnet_quant", "ad01_int8", "vww_96_int8"])
def test_reference_networks_layer_by_layer(reference: Path, tmp_path: Path, name: str) -> None:
    source = reference / "mlperf-tiny" / f"{name}.tflite"
    result = compare(*runs(source, compiled(source, tmp_path)), count=2)
    assert result.first is None, result.lines()
    assert len(result.rows) > 10


@pytest.mark.usefixtures("tflm")
def test_litert_rounds_a_fully_connected_layer_once(reference: Path) -> None:
    """Known from the reference's README: not a fault of either, and compare shows where it begins."""
    if not any(map(_installed, ("ai_edge_litert", "tensorflow"))):
        pytest.skip("neither ai-edge-litert nor tensorflow is installed")
    source = reference / "mlperf-tiny" / "ad01_int8.tflite"
    first = compare(*runs(source, f"{source}@litert")).first
    assert first is not None
    assert first.kinds == ("FULLY_CONNECTED", "FULLY_CONNECTED")
    assert first.largest == 1


def _installed(package: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(package) is not None
