# SPDX-License-Identifier: MIT
"""Recording from a board: sample for sample what its microphone heard, every loss told, and nothing unasked."""

from __future__ import annotations

import csv
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from rich.console import Console

from tinywake.device.deploy import Choices, deploy
from tinywake.device.deploy.plan import make_plan
from tinywake.device.deploy.probe import PINS, look
from tinywake.device.line.events import Boot, Error, Event, Hit, Level, Ok, Pcm, Rec, Score, State, Unknown
from tinywake.device.line.files import BoardFiles
from tinywake.device.line.hear import wav_bytes
from tinywake.device.line.lines import encode_command
from tinywake.device.line.port import open_port
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.monitor import View
from tinywake.device.record import Wanted, record
from tinywake.device.record.frames import Frame, read_frame
from tinywake.device.record.take import Take
from tinywake.device.targets.registry import TARGETS, open_target
from tinywake.device.targets.unix import UnixBoard
from tinywake.errors import DeviceError

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from ima import FRAME, reference
from remote import execute
from test_commands import WAYS, Session, begin, bursts

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "build/modules/x64_6.3/_tinywake_rec.mpy"
STEP = 320  # samples, of the fake module
PATIENT = 60.0  # seconds; the computer may be busy with other things
Samples = npt.NDArray[np.int16]

lacking = UnixBoard.available()
on_board = pytest.mark.skipif(lacking is not None, reason=str(lacking))


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[UnixBoard]:
    """A board whose native module is a fake, and that cannot record."""
    package = tmp_path / "board/lib/tinywake"
    shutil.copytree(ROOT / "firmware/app", package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "boards/UNIX/board.py", package / "pins.py")
    shutil.copy(ROOT / "tests/device/fake/_tinywake.py", tmp_path / "board/lib")
    (tmp_path / "board/computer.twm").write_text("FAKE unknown,*computer")
    with wave.open(str(tmp_path / "board/mic.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bursts(16000 * 30).tobytes())
    with UnixBoard(tmp_path / "board") as board:
        yield board


@pytest.fixture
def board(bare: UnixBoard) -> UnixBoard:
    """One that can."""
    if not MODULE.is_file():
        pytest.skip("no module is built: make modules")
    shutil.copy(MODULE, bare.directory / "lib")
    return bare


def frames(events: list[Event]) -> list[Frame]:
    found = [read_frame(event) for event in events if isinstance(event, Pcm)]
    assert None not in found
    return [frame for frame in found if frame]


def is_off(event: Event) -> bool:
    return isinstance(event, Rec) and event.state == "off"


def wait_off(host: Session) -> Rec:
    """The last word of a recording, which may be there already."""
    last = [event for event in host.events if isinstance(event, Rec)][-1]
    found = last if is_off(last) else host.until(is_off)
    assert isinstance(found, Rec)
    return found


def spoken(host: Session) -> list[Rec | State]:
    return [event for event in host.events if isinstance(event, Rec | State)]


def heard_at(clip: Samples, frame: Frame, step: int) -> int:
    """Where the clip's recording began, by its first frame, which begins with nothing known."""
    for start in range(0, len(clip) - FRAME, step):
        if frame.samples.tolist() == reference(clip[start : start + len(frame.samples)])[1]:
            return start
    raise AssertionError("the first frame is nowhere in the clip")


@on_board
@WAYS
def test_a_stream_is_the_clip_sample_for_sample(board: UnixBoard, way: str) -> None:
    with open_port(board.port) as port:
        host = begin(port, way)
        assert host.order("label", text="ok, computer") == Ok(1)
        began = time.monotonic()
        assert host.order("record", mode="stream", ms=1500) == Ok(2, 960)
        off = host.until(is_off)
        assert 1.2 < time.monotonic() - began < 3
        got = frames(host.events)
        assert [frame.number for frame in got] == list(range(19))  # 18 of 80 ms, and 60 ms
        samples = np.concatenate([frame.samples for frame in got])
        assert len(samples) == 24000
        clip = bursts(16000 * 10)
        start = heard_at(clip, got[0], STEP)
        assert samples.tolist() == reference(clip[start : start + 24000])[1]
        on = next(event for event in host.events if isinstance(event, Rec))
        assert (on.state, on.mode, on.label, on.at) == ("on", "stream", "ok, computer", 0)
        assert off == Rec("off", "stream", "ok, computer", 24000, 19, 0, 0, 960, 0)
        assert host.reader.bad == 0
        during = host.events[host.events.index(on) : host.events.index(off)]
        assert not [event for event in during if isinstance(event, Score | Level)]  # they have no room
        host.until(lambda event: isinstance(event, Score))  # and go on
        host.until(lambda event: isinstance(event, Level))


@on_board
@WAYS
def test_a_hit_brings_the_seconds_before_it(board: UnixBoard, way: str) -> None:
    with open_port(board.port) as port:
        host = begin(port, way)
        assert host.order("record", mode="hit", pre=240, post=160) == Ok(1, 640)
        for cuts in (1, 2):
            host.until(lambda event, cuts=cuts: isinstance(event, Rec) and event.cuts == cuts)  # type: ignore[misc]
        host.order("record", mode="off")
        wait_off(host)
        got = frames(host.events)
        clip = bursts(16000 * 10).astype(int)
        hits = [event.t for event in host.events if isinstance(event, Hit)]
        for piece in (0, 1):
            own = [frame for frame in got if frame.piece == piece]
            assert len(own) == 5  # 3 before that in which it was heard, and 1 after it
            numbers = [frame.number for frame in own]
            assert numbers == list(range(numbers[0], numbers[0] + 5))
            sound = np.concatenate([frame.samples for frame in own]).astype(int)
            errors = [np.abs(sound - clip[at : at + len(sound)]).mean() for at in range(0, 16 * 9000, STEP)]
            at = int(np.argmin(errors)) * STEP
            assert errors[at // STEP] < np.abs(sound).mean() / 4
            inside = [16 * t - at for t in hits if 0 < 16 * t - at < len(sound)]
            assert 3 * FRAME <= inside[0] <= 4 * FRAME


@on_board
def test_a_word_soon_after_a_piece_has_its_beginning_too(board: UnixBoard) -> None:
    # Bug: what the piece before it had was left out of a piece, and it then began with less than was asked for.
    frame = FRAME // 16  # ms
    quiet = bursts(16000 * 9) // 64
    for at in (3.2, 3.2 + 48 * frame / 1000):
        quiet[int(16000 * at) : int(16000 * at) + 3200] = bursts(16000)[8000:11200]
    (board.directory / "two.wav").write_bytes(wav_bytes(quiet))
    with open_port(board.port) as port:
        host = begin(port, "run", "two.wav")
        assert isinstance(host.order("record", mode="hit", pre=30 * frame, post=20 * frame), Ok)
        for cuts in (1, 2):
            host.until(lambda event, cuts=cuts: isinstance(event, Rec) and event.cuts == cuts)  # type: ignore[misc]
    first, second = ([each for each in frames(host.events) if each.piece == piece] for piece in (0, 1))
    assert [each.number for each in second] == list(range(second[0].number, second[0].number + 50))
    assert [each.number for each in first[-2:]] == [each.number for each in second[:2]]
    assert [each.samples.tolist() for each in first[-2:]] == [each.samples.tolist() for each in second[:2]]


@on_board
def test_a_line_that_nobody_reads_loses_frames_and_not_audio(board: UnixBoard, tmp_path: Path) -> None:
    with open_port(board.port) as port:
        host = begin(port, "run")
        host.order("record", mode="stream", ms=11000)
        time.sleep(10)  # the line's buffer and the ring are full by then
        off = host.until(is_off)
        assert isinstance(off, Rec)
        assert off.dropped > 5
        assert (off.at, off.lost) == (176000, 0)
        got = frames(host.events)
        assert len(got) == off.frames == 138 - off.dropped
        assert host.reader.bad == 0
        take = Take(tmp_path / "x.wav")
        for frame in got:
            take.put(frame)
        take.end(176000)
        assert sum(gap.length for gap in take.gaps) == off.dropped * FRAME
        clip = bursts(16000 * 30)
        start = heard_at(clip, got[0], STEP)
        wanted = np.array(reference(clip[start : start + 176000])[1])
        for gap in take.gaps:
            wanted[gap.start : gap.start + gap.length] = 0
        with wave.open(str(take.path)) as file:
            assert np.frombuffer(file.readframes(176000), "<i2").tolist() == wanted.tolist()
        state = host.until(lambda event: isinstance(event, State) and event.steps > 300)
        assert isinstance(state, State)
        assert (state.steps, state.lost) == (state.t // 20, 0)


@on_board
def test_what_others_print_costs_only_what_it_hits(board: UnixBoard) -> None:
    with open_port(board.port) as port:
        host = begin(port, "start")
        host.order("record", mode="stream", ms=2500)
        for _ in range(7):
            time.sleep(0.27)  # frames come every 80 ms
            port.write(b"print('x' * 30)\r")
        off = host.until(is_off)
        assert isinstance(off, Rec)
        got = frames(host.events)
        assert off.frames == 32
        assert 18 <= len(got) < 32
        clip = bursts(16000 * 10)
        start = heard_at(clip, got[0], STEP)
        wanted = reference(clip[start : start + 40000])[1]
        for frame in got:
            assert frame.samples.tolist() == wanted[frame.at : frame.at + len(frame.samples)]


@on_board
def test_orders_while_it_records(board: UnixBoard) -> None:
    with open_port(board.port) as port:
        host = begin(port, "run")
        assert host.order("record") == Error("command", "mode", 1)
        assert host.order("record", mode="loud") == Error("command", "mode: stream, hit or off", 2)
        assert host.order("record", mode="off") == Ok(3, 0)
        assert host.order("record", mode="stream") == Ok(4, 960)
        assert host.order("record", mode="stream") == Ok(5, 960)  # sent again: it goes on
        assert host.order("record", mode="hit") == Error("command", "it records already", 6)
        assert host.order("hash") == Ok(7)
        assert host.order("record", mode="off") == Ok(8, 1)
        wait_off(host)
        numbers = [frame.number for frame in frames(host.events)]
        assert numbers == list(range(len(numbers)))
        host.order("record", mode="stream")
        assert host.order("load", path="computer.twm") == Ok(10)  # which ends listening, and with it the recording
        if spoken(host)[-1].state != "listening":  # which it says after that answer: in the same read, or not
            host.until(lambda event: isinstance(event, State))
        states = [event.state for event in spoken(host)]
        assert states[-4:] == ["on", "off", "stopped", "listening"]
        host.order("stop")
        assert host.order("record", mode="stream") == Error("command", "not listening", 12)
        assert host.reader.bad == 0


STANDS_IN = """
import gc, micropython
from tinywake.frames import Frames
from tinywake.link import Link
from tinywake.recorder import Recorder
class Report:
    recorder = None
class Listener:
    lost = 0
    report = Report()
    passed = 0
    def take(self, pcm, samples):
        self.passed += samples
"""

BODY = """
sent = bytearray(1)
def write(buf, start, end, wait_ms):
    sent[0] = (sent[0] * 5 + 3) & 255
    return min(end - start, sent[0] >> 1)  # now all of it, now a part, now nothing
link = Link(write)
listener = Listener()
Listener.report.recorder = r = Recorder(listener, link, {"mode": MODE, "pre": "500", "post": "200"}, "a label")
pcm = bytearray(640)
def play(count):
    for i in range(count):
        if i % 50 == 49:
            listener.lost += 7
        listener.take(pcm, 320)
        r.step()
        if i % 100 == 20:
            link.begin(b"@hit label=computer")
            link.number(b" t=", i)
            link.end()
            r.hit()
        if i % 250 == 0:
            r.say()
play(260)
gc.collect()
micropython.heap_lock()
play(1000)
micropython.heap_unlock()
r.end()
while Listener.report.recorder:
    listener.take(pcm, 320)
print(r._gone > 10, r._lost, listener.passed > 320 * 1260, "take" in listener.__dict__, link._write is write)
"""


@on_board
@pytest.mark.parametrize("mode", ["stream", "hit"])
def test_recording_allocates_nothing(board: UnixBoard, mode: str) -> None:
    said = execute(board.port, STANDS_IN + BODY.replace("MODE", repr(mode)))
    assert said.split() == ["True", "175", "True", "False", "True"]


CLOSING = """
mode = "all"
def write(buf, start, end, wait_ms):
    global mode
    if mode == "interrupted":
        mode = "all"
        raise KeyboardInterrupt
    return end - start if mode == "all" else 0
link = Link(write)
listener = Listener()
Listener.report.recorder = r = Recorder(listener, link, {"mode": "stream"}, "")
for i in range(20):
    listener.take(bytearray(640), 320)
mode = HOW
for i in range(3):
    link.begin(b"@hit")
    link.end()
try:
    r.close()
except KeyboardInterrupt:
    print("interrupted")
print(Listener.report.recorder, "take" in listener.__dict__, link._write is write, link.dropped)
"""


@on_board
@pytest.mark.parametrize(
    ("how", "said"), [("interrupted", "interrupted None False True 3"), ("stuck", "None False True 4")]
)
def test_the_line_is_back_however_a_recording_ends(board: UnixBoard, how: str, said: str) -> None:
    # Bug: a second Ctrl-C left the board mute, and the lines that waited went uncounted.
    assert execute(board.port, STANDS_IN + CLOSING.replace("HOW", repr(how))).split() == said.split()


PACED = """
link = Link(lambda buf, start, end, wait_ms: end - start)
listener = Listener()
Listener.report.recorder = r = Recorder(listener, link, {"mode": "stream"}, "")
pcm = bytearray(2 * STEP)
for i in range(30 * 16000 // STEP):
    listener.take(pcm, STEP)
    r.step()
print(r._gone > 360, r._dropped)
"""


@on_board
@pytest.mark.parametrize("step", [320, 960, 1280, 1600])
def test_a_long_step_drops_no_frame(board: UnixBoard, step: int) -> None:
    # Bug: from 960 samples on, what a step earned of the line was cut off, and every few frames one was dropped.
    assert execute(board.port, STANDS_IN + PACED.replace("STEP", str(step))) == "True 0\n"


@on_board
def test_a_small_heap_gets_a_small_ring(bare: UnixBoard, tmp_path: Path) -> None:
    shutil.copy(MODULE, bare.directory / "lib")
    with UnixBoard(bare.directory, heap_kb=256) as small, open_port(small.port) as port:
        host = begin(port, "run")
        answer = host.order("record", mode="hit", pre=60000)
        assert isinstance(answer, Ok)
        assert 2000 < answer.value < 20000
        on = [event for event in host.events if isinstance(event, Rec)][-1]
        assert on.ring == answer.value


@on_board
def test_files_of_takes_and_their_list(board: UnixBoard, tmp_path: Path) -> None:
    clip = bursts(16000 * 30) // 4 * 3
    (board.directory / "mic.wav").write_bytes(wav_bytes(clip))
    with open_port(board.port) as port:
        begin(port, "start")
    out, told = tmp_path / "out", []
    wanted = Wanted("computer", "ann", count=2, seconds=0.6, countdown=0)
    done = list(record(board.port, out, wanted, told.append))
    assert [each.seconds for each in done] == [0.6, 0.6]
    with (out / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["label"], row["speaker"], row["gaps"]) for row in rows] == [
        ("computer/ann/0001.wav", "computer", "ann", ""),
        ("computer/ann/0002.wav", "computer", "ann", ""),
    ]
    for each in done:
        with wave.open(str(each.path)) as wav:
            samples = np.frombuffer(wav.readframes(9600), "<i2")
        assert each.level_db > -10
        start = heard_at(clip, Frame(0, 0, 0, samples[:FRAME]), STEP)
        assert samples.tolist() == reference(clip[start : start + 9600])[1]
    assert told == ['1 of 2: say it now: "computer"', '2 of 2: say it now: "computer"']


@on_board
def test_a_take_that_is_too_quiet_is_asked_for_again(board: UnixBoard, tmp_path: Path) -> None:
    (board.directory / "mic.wav").write_bytes(wav_bytes(np.full(16000 * 30, 3, np.int16)))
    with open_port(board.port) as port:
        begin(port, "start")
    told: list[str] = []
    with pytest.raises(DeviceError, match="5 times in a row: too quiet"):
        list(record(board.port, tmp_path / "out", Wanted("x", seconds=0.2, countdown=0), told.append))
    assert sum(line.startswith("again: too quiet") for line in told) == 4
    assert not list((tmp_path / "out").rglob("*.wav"))
    assert not (tmp_path / "out/manifest.csv").exists()


@on_board
def test_ctrl_c_leaves_whole_files_and_a_board_that_is_quiet(board: UnixBoard, tmp_path: Path) -> None:
    with open_port(board.port) as port:
        begin(port, "start")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "tinywake", "record", board.port, "-o", str(out), "--label", "tv", "--continuous"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        try:
            path = out / "tv/0001.wav"
            end = time.monotonic() + 30
            while not (path.exists() and path.stat().st_size > 20000) and time.monotonic() < end:
                time.sleep(0.05)
            program.send_signal(signal.SIGINT)
            said, trouble = program.communicate(timeout=30)
        finally:
            program.kill()
    assert program.returncode == 0, trouble
    assert re.fullmatch(r".*tv/0001\.wav: \d\.\d\d s, -\d+ dB.*\n", said), said
    with wave.open(str(path)) as wav:
        samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2")
    assert path.stat().st_size == 44 + 2 * len(samples)
    clip = bursts(16000 * 30)
    start = heard_at(clip, Frame(0, 0, 0, samples[:FRAME]), STEP)
    assert samples.tolist() == reference(clip[start : start + len(samples)])[1]
    assert "tv/0001.wav,tv,," in (out / "manifest.csv").read_text()
    with open_port(board.port) as port:
        host = Session(port)
        assert host.order("record", mode="off") == Ok(1, 0)
        assert not [event for event in host.events if isinstance(event, Pcm)]


@on_board
def test_a_board_that_goes_away_leaves_a_whole_file(board: UnixBoard, tmp_path: Path) -> None:
    with open_port(board.port) as port:
        begin(port, "start")
    out = tmp_path / "out"
    told: list[str] = []

    def say(text: str) -> None:
        told.append(text)
        time.sleep(1.5)
        board.stop()

    with pytest.raises(DeviceError, match=r"the board is gone.*0001\.wav is whole up to there, \d"):
        list(record(board.port, out, Wanted("x", way="all"), say))
    with wave.open(str(out / "x/0001.wav")) as wav:
        assert wav.getnframes() > 8000
    assert "x/0001.wav,x," in (out / "manifest.csv").read_text()


@on_board
def test_a_board_that_cannot_record_is_told_how(bare: UnixBoard, tmp_path: Path) -> None:
    with open_port(bare.port) as port:
        begin(port, "start")
    with pytest.raises(DeviceError, match=r"no recorder.*tinywake deploy --model MODEL\.twm --recorder"):
        list(record(bare.port, tmp_path / "out", Wanted("x", countdown=0), print))
    with pytest.raises(DeviceError, match="no such port"):
        list(record(str(tmp_path / "tty"), tmp_path / "out", Wanted("x", countdown=0), print))


@on_board
def test_nothing_of_the_sound_leaves_the_board_unasked(board: UnixBoard) -> None:
    """docs/privacy.md, in what a board says in all it can be asked, and in what is loaded of it."""
    with open_port(board.port) as port:
        host = begin(port, "start")
        for name, fields in (
            ("report", {"mode": "live"}), ("profile", {"steps": 20}), ("hash", {}), ("heap", {}), ("models", {}),
            ("label", {"text": "me"}), ("threshold", {"value": 80}), ("stop", {}), ("start", {}),
        ):  # fmt: skip
            assert isinstance(host.order(name, **fields), Ok)
        host.until(lambda event: isinstance(event, State) and event.t >= 5000)
        assert not [event for event in host.events if isinstance(event, Pcm | Rec | Unknown)]
        port.write(b"import sys; print([m for m in sys.modules if 'rec' in m or 'frames' in m])\r")
        host.until(lambda event: isinstance(event, Score))
        assert b"\r\n[]\r\n" in host.said
        said = re.sub(rb"@[a-z]+ [^*]*\*[0-9a-f]{4}\r\n", b"", host.said)
        assert len(said) < 2500  # the prompt's echo of what was typed
    files = [path.name for path in board.directory.rglob("*") if path.suffix in (".wav", ".raw", ".pcm", ".bin")]
    assert files == ["mic.wav"]


def test_only_the_recorder_can_send_sound() -> None:
    """And only `record` loads it: docs/privacy.md."""
    sources = {path: path.read_text() for path in (ROOT / "firmware/app").rglob("*.py")}
    users = {path.name for path, text in sources.items() if re.search(r"^(from|import) _tinywake_rec", text, re.M)}
    assert users == {"frames.py"}
    importing = {path.name for path, text in sources.items() if re.search(r"from \.(frames|recorder) import", text)}
    assert importing == {"recorder.py", "commands.py"}
    commands = sources[ROOT / "firmware/app/commands.py"]
    assert commands.count("recorder import") == 1
    assert re.search(r"^def _record\(.*\n    gc\.collect\(\)\n    from \.recorder import order$", commands, re.M)
    for name in ("recorder.py", "frames.py"):  # to the serial line, and nowhere else
        text = sources[ROOT / "firmware/app" / name]
        assert not re.search(r"import (machine|network|socket|bluetooth|os)|open\(", text)


def test_the_monitor_shows_a_recording_in_red() -> None:
    view = View("x")
    view.apply(Boot(1, "0", "B", "fw", 0, 1))
    on = Rec("on", "stream", "computer", 32000, 25, 0, 0, 960, 0)
    view.apply(on)
    console = Console(width=100, record=True, color_system="truecolor", force_terminal=True)
    console.print(view)
    text = console.export_text(styles=True)
    row = next(line for line in text.split("\n") if "RECORDING" in line)
    assert 'its sound goes over this line · "computer" · 0:02.0' in row
    assert "41" in row  # on red
    view.apply(Rec("off", "stream", "computer", 32000, 25, 0, 0, 960, 0))
    console.print(view)
    assert "RECORDING" not in console.export_text()


@on_board
def test_deploy_brings_the_recorder_when_asked(tmp_path: Path) -> None:
    if not MODULE.is_file():
        pytest.skip("no module is built: make modules")
    model = tmp_path / "loud.twm"
    model.write_bytes(runpy.run_path(str(ROOT / "tests/core/tiny.py"))["listening_model"]())
    path = "lib/_tinywake_rec.mpy"
    with UnixBoard(tmp_path / "board") as board:
        assert path not in deploy(board.port, model, board="UNIX", start=False).copied
        assert path in deploy(board.port, model, start=False, choices=Choices(recorder=True)).copied
        again = deploy(board.port, model, start=False)
        assert not again.copied
        assert path in again.unchanged


@on_board
def test_deploy_says_what_hides_the_recorder_or_lacks_it(tmp_path: Path) -> None:
    # Bug: another recorder in the root was imported, and --recorder did nothing to firmware that has none built in.
    if not MODULE.is_file():
        pytest.skip("no module is built: make modules")
    model = tmp_path / "loud.twm"
    model.write_bytes(runpy.run_path(str(ROOT / "tests/core/tiny.py"))["listening_model"]())
    with UnixBoard(tmp_path / "board") as board:
        deploy(board.port, model, board="UNIX", start=False, choices=Choices(recorder=True))
        shutil.copy(MODULE, board.directory)
        with pytest.raises(DeviceError, match=r"imported in place of lib/_tinywake_rec\.mpy"):
            deploy(board.port, model, start=False)
        (board.directory / MODULE.name).unlink()
        with RawRepl(board.port) as repl:
            probe = look(repl, [PINS])
    built_in = replace(probe, firmware=replace(probe.firmware, builtin=True))
    with pytest.raises(DeviceError, match="_tinywake_rec, and cannot record"):
        make_plan("x", {}, built_in, recorder=True)
    assert not make_plan("x", {}, replace(built_in, recorder=True), recorder=True).copies


@pytest.fixture(params=[*TARGETS])
def target(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.lean("qemu-armv6m")
def test_recording_on_every_target(target: str, tmp_path: Path) -> None:
    """With the native modules: the same samples on each, over its own line, while its network listens."""
    if why := TARGETS[target].available():
        pytest.skip(why)
    model = tmp_path / "loud.twm"
    model.write_bytes(runpy.run_path(str(ROOT / "tests/core/tiny.py"))["listening_model"](threshold=255, window=1))
    clip = bursts(16000 * 4)
    with open_target(target) as chip:
        deploy(chip.port, model, board=chip.board, start=False, choices=Choices(recorder=True))
        with RawRepl(chip.port, timeout=60) as repl:
            BoardFiles(repl, chip.directory).put("mic.wav", wav_bytes(clip))
        with open_port(chip.port) as port:
            host = Session(port)
            port.write(b"import tinywake.main as m; m.start('mic.wav', True)\r")
            host.until(lambda event: isinstance(event, State) and event.state == "listening", PATIENT)
            port.write(encode_command("record", [("id", 1), ("mode", "stream"), ("ms", 1000)]))
            off = host.until(is_off, PATIENT)
            if Ok(1, 960) not in host.events:  # a board that is behind with its audio records before it answers
                assert host.until(lambda event: isinstance(event, Ok), PATIENT) == Ok(1, 960)
            got = frames(host.events)
            assert off == Rec("off", "stream", "", 16000, 13, 0, 0, 960, 0)
            assert host.reader.bad == 0
            port.write(encode_command("stop", [("id", 9)]))
    start = heard_at(clip, got[0], 480)
    samples = np.concatenate([frame.samples for frame in got])
    assert samples.tolist() == reference(clip[start : start + 16000])[1]
