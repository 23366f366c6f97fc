# SPDX-License-Identifier: MIT
"""deploy on the emulated unix board: whole files or the old ones, only what changed, faults named."""

import contextlib
import dataclasses
import io
import os
import runpy
import threading
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from tinywake.device import places
from tinywake.device.deploy import deploy
from tinywake.device.firmware import Firmware, module_for
from tinywake.device.line.remote import execute
from tinywake.device.monitor import monitor
from tinywake.device.targets.unix import UnixBoard
from tinywake.errors import ConfigError, DeviceError, ToolError

ROOT = Path(__file__).parents[2]
STOCK = Firmware("micropython", (1, 25, 0), (6, 3), "x64", builtin=False)

lacking = UnixBoard.available()
needs_board = pytest.mark.skipif(lacking is not None, reason=str(lacking))


@pytest.fixture
def board(tmp_path: Path) -> Iterator[UnixBoard]:
    with UnixBoard(tmp_path / "board") as board:
        yield board


@contextlib.contextmanager
def pty_that_says(garbage: bytes) -> Iterator[str]:
    """A port with no board: it says the same for ever, or nothing."""
    pty = pytest.importorskip("pty")
    import tty

    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    done = threading.Event()

    def talk() -> None:
        while not done.wait(0.01):
            with contextlib.suppress(BlockingIOError):
                os.write(master, garbage)

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        done.set()
        thread.join()
        os.close(master)
        os.close(slave)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "word.twm"
    path.write_bytes(os.urandom(3001))
    return path


@needs_board
def test_everything_arrives_once(board: UnixBoard, model: Path) -> None:
    first = deploy(board.port, model, board="UNIX")
    assert "word.twm" in first.copied
    assert "lib/tinywake/port/unix.py" in first.copied
    assert not first.unchanged
    assert (board.directory / "word.twm").read_bytes() == model.read_bytes()
    assert (board.directory / "model.txt").read_text() == "word.twm\n"
    pins = places.boards() / "UNIX" / "board.py"
    assert (board.directory / "lib" / "tinywake" / "pins.py").read_bytes() == pins.read_bytes()
    assert first.heap_before > first.heap_loaded > 0
    assert not list(board.directory.rglob("*~"))

    second = deploy(board.port, model)  # the board knows its pins by now
    assert not second.copied
    assert second.bytes_copied == 0

    model.write_bytes(os.urandom(1000))
    (board.directory / "lib" / "tinywake" / "link.py").write_text("broken")
    third = deploy(board.port, model, board="UNIX")
    assert set(third.copied) == {"word.twm", "lib/tinywake/link.py"}
    assert third.model_bytes == 1000


def tone_model() -> bytes:
    model = runpy.run_path(str(ROOT / "tests/core/tiny.py"))["listening_model"]
    blob: bytes = model(threshold=120, window=1, refractory_ms=100)
    return blob


@needs_board
def test_the_board_listens_afterwards_and_after_a_reset(board: UnixBoard, model: Path) -> None:
    model.write_bytes(tone_model())
    board.directory.mkdir(exist_ok=True)
    with wave.open(str(board.directory / "mic.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(16000 * 120))
    (board.directory / "old.twm").write_bytes(b"")
    report = deploy(board.port, model, board="UNIX")
    assert (board.directory / "main.py").read_text() == "import tinywake.main\ntinywake.main.start()\n"
    assert (report.listening, report.trouble, report.own_main) == (True, "", False)
    assert report.other_models == ("old.twm",)
    assert any("old.twm" in note for note in report.notes())
    out = io.StringIO()
    monitor(board.port, seconds=1, json=True, console=Console(file=out))
    assert '"event": "score"' in out.getvalue()
    again = deploy(board.port, model)  # while it listens
    assert again.listening
    assert "main.py" in again.unchanged


@needs_board
def test_a_main_py_of_the_user_is_never_touched(board: UnixBoard, model: Path) -> None:
    board.directory.mkdir(exist_ok=True)
    main = board.directory / "main.py"
    for text, trouble in (("print('mine')\n", "nothing that listens"), ("1 / 0\n", "ZeroDivisionError")):
        main.write_text(text)
        report = deploy(board.port, model, board="UNIX")
        assert main.read_text() == text
        assert "main.py" not in report.copied + report.unchanged
        assert (report.own_main, report.listening) == (True, False)
        assert trouble in report.trouble
        assert any("your own" in note for note in report.notes())


@needs_board
def test_without_start_the_board_is_left_at_its_prompt(board: UnixBoard, model: Path) -> None:
    report = deploy(board.port, model, board="UNIX", start=False)
    assert not (board.directory / "main.py").exists()
    assert (report.listening, report.trouble, report.notes()) == (False, "", [])


def test_only_a_twm_is_a_model(tmp_path: Path) -> None:
    # Bug: any file went, and a board looks for .twm only.
    for name in ("model.tflite", "main.py", "a\n.twm", "twm"):
        path = tmp_path / name
        path.write_bytes(b"x")
        with pytest.raises(DeviceError, match=r"rename it to NAME\.twm"):
            deploy("/dev/ttyNONE9", path)


@pytest.mark.parametrize("garbage", [b"", b"noise \xff\r\n" * 20])
def test_a_port_without_micropython_is_told_quickly(model: Path, garbage: bytes) -> None:
    # Bug: a minute, whatever it was.
    with pty_that_says(garbage) as port:
        began = time.monotonic()
        with pytest.raises(DeviceError, match=rf"^{port}: no MicroPython answers there[^\n]*$"):
            deploy(port, model, board="UNIX")
        assert time.monotonic() - began < 10


@needs_board
def test_firmware_with_the_module_compiled_in_gets_no_other(tmp_path: Path, model: Path) -> None:
    with UnixBoard(tmp_path / "board", usermod=True) as board:
        report = deploy(board.port, model, board="UNIX")
        assert report.firmware.builtin
        assert not list(board.directory.rglob("*.mpy"))
        assert execute(board.port, "import _tinywake; print(_tinywake.VERSION)").strip().isdigit()


@needs_board
def test_a_native_module_that_was_cut_short_is_replaced_without_loading_it(board: UnixBoard, model: Path) -> None:
    # Bug: an interpreter that imports half a native .mpy may never come back.
    deploy(board.port, model, board="UNIX")
    module = board.directory / "lib" / "_tinywake.mpy"
    if not module.exists():
        pytest.skip("no native modules here")
    whole = module.read_bytes()
    module.write_bytes(whole[: len(whole) // 2])
    assert deploy(board.port, model).copied == ("lib/_tinywake.mpy",)
    assert module.read_bytes() == whole


@needs_board
def test_faults_are_named(board: UnixBoard, model: Path, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"does not know its pins yet: name it, as in --board UNIX"):
        deploy(board.port, model)
    with pytest.raises(ConfigError, match=r"no board PLUTO; known: .*UNIX"):
        deploy(board.port, model, board="PLUTO")
    with pytest.raises(DeviceError, match="no such model"):
        deploy(board.port, tmp_path / "none.twm", board="UNIX")
    assert not list(board.directory.rglob("*.py"))
    with pytest.raises(DeviceError, match="/dev/ttyNONE9: no such port"):
        deploy("/dev/ttyNONE9", model, board="UNIX")


@needs_board
def test_a_full_or_read_only_board_keeps_its_files(board: UnixBoard, model: Path) -> None:
    deploy(board.port, model, board="UNIX")
    before = model.read_bytes()
    model.write_bytes(os.urandom(100))
    (board.directory / "word.twm~").mkdir()  # nothing can be written under the temporary name
    with pytest.raises(DeviceError, match=r"word\.twm"):
        deploy(board.port, model)
    assert (board.directory / "word.twm").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (
            {"abi": (6, 2), "version": (1, 22, 0)},
            DeviceError,
            "6.2, tinywake's are 6.3: install MicroPython 1.23",
        ),
        ({"abi": (7, 0)}, DeviceError, "update tinywake"),
        ({"abi": None, "arch": "none"}, DeviceError, "loads no native modules"),
        ({"arch": "xtensa"}, ToolError, "no _tinywake.mpy for xtensa: tinywake cannot build it yet"),
    ],
)
def test_firmware_that_cannot_load_the_module(change: dict[str, object], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        module_for(dataclasses.replace(STOCK, **change), "/dev/ttyACM0")  # type: ignore[arg-type]


def test_thumb_boards_fall_back_to_armv6m(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "modules", lambda: tmp_path)
    module = tmp_path / "armv6m_6.3" / "_tinywake.mpy"
    module.parent.mkdir()
    module.write_bytes(b"M")
    assert module_for(dataclasses.replace(STOCK, arch="armv7emsp"), "port") == module
    assert module_for(dataclasses.replace(STOCK, builtin=True), "port") is None
