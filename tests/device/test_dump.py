"""What every operator computes on a board: the same bytes as here, over a real line, with little memory; net.step()."""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tinywake.compiler.build import compile_tflite
from tinywake.compiler.twm.unpack import unpack
from tinywake.device.connect import connected
from tinywake.device.deploy import deploy
from tinywake.device.line import compute
from tinywake.device.line.compute import run_on
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.registry import TARGETS
from tinywake.device.targets.unix import UnixBoard
from tinywake.errors import DeviceError, ToolError
from tinywake.evaluate.compare import compare, parse_run
from tinywake.evaluate.traces import steps_of, trace_twm
from tinywake.pipeline.running import run_network

NETWORKS = sorted(path.stem for path in (Path(__file__).parents[1] / "vectors" / "networks").glob("*.tflite"))
lacking = UnixBoard.available()
on_board = pytest.mark.skipif(lacking is not None, reason=str(lacking))


@pytest.fixture(params=sorted(TARGETS))
def target(request: pytest.FixtureRequest, runnable: Callable[[str], str]) -> str:
    return runnable(request.param)


@pytest.fixture
def network(vectors: Path, tmp_path: Path) -> Callable[..., tuple[Path, np.ndarray]]:
    """A compiled network by name, and inputs for it."""

    def make(name: str, frames: int | None = None) -> tuple[Path, np.ndarray]:
        path = tmp_path / f"{name}{frames or ''}.twm"
        path.write_bytes(compile_tflite(vectors / "networks" / f"{name}.tflite", frames=frames).blob)
        file = unpack(path)
        x = np.random.default_rng(4).integers(-128, 128, (6, *file.input_shape)).astype(np.int8)
        return path, x

    return make


@pytest.mark.parametrize(("name", "frames"), [*((name, None) for name in NETWORKS), ("word", 3), ("flat", 4)])
def test_a_dump_is_the_same_everywhere(
    target: str, network: Callable[..., tuple[Path, np.ndarray]], tmp_path: Path, name: str, frames: int | None
) -> None:
    model, x = network(name, frames)
    here, there = tmp_path / "here", tmp_path / "there"
    plain = run_network(model, x)
    for folder, where in ((here, "host"), (there, target)):
        np.testing.assert_array_equal(run_network(model, x, where, folder), plain)
    names = sorted(path.name for path in here.iterdir())
    assert names == sorted(path.name for path in there.iterdir())
    for name in names:
        if name != "index.json":
            assert (here / name).read_bytes() == (there / name).read_bytes(), name
    index, other = (json.loads((folder / "index.json").read_text()) for folder in (here, there))
    assert (index.pop("target"), other.pop("target")) == ("host", target)
    assert index == other
    assert compare(*(parse_run(f"{model}@{where}") for where in ("host", target)), x).first is None


@pytest.mark.parametrize(("name", "frames"), [*((name, None) for name in NETWORKS), ("word", 3), ("flat", 4)])
def test_a_dump_says_what_was_computed(
    network: Callable[..., tuple[Path, np.ndarray]], tmp_path: Path, name: str, frames: int | None
) -> None:
    """Files, shapes and types as the index says; a tensor that several operators fill is there once, at the last."""
    model, x = network(name, frames)
    y = run_network(model, x, dump=tmp_path / "dump")
    index = json.loads((tmp_path / "dump" / "index.json").read_text())
    file = unpack(model)
    assert [(o["operator"], o["kind"]) for o in index["operators"]] == [(n, op.kind) for n, op in enumerate(file.ops)]
    last = None
    for entry in index["operators"]:
        if entry["file"] is None:
            assert entry["kind"] == "COPY"
            continue
        values = np.load(tmp_path / "dump" / entry["file"])
        assert values.shape == (len(x), *entry["shape"])
        assert values.dtype == entry["type"]
        assert entry["arena"][1] - entry["arena"][0] == values[0].nbytes
        assert entry["file"] == f"{entry['operator']:03}-{entry['kind']}.npy"
        last = values
    assert last is not None
    np.testing.assert_array_equal(last.reshape(y.shape), y)
    np.testing.assert_array_equal(np.load(tmp_path / "dump" / "input.npy"), x)
    np.testing.assert_array_equal(np.load(tmp_path / "dump" / "output.npy"), y)


def test_a_dump_takes_the_place_of_the_last(network: Callable[..., tuple[Path, np.ndarray]], tmp_path: Path) -> None:
    folder = tmp_path / "dump"
    model, x = network("image")
    run_network(model, x, dump=folder)
    (folder / "notes.txt").write_text("mine")
    short, y = network("clipped")
    run_network(short, y, dump=folder)
    index = json.loads((folder / "index.json").read_text())
    listed = {o["file"] for o in index["operators"]} | {"input.npy", "output.npy", "index.json", "notes.txt"}
    assert {path.name for path in folder.iterdir()} == listed
    (tmp_path / "file").write_text("")
    with pytest.raises(ToolError, match="cannot be written"):
        run_network(model, x, dump=tmp_path / "file" / "dump")
    other = tmp_path / "arrays"
    other.mkdir()
    (other / "000-mine.npy").write_text("kept: no dump was here")
    run_network(model, x, dump=other)
    assert (other / "000-mine.npy").exists()


@on_board
def test_a_board_needs_neither_heap_nor_flash_for_it(reference: Path, tmp_path: Path) -> None:
    """As on a cable: no folder in common; a heap that holds the network once and nothing of what it computes."""
    model = tmp_path / "kws.twm"
    model.write_bytes(compile_tflite(reference / "mlperf-tiny" / "kws_ref_model.tflite").blob)
    file = unpack(model)
    x = np.random.default_rng(0).integers(-128, 128, (2, *file.input_shape)).astype(np.int8)
    here = trace_twm(model, x)
    steps = steps_of(file)
    wanted = [(1, step.start, step.end) for step in steps]
    heap = 104  # KB: objects are twice a board's size
    assert sum(step.end - step.start for step in steps) > heap * 1024 - file.file_bytes - file.arena_bytes
    with UnixBoard(heap_kb=heap) as board:
        deploy(board.port, model, board=board.board, start=False)
        y, values = run_on(board.port, model.name, x.tobytes(), tensors=wanted)
        left = [path.name for path in board.directory.glob("*.bin")]
    assert y == here.output.tobytes()
    assert left == []
    for number, layer in enumerate(here.layers):
        assert b"".join(values[number :: len(steps)]) == layer.values.tobytes()


class Garbled:
    """A line that says what the test wants."""

    said = b""

    def __init__(self, port: str, timeout: float) -> None:
        pass

    def __enter__(self) -> Garbled:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def put(self, path: str, data: bytes) -> None:
        pass

    def get(self, path: str) -> bytes:
        return b"y"

    def exec(self, code: str, on_output: Callable[[bytes], None] | None = None) -> bytes:
        if on_output is not None:
            for at in range(0, len(self.said), 5):
                on_output(self.said[at : at + 5])
        return b""


def test_a_tensor_that_arrives_damaged_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes lost or changed on the way would look like a layer that computes something else."""
    monkeypatch.setattr(compute, "RawRepl", Garbled)
    good = b"".join(
        binascii.b2a_base64(t, newline=False) + b"\r\n=%04x\r\n" % binascii.crc_hqx(t, 0xFFFF)
        for t in (bytes(range(40)), b"\x80\x7f")
    )
    wanted = [(1, 0, 40), (1, 2, 4)]
    Garbled.said = good
    assert run_on("port", "m.twm", b"", tensors=wanted) == (b"y", [bytes(range(40)), b"\x80\x7f"])
    for said in (
        good[:-8],  # the last check is lost
        good[: len(good) - 14],  # the last tensor is lost
        good.replace(b"AAEC", b"AAED"),
        good.replace(b"AAEC", b""),
        good.replace(b"AAEC", b"AAE"),
        good.replace(b"\r\n=", b"\r\n?", 1),
        b"Warning: low power\r\n" + good,
    ):
        Garbled.said = said
        with pytest.raises(DeviceError, match="arrived damaged"):
            run_on("port", "m.twm", b"", tensors=wanted)


STEPS = """
import gc, micropython
import tinywake

net = tinywake.Model({name!r})
x = open("x.bin", "rb").read()
one = len(x) // {runs}
y = bytearray({y})
arena = net.arena


def out(pieces):
    found = b""
    net.reset()
    for run in range({runs}):
        net.load(memoryview(x)[run * one : (run + 1) * one])
        done = False
        for operators in pieces:
            assert not done
            done = net.step(operators)
        while not done:
            done = net.step()
        assert net.step() and net.step(100)  # nothing is left: nothing runs
        net.store(y)
        found += bytes(y)
    return found


def whole():
    found = b""
    net.reset()
    for run in range({runs}):
        net.run(memoryview(x)[run * one : (run + 1) * one], y)
        found += bytes(y)
    return found


want = whole()
for pieces in ((), (1,), (2, 1), (net.ops - 1,), (net.ops,), (1000,), (0, 0, 1, 0)):
    assert out(pieces) == want, pieces
assert net.ops > 2

# Between steps the arena holds what the operator computed.
net.reset()
net.load(x[:one])
for operators, start, end, data in {tensors}:
    net.step(operators)
    assert bytes(net.arena[start:end]) == bytes(arena[start:end]) == data, (start, end)

# A run that is left half-way: load, run and reset begin a new one.
for again in (lambda: net.load(x[:one]), net.reset):
    net.reset()
    net.load(x[:one])
    net.step(2)
    again()
    assert not net.step(net.ops - 1) and net.step()
net.reset()
net.load(x[:one])
net.step(1)
assert whole() == want

# Read only, and of the right size; nothing is allocated.
assert len(arena) == net.native.arena_bytes
for spoil in (lambda: arena.__setitem__(0, 1), lambda: net.native.arena, lambda: memoryview(net.native).extend(b"x")):
    try:
        spoil()
    except (TypeError, AttributeError):
        continue
    raise AssertionError("the arena can be changed")
for wrong in (-1, -1000):
    try:
        net.load(x[:one])
        net.step(wrong)
    except ValueError as error:
        assert str(error) == "TW_ERR_RANGE"
    else:
        raise AssertionError("a step back")
net.load(x[:one])
gc.collect()
micropython.heap_lock()
while not net.step(2):
    pass
net.store(y)
micropython.heap_unlock()

# The view keeps the memory, whatever becomes of the model.
del net
gc.collect()
junk = [bytearray(100) for _ in range(100)]
assert len(bytes(arena)) == len(arena)
print("STEPS: passed")
"""


@on_board
@pytest.mark.parametrize(("name", "frames"), [("image", None), ("shapes", None), ("streaming", None), ("word", 3)])
def test_net_step_at_the_prompt(network: Callable[..., tuple[Path, np.ndarray]], name: str, frames: int | None) -> None:
    model, x = network(name, frames)
    file = unpack(model)
    trace = trace_twm(model, x)
    tensors, done = [], 0
    for step, layer in zip(steps_of(file), trace.layers, strict=True):
        tensors.append((step.operator + 1 - done, step.start, step.end, layer.values[0].tobytes()))
        done = step.operator + 1
    code = STEPS.format(name=model.name, runs=len(x), y=file.tensors[file.output].count, tensors=tensors)
    with connected("unix", model) as board:
        assert board.directory is not None
        (board.directory / "x.bin").write_bytes(x.tobytes())
        with RawRepl(board.port) as repl:
            assert repl.exec(code).decode().strip() == "STEPS: passed"
