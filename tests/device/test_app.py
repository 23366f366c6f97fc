# SPDX-License-Identifier: MIT
"""The app on the unix board, with a fake native module: the body, listen_on, the live prompt, the monitor."""

import contextlib
import io
import json
import os
import re
import runpy
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from rich.console import Console

from tinywake.device.boards import load_board
from tinywake.device.firmware import built_module, how_to_build
from tinywake.device.line.events import Event, Hit, Score, State
from tinywake.device.line.hear import listen_on
from tinywake.device.line.lines import LineReader, encode_line
from tinywake.device.line.port import open_port
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.monitor import Kept, View, monitor
from tinywake.device.targets.registry import TARGETS, open_target
from tinywake.device.targets.target import Target
from tinywake.device.targets.unix import UnixBoard
from tinywake.errors import DeviceError, ToolError

sys.path.insert(0, str(Path(__file__).parent))
from remote import execute

ROOT = Path(__file__).parents[2]
STEP = 320  # samples, of the fake
PATIENT = 60.0  # seconds; the computer may be busy with other things


def line(name: str, /, **fields: int | str) -> bytes:
    return encode_line(name, fields.items())


LINES = [
    line("boot", v=1, app="0", board="B", fw="m-1", mpy=0x1206, twm=1),
    b">>> print(1)\r\n1\r\n@damaged\r\n",
    line("model", name="m", sha="0" * 16, arena=9, step=320, threshold=128),
    line("score", label="hey", t=20, score=255, mean=200),
    line("level", t=20, peak=32768, clipped=3),
    line("hit", label="hey", t=61020, score=255, mean=200),
    line("lost", t=20, samples=5, lines=2),
    line("new", x="y z"),
    line("end", t=20, steps=1, hits=1, lost=5),
]

lacking = UnixBoard.available()
on_board = pytest.mark.skipif(lacking is not None, reason=str(lacking))


@pytest.fixture
def board(tmp_path: Path) -> Iterator[UnixBoard]:
    package = tmp_path / "lib/tinywake"
    shutil.copytree(ROOT / "firmware/app", package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "boards/UNIX/board.py", package / "pins.py")
    for name in ("fake/_tinywake.py", "each_test.py"):
        shutil.copy(ROOT / "tests/device" / name, tmp_path / "lib")
    (tmp_path / "computer.twm").write_text("FAKE unknown,*computer,*ok computer")
    with UnixBoard(tmp_path) as board:
        yield board


def bursts(samples: int) -> npt.NDArray[np.int16]:
    noise = np.random.default_rng(3).integers(-30000, 30000, samples)
    noise[np.arange(samples) // 8000 % 2 == 0] //= 64
    return noise.astype(np.int16)


def peaks(clip: npt.NDArray[np.int16]) -> npt.NDArray[np.uint8]:
    """The fake's score of a label of index 0."""
    steps = clip[: len(clip) // STEP * STEP].astype(int).reshape(-1, STEP)
    scores: npt.NDArray[np.uint8] = np.minimum(255, np.abs(steps).max(1) >> 7).astype(np.uint8)
    return scores


@on_board
def test_body(board: UnixBoard) -> None:
    run_body(board)


@on_board
def test_body_with_the_native_module(board: UnixBoard) -> None:
    module = ROOT / "build/modules/x64_6.3/_tinywake.mpy"
    if not module.exists():
        pytest.skip(f"{module} is not built: make modules")
    (board.directory / "lib/_tinywake.py").unlink()
    shutil.copy(module, board.directory / "lib")
    model = runpy.run_path(str(ROOT / "tests/core/tiny.py"))["listening_model"]
    (board.directory / "computer.twm").write_bytes(model(threshold=120, window=1, refractory_ms=100))
    run_body(board)


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.lean("qemu-armv6m", "qemu-microbit", "qemu-rv32imc", "circuitpython")
def test_body_on_every_target(target: str) -> None:
    """With the native module, on a fresh board, without the help of deploy."""
    if lacking := TARGETS[target].available():
        pytest.skip(lacking)
    with open_target(target) as board:
        run_body_as_file(board)


def run_body_as_file(board: Target) -> None:
    facts = load_board(board.board)
    with RawRepl(board.port) as repl:
        interpreter = repl.ask("import sys\nanswer(sys.implementation[0])")
    module = built_module(facts.arch, interpreter)
    assert module, how_to_build(facts.arch)
    body = ROOT / "tests/device/app_body.py"
    model = runpy.run_path(str(ROOT / "tests/core/tiny.py"))["listening_model"]
    app = ROOT / "firmware/app"
    files = {f"lib/tinywake/{path.relative_to(app)}": path.read_bytes() for path in sorted(app.rglob("*.py"))}
    files |= {
        "lib/tinywake/pins.py": facts.pins.read_bytes(),
        "lib/_tinywake.mpy": module.read_bytes(),
        "lib/each_test.py": (ROOT / "tests/device/each_test.py").read_bytes(),
        "computer.twm": model(threshold=120, window=1, refractory_ms=100),
        **({"app_body.mpy": compiled(body)} if interpreter == "micropython" else {body.name: body.read_bytes()}),
    }
    with RawRepl(board.port, timeout=120) as repl:
        folders = sorted({str(folder) for name in files for folder in Path(name).parents} - {"."})
        repl.exec(f"import os\nfor d in {folders}:\n    os.mkdir(d)")
        for name, data in files.items():
            repl.put(name, data)
    execute(board.port, "")  # after a soft reset: a heap without holes
    with RawRepl(board.port, timeout=120) as repl:
        check_body(repl.exec("import app_body").decode())


def compiled(path: Path) -> bytes:
    """As a .mpy: a board with little memory cannot compile what is so long."""
    done = subprocess.run(
        [ROOT / "build/targets/mpy-cross", "-s", path.name, "-o", "-", path], stdout=subprocess.PIPE, check=True
    )
    return done.stdout


def run_body(board: UnixBoard) -> None:
    with RawRepl(board.port) as repl:
        check_body(repl.exec((ROOT / "tests/device/app_body.py").read_text()).decode())


def check_body(said: str) -> None:
    last = said.strip().splitlines()[-1]
    found = re.fullmatch(r"TINYWAKE-TEST: passed (\d+), failed 0", last)
    assert found, said
    assert int(found[1]) >= 15


@on_board
@pytest.mark.parametrize("through_line", [False, True])
def test_listen_on_brings_back_every_step(board: UnixBoard, through_line: bool) -> None:
    clips = [bursts(48000), bursts(5000), bursts(100), bursts(0), bursts(48000)]
    heard = list(listen_on(board.port, clips, directory=None if through_line else board.directory))
    assert len(heard) == len(clips)
    for clip, result in zip(clips, heard, strict=True):
        scores = peaks(clip)
        assert result.labels == ("computer", "ok computer")
        assert (result.scores == np.stack([scores >> 1, scores >> 2], 1)).all()
        assert result.means.shape == result.scores.shape == (len(scores), 2)
        assert (result.t_ms == np.arange(1, len(scores) + 1) * 20).all()
        assert (result.ready == (np.arange(len(scores)) >= 3)).all()
        assert [hit.t // 20 - 1 for hit in result.hits] == hits_of_label(result.means[:, 0])
        assert {hit.label for hit in result.hits} <= {"computer"}
    assert heard[0].hits
    assert not list(board.directory.glob("*.wav"))


def hits_of_label(means: npt.NDArray[np.uint8]) -> list[int]:
    """Where the fake fires: its mean (twice what the first wake label shows) is loud, 25 steps apart."""
    hits: list[int] = []
    for i, mean in enumerate(means):
        if i >= 3 and mean >= 40 and (not hits or i - hits[-1] >= 25):
            hits.append(i)
    return hits


@on_board
def test_listen_on_says_what_is_wrong(board: UnixBoard) -> None:
    with pytest.raises(DeviceError, match=r"missing\.twm"):
        list(listen_on(board.port, [bursts(10)], model="missing.twm"))
    (board.directory / "bad.twm").write_bytes(b"not a model")
    with pytest.raises(DeviceError, match=r"bad\.twm: TW_ERR_MAGIC"):
        list(listen_on(board.port, [bursts(10)], model="bad.twm"))
    (board.directory / "bad.twm").unlink()
    with pytest.raises(TypeError):
        list(listen_on(board.port, [np.zeros(4, np.float32)]))
    assert len(list(listen_on(board.port, [bursts(STEP)]))) == 1  # and the board still works


def start_listening(board: UnixBoard, clip: npt.NDArray[np.int16], **options: object) -> None:
    import wave

    with wave.open(str(board.directory / "mic.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(clip.tobytes())
    arguments = ", ".join(f"{key}={value!r}" for key, value in options.items())
    with RawRepl(board.port) as repl:
        repl.exec(f"import tinywake.main as m\nm.start({arguments})")


@on_board
def test_start_leaves_the_prompt_alive(board: UnixBoard) -> None:
    start_listening(board, bursts(48000))
    reader, answered = LineReader(), b""
    events: list[Event] = []
    with open_port(board.port) as port:
        port.write(b"print(6 * 7)\r")
        end = time.monotonic() + 10
        while time.monotonic() < end and not any(getattr(event, "state", "") == "stopped" for event in events):
            data = port.read(max(1, port.in_waiting))
            answered += data
            events += reader.feed(data)
    assert b"\r\n42\r\n" in answered
    assert any(isinstance(event, Hit) for event in events)
    assert len([event for event in events if isinstance(event, Score)]) >= 40  # 3 s, two labels, 10 a second
    stopped = [event for event in events if isinstance(event, State)][-1]
    assert (stopped.state, stopped.steps, stopped.t) == ("stopped", 150, 3000)
    assert reader.bad == 0


@on_board
def test_an_undrained_link_drops_lines_and_no_audio(board: UnixBoard) -> None:
    start_listening(board, bursts(16000 * 100))
    with open_port(board.port) as port:
        over = board.directory / "over"
        port.write(b"m.stop()\rm.run(mic='mic.wav', paced=False); open('over', 'w').close()\r")
        end = time.monotonic() + PATIENT
        while not over.exists() and time.monotonic() < end:  # 100 s of audio; nobody reads the lines
            time.sleep(0.1)
        assert over.exists()
        port.write(b"print('steps', m.listener.report.steps, m.listener.report.dropped)\r")
        reader, said, end = LineReader(), b"", time.monotonic() + PATIENT
        while not re.search(rb"\r\nsteps \d+ \d+\r", said) and time.monotonic() < end:
            data = port.read(max(1, port.in_waiting))
            said += data
            reader.feed(data)
    steps, dropped = said.split(b"\r\nsteps ")[1].split()[:2]
    assert int(steps) == 5000
    assert int(dropped) > 100
    assert reader.bad == 0  # lines were dropped whole


@on_board
def test_run_ends_cleanly_on_ctrl_c(board: UnixBoard) -> None:
    start_listening(board, bursts(160000))
    with open_port(board.port) as port:
        port.write(b"m.stop()\r")
        port.write(b"m.run()\r")
        time.sleep(0.5)
        port.write(b"\x03")
        port.write(b"print('still', 'here')\r")
        said = port.read_until(b"still here\r\n")
    assert said.endswith(b"still here\r\n"), said
    assert b"Traceback" not in said
    assert b"state=stopped" in said


@on_board
def test_monitor_watches_a_board(board: UnixBoard, tmp_path: Path) -> None:
    start_listening(board, bursts(48000))
    log = tmp_path / "log.jsonl"
    out = io.StringIO()
    hits = monitor(board.port, kept=Kept(log=log), until_end=True, seconds=20, console=Console(file=out))
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert hits == len([entry for entry in entries if entry["event"] == "hit"]) > 0
    assert entries[-1]["event"] == "end"
    assert all(entry["at"] > 0 for entry in entries)
    assert "label=computer" in out.getvalue()


@pytest.fixture
def served() -> Iterator[str]:
    """LINES behind a pyserial URL; the line stays open after them."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as done:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                time.sleep(0.3)  # pyserial throws away what is there when it opens
                client.sendall(b"".join(LINES))
                client.settimeout(10)
                client.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"socket://127.0.0.1:{server.getsockname()[1]}"
        thread.join()
        del done


def test_monitor_json_through_a_url(served: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert monitor(served, json=True, until_end=True, seconds=10) == 1
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [e["event"] for e in entries] == [
        "boot",
        "model",
        "score",
        "level",
        "hit",
        "lost",
        "new",
        "end",
        "summary",
    ]
    assert entries[4] == {"event": "hit", "label": "hey", "t": 61020, "score": 255, "mean": 200}
    assert entries[-1] == {
        "event": "summary", "hits": 1, "lost": 5, "dropped": 2, "bad": 1, "noise": 2, "unknown": 1
    }  # fmt: skip


def test_monitor_once(served: str) -> None:
    out = io.StringIO()
    assert monitor(served, once=True, seconds=10, console=Console(file=out, width=40)) == 1
    assert out.getvalue().splitlines()[-2].startswith("hit   label=hey t=61020")


def test_monitor_draws(served: str) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, height=30)
    assert monitor(served, until_end=True, seconds=10, console=console) == 1
    assert "1:01.0" in out.getvalue()


def test_view_shows_what_matters() -> None:
    view = View("/dev/ttyACM0")
    for event in view.reader.feed(b"".join(LINES[:-1])):
        view.apply(event)
    out = io.StringIO()
    Console(file=out, width=100).print(view)
    for text in (
        "/dev/ttyACM0",
        "armv6m 6.2",
        "hey",
        "▇ 0.78",
        "1:01.0",
        "clipped",
        "5 samples, 2 lines",
        "1 damaged",
    ):
        assert text in out.getvalue(), (text, out.getvalue())


def test_ports_and_logs_that_cannot_be_used(tmp_path: Path) -> None:
    for port in (str(tmp_path / "ttyX"), "socket://127.0.0.1:1", "nonsense://x"):
        with pytest.raises(DeviceError, match=r"^\S+: [^\n]*$"):
            monitor(port, seconds=1)
    with pytest.raises(ToolError, match="log"), socket.create_server(("127.0.0.1", 0)) as server:
        monitor(f"socket://127.0.0.1:{server.getsockname()[1]}", kept=Kept(log=tmp_path / "none/log"), seconds=1)


@pytest.fixture
def bare() -> Iterator[tuple[int, str]]:
    """A pty with nobody behind it: its master and the port's name."""
    pty = pytest.importorskip("pty")
    import tty

    master, slave = pty.openpty()
    tty.setraw(slave)
    name = os.ttyname(slave)
    os.close(slave)
    yield master, name
    with contextlib.suppress(OSError):
        os.close(master)


def test_a_port_in_use_is_refused(bare: tuple[int, str]) -> None:
    # Bug: where the lock was refused the port was opened without one, and two programs shared the bytes.
    with open_port(bare[1]), pytest.raises(DeviceError, match=rf"^{bare[1]}: in use by another program$"):
        open_port(bare[1])
    open_port(bare[1]).close()
    open_port("loop://").close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("socket://nohost", "not a whole URL"),
        ("socket://127.0.0.1:1", "Connection refused"),
        ("nonsense://x", "not known"),
        ("/dev/ttyNONE9", "no such port"),
    ],
)
def test_a_url_that_does_not_work_says_why(url: str, says: str) -> None:
    with pytest.raises(DeviceError, match=f"^{url}: .*{says}") as caught:
        open_port(url)
    assert "NoneType" not in str(caught.value)


@pytest.mark.parametrize("when", [0.3, 1.0])
def test_a_port_that_vanishes_is_one_line(bare: tuple[int, str], when: float) -> None:
    # Bug: "OSError: [Errno 5] Input/output error".
    threading.Timer(when, os.close, [bare[0]]).start()
    with pytest.raises(DeviceError, match=r"^\S+: the board is gone; plug it in again$"):
        RawRepl(bare[1])


def test_monitor_says_when_it_heard_nothing(bare: tuple[int, str]) -> None:
    # Bug: left silently, as if all were well.
    with pytest.raises(DeviceError, match="nothing heard from the app, 0 other lines"):
        monitor(bare[1], seconds=0.2)
    threading.Timer(0.3, os.write, [bare[0], b"hello\r\n\xff\n@bad*0000\n"]).start()
    with pytest.raises(DeviceError, match="nothing heard from the app, 3 other lines"):
        monitor(bare[1], seconds=0.8, once=True, json=True, console=Console(file=io.StringIO()))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_ends_the_monitor_in_one_line(bare: tuple[int, str]) -> None:
    threading.Timer(0.3, os.write, [bare[0], b"".join(LINES)]).start()
    with pytest.raises(ToolError, match=r"^/dev/full: the log cannot be written \(No space left on device\)$"):
        monitor(bare[1], seconds=5, kept=Kept(log=Path("/dev/full")), console=Console(file=io.StringIO()))


def test_what_a_board_says_cannot_steer_the_terminal(bare: tuple[int, str]) -> None:
    evil = "\x1b[2J[bold]\x9b"
    lines = [
        line("boot", v=1, app=evil, board=evil, fw=evil, mpy=0, twm=1),
        line("error", where="load", what=evil),
        line("score", label=evil, t=20, score=1, mean=255),
        line("new", x=evil),
        line("hit", label=evil, t=20, score=1, mean=255),
    ]
    view = View("/dev/[red]tty")
    out = io.StringIO()
    for part in (lines[:1], lines[1:]):
        for event in view.reader.feed(b"".join(part)):
            view.apply(event)
        Console(file=out, width=100).print(view)
    threading.Timer(0.3, os.write, [bare[0], b"".join(lines)]).start()
    monitor(bare[1], seconds=5, once=True, console=Console(file=out))
    assert "\x1b" not in out.getvalue()
    assert "\x9b" not in out.getvalue()
    assert "/dev/[red]tty" in out.getvalue()
    assert out.getvalue().count("[2J[bold]") >= 5


def test_a_newer_protocol_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                time.sleep(0.3)
                client.sendall(line("boot", v=2, app="0", board="B", fw="m", mpy=0, twm=1))
                client.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(DeviceError, match="protocol 2"):
            monitor(f"socket://127.0.0.1:{server.getsockname()[1]}", seconds=5)
        thread.join()
