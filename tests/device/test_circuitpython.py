# SPDX-License-Identifier: MIT
"""Modules with CircuitPython's native ABI in an interpreter that has it, and the target that this interpreter is.

Where CIRCUITPYTHON names a unix interpreter, what runs on the target runs on that one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from test_slots import model

from tinywake.device import places
from tinywake.device.deploy import deploy
from tinywake.device.doctor import diagnose
from tinywake.device.firmware import Firmware, built_module, module_for
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.registry import TARGETS, open_target
from tinywake.errors import DeviceError, ToolError
from tinywake.pipeline.hearing import hear

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
sys.path.insert(0, str(Path(__file__).parents[2] / "firmware" / "module"))
from mpy_size import Module
from tiny import listening_model

MODULES = ("_tinywake", "_tinywake_rec", "_tinywake_pdm")

# Each type of function that the modules have, and each kind of error. 10,000 is more than the output holds.
EVERY = """
import _tinywake, _tinywake_pdm, _tinywake_rec
def refused(call, *args):
    try:
        return call(*args)
    except (TypeError, ValueError) as error:
        return "%s %s" % (type(error).__name__, error)
small = bytearray(400)
print(_tinywake.crc16(b"123456789", 0, 9), refused(_tinywake.crc16, b"123", 2, 1), refused(_tinywake.crc16, 7, 0, 0))
print(_tinywake.Model.__name__, refused(_tinywake.Model, b"nothing"), refused(_tinywake.Listener, 5))
print(refused(_tinywake_rec.encode, small, small, 0, 10000, small, 0), _tinywake_rec.line(1, b"ab", 0, 2, small), small)
print(refused(_tinywake_pdm.decimate, small, small, 0, 10000, 16, small))
"""
SAID = [
    "10673 ValueError TW_ERR_RANGE TypeError object with buffer protocol required",
    "Model ValueError TW_ERR_MAGIC TypeError wrong type",
]


def interpreter(name: str) -> Path:
    path = Path(__file__).parents[2] / "build" / "targets" / name / "micropython"
    if not path.exists():
        pytest.skip(f"{name}: the interpreter is not built: make targets")
    return path


def modules(whose: str) -> Path:
    path = built_module("x64", whose)
    if path is None or any(not path.with_name(f"{name}.mpy").is_file() for name in MODULES):
        pytest.skip("the modules are not built: make modules")
    return path.parent


def run(program: Path, folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, "-c", code], env={"MICROPYPATH": str(folder)}, capture_output=True, text=True)


def test_the_modules_do_in_it_what_they_do_in_micropython() -> None:
    theirs = run(interpreter("unix"), modules("micropython"), EVERY)
    ours = run(interpreter("circuitpython"), modules("circuitpython"), EVERY)
    assert theirs.stdout.splitlines()[:2] == SAID, theirs.stderr
    assert ours.stdout == theirs.stdout, ours.stderr
    assert len(ours.stdout.splitlines()) == 4


@pytest.mark.parametrize("name", MODULES)
def test_neither_interpreter_loads_the_others_modules(name: str) -> None:
    for program, whose in (("circuitpython", "micropython"), ("unix", "circuitpython")):
        done = run(interpreter(program), modules(whose), f"import {name}")
        assert done.returncode == 1
        assert done.stderr.strip().splitlines()[-1] == "ValueError: incompatible .mpy file"


def test_a_wrong_number_in_the_table_is_seen(tmp_path: Path) -> None:
    """MicroPython's module that pretends to be CircuitPython's: its functions are of another type there."""
    data = (modules("micropython") / "_tinywake_rec.mpy").read_bytes()
    (tmp_path / "_tinywake_rec.mpy").write_bytes(pretending(data))
    code = "import _tinywake_rec\n_tinywake_rec.line(1, b'ab', 0, 2, bytearray(9))"
    done = run(interpreter("circuitpython"), tmp_path, code)
    assert done.returncode == 1
    assert "function takes 3 positional arguments but 5 were given" in done.stderr


def pretending(data: bytes) -> bytes:
    """With CircuitPython's letter and flags; the flags are the last byte before the relocations."""
    for at in reversed(range(len(data))):
        if data[at] == 0x10:
            forged = b"C" + data[1:at] + b"\x20" + data[at + 1 :]
            try:
                Module(forged)
            except (IndexError, ValueError):
                continue
            return forged
    raise AssertionError("no flags")


@pytest.fixture
def target(runnable: Callable[[str], str]) -> str:
    modules("circuitpython")
    return runnable("circuitpython")


def test_deploy_brings_its_module_in_place_of_the_others(target: str, tmp_path: Path) -> None:
    if os.environ.get("CIRCUITPYTHON"):
        pytest.skip("the app has no port yet for a real CircuitPython")
    ours, theirs = (modules(whose) / "_tinywake.mpy" for whose in ("circuitpython", "micropython"))
    path = model(tmp_path, "word", 120)
    with open_target(target) as board:
        deploy(board.port, path, board=board.board, start=False)
        there = board.directory / "lib" / "_tinywake.mpy"
        assert there.read_bytes() == ours.read_bytes()
        assert not list(board.directory.glob("lib/tinywake/**/*.mpy"))  # whose bytecode begins with the other letter
        there.write_bytes(theirs.read_bytes())
        deploy(board.port, path, board=board.board, start=False)
        assert there.read_bytes() == ours.read_bytes()


def test_doctor_says_what_it_is(target: str, tmp_path: Path) -> None:
    # Bug: it asked for os.uname, which this one has not, and then took it for neither of the two.
    if os.environ.get("CIRCUITPYTHON"):
        pytest.skip("what CIRCUITPYTHON names is another")
    with open_target(target) as board:
        deploy(board.port, model(tmp_path, "word", 120), board=board.board, start=False)
        said = diagnose(board.port)
    found = [each.what for each in said.findings if each.topic == "firmware"]
    assert found == ["MicroPython with CircuitPython's name and native ABI, which is for tests (x64)"]
    assert "lib/_tinywake.mpy for circuitpython, whole" in [each.what for each in said.findings]
    assert not [each for each in said.findings if each.level == "fault"]
    modules = [each.what for each in said.findings if each.topic == "modules"]
    assert any(each.startswith("CircuitPython's _tinywake.mpy for x64") for each in modules)
    assert not any("CircuitPython's" in each and "armv7m" in each for each in modules)


def test_a_board_without_its_module_says_how_to_build_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    firmware = Firmware("circuitpython", (10, 3, 1), (6, 3), "armv6m", builtin=False)
    (tmp_path / "armv6m_6.3").mkdir()
    (tmp_path / "armv6m_6.3" / "_tinywake.mpy").write_bytes(b"M\x06\x13\x1f")
    monkeypatch.setattr(places, "modules", lambda: tmp_path)
    with pytest.raises(ToolError, match=r"^no _tinywake.mpy for circuitpython on armv6m: make modules ARCH=armv6m$"):
        module_for(firmware, "port")
    (tmp_path / "circuitpython_armv6m_6.3").mkdir()
    wanted = tmp_path / "circuitpython_armv6m_6.3" / "_tinywake.mpy"
    wanted.write_bytes(b"C\x06\x13\x1f")
    assert module_for(firmware, "port") == wanted
    assert built_module("armv7emsp", "circuitpython") == wanted  # which such a core runs, too


# Scores of each step, and the labels of hits: module and interpreter alone.
LISTEN = """
import _tinywake
with open("word.twm", "rb") as file:
    model = _tinywake.Model(file.read())
listener = _tinywake.Listener(model)
with open("clip.pcm", "rb") as file:
    pcm = file.read()
said, hits, at = [], [], 0
while at < len(pcm) // 2:
    at = listener.feed(pcm, at, len(pcm) // 2)
    while listener.due:
        model.run(0, model.ops)
        label = listener.settle()
        if label > -2:
            said.append(listener.score(LABEL))
        if label >= 0:
            hits.append(listener.t_ms)
answer([said, hits])
"""


@pytest.mark.parametrize("through", ["the target", "a prompt of ours"])
def test_its_scores_are_the_hosts(target: str, through: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if through == "a prompt of ours":  # as one that CIRCUITPYTHON names
        monkeypatch.setenv("CIRCUITPYTHON", str(interpreter("circuitpython")))
    (tmp_path / "word.twm").write_bytes(listening_model(threshold=120, window=1, refractory_ms=100))
    noise = np.random.default_rng(3).integers(-30_000, 30_000, 24_000).astype(np.int16)
    noise[4_000:12_000] //= 500
    soundfile.write(tmp_path / "clip.wav", noise, 16000)
    (heard,) = hear(tmp_path / "word.twm", [tmp_path / "clip.wav"])
    with open_target(target) as board, RawRepl(board.port, timeout=60) as repl:
        repl.put("word.twm", (tmp_path / "word.twm").read_bytes())
        repl.put("clip.pcm", noise.astype("<i2").tobytes())
        repl.exec("import os\nos.mkdir('lib')")
        repl.put("lib/_tinywake.mpy", (modules("circuitpython") / "_tinywake.mpy").read_bytes())
        (wake,) = repl.ask("import _tinywake\nm = _tinywake.Model(open('word.twm', 'rb').read())\n"
                           "answer([i for i, wake in enumerate(m.wake) if wake])")  # fmt: skip
        scores, hits = repl.ask(LISTEN.replace("LABEL", str(wake)))
    assert scores == heard.scores[:, 0].tolist()
    assert hits == [hit.t_ms for hit in heard.hits]
    assert hits


def test_a_named_interpreter_is_a_board(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCUITPYTHON", str(interpreter("circuitpython")))
    with open_target(target) as board:
        with RawRepl(board.port) as repl:
            assert repl.ask("import sys\nanswer(sys.implementation[0])") == "circuitpython"
            repl.exec("kept = 1")
            assert repl.exec("print(kept)").strip() == b"1"
            with pytest.raises(DeviceError, match="ZeroDivisionError: divide by zero"):
                repl.exec("1 / 0")
            repl.put("some.bin", bytes(range(256)) * 8)  # every byte, and more than a window
            assert repl.get("some.bin") == bytes(range(256)) * 8
            repl.reset()
            with pytest.raises(DeviceError, match="NameError"):
                repl.exec("kept")
        with RawRepl(board.port) as repl:  # after the ordinary prompt
            assert repl.ask("answer(6 * 7)") == 42
        assert (board.directory / "some.bin").is_file()
        assert board.running
    assert not board.directory.exists()


def test_what_is_named_and_cannot_run_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CIRCUITPYTHON", str(tmp_path / "none"))
    with pytest.raises(ToolError, match=f"^circuitpython: CIRCUITPYTHON={tmp_path}/none is no program"):
        open_target("circuitpython")
    (tmp_path / "silent").write_text("#!/bin/sh\necho no such option >&2\nexit 3\n")
    (tmp_path / "silent").chmod(0o755)
    monkeypatch.setenv("CIRCUITPYTHON", str(tmp_path / "silent"))
    board = TARGETS["circuitpython"]()
    with pytest.raises(DeviceError, match="did not start: no such option"):
        board.start()
