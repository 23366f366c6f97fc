# SPDX-License-Identifier: MIT
"""doctor and deploy name a .mpy that is not for the board it lies on, and what is imported in place of ours."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from test_slots import model
from typer.testing import CliRunner

from tinywake.cli import app
from tinywake.device import places
from tinywake.device.deploy import deploy
from tinywake.device.doctor import Diagnosis, Finding, diagnose
from tinywake.device.firmware import ARCHES, BUILDABLE, Firmware
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.mpy import built_for, why_refused
from tinywake.device.targets.registry import open_target
from tinywake.device.targets.target import Target
from tinywake.errors import DeviceError

OURS = "lib/_tinywake.mpy"
PICO = Firmware("micropython", (1, 25, 0), (6, 3), "armv6m", builtin=False)


@pytest.fixture(scope="module", params=["unix", "qemu-armv6m"])
def target(request: pytest.FixtureRequest, runnable: Callable[[str], str]) -> str:
    return runnable(request.param)


@pytest.fixture(scope="module")
def board(target: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """One that has everything, and is left so by each test."""
    with open_target(target) as board:
        deploy(board.port, model(tmp_path_factory.mktemp("m"), "word", 120), board=board.board, start=False)
        yield board


def native(arch: str) -> bytes:
    path = places.modules() / f"{arch}_6.3" / "_tinywake.mpy"
    if not path.is_file():
        pytest.skip(f"{path} is not built")
    return path.read_bytes()


def bytecode() -> bytes:
    return bytes((ord("M"), 6, 0, 31)) + bytes(60)


def faults(found: Diagnosis) -> list[Finding]:
    return [each for each in found.findings if each.level == "fault"]


@pytest.mark.lean("qemu-armv6m")
def test_a_module_for_another_board_is_named_and_deploy_mends_it(target: str, board: Target, tmp_path: Path) -> None:
    own = {"unix": "x64", "qemu-armv6m": "armv6m"}[target]
    with RawRepl(board.port) as repl:
        whole = repl.get(OURS)
    assert whole == native(own)
    right = f"{own}, .mpy 6.3"
    wrong = {
        f"{OURS} is for another architecture ({arch}, .mpy 6.3); the board loads {right}": native(arch)[:999]
        for arch in BUILDABLE
        if arch != own
    }
    wrong |= {
        f"{OURS} is for another ABI ({own}, .mpy 6.2); the board loads .mpy 6.3":
            whole[:2] + bytes([whole[2] & ~3 | 2]) + whole[3:999],
        f"{OURS} is for another ABI ({own}, .mpy 7.3); the board loads .mpy 6.3": b"M\x07" + whole[2:999],
        f"{OURS} is for CircuitPython ({right}); micropython answers": b"C" + whole[1:999],
        f"{OURS} is bytecode, and no machine code: that is another module": bytecode(),
        f"{OURS} is no .mpy file": b"<html>",
        f"{OURS} is an empty file": b"",
        f"{OURS} ({right}) is damaged or of another version": whole[:999],
    }  # fmt: skip
    for what, data in wrong.items():
        with RawRepl(board.port) as repl:
            repl.put(OURS, data)
        (found,) = faults(diagnose(board.port))
        assert (found.topic, found.what) == ("module", what)
        assert found.remedy == f"tinywake deploy {board.port} --model MODEL.twm"
    report = deploy(board.port, model(tmp_path, "word", 120), start=False)
    assert report.copied == (OURS,)
    assert not faults(diagnose(board.port))


@pytest.mark.lean("qemu-armv6m")
def test_what_is_imported_in_place_of_ours_is_named_and_left_alone(board: Target, tmp_path: Path) -> None:
    path = model(tmp_path, "word", 120)
    for name, data, what in (
        ("_tinywake.mpy", native("armv7emsp"), "_tinywake.mpy (armv7emsp, .mpy 6.3) is imported in place of " + OURS),
        ("_tinywake.py", b"x = 1\n", "_tinywake.py is imported in place of " + OURS),
        ("lib/_tinywake.py", b"x = 1\n", "lib/_tinywake.py is imported in place of " + OURS),
        ("tinywake.mpy", bytecode(), "tinywake.mpy (bytecode, .mpy 6) is imported in place of lib/tinywake"),
    ):
        with RawRepl(board.port) as repl:
            repl.put(name, data)
        remedy = f"if you do not need it: python -m mpremote connect {board.port} fs rm :{name}"
        try:
            (found,) = faults(diagnose(board.port))
            assert (found.what, found.remedy) == (what, remedy)
            with pytest.raises(DeviceError) as refused:
                deploy(board.port, path, start=False)
            assert str(refused.value) == f"{board.port}: {what}: {remedy}"
        finally:
            with RawRepl(board.port) as repl:
                repl.exec(f"import os\nos.remove({name!r})")
    with RawRepl(board.port) as repl:
        repl.exec("import os\nos.mkdir('tinywake')")
    (found,) = faults(diagnose(board.port))
    assert found.what == "tinywake is imported in place of lib/tinywake"
    assert found.remedy.endswith("fs rm -r :tinywake")
    with RawRepl(board.port) as repl:
        repl.exec("import os\nos.rmdir('tinywake')")
    said = CliRunner().invoke(app, ["doctor", board.port])
    assert said.exit_code == 0, said.output


@pytest.mark.lean("qemu-armv6m")
def test_bytecode_of_another_interpreter_in_the_app_is_named(board: Target) -> None:
    path = "lib/tinywake/link.mpy"
    with RawRepl(board.port) as repl:
        whole = repl.get(path)
        repl.put(path, b"C" + whole[1:])
    try:
        (found,) = faults(diagnose(board.port))
        assert found.topic == "app"
        assert found.what == f"{path} is for CircuitPython (bytecode, .mpy 6); micropython answers"
    finally:
        with RawRepl(board.port) as repl:
            repl.put(path, whole)
    assert not faults(diagnose(board.port))


def test_heads_are_judged_as_the_loader_does() -> None:
    """MPY_FEATURE_ARCH_TEST in py/persistentcode.h: Thumb cores load what is for smaller ones."""

    def head(arch: str, abi: int = 6, sub: int = 3) -> bytes:
        return bytes((ord("M"), abi, ARCHES.index(arch) << 2 | sub, 31))

    m33 = dataclasses.replace(PICO, arch="armv7emsp")
    for arch in ("armv6m", "armv7m", "armv7em", "armv7emsp"):
        assert why_refused(head(arch), m33, native=True) is None
        assert (why_refused(head(arch), PICO, native=True) is None) == (arch == "armv6m")
    for arch in ("armv7emdp", "x64", "armv6", "rv32imc", "xtensawin"):
        assert why_refused(head(arch), m33, native=True)
    assert why_refused(head("none", sub=0), PICO, native=False) is None  # bytecode has no sub-version
    assert why_refused(head("none", abi=5), PICO, native=False)
    assert why_refused(head("xtensawin"), dataclasses.replace(PICO, abi=None, arch="none"), native=True) is None
    assert why_refused(b"C\x06\x13\x1f", dataclasses.replace(PICO, name="circuitpython"), native=True) is None
    assert built_for(head("armv6m")) == "armv6m, .mpy 6.3"
    assert built_for(b"C\x06\x13\x1f") == "CircuitPython, armv6m, .mpy 6.3"
    assert built_for(b"M\x06") == "no .mpy file"
