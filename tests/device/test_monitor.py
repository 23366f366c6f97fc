# SPDX-License-Identifier: MIT
"""tinywake monitor: lines that break and come back, several boards, keys, files, and an emulated board to watch."""

import contextlib
import csv
import io
import json
import os
import queue
import runpy
import select
import shutil
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from tinywake.device.command.session import Session
from tinywake.device.firmware import built_module, how_to_build
from tinywake.device.line import events
from tinywake.device.line.events import Boot, Error, File, Heap, Model, Ok, Profile, Score, State, Swap, build, escape
from tinywake.device.line.lines import encode_command, encode_line
from tinywake.device.monitor import Kept, View, monitor
from tinywake.device.monitor.keys import command
from tinywake.device.targets.unix import UnixBoard
from tinywake.errors import DeviceError, ToolError

pty = pytest.importorskip("pty")
import tty  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))
from uart import as_heard  # noqa: E402

ROOT = Path(__file__).parents[2]
lacking = UnixBoard.available()
on_board = pytest.mark.skipif(lacking is not None, reason=str(lacking))


def line(name: str, /, **fields: int | str) -> bytes:
    return encode_line(name, fields.items())


HIT = line("hit", label="hey", t=20, score=255, mean=200)
SCORE = line("score", label='h"y, you', t=40, score=25, mean=20)
STATE = line("state", v=1, state="listening", model="m", t=0, steps=0, hits=0, dropped=0, lost=0)
END = line("end", t=20, steps=1, hits=1, lost=5)


class Cable:
    """A port under a name that stays, behind which a board may come and go."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.master = -1
        self.plug()

    def plug(self) -> None:
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.path.symlink_to(os.ttyname(slave))
        os.close(slave)

    def unplug(self) -> None:
        self.path.unlink()
        os.close(self.master)
        self.master = -1

    def said(self, wanted: bytes, seconds: float = 10) -> bytes:
        """What the host has sent, up to `wanted`."""
        data, end = b"", time.monotonic() + seconds
        while wanted not in data and time.monotonic() < end:
            if select.select([self.master], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):  # nobody has opened it yet
                    data += os.read(self.master, 4096)
        return data


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[Cable]:
    cable = Cable(tmp_path / "ttyX")
    yield cable
    if cable.master >= 0:
        os.close(cable.master)


def entries(text: str) -> list[dict[str, Any]]:
    return [json.loads(each) for each in text.splitlines()]


@pytest.mark.parametrize("as_json", [True, False])
def test_a_board_that_is_unplugged_is_waited_for(cable: Cable, as_json: bool, tmp_path: Path) -> None:
    def board() -> None:
        time.sleep(0.3)
        os.write(cable.master, HIT + b"@half a li")
        time.sleep(0.2)
        cable.unplug()
        time.sleep(1.2)
        cable.plug()
        time.sleep(2.5)
        os.write(cable.master, b"ne\r\n" + HIT + END)

    thread = threading.Thread(target=board)
    thread.start()
    out, log = io.StringIO(), tmp_path / "log"
    hits = monitor(str(cable.path), json=as_json, until_end=True, seconds=20, kept=Kept(log=log),
                   console=Console(file=out, width=200))  # fmt: skip
    thread.join()
    assert hits == 2
    kept = entries(log.read_text())
    assert [entry.get("state") or entry["event"] for entry in kept] == ["hit", "gone", "back", "hit", "end"]
    if as_json:
        assert [e["event"] for e in entries(out.getvalue())] == ["hit", "line", "line", "hit", "end", "summary"]
    else:
        assert "gone; plug it in again; next try in 0.5 s" in out.getvalue()
        assert "back" in out.getvalue()


def test_pauses_grow_and_end(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    from tinywake.device.command import session as module

    monkeypatch.setattr(module, "_FIRST_S", 0.01)
    monkeypatch.setattr(module, "_LONGEST_S", 0.05)
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    session = Session(str(cable.path), inbox)
    session.start()
    cable.unplug()
    pauses = [inbox.get(timeout=10).pause for _ in range(5)]
    assert pauses == [0.01, 0.02, 0.04, 0.05, 0.05]
    session.close()  # while it waits
    assert not session._thread.is_alive()


def test_several_boards_at_once(tmp_path: Path) -> None:
    cables = [Cable(tmp_path / name) for name in ("one", "two")]
    threading.Timer(0.3, os.write, [cables[0].master, HIT + END]).start()
    threading.Timer(0.6, os.write, [cables[1].master, HIT + HIT + END]).start()
    out, log, plot = io.StringIO(), tmp_path / "log", tmp_path / "plot.svg"
    ports = [str(each.path) for each in cables]
    hits = monitor(ports, json=True, until_end=True, seconds=10, kept=Kept(log=log, plot=plot),
                   console=Console(file=out))  # fmt: skip
    for each in cables:
        os.close(each.master)
    assert hits == 3
    said = entries(out.getvalue())
    assert [Path(e["port"]).name for e in said if e["event"] == "hit"] == ["one", "two", "two"]
    assert [(Path(e["port"]).name, e["hits"]) for e in said if e["event"] == "summary"] == [("one", 1), ("two", 2)]
    assert [Path(e["port"]).name for e in entries(log.read_text())].count("two") == 3
    assert plot.read_text().count("hey") >= 3


def test_one_of_several_that_is_silent_is_named(tmp_path: Path) -> None:
    cables = [Cable(tmp_path / name) for name in ("one", "two")]
    threading.Timer(0.3, os.write, [cables[0].master, HIT]).start()
    with pytest.raises(DeviceError, match=r"two: nothing heard"):
        monitor([str(each.path) for each in cables], seconds=1, console=Console(file=io.StringIO()))
    for each in cables:
        os.close(each.master)


def test_once_has_what_it_wants_with_the_first_hit_of_any_board(tmp_path: Path) -> None:
    # Bug: exit code 2 although a board had heard it, where another one was silent.
    cables = [Cable(tmp_path / name) for name in ("one", "two")]
    threading.Timer(0.3, os.write, [cables[0].master, HIT]).start()
    ports = [str(each.path) for each in cables]
    assert monitor(ports, once=True, seconds=10, console=Console(file=io.StringIO())) == 1
    with pytest.raises(DeviceError, match="nothing heard"):
        monitor(ports, once=True, seconds=0.3, console=Console(file=io.StringIO()))
    for each in cables:
        os.close(each.master)


def test_csv_and_plot(cable: Cable, tmp_path: Path) -> None:
    table, plot = tmp_path / "scores.csv", tmp_path / "plot.png"
    for _ in range(2):  # a second run appends, without a second head
        threading.Timer(0.3, os.write, [cable.master, STATE + SCORE + HIT + STATE + SCORE + END]).start()
        monitor(str(cable.path), until_end=True, seconds=10, kept=Kept(csv=table, plot=plot),
                console=Console(file=io.StringIO()))  # fmt: skip
    rows = list(csv.DictReader(table.open()))
    assert [(row["label"], row["t"], row["mean"], row["hit"]) for row in rows] == [
        ('h"y, you', "40", "20", "0"), ("hey", "20", "200", "1"), ('h"y, you', "40", "20", "0")
    ] * 2  # fmt: skip
    assert all(row["port"] == str(cable.path) for row in rows)
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_files_that_cannot_be_written(cable: Cable, tmp_path: Path) -> None:
    for kept in (Kept(csv=tmp_path / "none/x"), Kept(log=tmp_path), Kept(plot=tmp_path / "x.gif")):
        with pytest.raises(ToolError, match=r"^[^\n]*(written|ends in)[^\n]*$"):
            monitor(str(cable.path), seconds=1, kept=kept)


def test_an_echo_is_nothing() -> None:
    with pytest.raises(DeviceError, match="nothing heard"):
        monitor("loop://", seconds=0.3, ask=True, console=Console(file=io.StringIO()))


def test_a_command_is_sent_again_and_given_up(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    from tinywake.device.command import session as module

    monkeypatch.setattr(module, "_ANSWER_S", 0.05)
    session = Session(str(cable.path), queue.SimpleQueue())
    session._orders._last = 0
    session.order("stop")
    session.order("start")
    notes, end = [], time.monotonic() + 5
    while len(notes) < 1 and time.monotonic() < end:
        notes += [note] if (note := session.turn()) else []
    assert notes[0].startswith("stop: no answer")
    assert cable.said(b"@start", 0.1).count(encode_command("stop", [("id", 1)])) == 3
    assert session.turn() == ""  # the next one goes out
    assert encode_command("start", [("id", 2)]) in cable.said(b"@start")
    assert session.answered(Ok(1)) == ""  # too late, and not its own
    assert session.answered(Error("load", "x")) == ""
    assert session.answered(Error("command", "no\x1b model", 2)) == "start: no\ufffd model"
    session.close()


class Orders:
    """A session that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def order(self, name: str, **fields: int | str) -> None:
        self.told.append((name, fields))


def test_keys_ask_for_what_they_say() -> None:
    view, orders = View("x"), Orders()

    def press(keys: str) -> list[Any]:
        orders.told = []
        for key in keys:
            command(key, orders, view)  # type: ignore[arg-type]
        return orders.told

    assert press("+") == [("hash", {})]  # the threshold is not known yet
    view.apply(Model("m", "0" * 16, 1, 320, 253))
    assert press("+-=") == [("threshold", {"value": 255}), ("threshold", {"value": 248}), ("threshold", {"value": 255})]
    view.obeyed("threshold", Ok(1, 248))
    assert press("-") == [("threshold", {"value": 243})]
    view.obeyed("threshold", Error("command", "no", 2))
    assert view.threshold == 248
    assert press("s") == [("stop", {})]
    view.apply(State(1, "stopped", "m", 0, 0, 0, 0, 0))
    assert press("s") == [("start", {})]
    assert press("rr") == [("report", {"mode": "off"}), ("report", {"mode": "live"})]
    assert press("pi") == [("profile", {}), ("hash", {})]
    view.apply(File("model", "x.twm"))
    assert press("m") == [("models", {})]
    assert view.files == []
    assert press("xyz\x1b[A\n\ufffd") == []


def test_the_key_for_the_next_model_goes_round() -> None:
    view = View("x")
    view.apply(Model("b", "0" * 16, 1, 320, 1))
    view.apply(File("model", "t/model.a/b.twm"))
    assert view.another() is None
    assert "no other" in view.note
    for path in ("a.twm", "c.twm", "a.twm"):  # the last as of a second press before the first was answered
        view.apply(File("model", path))
    assert [view.another() for _ in range(4)] == ["a.twm", "c.twm", "t/model.a/b.twm", "a.twm"]


def drawn(view: View) -> str:
    out = io.StringIO()
    Console(file=out, width=110).print(view)
    return out.getvalue()


def test_the_view_shows_memory_rate_and_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    view = View("/dev/ttyX")
    now = [100.0]
    monkeypatch.setattr("tinywake.device.monitor.view.time.monotonic", lambda: now[0])
    view.apply(Boot(1, "0", "B", "m-1", 0x1206, 1))
    view.apply(Model("m", "0" * 16, 1000, 320, 150))
    view.apply(State(1, "listening", "m", 0, 0, 0, 0, 0))
    now[0] += 5
    view.apply(State(1, "listening", "m", 5000, 250, 0, 0, 0))
    view.apply(Heap(102384, 99000, 1264))
    view.apply(Score("hey", 5000, 1, 160))
    for profile in (Profile("front", 4000), Profile("op", 700, 0), Profile("op", 900, 1), Profile("network", 1600)):
        view.apply(profile)
    view.apply(Profile("step", 5600, lines=4))
    text = drawn(view)
    for part in ("50.0 steps/s", "102,384 free, 99,000 at least, stack 1,264", "5.60 ms a step, 28.0% of the time",
                 "front 4.00 · network 1.60", "#1 0.90 #0 0.70", "0.62 of 0.59", "0:05.0"):  # fmt: skip
        assert part in text, (part, text)
    view.apply(Profile("front", 1))
    view.apply(Profile("step", 5600, lines=4))  # three were lost
    assert "a step" not in drawn(view)
    assert "lines are missing" in drawn(view)
    view.trouble = "the board is gone"
    assert "the board is gone" in drawn(view)


def test_the_view_keeps_what_was_wrong_at_boot_and_what_became_of_a_swap() -> None:
    # Bug: where another model took its place, the error was gone with the next line, and a swap undone was never shown.
    view = View("/dev/ttyX")
    view.apply(Boot(1, "0", "B", "m-1", 0x1206, 1))
    view.apply(Error("load", "tinywake-models/model.b/new.twm: its SHA-256 is not 0123456789abcdef\x1b[2J"))
    assert drawn(view).count("model.b/new.twm: its SHA-256 is not 0123456789abcdef") == 1
    view.apply(Model("old", "0" * 16, 1000, 320, 150))
    view.apply(State(1, "listening", "old", 0, 0, 0, 0, 0))
    text = drawn(view)
    assert "listening · old" in text
    assert "> error: tinywake-models/model.b/new.twm: its SHA-256 is not 0123456789abcdef" in text
    assert "\x1b" not in text
    for state, says in (("trial", "is on trial"), ("kept", "is kept"), ("undone", "was undone"), ("later", "later")):
        view.apply(Swap(state, "tinywake-models/model.b/new.twm", "0" * 16))
        assert f"> new {says}" in drawn(view)


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_narrow_terminal_shows_all(width: int) -> None:
    # Bug: the console of the command line wraps nothing, and the panel ended in the middle of what was lost.
    view = View("/dev/ttyX")
    for event in (State(1, "listening", "computer", 0, 0, 0, 0, 0), Heap(434688, 434688, 7952), Profile("front", 4000),
                  Profile("op", 700, 0), Profile("network", 1600), Profile("step", 5600, lines=3)):  # fmt: skip
        view.apply(event)
    view.note = "a command: " + 30 * "word " + "end"
    text = io.StringIO()
    Console(file=text, width=width, soft_wrap=True).print(view)
    shown = " ".join(text.getvalue().replace("│", " ").split())
    for part in ("0 damaged, 0 other lines", "operators #0 0.70", "word word end"):
        assert part in shown, text.getvalue()


VALUES = st.one_of(st.integers(0, 2**31 - 1), st.integers(0, 256), st.text(max_size=8))
NAMES = st.sampled_from([*events._SHAPES, "new"])
KEYS = sorted({key for shape in events._SHAPES.values() for _, key, *_ in shape})


@settings(max_examples=60)
@given(st.lists(st.tuples(NAMES, st.fixed_dictionaries(dict.fromkeys(KEYS, VALUES))), max_size=12), st.binary())
def test_whatever_a_board_says_can_be_drawn(said: list[tuple[str, dict[str, Any]]], noise: bytes) -> None:
    view = View("x")
    view.reader.feed(noise)
    for name, fields in said:
        view.apply(build(name, {key: str(value).encode() if isinstance(value, int) else escape(value).encode()
                                for key, value in fields.items()}))  # fmt: skip
    assert "tinywake" in drawn(view)
    assert view.summary()["event"] == "summary"


@on_board
def test_keys_in_a_terminal_command_a_board(tmp_path: Path) -> None:
    package = tmp_path / "lib/tinywake"
    shutil.copytree(ROOT / "firmware/app", package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "boards/UNIX/board.py", package / "pins.py")
    shutil.copy(ROOT / "tests/device/fake/_tinywake.py", tmp_path / "lib")
    (tmp_path / "computer.twm").write_text("FAKE unknown,*computer")
    (tmp_path / "other.twm").write_text("FAKE unknown,*other")
    (tmp_path / "main.py").write_text("import tinywake.main as m\nm.start('mic.wav', True)\n")
    with wave.open(str(tmp_path / "mic.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 16000 * 30))
    log = tmp_path / "log"
    master, slave = pty.openpty()
    with UnixBoard(tmp_path) as board:
        program = [sys.executable, "-m", "tinywake", "monitor", board.port, "--log", str(log)]
        with subprocess.Popen(program, stdin=slave, stdout=slave, env={**os.environ, "TERM": "xterm-256color"}) as run:
            os.close(slave)
            screen = b""

            def until(wanted: str) -> None:
                nonlocal screen
                end = time.monotonic() + 20
                while not (log.exists() and wanted in log.read_text()):
                    assert time.monotonic() < end, (wanted, screen[-2000:])
                    if select.select([master], [], [], 0.05)[0]:
                        screen += os.read(master, 65536)

            until('"event": "level"')
            for key, wanted in (("i", '"threshold": 80'), ("+", '"value": 85'), ("s", '"state": "stopped"')):
                os.write(master, key.encode())
                until(wanted)
            count = log.read_text().count('"steps": 0')
            os.write(master, b"s")
            until('"state": "listening"')
            os.write(master, b"p")
            until('"part": "step"')
            os.write(master, b"m")
            until('"model": "other"')
            os.write(master, b"q")
            while True:
                with contextlib.suppress(OSError):
                    if select.select([master], [], [], 0.1)[0]:
                        screen += os.read(master, 65536)
                if run.poll() is not None:
                    break
            assert run.returncode == 0
            assert log.read_text().count('"steps": 0') > count
    os.close(master)
    assert "threshold" in screen.decode(errors="replace")


@on_board
def test_an_emulated_board_by_name(tmp_path: Path) -> None:
    if not built_module("x64"):
        pytest.skip(how_to_build("x64"))
    model, clip = tmp_path / "m.twm", tmp_path / "c.wav"
    model.write_bytes(runpy.run_path(str(ROOT / "tests/core/tiny.py"))["listening_model"](threshold=120, window=1))
    pcm = np.random.default_rng(0).normal(0, 1, 40000) * np.where(np.arange(40000) // 8000 % 2, 4000, 20)
    with wave.open(str(clip), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(pcm.clip(-32768, 32767).astype("<i2").tobytes())
    command = [sys.executable, "-m", "tinywake", "monitor", "--target", "unix", "--json", "--model", str(model)]
    done = subprocess.run([*command, "--clip", str(clip)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    said = entries(done.stdout)
    assert {"hit", "boot", "model", "level", "end", "summary"} <= {entry["event"] for entry in said}
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2
    assert "--clip" in refused.stderr


@pytest.mark.parametrize("rate", [9600, 57600, 74880, 230400, 460800])
def test_a_wrong_baud_rate_is_noise_and_no_event(rate: int) -> None:
    said = b"".join(
        encode_line("hit", [("label", "computer"), ("t", 20 * n), ("score", n % 256), ("mean", 198)])
        for n in range(300)
    )
    assert as_heard(said, 115200, 115200) == said
    view = View("x")
    assert view.reader.feed(as_heard(said, 115200, rate)) == []
    assert view.reader.events == 0
    assert "tinywake" in drawn(view)
    assert len(view.reader.feed(b"\r\n" + said)) == 300
