# SPDX-License-Identifier: MIT
"""make bundle: what is in the zip for CircuitPython, and that it is the same bytes each time."""

from __future__ import annotations

import ast
import hashlib
import shutil
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import pytest
from fake_circuitpy import FakeCircuitPython
from test_circuitpy import _modules  # noqa: F401 - modules that are not built here, and nothing plugged in

from tinywake.device import places
from tinywake.device.boards import load_board
from tinywake.device.circuitpy.deploy.plan import hiding, stale, wanted_files
from tinywake.device.circuitpy.facts import ask_facts
from tinywake.device.circuitpy.files import DriveFiles
from tinywake.device.firmware import ARCHES
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.unix import UnixBoard
from tinywake.errors import ToolError

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "tools"))
import bundle  # noqa: E402

NEEDED = {"armv6m": 4, "armv7emsp": 7, "xtensawin": 10, "rv32imc": 11}


def kinds(arch: str) -> tuple[str, ...]:
    return ("", "_i2s", "_rec", "_huf", *(["_pdm"] if arch.startswith("arm") else []))


@pytest.fixture(autouse=True)
def _all_arches(_modules: None, tmp_path: Path) -> None:  # noqa: F811
    for arch, number in NEEDED.items():
        folder = tmp_path / f"modules/circuitpython_{arch}_6.3"
        folder.mkdir(parents=True, exist_ok=True)
        for kind in kinds(arch):
            (folder / f"_tinywake{kind}.mpy").write_bytes(bytes([67, 6, number << 2 | 3, 31]) + arch.encode())


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return bundle.main(tmp_path / "out")


def test_the_same_bytes_each_time(made: Path, tmp_path: Path) -> None:
    again = bundle.main(tmp_path / "again")
    assert made.name == again.name == "tinywake-circuitpython-10.x-mpy-0.1.0.zip"
    assert hashlib.sha256(made.read_bytes()).digest() == hashlib.sha256(again.read_bytes()).digest()
    with zipfile.ZipFile(made) as file:
        assert {each.date_time for each in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert file.namelist() == sorted(file.namelist())


def test_what_is_in_it(made: Path) -> None:
    with zipfile.ZipFile(made) as file:
        files = {name: file.read(name) for name in file.namelist()}
    assert {name.split("/")[0] for name in files} == {"lib", "examples", "extras", "README.txt", "LICENSE"}
    assert {name for name in files if name.startswith("lib/") and not name.startswith("lib/tinywake/")} == set()
    for arch, number in NEEDED.items():
        head = files[f"lib/tinywake/_{arch}.mpy"][:4]
        assert (head[:2], head[2] >> 2) == (b"C\x06", number)
        assert ARCHES[number] == arch
        assert f"lib/tinywake/_{arch}_i2s.mpy" in files
        apart = {f"extras/{arch}/_tinywake{kind}.mpy" for kind in kinds(arch)[2:]}
        assert {name for name in files if name.startswith(f"extras/{arch}/")} == apart
    for name, data in files.items():
        if name.endswith(".mpy"):
            assert data.startswith(b"C\x06"), name
        if name.endswith(".py"):
            ast.parse(data)
    app = bundle.app_for_circuitpython()  # which tests/device/test_circuitpython_port.py loads and runs
    assert {name: files[name] for name in files if name in app} == app
    assert b"async def" in files["lib/tinywake/listener.py"]
    assert all(data.startswith(b"TWM") for name, data in files.items() if name.endswith(".twm"))
    assert "tinywake.Listener(" in files["examples/tinywake_simpletest.py"].decode()


def test_each_model_comes_with_the_card_that_names_its_licences(made: Path) -> None:
    with zipfile.ZipFile(made) as file:
        files = {name: file.read(name) for name in file.namelist()}
    models = {path.parent.name for path in (REPO / "models").glob("*/model.twm")}
    assert {name for name in files if name.endswith(".twm")} == {f"examples/{model}.twm" for model in models}
    for model in models:
        assert files[f"examples/{model}.CARD.md"] == (REPO / "models" / model / "CARD.md").read_bytes()
    assert b"CC BY-SA" in files["examples/voyager.CARD.md"]
    assert b"MIT License" in files["LICENSE"]
    assert b"LICENSE" in files["README.txt"]


def test_a_model_without_a_card_is_not_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("firmware/examples", "models/voyager"):
        shutil.copytree(REPO / name, tmp_path / "repo" / name)
    shutil.copy(REPO / "LICENSE", tmp_path / "repo")
    monkeypatch.setattr(bundle, "REPO", tmp_path / "repo")
    assert "examples/voyager.CARD.md" in bundle.bundle_files()
    (tmp_path / "repo/models/voyager/CARD.md").unlink()
    with pytest.raises(ToolError, match=r"voyager/model\.twm: has no CARD\.md beside it"):
        bundle.bundle_files()


def test_pins_of_each_board(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(made) as file:
        text = file.read("lib/tinywake/pins.py").decode()
    for name in ("RPI_PICO", "RPI_PICO2", "ADAFRUIT_FEATHER_RP2040", "ADAFRUIT_FEATHER_ESP32S3"):
        board = load_board(name)
        own: dict[str, Any] = {}
        exec(board.pins.read_text(), own)
        monkeypatch.setitem(sys.modules, "board", types.SimpleNamespace(board_id=board.circuitpython))  # type: ignore[arg-type]
        said: dict[str, Any] = {}
        exec(text, said)
        assert (said["BOARD"], said["MIC"]) == (own["BOARD"], own["MIC"])
    monkeypatch.setitem(sys.modules, "board", types.SimpleNamespace(board_id="new_board"))  # type: ignore[arg-type]
    with pytest.raises(ImportError, match=r"lib/tinywake/pins\.py: no pins for new_board"):
        exec(text, {})


def test_deploy_goes_on_where_it_was_unpacked(made: Path, tmp_path: Path) -> None:
    """Of the bundle's files those for the board stay, and of the other architectures' go."""
    drive = tmp_path / "drive"
    with FakeCircuitPython(drive) as board, RawRepl(board.port) as repl:
        facts = ask_facts(repl)
    assert facts is not None
    with zipfile.ZipFile(made) as file:
        file.extractall(drive)
    files = DriveFiles(drive)
    wanted = wanted_files("here", facts, load_board("RPI_PICO"), files)
    assert list(hiding(files)) == []
    there = files.digests(wanted)
    other = {path for path, data in wanted.items() if there[path] != hashlib.sha256(data).hexdigest()}
    assert other <= {"lib/tinywake/pins.py", *(path for path in wanted if path not in bundle.app_for_circuitpython())}
    assert set(stale(files, wanted)) == {
        f"lib/tinywake/_{arch}{kind}.mpy" for arch in NEEDED if arch != "armv6m" for kind in ("", "_i2s")
    }


def test_a_module_that_is_not_built_is_named(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "modules/circuitpython_xtensawin_6.3")
    with pytest.raises(ToolError, match="no native module of CircuitPython for xtensawin: make modules ARCH=xtensawin"):
        bundle.bundle_files()


@pytest.mark.parametrize(("arch", "kind"), [("rv32imc", "_huf"), ("armv7emsp", "_pdm"), ("xtensawin", "_i2s")])
def test_none_of_the_modules_may_be_missing(tmp_path: Path, arch: str, kind: str) -> None:
    (tmp_path / f"modules/circuitpython_{arch}_6.3/_tinywake{kind}.mpy").unlink()
    with pytest.raises(ToolError, match=rf"no _tinywake{kind}\.mpy of CircuitPython for {arch}: make modules ARCH="):
        bundle.bundle_files()


lacking = UnixBoard.available()


@pytest.mark.skipif(lacking is not None, reason=str(lacking))
def test_one_of_many_modules_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As CircuitPython would, in MicroPython with its own module: found in the package, and from then on by name."""
    monkeypatch.undo()
    module = places.modules() / "x64_6.3/_tinywake.mpy"
    if not module.is_file():
        pytest.skip("no native module for this computer: make modules")
    folder = tmp_path / "board"
    package = folder / "lib/tinywake"
    shutil.copytree(REPO / "firmware/app", package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPO / "boards/UNIX/board.py", package / "pins.py")
    ask = "import sys, tinywake, _tinywake\nanswer([_tinywake.VERSION, 'tinywake.native' in sys.modules])"
    with UnixBoard(folder) as board, RawRepl(board.port) as repl:
        with pytest.raises(Exception, match=r"_x64"):
            repl.ask(ask)
        repl.reset()
        shutil.copy(module, package / "_x64.mpy")
        (package / "_armv6m.mpy").write_bytes(b"M\x06\x13\x1f")  # cut short: it would never return
        assert repl.ask(ask) == [1, True]
        repl.reset()
        shutil.copy(module, folder / "lib/_tinywake.mpy")
        assert repl.ask(ask) == [1, False]
