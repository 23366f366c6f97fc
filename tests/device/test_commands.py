# SPDX-License-Identifier: MIT
"""Commands of firmware/SERIAL.md on the unix board, with a fake native module: obeyed, answered, safe from noise."""

import runpy
import shutil
import sys
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tinywake.device.deploy import deploy
from tinywake.device.line.events import Boot, Error, Event, File, Heap, Hit, Model, Ok, Profile, State
from tinywake.device.line.files import BoardFiles
from tinywake.device.line.hear import wav_bytes
from tinywake.device.line.lines import LineReader, encode_command
from tinywake.device.line.port import open_port
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.line.restart import restart
from tinywake.device.targets.registry import TARGETS, open_target
from tinywake.device.targets.unix import UnixBoard

sys.path.insert(0, str(Path(__file__).parent))
from remote import execute, remote
from uart import as_heard

ROOT = Path(__file__).parents[2]
lacking = UnixBoard.available()
pytestmark = pytest.mark.skipif(lacking is not None, reason=str(lacking))
WAYS = pytest.mark.parametrize("way", ["start", "run"])
SECONDS = 30


@pytest.fixture
def board(tmp_path: Path) -> Iterator[UnixBoard]:
    package = tmp_path / "lib/tinywake"
    shutil.copytree(ROOT / "firmware/app", package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "boards/UNIX/board.py", package / "pins.py")
    shutil.copy(ROOT / "tests/device/fake/_tinywake.py", tmp_path / "lib")
    (tmp_path / "computer.twm").write_text("FAKE unknown,*computer")
    (tmp_path / "other.twm").write_text("FAKE unknown,*other")
    (tmp_path / "bad.twm").write_text("FAKE unknown,*worse,BAD")
    with wave.open(str(tmp_path / "mic.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bursts(16000 * SECONDS).tobytes())
    with UnixBoard(tmp_path) as board:
        yield board


def bursts(samples: int) -> npt.NDArray[np.int16]:
    noise = np.random.default_rng(3).integers(-30000, 30000, samples)
    noise[np.arange(samples) // 8000 % 2 == 0] //= 64
    return noise.astype(np.int16)


class Session:
    """A host on the board's port."""

    def __init__(self, port: Any) -> None:
        self.port = port
        self.reader = LineReader()
        self.events: list[Event] = []
        self.said = b""
        self._id = 0

    def until(self, wanted: Callable[[Event], bool], seconds: float = 10) -> Event:
        """The first event of that kind from now on."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            data = self.port.read(max(1, self.port.in_waiting))
            self.said += data
            for event in (found := self.reader.feed(data)):
                if wanted(event):
                    self.events += found
                    return event
            self.events += found
        raise AssertionError((self.events[-8:], self.said[-300:]))

    def order(self, name: str, **fields: int | str) -> Event:
        """Send a command; return the answer."""
        self._id += 1
        number = self._id
        self.port.write(encode_command(name, [("id", number), *fields.items()]))
        return self.until(lambda event: isinstance(event, Ok | Error) and event.id == number)


def begin(port: Any, way: str, clip: str = "mic.wav") -> Session:
    session = Session(port)
    port.write(f"import tinywake.main as m; m.{way}({clip!r}, True)\r".encode())
    session.until(lambda event: isinstance(event, State) and event.state == "listening")
    return session


@WAYS
def test_every_command_is_obeyed_and_answered(board: UnixBoard, way: str) -> None:
    with open_port(board.port) as port:
        host = begin(port, way)
        assert host.order("threshold", value=99) == Ok(1, 99)
        assert host.order("hash") == Ok(2)
        model = [event for event in host.events if isinstance(event, Model)][-1]
        assert (model.model, model.threshold) == ("computer", 99)
        assert len([event for event in host.events if isinstance(event, Boot)]) == 2
        assert host.order("models") == Ok(3, 3)
        assert [event.path for event in host.events if isinstance(event, File)] == [
            "bad.twm", "computer.twm", "other.twm"
        ]  # fmt: skip
        assert host.order("heap") == Ok(4, 0)
        heap = [event for event in host.events if isinstance(event, Heap)][-1]
        assert 0 < heap.low <= heap.free
        assert heap.stack > 0
        assert host.order("report", mode="off") == Ok(5)
        assert host.order("nonsense") == Error("command", "unknown command", 6)
        assert host.order("report", mode="all") == Error("command", "all: only where audio can wait", 7)
        assert host.order("record") == Error("command", "no module named '_tinywake_rec'", 8)
        assert host.order("threshold") == Error("command", "value", 9)  # the field that is missing
        assert host.order("stop") == Ok(10)
        assert host.order("stop") == Ok(11)
        assert host.order("start") == Ok(12)
        states = [event.state for event in host.events if isinstance(event, State)]
        assert states[:2] == ["listening", "stopped"]
        host.until(lambda event: isinstance(event, Hit))
        assert host.reader.bad == 0
        assert b"Traceback" not in host.said


@WAYS
def test_another_model_takes_over_and_a_bad_one_does_not(board: UnixBoard, way: str) -> None:
    with open_port(board.port) as port:
        host = begin(port, way)
        assert host.order("load", path="other.twm") == Ok(1)
        hit = host.until(lambda event: isinstance(event, Hit))
        assert isinstance(hit, Hit)
        assert hit.label == "other"
        for number, (path, what) in enumerate([("none.twm", "ENOENT"), ("bad.twm", "TW_ERR_PAYLOAD")], 2):
            said = host.order("load", path=path)
            assert isinstance(said, Error)
            assert said.id == number
            assert what in said.what
            hit = host.until(lambda event: isinstance(event, Hit))
            assert isinstance(hit, Hit)
            assert hit.label == "other"
        assert host.order("stop") == Ok(4)
        assert host.order("load", path="computer.twm") == Ok(5)  # and it stays stopped
        said = [event for event in host.events if isinstance(event, State)][-1]
        assert said.state == "stopped"


@WAYS
def test_a_profile_is_whole_and_adds_up(board: UnixBoard, way: str) -> None:
    with open_port(board.port) as port:
        host = begin(port, way)
        assert host.order("profile", steps=10) == Ok(1)
        busy = host.order("profile", steps=10)
        assert busy == Error("command", "a profile is under way", 2)
        last = host.until(lambda event: isinstance(event, Profile) and event.part == "step")
        lines = [event for event in host.events if isinstance(event, Profile)]
        assert isinstance(last, Profile)
        assert [line.part for line in lines] == ["front", "op", "op", "op", "network", "gate", "settle", "step"]
        assert [line.i for line in lines if line.part == "op"] == [0, 1, 2]
        assert last.lines == len(lines) - 1
        parts = sum(line.us for line in lines if line.part not in ("op", "step"))
        assert abs(last.us - parts) <= 4  # each is rounded
        assert lines[0].us > 0
        assert isinstance(host.order("profile", steps=501), Error)
        assert host.order("profile", steps=5) == Ok(4)  # a second one
        host.until(lambda event: isinstance(event, Profile) and event.part == "step")
        host.order("stop")
        assert host.order("profile") == Error("command", "not listening", 6)
        hits = [event.t for event in host.events if isinstance(event, Hit)]
        assert hits == reference(len(hits))


def reference(count: int) -> list[int]:
    """The first hits of the clip, as the fake of one wake label hears them."""
    steps = np.abs(bursts(16000 * SECONDS).astype(int)[: SECONDS * 16000 // 320 * 320]).reshape(-1, 320).max(1)
    mean = deaf = 0
    hits = []
    for i, peak in enumerate(steps, 1):
        mean = (3 * mean + min(255, int(peak) >> 7)) >> 2
        deaf = max(0, deaf - 1)
        if i > 3 and not deaf and mean >= 80:
            hits.append(20 * i)
            deaf = 25
    return hits[:count]


def noise(seed: int, way: str) -> bytes:
    """What a bad line brings: random bytes, damaged and half commands. No Ctrl-C, which is a command to MicroPython.

    At the prompt every control character is one: there only what one types by mistake.
    """
    rng = np.random.default_rng(seed)
    raw = rng.integers(0, 256, 600).astype(np.uint8).tobytes()
    command = bytearray(encode_command("threshold", [("id", 77), ("value", 1)]))
    half = bytes(command[: int(rng.integers(5, len(command)))])
    command[int(rng.integers(len(command) - 12, len(command) - 4))] ^= 1 << int(rng.integers(0, 5))
    storm = b"@" * 200 + b"@stop*0000\r" + b"x" * 1000 + b"@stop id=1*" + b"0" * 300 + b"\r@\r@*\r@*0000\r"
    if way == "run":
        return raw.replace(b"\x03", b"") + half + b"\n" + command.replace(b"\x03", b"") + storm
    return (
        bytes(b for b in raw[:60] if b > 32 and b not in b"\x7f'\"([{#\\") + b"\r" + half[1:40].split(b"(")[0] + b"\r"
    )


@WAYS
@pytest.mark.parametrize("seed", range(3))
def test_noise_on_the_line_changes_nothing(board: UnixBoard, way: str, seed: int) -> None:
    with open_port(board.port) as port:
        host = begin(port, way)
        for i in range(4):
            port.write(noise(4 * seed + i, way))
            host.until(lambda event: isinstance(event, Hit))
        port.write(b"\r")
        assert isinstance(host.order("heap"), Ok)
        assert host.order("stop") == Ok(2)
        answers = [e for e in host.events if isinstance(e, Ok) or (isinstance(e, Error) and e.where == "command")]
        assert [event.id for event in answers] == [1, 2], answers  # nothing that was noise was taken for a command
        hits = [event.t for event in host.events if isinstance(event, Hit)]
        assert len(hits) >= 4
        assert hits == reference(len(hits))
        state = [event for event in host.events if isinstance(event, State)][-1]
        assert (state.steps, state.lost) == (state.t // 20, 0)


@pytest.mark.parametrize("rate", [9600, 57600, 74880, 230400, 460800])
def test_a_wrong_baud_rate_changes_nothing(board: UnixBoard, rate: int) -> None:
    orders = b"".join(encode_command("threshold", [("id", n), ("value", 1)]) for n in range(100, 120))
    with open_port(board.port) as port:
        host = begin(port, "run")
        port.write(as_heard(orders, rate, 115200).replace(b"\x03", b"") + b"\r")
        assert isinstance(host.order("heap"), Ok)
        host.until(lambda event: isinstance(event, Hit))
        answers = [e for e in host.events if isinstance(e, Ok) or (isinstance(e, Error) and e.where == "command")]
        assert [event.id for event in answers] == [1], answers
        hits = [event.t for event in host.events if isinstance(event, Hit)]
        assert hits == reference(len(hits))


BODY = """
import gc, micropython
from tinywake.inbox import Inbox
found = []
sent = b"@stop id=1*0000\\n"
at = 0
def read():
    global at
    at += 1
    if at <= 1000000:
        return at * 7 & 255 if at * 7 & 255 not in (10, 13) else 64
    return sent[at - 1000001] if at - 1000001 < len(sent) else -1
inbox = Inbox(read, found.append)
inbox.poll()
gc.collect()
before = gc.mem_alloc()
micropython.heap_lock()
while at < 999960:
    inbox.poll()
micropython.heap_unlock()
print(gc.mem_alloc() - before, found)
while at < 1000020:
    inbox.poll()
print(found)
"""


HURRY = """
import tinywake.main
from tinywake import inbox, incoming
taken = 0
def read():
    global taken
    taken += 1
    return 65
box = inbox.Inbox(read, print)
def look(times):
    global taken
    taken = 0
    for _ in range(times):
        box.poll()
    return taken
seen = [look(10)]
incoming.put("new.twm", 100, "0" * 64)
seen += [look(10), look(490), look(10)]
incoming.transfer.take(0, b"123")
seen += [look(10)]
incoming.drop(True)
seen += [look(10)]
print(seen)
"""


def test_the_loop_takes_more_only_while_a_model_comes(board: UnixBoard) -> None:
    # Bug: after a transfer that broke off it did for ever.
    assert execute(board.port, HURRY) == "[320, 1280, 62720, 320, 1280, 320]\n"


def test_a_megabyte_without_an_end_takes_no_memory(board: UnixBoard) -> None:
    assert execute(board.port, BODY).split("\n")[:2] == ["0 []", "[b'@stop id=1*0000']"]


def test_mpremote_interrupts_a_loop_and_the_app_resumes(board: UnixBoard) -> None:
    (board.directory / "main.py").write_text("import tinywake.main as m\nm.run('mic.wav', True)\n")
    assert restart(board.port).listening
    assert execute(board.port, "print(6 * 7)", reset=False) == "42\n"  # the loop has ended: nothing else is said
    assert execute(board.port, "print(m.listener.listening)", reset=False) == "False\n"
    # By exec, in the same session, without waiting for the end of it.
    remote(board.port, ("exec", "--no-follow", "m.run('mic.wav', True)"), reset=False)
    with open_port(board.port) as port:
        host = Session(port)
        host.until(lambda event: isinstance(event, Hit))
        port.write(b"\x03\x03\x02")
    assert execute(board.port, "print(1)") == "1\n"  # after a soft reset of mpremote's own
    assert restart(board.port).listening  # and after another, main.py again


def test_mpremote_leaves_a_board_listening_that_does_so_in_the_background(board: UnixBoard) -> None:
    """With `resume`; without it mpremote resets, and main.py runs at the next reset: docs/monitor.md."""
    (board.directory / "main.py").write_text("import tinywake.main\ntinywake.main.start('mic.wav', True)\n")
    assert restart(board.port).listening
    listens = "import tinywake.main as m; print('it listens:', m.listener.listening)"
    assert "it listens: True" in execute(board.port, listens, reset=False)
    with open_port(board.port) as port:
        Session(port).until(lambda event: isinstance(event, Hit))
    execute(board.port, "print(1)")
    with open_port(board.port) as port:
        time.sleep(1)
        assert b"@" not in port.read(4096)
    assert restart(board.port).listening


def test_a_stopped_loop_still_ends_on_ctrl_c(board: UnixBoard) -> None:
    with open_port(board.port) as port:
        host = begin(port, "run")
        assert host.order("stop") == Ok(1)
        port.write(b"\x03")
        port.write(b"print('still', 'here')\r")
        assert port.read_until(b"still here\r\n").endswith(b"still here\r\n")


def test_answers_that_nobody_reads_delay_no_audio(board: UnixBoard) -> None:
    with open_port(board.port) as port:
        host = begin(port, "run")
        for number in range(200):
            port.write(encode_command("hash", [("id", 1000 + number)]))
        time.sleep(8)  # nobody reads
        host.until(lambda event: isinstance(event, State) and event.t >= 5000)
        assert isinstance(host.order("stop"), Ok)
        state = [event for event in host.events if isinstance(event, State)][-1]
        assert state.t >= 7000
        assert (state.steps, state.lost) == (state.t // 20, 0)
        assert host.reader.bad == 0


def test_the_prompt_and_print_go_on_beside_commands(board: UnixBoard) -> None:
    with RawRepl(board.port) as repl:
        repl.exec("import tinywake.main as m\nm.start('mic.wav', True)")
    with open_port(board.port) as port:
        host = Session(port)
        port.write(b"half a line that nobody finishes")
        assert host.order("threshold", value=90) == Ok(1, 90)
        port.write(b"print(m.listener.native.threshold + 1)\r")
        host.until(lambda event: isinstance(event, Hit))
        assert b"\r\n91\r\n" in host.said
        assert b"Error" not in host.said


@pytest.fixture(params=[*TARGETS])
def target(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.lean("qemu-armv6m")
@WAYS
def test_commands_on_every_target(target: str, way: str, tmp_path: Path) -> None:
    """With the native module: what is the port's (reading a byte, a clock, the stack) works on each."""
    if lacking := TARGETS[target].available():
        pytest.skip(lacking)
    model = tmp_path / "loud.twm"
    model.write_bytes(runpy.run_path(str(ROOT / "tests/core/tiny.py"))["listening_model"](threshold=120, window=1))
    with open_target(target) as chip:
        path = deploy(chip.port, model, board=chip.board, start=False).model_path
        with RawRepl(chip.port, timeout=60) as repl:
            second = wav_bytes(bursts(16000))
            BoardFiles(repl, chip.directory).put("mic.wav", second[:40] + bytes(4) + second[44:])  # as long as the file
            repl.exec("d = open('mic.wav', 'rb').read()[44:]\nf = open('mic.wav', 'ab')")
            repl.exec("for _ in range(14):\n    f.write(d) and None\nf.close()")
        with open_port(chip.port) as port:
            host = begin(port, way)
            assert host.order("profile", steps=10) == Ok(1)
            last = host.until(lambda event: isinstance(event, Profile) and event.part == "step", 30)
            assert isinstance(last, Profile)
            assert last.us > 0
            assert host.order("heap") == Ok(2, 0)
            heap = [event for event in host.events if isinstance(event, Heap)][-1]
            assert heap.free > 10_000
            assert heap.stack > 0
            assert host.order("load", path=path) == Ok(3)
            host.until(lambda event: isinstance(event, State) and event.state == "listening")
            assert host.order("stop") == Ok(4)
            assert host.reader.bad == 0
