# SPDX-License-Identifier: MIT
"""A model for a board that listens, by command: it takes over between two steps, and nothing that happens hurts."""

from __future__ import annotations

import hashlib
import json
import runpy
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinywake.device.command.channel import Channel
from tinywake.device.deploy import Choices, deploy
from tinywake.device.line.events import Error, Event, Lost, Model, Ok, State, Swap
from tinywake.device.line.hear import wav_bytes
from tinywake.device.line.lines import LineReader, encode_command
from tinywake.device.line.port import open_port
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.line.restart import restart
from tinywake.device.swap import SwapReport, swap
from tinywake.device.swap.transfer import HEAD
from tinywake.device.targets.registry import TARGETS, open_target
from tinywake.device.targets.unix import UnixBoard
from tinywake.errors import DeviceError

ROOT = Path(__file__).parents[2]
lacking = UnixBoard.available()
pytestmark = pytest.mark.skipif(lacking is not None, reason=str(lacking))
sys.path.insert(0, str(ROOT / "tests/core"))
tiny: Callable[..., bytes] = runpy.run_path(str(ROOT / "tests/core/tiny.py"))["listening_model"]
gates = runpy.run_path(str(ROOT / "tests/core/gated.py"))
WAYS = pytest.mark.parametrize("way", ["start", "run"])
SLOTS = "tinywake-models"
OPEN = "tinywake.device.command.channel.open_port"


def model(folder: Path, name: str, threshold: int, more: int = 0) -> Path:
    """`more`: bytes behind the model's own, which no checksum of the file covers."""
    path = folder / f"{name}.twm"
    path.write_bytes(tiny(threshold=threshold, window=1, refractory_ms=100) + bytes(more))
    return path


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return model(tmp_path, "old", 120)


@pytest.fixture
def board(tmp_path: Path, old: Path) -> Iterator[UnixBoard]:
    """It listens to silence in real time."""
    with UnixBoard(tmp_path / "board") as board:
        listen(board, old)
        yield board


def listen(board: UnixBoard, path: Path, paced: bool = True, choices: Choices | None = None) -> None:
    board.directory.mkdir(exist_ok=True)
    (board.directory / "mic.wav").write_bytes(wav_bytes(np.zeros(16000 * (120 if paced else 4000), np.int16)))
    (board.directory / "main.py").write_text(f"import tinywake.main\ntinywake.main.start(paced={paced})\n")
    assert deploy(board.port, path, board="UNIX", choices=choices).listening


def begin(board: UnixBoard, way: str) -> None:
    """Of the two ways of listening."""
    if way == "run":
        with RawRepl(board.port):
            pass
        with open_port(board.port) as port:
            port.write(b"import tinywake.main as m; m.run()\r")
            hear(port, lambda event: isinstance(event, State) and event.state == "listening")


def hear(port: Any, wanted: Callable[[Event], bool], seconds: float = 15) -> list[Event]:
    """All up to the first event of that kind."""
    reader, events = LineReader(), []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = reader.feed(port.read(max(1, port.in_waiting)))
        events += found
        if any(map(wanted, found)):
            return events
    raise AssertionError(events[-8:])


def swapped(board: UnixBoard, path: Path) -> SwapReport:
    report = swap(board.port, path)
    assert report is not None
    return report


def boot(board: UnixBoard) -> list[Event]:
    """What the app says after a reset."""
    with open_port(board.port) as port:
        port.write(b"\r\x03\x03\x04")
        return hear(port, lambda event: isinstance(event, State) and event.state == "listening" and event.steps == 0)


def models(events: list[Event]) -> list[str]:
    return [event.sha for event in events if isinstance(event, Model)]


def files(board: UnixBoard) -> list[str]:
    root = board.directory / SLOTS
    return sorted(str(path.relative_to(root)) for path in root.rglob("*.*") if path.parent != root and path.is_file())


@WAYS
def test_a_board_goes_on_listening_with_another_model(board: UnixBoard, old: Path, tmp_path: Path, way: str) -> None:
    new = model(tmp_path, "new", 121, 3000)
    begin(board, way)
    report = swapped(board, new)
    assert (report.before, report.sha256, report.there) == (sha(old)[:16], sha(new), 0)
    assert (report.beside, report.changed, report.lost, report.breaks) == (True, True, 0, 0)
    assert "took over between two steps" in report.lines()[0]
    assert not swapped(board, new).changed
    with Channel(board.port) as channel:
        assert channel.listens(2)
        channel.order("stop")
        last = [event for event in channel.events if isinstance(event, State)][-1]
        assert (last.model, last.lost, last.dropped) == ("new", 0, 0)
        assert last.t >= last.steps * 30 > 0
    assert files(board) == ["model.a/old.twm", "model.b/new.twm"]


@WAYS
def test_the_old_one_ends_where_the_new_one_begins(board: UnixBoard, tmp_path: Path, way: str) -> None:
    new = model(tmp_path, "new", 121)
    begin(board, way)
    with Channel(board.port) as channel:
        data = new.read_bytes()
        assert channel.order("put", name="new.twm", size=len(data), sha=sha(new)) == 0
        send(channel, new)
        channel.events.clear()
        assert channel.order("swap", sha=sha(new)[:HEAD], seconds=10) == 1
        assert channel.order("swap", sha=sha(new)[:HEAD]) == 1  # a second time does no harm
        kinds = [(type(event).__name__, getattr(event, "state", "")) for event in channel.events]
        said = [kind for kind in kinds if kind[0] in ("Boot", "Model", "Label", "State", "Swap")]
        assert [kind[0] for kind in said[:2]] == ["Boot", "Model"]
        states = [event for event in channel.events if isinstance(event, State)]
        assert [(event.state, event.model) for event in states[:2]] == [("stopped", "old"), ("listening", "new")]
        assert (states[0].steps > 10, states[1].t, states[1].steps) == (True, 0, 0)
        assert said.index(("State", "listening")) < said.index(("Swap", "trial"))
        assert models(channel.events) == [sha(new)[:16]]


def send(channel: Channel, path: Path, upto: int | None = None) -> None:
    import base64

    data = path.read_bytes()[:upto]
    for at in range(0, len(data), 84):
        text = base64.b64encode(data[at : at + 84]).decode().rstrip("=")
        assert channel.order("piece", at=at, sha=sha(path)[:HEAD], data=text) == min(len(data), at + 84)


def test_a_minute_of_listening_keeps_it(tmp_path: Path, old: Path) -> None:
    new, third = model(tmp_path, "new", 121), model(tmp_path, "third", 122)
    with UnixBoard(tmp_path / "board") as board:
        listen(board, old, paced=False)  # faster than real time
        assert swapped(board, new).changed
        with open_port(board.port) as port:
            events = hear(port, lambda event: isinstance(event, Swap) and event.state == "kept", 30)
        kept = [event for event in events if isinstance(event, Swap)][-1]
        assert (kept.path, kept.sha) == (f"{SLOTS}/model.b/new.twm", sha(new)[:16])
        events = boot(board)
        assert models(events) == [sha(new)[:16]]
        assert not [event for event in events if isinstance(event, Swap)]
        back = swapped(board, old)
        assert (back.there, back.bytes) == (old.stat().st_size, old.stat().st_size)  # nothing was sent
        assert "it was on the board already" in back.lines()[0]
        with open_port(board.port) as port:
            hear(port, lambda event: isinstance(event, Swap) and event.state == "kept", 30)
        assert swapped(board, third).there == 0  # in place of new
        assert files(board) == ["model.a/old.twm", "model.b/third.twm"]


@WAYS
def test_a_reset_within_the_first_minute_brings_the_old_one_back(
    board: UnixBoard, old: Path, tmp_path: Path, way: str
) -> None:
    new = model(tmp_path, "new", 121)
    begin(board, way)
    assert swapped(board, new).changed
    for _ in range(2):
        events = boot(board)
        assert models(events) == [sha(old)[:16]]
        (undone,) = [event for event in events if isinstance(event, Swap)]
        assert (undone.state, undone.path, undone.sha) == ("undone", f"{SLOTS}/model.b/new.twm", sha(new)[:16])
        # Bug: it was said at each boot from then on.
        events = boot(board)
        assert (models(events), [each for each in events if isinstance(each, Swap)]) == ([sha(old)[:16]], [])
        begin(board, way)
        assert swapped(board, new).there == new.stat().st_size  # it may be tried again
    assert (
        deploy(board.port, new, start=False).models[0].second == f"{SLOTS}/model.a/old.twm"
    )  # and selected by the other way
    assert not [event for event in boot(board) if isinstance(event, Swap)]


class Flaky:
    """A line that something happens to at some of the commands that go over it."""

    def __init__(self, port: str, at: dict[int, Callable[[Any], None]], **options: Any) -> None:
        self._port = open_port(port, **options)
        self._at = at

    def write(self, data: bytes) -> None:
        Flaky.count += 1
        if happens := self._at.get(Flaky.count):
            happens(self._port)
        self._port.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    count = 0


def pulled(port: Any) -> None:
    port.write(b"\x15__import__('tinywake.commands').commands.do(\"@piece id=5 at=0 sha=")  # half a line
    raise OSError(5, "Input/output error")


def reset(port: Any) -> None:
    port.write(b"\x15\x03\x04")
    time.sleep(1)


def noise(port: Any) -> None:
    rng = np.random.default_rng(Flaky.count)
    data = bytes(int(byte) for byte in rng.integers(33, 127, 150))
    port.write(b"@piece id=1 at=0 sha=00000000 data=AAAA*0000\r" + data.replace(b"(", b"").replace(b"'", b"") + b"\r")


@WAYS
@pytest.mark.parametrize("happens", [pulled, noise, reset])
def test_a_bad_line_loses_nothing(
    board: UnixBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, happens: Callable[[Any], None]
) -> None:
    new = model(tmp_path, "new", 121, 2600)
    begin(board, way)
    pieces = -(-new.stat().st_size // 84)
    assert pieces > 60
    Flaky.count = 0
    at = dict.fromkeys((2, 5, 52, 55, 61), happens)
    monkeypatch.setattr(OPEN, lambda port, **options: Flaky(port, at, **options))
    report = swapped(board, new)
    assert report.changed
    if happens is pulled:
        assert report.breaks == 5
        assert Flaky.count <= pieces + 20  # what was there was not sent again
    if happens is reset:
        assert Flaky.count <= 2.5 * pieces  # up to what the file system had been told
    monkeypatch.undo()
    with Channel(board.port) as channel:
        assert channel.listens(2)
        channel.order("hash")
        assert models(channel.events)[-1] == sha(new)[:16]


def test_a_later_run_goes_on_where_the_last_one_ended(
    board: UnixBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = model(tmp_path, "new", 121, 2600)
    Flaky.count = 0
    monkeypatch.setattr("tinywake.device.command.channel._BACK_S", 0.0)
    monkeypatch.setattr("tinywake.device.command.channel._PAUSE_S", 0.0)

    def gone(port: str, **options: Any) -> Flaky:
        if Flaky.count >= 60:
            raise DeviceError(f"{port}: no such port")
        return Flaky(port, {60: pulled}, **options)

    monkeypatch.setattr(OPEN, gone)
    with pytest.raises(DeviceError, match="no such port; run this again, and it goes on where it was"):
        swap(board.port, new)
    monkeypatch.undo()
    boot(board)  # what has come by then is what the file system knows
    report = swapped(board, new)
    assert 4096 <= report.there < report.bytes  # at least what the file system had been told
    assert f"went on at {report.there:,} bytes" in report.lines()[-1]


@WAYS
def test_a_second_host_does_no_harm(board: UnixBoard, tmp_path: Path, way: str) -> None:
    new, other = model(tmp_path, "new", 121), model(tmp_path, "other", 122)
    begin(board, way)
    with Channel(board.port) as channel:
        size = new.stat().st_size
        channel.order("put", name="new.twm", size=size, sha=sha(new))
        send(channel, new, 840)
        with pytest.raises(DeviceError, match=rf"busy: another model has come to 840 of {size} bytes"):
            channel.order("put", name="other.twm", size=other.stat().st_size, sha=sha(other))
        for fields, says in (
            ({"sha": sha(other)[:HEAD], "at": 840, "data": "AAAA"}, "put first"),
            ({"sha": "", "at": 840, "data": "AAAA"}, "put first"),
            ({"sha": sha(new)[:HEAD], "at": 840, "data": "A"}, "."),
            ({"sha": sha(new)[:HEAD], "at": 840}, "data"),
            ({"sha": sha(new)[:HEAD], "at": "x", "data": "AAAA"}, "invalid syntax"),
        ):
            with pytest.raises(DeviceError, match=says):
                channel.order("piece", **fields)
        for at in (0, 84, 924, 100000):  # what it has, and what is not next, is passed over
            assert channel.order("piece", sha=sha(new)[:HEAD], at=at, data="AAAA") == 840
        with pytest.raises(DeviceError, match=rf"840 of {size} bytes are here"):
            channel.order("swap", sha=sha(new)[:HEAD])
    assert swapped(board, new).there == 840


@WAYS
def test_what_cannot_be_taken_is_refused_and_the_old_one_goes_on(board: UnixBoard, tmp_path: Path, way: str) -> None:
    begin(board, way)
    before = files(board)
    bad, magic, lied = (model(tmp_path, name, 121) for name in ("bad", "magic", "lied"))
    bad.write_bytes(bad.read_bytes()[:-1] + b"\x55")
    magic.write_bytes(b"no model at all")
    for path, says in ((bad, "TW_ERR_CRC"), (magic, "TW_ERR_")):
        with pytest.raises(DeviceError, match=rf"{path.name}: {says}.*was not taken, and the board keeps what it has"):
            swap(board.port, path)
        assert files(board) == before
    with Channel(board.port) as channel:
        for name in ("../new.twm", "new.txt", "x" * 37 + ".twm"):
            with pytest.raises(DeviceError, match=r"name: one ending in \.twm"):
                channel.order("put", name=name, size=10, sha="0" * 64)
        channel.order("put", name="lied.twm", size=lied.stat().st_size, sha="5" * 64)
        data = lied.read_bytes()
        import base64

        for at in range(0, len(data), 84):
            text = base64.b64encode(data[at : at + 84]).decode().rstrip("=")
            channel.order("piece", at=at, sha="5" * HEAD, data=text)
        with pytest.raises(DeviceError, match="SHA-256 differs"):
            channel.order("swap", sha="5" * HEAD, seconds=10)
        assert channel.listens(1)
        channel.order("stop")
        last = [event for event in channel.events if isinstance(event, State)][-1]
        assert (last.model, last.lost) == ("old", 0)
        assert last.steps >= last.t // 40
    assert files(board) == before


def test_one_for_another_front_end_than_the_gate_is_refused(tmp_path: Path, old: Path) -> None:
    vad, other = model(tmp_path, "vad", 90), tmp_path / "other.twm"
    other.write_bytes(gates["streaming"](2, (3, 4), hop_ms=20))
    with UnixBoard(tmp_path / "board") as board:
        listen(board, old, choices=Choices(gate=vad))
        with pytest.raises(DeviceError, match=r"other behind vad: TW_ERR_FRONTEND: other.twm was not taken"):
            swap(board.port, other)
        assert swapped(board, model(tmp_path, "new", 121)).beside  # this one goes behind it
        with Channel(board.port) as channel:
            assert channel.listens(2)
        with RawRepl(board.port) as repl:
            assert repl.ask("import tinywake.main as m\nanswer([m.listener.model.name, m.listener.gate.name])") == [
                "new", "vad"
            ]  # fmt: skip


@WAYS
def test_where_there_is_no_room_for_two_the_old_one_goes_first(tmp_path: Path, way: str) -> None:
    old, new, large = (
        model(tmp_path, *each) for each in (("old", 119, 76_000), ("new", 120, 60_000), ("large", 121, 200_000))
    )
    with UnixBoard(tmp_path / "board", heap_kb=192) as board:
        listen(board, old)
        put(board, new, large)
        begin(board, way)
        with Channel(board.port) as channel:
            assert channel.order("put", name="new.twm", size=new.stat().st_size, sha=sha(new)) == new.stat().st_size
            assert channel.order("swap", sha=sha(new)[:HEAD], seconds=10) == 0
            assert models(channel.events)[-1] == sha(new)[:16]
            assert channel.listens(5)
            put(board, large)
            channel.events.clear()
            size = large.stat().st_size
            assert channel.order("put", name="large.twm", size=size, sha=sha(large)) == size
            with pytest.raises(DeviceError, match="memory allocation failed"):
                channel.order("swap", sha=sha(large)[:HEAD], seconds=10)
            if way == "run":  # at this prompt nothing can end what runs: a chip is reset there
                assert channel.listens(10)
                channel.order("hash")
                assert models(channel.events)[-1] == sha(old)[:16]


def put(board: UnixBoard, *paths: Path) -> None:
    """As if almost all of it had come already: this computer's end of the file system is quicker than the line."""
    slot = board.directory / SLOTS / "model.b"
    slot.mkdir(exist_ok=True)
    for path in paths:
        (slot / f"{sha(path)[:16]}.part").write_bytes(path.read_bytes())


def test_a_file_that_is_not_what_was_deployed_is_not_opened(board: UnixBoard, old: Path, tmp_path: Path) -> None:
    new = model(tmp_path, "new", 121, 40)
    placed = deploy(board.port, new).models[0]
    assert models(boot(board)) == [sha(new)[:16]]
    file = board.directory / placed.path
    file.write_bytes(file.read_bytes()[:-1] + b"\x55")  # which no checksum of its own covers
    events = boot(board)
    said = [event.what for event in events if isinstance(event, Error)]
    assert said == [f"{placed.path}: its SHA-256 is not {sha(new)[:16]}"]
    assert models(events) == [sha(old)[:16]]


def test_a_record_of_an_app_that_knows_no_digests_counts(board: UnixBoard, tmp_path: Path) -> None:
    new = model(tmp_path, "new", 121)
    deploy(board.port, new, start=False)
    with RawRepl(board.port) as repl:  # as an older app would: its own keys, those it does not know as they were
        repl.exec(
            "from tinywake import slots, swap\nimport _tinywake\nwhich, n, e = slots.newest()\n"
            "e['sequence'] = str(n + 1)\ne['sums'] = str(n)\n"
            "d = slots.HEAD + ''.join('%s=%s\\n' % (k, e[k]) for k in sorted(e)).encode()\n"
            "d += b'check=%04x' % _tinywake.crc16(d, 0, len(d))\n"
            "f = open(slots.record(1 - which), 'wb')\nf.write(d) and None\nf.close()"
        )
        assert repl.ask("from tinywake import slots\nanswer([slots.paths()[0], slots.digest(slots.paths()[0])])") == [
            f"{SLOTS}/model.b/new.twm", ""
        ]  # fmt: skip


def test_a_model_that_is_loaded_by_command_may_stay(board: UnixBoard, old: Path, tmp_path: Path) -> None:
    new = model(tmp_path, "new", 121)
    shutil.copy(new, board.directory / "loose.twm")
    with Channel(board.port) as channel:
        assert channel.listens(2)
        channel.order("load", path="loose.twm")
    assert models(boot(board)) == [sha(old)[:16]]
    with Channel(board.port) as channel:
        assert channel.listens(2)
        channel.order("load", path="loose.twm", keep=1)
    assert models(boot(board)) == [sha(new)[:16]]


def test_one_of_several_models_is_chosen_by_name(
    board: UnixBoard, old: Path, tmp_path: Path, tinywake: Callable[..., tuple[int, str, str]]
) -> None:
    new = model(tmp_path, "new", 121)
    shutil.copy(new, board.directory / "loose.twm")
    shutil.copy(new, board.directory / "old.twm")  # the name of the one in the slot
    code, out, _ = tinywake("deploy", board.port, "--use", "loose", "--json")
    facts = json.loads(out)
    assert (code, facts["path"], facts["sha"], facts["listening"]) == (0, "loose.twm", sha(new)[:16], True)
    assert sorted(facts["others"]) == ["old.twm", f"{SLOTS}/model.a/old.twm"]
    assert models(boot(board)) == [sha(new)[:16]]
    code, _, err = tinywake("deploy", board.port, "--use", "no")
    assert (code, "no model 'no'; there are: loose.twm, " in err, err.count("\n")) == (2, True, 1)
    code, _, err = tinywake("deploy", board.port, "--use", "old")
    assert (code, "name one of them" in err) == (2, True)
    (board.directory / "bad.twm").write_bytes(b"bad")
    code, _, err = tinywake("deploy", board.port, "--use", "bad")
    assert (code, "the board keeps what it has" in err) == (2, True)
    with RawRepl(board.port):
        pass  # it listens no more
    code, out, _ = tinywake("deploy", board.port, "--use", f"{SLOTS}/model.a/old.twm")
    assert (code, "does not listen now" in out, sha(old)[:16] in out) == (0, True, True)
    assert models(boot(board)) == [sha(old)[:16]]


def test_what_use_does_not_go_with(tinywake: Callable[..., tuple[int, str, str]]) -> None:
    for more in (("--use", "a", "--model", "b.twm"), ("--use", "a", "--watch"), ("--use", "a", "--reset")):
        code, out, err = tinywake("deploy", "loop://", *more)
        assert (code, out, "--use is for a model that is on the board" in err) == (2, "", True), err


def test_a_board_that_does_not_listen_is_left_to_deploy(board: UnixBoard, old: Path, tmp_path: Path) -> None:
    with RawRepl(board.port):
        pass
    before = files(board)
    assert swap(board.port, model(tmp_path, "new", 121)) is None
    assert files(board) == before


def test_deploy_takes_the_way_that_there_is(board: UnixBoard, old: Path, tmp_path: Path) -> None:
    new = model(tmp_path, "new", 121)

    def call(path: Path, *more: str) -> dict[str, Any]:
        words = [sys.executable, "-m", "tinywake", "deploy", board.port, "--model", str(path), "--json", *more]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        facts: dict[str, Any] = json.loads(done.stdout)
        return facts

    facts = call(new)
    assert (facts["beside"], facts["listening"], facts["sha256"]) == (True, True, sha(new))
    facts = call(old, "--reset")
    assert facts["listening"]
    assert "ram" in facts
    assert (facts["name"], facts["bytes"], facts["sha256"]) == (old.name, old.stat().st_size, sha(old))  # as above
    with RawRepl(board.port):
        pass
    assert "ram" in call(new)  # it did not listen
    assert restart(board.port).listening


@pytest.fixture(params=[*TARGETS])
def target(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# However slow the computer is at that moment, the microphone goes on.
CIRCLE = """
from tinywake.port.wav import WavMicrophone
read = WavMicrophone.readinto
def readinto(self, buf):
    count = read(self, buf)
    if not count:
        self._file.seek(44)
        self._left = 64000
        count = read(self, buf)
    return count
WavMicrophone.readinto = readinto
"""


@pytest.mark.lean("qemu-armv6m")
@WAYS
def test_on_every_target(target: str, way: str, tmp_path: Path, old: Path) -> None:
    """With that interpreter's file system, files and clock."""
    if lacking := TARGETS[target].available():
        pytest.skip(lacking)
    new = model(tmp_path, "new", 121)
    with open_target(target) as chip:
        deploy(chip.port, old, board=chip.board, start=False)
        with RawRepl(chip.port, timeout=60) as repl:
            repl.put("mic.wav", wav_bytes(np.zeros(32000, np.int16)))
            repl.put("circle.py", CIRCLE.encode())
        with open_port(chip.port) as port:
            port.write(f"import circle, tinywake.main as m; m.{way}('mic.wav', True)\r".encode())
            hear(port, lambda event: isinstance(event, State) and event.state == "listening", 30)
        report = swap(chip.port, new)
        assert report is not None
        assert (report.changed, report.beside) == (True, True)
        with Channel(chip.port) as channel:
            assert channel.listens(3)
            channel.order("hash", seconds=5)
            assert models(channel.events)[-1] == sha(new)[:16]
            lost = sum(event.samples for event in channel.events if isinstance(event, Lost))
            channel.order("stop", seconds=5)
            last = [event for event in channel.events if isinstance(event, State)][-1]
            assert last.lost == report.lost + lost
            assert [event for event in channel.events if isinstance(event, Ok)]


def test_a_command_that_fills_its_line_is_read(board: UnixBoard) -> None:
    # Bug: run() gave up a command of 159 or 160 bytes, for it had no room for what closes the call.
    begin(board, "run")
    for length in (156, 157, 158, 159, 160):
        more = length - len(b"@nonsense id=7 x=*0000")
        line = encode_command("nonsense", [("id", 7), ("x", "y" * more)])
        with open_port(board.port) as port:
            port.write(line)
            hear(port, lambda event: isinstance(event, Error) and event.id == 7, 5)


def test_a_model_that_does_not_fit_changes_nothing(board: UnixBoard, old: Path, tmp_path: Path) -> None:
    # Bug: the second choice had gone before the room was looked at.
    new = model(tmp_path, "new", 121)
    deploy(board.port, new)
    before = {path: path.read_bytes() for path in (board.directory / SLOTS).rglob("*") if path.is_file()}
    with Channel(board.port) as channel:
        assert channel.listens(2)
        with pytest.raises(DeviceError, match="999999999999999 bytes do not fit: there is room for"):
            channel.order("put", name="vast.twm", size=999_999_999_999_999, sha="5" * 64)
    assert {path: path.read_bytes() for path in before} == before
    assert files(board) == ["model.a/old.twm", "model.b/new.twm"]


def test_a_transfer_that_is_refused_ends_no_trial(board: UnixBoard, tmp_path: Path) -> None:
    # Bug: any put did, also one that was wrong.
    assert swapped(board, model(tmp_path, "new", 121)).changed
    third = model(tmp_path, "third", 122)

    def on_trial() -> bool:
        with open_port(board.port) as port:
            port.write(b"print('on', 'trial' if tinywake.main.listener.task else 'none')\r")
            return bool(port.read_until(b"\r\non ") and port.read_until(b"\r\n") == b"trial\r\n")

    with Channel(board.port) as channel:
        for name, size in (("../x.twm", 10), ("vast.twm", 999_999_999_999_999)):
            with pytest.raises(DeviceError, match=r"name:|do not fit"):
                channel.order("put", name=name, size=size, sha="5" * 64)
    assert on_trial()
    with Channel(board.port) as channel:
        assert channel.order("put", name="third.twm", size=third.stat().st_size, sha=sha(third)) == 0
    assert not on_trial()


def test_a_trial_that_was_undone_costs_little_and_never_the_hearing(board: UnixBoard, tmp_path: Path) -> None:
    # Bug: each boot imported all that a swap takes, and was deaf where the heap had no room for that.
    assert swapped(board, model(tmp_path, "new", 121)).changed
    boot(board)
    with RawRepl(board.port) as repl:
        code = "import sys, tinywake.main as m\nm.load()\nanswer([n for n in sorted(sys.modules) if n[9:] in HEAVY])\n"
        heavy = ["commands", "handover", "inbox", "incoming"]
        assert repl.ask(f"HEAVY = {heavy}\n{code}") == []
        full = f"from tinywake.swap import try_out\ntry_out('model', {SLOTS + '/model.b/new.twm'!r}, {'0' * 64!r})\n"
        full += "class Full:\n    undo = None\n    def say_swap(*of):\n        raise MemoryError\nimport sys\n"
        code = "sys.modules['tinywake.swap'] = Full\nm.load()\nanswer(m.listener.model.name)\n"
        assert repl.ask(full + code) == "old"


@WAYS
def test_a_file_that_is_damaged_is_sent_anew(board: UnixBoard, old: Path, tmp_path: Path, way: str) -> None:
    # Bug: the record's digest was believed, the file's own refused, and so for ever.
    new = model(tmp_path, "new", 121, 40)
    deploy(board.port, new)
    begin(board, way)
    damaged = board.directory / SLOTS / "model.a/old.twm"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\x55")
    assert swapped(board, old).changed
    assert damaged.read_bytes() == old.read_bytes()
    assert files(board) == ["model.a/old.twm", "model.b/new.twm"]
    assert models(boot(board)) == [sha(new)[:16]]


def test_what_listens_but_would_not_after_a_reset_is_put_there(board: UnixBoard, tmp_path: Path) -> None:
    # Bug: "listens with it already", of a model that had been loaded for the moment.
    new = model(tmp_path, "new", 121)
    shutil.copy(new, board.directory / "loose.twm")
    with Channel(board.port) as channel:
        assert channel.listens(2)
        channel.order("load", path="loose.twm")
        assert channel.listens(2)
    report = swapped(board, new)
    assert (report.changed, report.there) == (True, 0)
    assert files(board) == ["model.a/old.twm", "model.b/new.twm"]
    assert not swapped(board, new).changed  # it is on trial, and stays


FULL = """
import builtins
real, room = builtins.open, ROOM
class Full:
    def __init__(self, file): self.file = file
    def write(self, data):
        global room
        room -= len(data)
        if room < 0: raise OSError(28)
        return self.file.write(data)
    def flush(self): self.file.flush()
    def close(self): self.file.close()
builtins.open = lambda path, mode='r': Full(real(path, mode)) if mode == 'ab' else real(path, mode)
"""


@pytest.mark.parametrize("taken", [0, 1000])
def test_a_file_system_that_fills_up_meanwhile(board: UnixBoard, old: Path, tmp_path: Path, taken: int) -> None:
    """`taken`: bytes of the model that still fit."""
    new = model(tmp_path, "new", 121, 3000)
    before = files(board)
    execute_there(board, FULL.replace("ROOM", str(taken)))
    with pytest.raises(DeviceError, match="ENOSPC, the file system is full"):
        swap(board.port, new)
    assert files(board) == before  # what had come has made room again
    with Channel(board.port) as channel:
        assert channel.listens(5)
        channel.order("hash")
        assert models(channel.events)[-1] == sha(old)[:16]
    execute_there(board, "builtins.open = real")
    report = swapped(board, new)
    assert (report.there, report.changed, report.lost) == (0, True, 0)


def execute_there(board: UnixBoard, code: str) -> None:
    """At the prompt of a board that goes on listening."""
    with open_port(board.port) as port:
        port.write(f"exec({code!r}); print('do' + 'ne')\r".encode())
        said, end = b"", time.monotonic() + 30
        while b"\r\ndone" not in said and time.monotonic() < end:
            said += port.read(max(1, port.in_waiting))
        assert b"\r\ndone" in said, said


STANDS_IN = """
import tinywake.main as m
from tinywake import handover, incoming
from tinywake.port import port
class Queue:
    full = True
    def schedule(call, order):
        if Queue.full:
            raise RuntimeError("schedule queue full")
        Queue.order = order
port.call_soon = Queue.schedule
class Listening:
    listening = True
m.listener = Listening
class Given:
    path = "a.twm"
class Task(handover.Handover):
    def __init__(self):
        self.transfer, self._number, self._next = Given, 7, lambda listener: self._instead()
task = Task()
said = [task(Listening) is task]
Queue.full = False
said += [task(Listening), Queue.order[:2]]
class Old(incoming.Transfer):
    def __init__(self, ms):
        self.touched = port.ticks_ms() + ms & (1 << 30) - 1
m.listener = None
answer(said + [Old(ms).busy() for ms in (0, -5000, -20000, 1 << 28)])
"""


def test_a_full_queue_and_a_clock_that_begins_anew_do_no_harm(board: UnixBoard) -> None:
    # Bug: where micropython.schedule had no room listening ended; days later a transfer that had broken off was busy.
    with RawRepl(board.port) as repl:
        assert repl.ask(STANDS_IN) == [True, None, ["a.twm", 7], True, True, False, False]
