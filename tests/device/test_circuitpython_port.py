# SPDX-License-Identifier: MIT
"""CircuitPython's port on the unix board, with stand-ins (fake/circuitpython/), and what belongs into which port."""

from __future__ import annotations

import ast
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tinywake.device.circuitpy.app import app_for_circuitpython
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.circuitpython import CircuitPythonBoard
from tinywake.device.targets.unix import UnixBoard

ROOT = Path(__file__).parents[2]
APP = ROOT / "firmware/app"
MODULES = ROOT / "build/modules/x64_6.3"
PINS = (
    'BOARD = "FAKE"\nPORT = "circuitpython"\nMIC = {"kind": "i2s", "sck": "GP10", "ws": 11, "sd": "D12", "bits": 32}\n'
)


@pytest.mark.skipif(UnixBoard.available() is not None, reason=str(UnixBoard.available()))
def test_body(tmp_path: Path) -> None:
    package = tmp_path / "lib/tinywake"
    shutil.copytree(APP, package, ignore=shutil.ignore_patterns("__pycache__"))
    passes(UnixBoard(tmp_path), MODULES)


@pytest.mark.skipif(CircuitPythonBoard.available() is not None, reason=str(CircuitPythonBoard.available()))
def test_body_on_what_is_deployed(tmp_path: Path) -> None:
    """Bytecode and native modules under CircuitPython's letter, as deploy and the bundle have them."""
    if os.environ.get("CIRCUITPYTHON"):
        pytest.skip("the stand-ins are for the interpreter that is built for tests")
    there = app_for_circuitpython()
    assert sum(path.endswith(".mpy") for path in there) > 20, "no bytecode: make modules"
    for path, data in there.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    passes(CircuitPythonBoard(tmp_path), MODULES.with_name("circuitpython_x64_6.3"))


def passes(target: UnixBoard | CircuitPythonBoard, modules: Path) -> None:
    """The body on a board whose folder has the app."""
    tmp_path = target.directory
    (tmp_path / "lib/tinywake/pins.py").write_text(PINS)
    for path in [*(ROOT / "tests/device/fake/circuitpython").glob("*.py"), ROOT / "tests/device/fake/_tinywake.py"]:
        shutil.copy(path, tmp_path / "lib")
    for name in ("_tinywake_pdm.mpy", "_tinywake_i2s.mpy"):
        if not (modules / name).exists():
            pytest.skip(f"{modules / name} is not built: make modules")
        shutil.copy(modules / name, tmp_path / "lib")
    (tmp_path / "computer.twm").write_text("FAKE unknown,*computer")
    shutil.copy(ROOT / "tests/device/each_test.py", tmp_path / "lib")
    (tmp_path / "lib/body.py").write_text((ROOT / "tests/device/circuitpython_body.py").read_text())
    with target as board, RawRepl(board.port, 300) as repl:
        said = repl.exec("import body").decode()
    found = re.fullmatch(r"TINYWAKE-TEST: passed (\d+), failed 0", said.strip().splitlines()[-1])
    assert found, said
    assert int(found[1]) >= 30


# Whose ports may use what is only of an interpreter: files, and folders of them, under port/.
MICROPYTHON = ("port/micropython.py", "port/unix.py", "port/machine/", "port/rp2/")
CIRCUITPYTHON = ("port/circuitpython.py", "port/circuit/")
OWN = {
    "machine": MICROPYTHON, "uctypes": MICROPYTHON, "rp2": MICROPYTHON, "micropython": MICROPYTHON, "vfs": MICROPYTHON,
    "unixboard": MICROPYTHON, "select": MICROPYTHON, "time": (*MICROPYTHON, *CIRCUITPYTHON),
    "hashlib": ("port/files.py", *CIRCUITPYTHON),
    **dict.fromkeys(
        ("supervisor", "usb_cdc", "storage", "audioi2sin", "rp2pio", "audiobusio", "board", "microcontroller"),
        CIRCUITPYTHON,
    ),
}  # fmt: skip
NAMES = ("schedule", "ilistdir")


def foreign(name: str, text: str) -> Iterator[str]:
    """What of an interpreter a file of the app uses, and has no right to."""

    def mine(owners: tuple[str, ...]) -> bool:
        return name.startswith(owners)

    for node in ast.walk(ast.parse(text)):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules = [node.module or ""]
            if not mine(MICROPYTHON):
                yield from (
                    each.name for each in node.names if each.name.startswith("ticks_") and node.module == "time"
                )
        elif isinstance(node, ast.Attribute):
            if node.attr in NAMES and not mine(MICROPYTHON):
                yield node.attr
            said = ast.unparse(node)
            if said in ("sys.platform", "sys.implementation.name") and not mine(("port/",)):
                yield said
        for module in modules:
            if not mine(OWN.get(module, ("",))):
                yield module
        if isinstance(node, ast.FunctionDef) and node.decorator_list and not mine(MICROPYTHON):
            yield from (said for said in map(ast.unparse, node.decorator_list) if said != "property")


@pytest.mark.parametrize("path", sorted(APP.rglob("*.py")), ids=lambda path: str(path.relative_to(APP)))
def test_what_is_of_one_interpreter_stands_in_its_port(path: Path) -> None:
    assert list(foreign(path.relative_to(APP).as_posix(), path.read_text())) == []


def test_what_is_of_one_interpreter_is_found() -> None:
    text = "import machine\nfrom time import ticks_ms\nimport os\nos.ilistdir('')"
    assert set(foreign("main.py", text)) == {"machine", "time", "ticks_ms", "ilistdir"}
    text = "@micropython.native\ndef f():\n    port.ticks_ms()\n"
    assert list(foreign("main.py", text)) == ["micropython.native"]
    assert list(foreign("port/rp2/ring.py", "import rp2, usb_cdc")) == ["usb_cdc"]
    assert list(foreign("port/circuit/i2s.py", "from micropython import schedule")) == ["micropython"]
    assert list(foreign("main.py", "if sys.implementation.name == 'circuitpython': pass")) == [
        "sys.implementation.name"
    ]


def test_ports_have_one_interface() -> None:
    names = {
        port: {
            name.value
            for node in ast.parse((APP / "port" / f"{port}.py").read_text()).body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            for name in ast.walk(node.value)
            if isinstance(name, ast.Constant)
        }
        for port in ("micropython", "unix", "circuitpython")
    }
    assert names["micropython"] == names["unix"] == names["circuitpython"]
