# SPDX-License-Identifier: MIT
"""deploy on the emulated unix board: whole files or the old ones, only what changed, faults named."""

import contextlib
import dataclasses
import io
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from tinywake.device import firmware, places
from tinywake.device.deploy import DeployReport, deploy, watched
from tinywake.device.doctor.diagnose import diagnose
from tinywake.device.doctor.mic import check_microphone
from tinywake.device.firmware import Firmware, module_for
from tinywake.device.monitor import monitor
from tinywake.device.targets.unix import UnixBoard
from tinywake.errors import ConfigError, DeviceError, ToolError

sys.path.insert(0, str(Path(__file__).parent))
from remote import execute

ROOT = Path(__file__).parents[2]
MACHINE_CODE = ("port/machine/pack32.py", "port/rp2/pack_thumb.py")  # stay text
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
    path.write_bytes(tone_model())
    return path


def tone_model(threshold: int = 120) -> bytes:
    model = runpy.run_path(str(ROOT / "tests/core/tiny.py"))["listening_model"]
    blob: bytes = model(threshold=threshold, window=1, refractory_ms=100)
    return blob


@needs_board
def test_everything_arrives_once(board: UnixBoard, model: Path) -> None:
    first = deploy(board.port, model, board="UNIX")
    slot = "tinywake-models/model.a/word.twm"
    assert slot in first.copied
    assert {"lib/tinywake/port/unix.mpy", *(f"lib/tinywake/{name}" for name in MACHINE_CODE)} < set(first.copied)
    assert not first.unchanged
    assert (board.directory / slot).read_bytes() == model.read_bytes()
    assert first.model_path == slot
    pins = places.boards() / "UNIX" / "board.py"
    assert (board.directory / "lib" / "tinywake" / "pins.py").read_bytes() == pins.read_bytes()
    assert first.heap_before > first.heap_loaded > 0
    ram = first.ram
    assert ram.free - ram.module - ram.app - sum(ram.models) - ram.listener == ram.left > 0
    assert ram.models[0] >= ram.arenas[0] + len(model.read_bytes())  # one copy on the heap
    assert not list(board.directory.rglob("*~"))

    second = deploy(board.port, model)  # the board knows its pins by now
    assert not second.copied
    assert second.bytes_copied == 0
    assert set(second.unchanged) == set(first.copied)  # Bug: without --board the pins were not counted

    model.write_bytes(tone_model(121) + bytes(1000))
    (board.directory / "lib" / "tinywake" / "link.mpy").write_text("broken")
    third = deploy(board.port, model, board="UNIX")
    assert set(third.copied) == {"tinywake-models/model.b/word.twm", "lib/tinywake/link.mpy"}
    assert third.model_bytes == len(tone_model()) + 1000


@needs_board
def test_only_a_board_with_a_pdm_microphone_gets_the_decimator(
    board: UnixBoard, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not (board.directory / "lib" / "_tinywake_pdm.mpy").exists()
    deploy(board.port, model, board="UNIX", start=False)
    assert not (board.directory / "lib" / "_tinywake_pdm.mpy").exists()
    copied = tmp_path / "boards" / "UNIX"
    shutil.copytree(places.boards() / "UNIX", copied)
    with (copied / "board.py").open("a") as pins:
        pins.write('OTHER = {"kind": "pdm"}\n')
    monkeypatch.setattr(places, "boards", lambda: tmp_path / "boards")
    report = deploy(board.port, model, board="UNIX", start=False)
    assert sorted(path for path in report.copied if path.startswith("lib/")) == [
        "lib/_tinywake_pdm.mpy",
        "lib/tinywake/pins.py",
    ]
    again = deploy(board.port, model, start=False)
    assert not again.copied
    assert "lib/_tinywake_pdm.mpy" in again.unchanged


@pytest.mark.parametrize("other", ["RPI_PICO", "ESP32_GENERIC_C3", "QEMU_ARMV6M"])
def test_a_board_that_answers_is_not_taken_for_another(board: UnixBoard, model: Path, other: str) -> None:
    with pytest.raises(DeviceError, match=f"is no {other} .*--board UNIX"):
        deploy(board.port, model, board=other)
    assert not (board.directory / "lib").exists()


def test_the_board_listens_afterwards_and_after_a_reset(board: UnixBoard, model: Path) -> None:
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
def test_a_board_that_lacks_its_clip_says_which(board: UnixBoard, model: Path) -> None:
    # Bug: "does not listen yet: OSError: [Errno 2] ENOENT".
    way_out = "OSError: no mic.wav to hear: mpremote fs cp CLIP.wav :mic.wav"
    report = deploy(board.port, model, board="UNIX")
    assert (report.listening, report.trouble) == (False, way_out)
    with pytest.raises(DeviceError, match=f"^{board.port}: {way_out}$"):
        check_microphone(board.port)


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
        assert not list(board.directory.rglob("_tinywake*.mpy"))
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
def test_code_that_a_newer_version_no_longer_has_is_removed(board: UnixBoard, model: Path) -> None:
    # Bug: it stayed for ever, and could be imported in place of what replaced it.
    deploy(board.port, model, board="UNIX", start=False)
    app = board.directory / "lib/tinywake"
    for name in ("old.py", "port/old.mpy"):
        (app / name).write_text("")
    kept = [app / "notes.txt", board.directory / "lib/other.py", board.directory / "mine.py"]
    for path in kept:
        path.write_text("mine")
    report = deploy(board.port, model, start=False)
    assert report.removed == ("lib/tinywake/old.py", "lib/tinywake/port/old.mpy")
    assert any("lib/tinywake/old.py" in line for line in report.lines())
    assert not list(app.rglob("old.*"))
    assert (app / "pins.py").exists()
    assert [path.read_text() for path in kept] == ["mine"] * 3
    again = deploy(board.port, model, start=False)
    assert (again.removed, again.copied) == ((), ())


@needs_board
def test_the_app_is_bytecode_and_takes_the_place_of_text(
    board: UnixBoard, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        without.setattr(firmware, "_bytecode", lambda name, text: None)
        deploy(board.port, model, board="UNIX", start=False)
    app = board.directory / "lib/tinywake"
    texts = {path.relative_to(app).as_posix() for path in app.rglob("*.py")}
    assert "listener.py" in texts
    report = deploy(board.port, model, start=False)
    kept = {"pins.py", *MACHINE_CODE}  # data of the user's, and machine code
    assert {path.relative_to(app).as_posix() for path in app.rglob("*.py")} == kept
    assert set(report.removed) == {f"lib/tinywake/{name}" for name in texts - kept}
    assert not deploy(board.port, model, start=False).copied
    # Bug: MicroPython imports a text before the bytecode of the same name.
    (app / "link.py").write_text("1 / 0\n")
    assert "lib/tinywake/link.py is imported in place" in "".join(each.what for each in diagnose(board.port).findings)
    assert deploy(board.port, model, start=False).removed == ("lib/tinywake/link.py",)


def test_the_bytecode_of_wheels_is_that_of_a_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    here = firmware.app_files()
    if places.checkout() is None or not any(name.endswith(".mpy") for name in here):
        pytest.skip("no mpy-cross is built: make modules")
    monkeypatch.setattr(places, "checkout", lambda: None)
    monkeypatch.setattr(places, "app", lambda: ROOT / "firmware/app")
    monkeypatch.setattr(places, "modules", lambda: ROOT / "build/modules")
    subprocess.run([ROOT / "firmware/module/bytecode.sh"], check=True, capture_output=True)
    assert firmware.app_files() == here


def test_a_fault_in_the_app_is_told_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not any(name.endswith(".mpy") for name in firmware.app_files()):
        pytest.skip("no mpy-cross is built: make modules")
    (tmp_path / "broken.py").write_text("a = 1\ndef\n")
    monkeypatch.setattr(places, "app", lambda: tmp_path)
    with pytest.raises(ToolError, match=r"^firmware/app/broken\.py: .*line 2.*SyntaxError"):
        firmware.app_files()


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
    report = deploy(board.port, model, board="UNIX")
    before = model.read_bytes()
    model.write_bytes(tone_model(121))
    (board.directory / "tinywake-models/model.b/word.twm~").mkdir(parents=True)  # nothing can be written there
    with pytest.raises(DeviceError, match=r"word\.twm"):
        deploy(board.port, model)
    assert (board.directory / report.model_path).read_bytes() == before


@needs_board
@pytest.mark.parametrize("blocks", [0, 3])
def test_a_full_file_system_is_told_with_figures(board: UnixBoard, model: Path, blocks: int) -> None:
    """`blocks`: room that statvfs reports; 0: it reports more than there is, and the write fails."""
    full = (
        "import builtins, os, sys\n"
        "class Full:\n    def __getattr__(self, name): return getattr(os_, name)\n"
        "os_ = os\nfull = Full()\n"
    )
    if blocks:
        full += f"full.statvfs = lambda path: (4096, 4096, 100, {blocks}, {blocks})\nsys.modules['os'] = full\n"
        says = r"file\(s\) need [0-9,]+ bytes, the board's file system has 12,288 free: remove something"
    else:
        full += (
            "class File:\n"
            "    def __init__(self, *a): self.f = open_(*a)\n"
            "    def write(self, data): raise OSError(28)\n"
            "    def close(self): self.f.close()\n"
            "open_ = open\n"
            "builtins.open = lambda *a: File(*a) if a[1:] == ('wb',) else open_(*a)\n"
        )
        says = r"copying lib/\S+: the file system is full: remove something"
    board.directory.mkdir(exist_ok=True)
    (board.directory / "boot.py").write_text(full)
    with pytest.raises(DeviceError, match=says):
        deploy(board.port, model, board="UNIX")
    assert not list(board.directory.rglob("*~"))
    assert not list(board.directory.rglob("*.mpy"))
    (board.directory / "boot.py").unlink()
    assert deploy(board.port, model, board="UNIX").copied


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


def test_watching_deploys_after_each_change_and_only_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, app = tmp_path / "word.twm", tmp_path / "app"
    app.mkdir()
    model.write_bytes(b"1")
    (app / "main.py").write_text("1")
    monkeypatch.setattr(places, "app", lambda: app)
    looks: list[int] = []
    deployed: list[bytes] = []
    changes = {
        3: lambda: model.write_bytes(b"22"),
        4: lambda: model.write_bytes(b"333"),  # still being written
        9: lambda: (app / "main.py").write_text("22"),
        13: lambda: (app / "new.py").write_text(""),
        17: model.unlink,
        21: lambda: model.write_bytes(b"4444"),
    }

    def sleep(seconds: float) -> None:
        looks.append(1)
        assert len(looks) < 40
        changes.get(len(looks), lambda: None)()
        if len(looks) == 30:
            raise KeyboardInterrupt

    def put() -> DeployReport:
        if not model.exists():
            raise DeviceError("no such model")
        deployed.append(model.read_bytes())
        return None  # type: ignore[return-value]

    monkeypatch.setattr("tinywake.device.deploy.watch.time.sleep", sleep)
    outcomes: list[object] = []

    def watch() -> None:
        for outcome in watched(put, [model], "UNIX"):
            outcomes.append(outcome)

    with pytest.raises(KeyboardInterrupt):
        watch()
    assert [str(each) for each in outcomes] == ["None"] * 4 + ["no such model", "None"]
    assert deployed == [b"1", b"333", b"333", b"333", b"4444"]


@needs_board
def test_watch_on_the_command_line_ends_with_ctrl_c(board: UnixBoard, model: Path) -> None:
    board.directory.mkdir(exist_ok=True)
    with wave.open(str(board.directory / "mic.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(16000 * 120))
    words = ["deploy", board.port, "--model", str(model), "--board", "UNIX", "--watch", "--json"]
    # What a shell starts in the background ignores Ctrl-C, and so do its children: CI may well be started so.
    process = subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, "-m", "tinywake", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["listening"]
        model.write_bytes(b"not a model")
        assert process.stderr is not None
        said = [process.stderr.readline(), process.stderr.readline()]
        assert "word.twm" in "".join(said)
        model.write_bytes(tone_model(122))
        again = json.loads(process.stdout.readline())
        assert again["models"][0]["path"] == "tinywake-models/model.b/word.twm"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, "")
        assert "no longer watching" in err
        assert "Traceback" not in err
    finally:
        process.kill()
        process.wait()


@needs_board
def test_without_a_port_it_is_the_only_board_that_is_meant(board: UnixBoard, model: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tinywake", "deploy", "--model", str(model)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert re.fullmatch(r"tinywake: (no board is connected|several boards)[^\n]+\n", done.stderr)


def test_thumb_boards_fall_back_to_armv6m(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "modules", lambda: tmp_path)
    module = tmp_path / "armv6m_6.3" / "_tinywake.mpy"
    module.parent.mkdir()
    module.write_bytes(b"M")
    assert module_for(dataclasses.replace(STOCK, arch="armv7emsp"), "port") == module
    assert module_for(dataclasses.replace(STOCK, builtin=True), "port") is None
