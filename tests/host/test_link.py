# SPDX-License-Identifier: MIT
"""firmware/SERIAL.md against its two ends: the reader on the host, and the app's writer."""

import ast
import importlib.util
import itertools
import re
import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinywake.device.firmware import ARCHES
from tinywake.device.line.events import (
    Boot,
    End,
    Error,
    Event,
    File,
    Heap,
    Hit,
    Label,
    Level,
    Lost,
    Model,
    Ok,
    Pcm,
    Profile,
    Rec,
    Score,
    State,
    Swap,
    Unknown,
    as_json,
)
from tinywake.device.line.lines import LIMIT, LineReader, encode_command, encode_line, named, parse_line, printable
from tinywake.device.swap.transfer import HEAD, MOST, PIECE

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```\n(.*?)```", (ROOT / "firmware/SERIAL.md").read_text("ascii"), re.S)
GOOD = BLOCKS[-2].splitlines()
BAD = BLOCKS[-1].splitlines()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
HIT = b"@hit label=computer t=128340 score=231 mean=198*"


def read(*parts: bytes) -> tuple[list[Event], LineReader]:
    reader = LineReader()
    return [event for part in parts for event in reader.feed(part)], reader


def load_app(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"app_{name}", ROOT / f"firmware/app/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_examples_of_the_document() -> None:
    events, reader = read("\n".join([*GOOD, ""]).encode())
    assert events == [
        Boot(1, "0.1.0", "UNIX", "micropython-1.25.0", 2822, 1),
        Model("computer", "1c7966a6bc2e6faa", 15360, 320, 150),
        Label(0, "unknown", 0),
        Label(1, "ok computer", 1),
        Label(2, "café", 1),
        State(1, "listening", "computer", 0, 0, 0, 0, 0),
        Score("ok computer", 20, 3, 1, ready=0),
        Score("ok computer", 120, 231, 198),
        Hit("ok computer", 120, 231, 198),
        Hit("~2", 1073741823, 255, 255),
        Level(200, 32768, 17),
        Lost(220, 640, 3),
        Heap(102384, 102384, 1264),
        Ok(7),
        Ok(8, 150),
        File("model", "tinywake-models/model.a/computer.twm"),
        Swap("trial", "tinywake-models/model.b/computer.twm", "1c7966a6bc2e6faa"),
        Profile("op", 420, 3),
        Profile("step", 9120, lines=14),
        Rec("on", "hit", "ok computer", 1073741823, 12, 0, 3, 2400, 1),
        Pcm(12, "!!$!!|,-#{"),
        Error("load", "a.twm: TW_ERR_MAGIC"),
        Error("command", "unknown command", 9),
        End(10000, 500, 1, 640),
        State(1, "stopped", "computer", 10000, 500, 1, 3, 640),
    ]
    assert (reader.events, reader.bad, reader.noise, reader.unknown) == (len(GOOD), 0, 0, 0)


def test_every_event_has_an_example_and_a_row() -> None:
    text = (ROOT / "firmware/SERIAL.md").read_text("ascii")
    rows = re.findall(r"^\| `(\w+)` \|", text, re.M)
    assert sorted(rows) == sorted({re.match(r"@(\w+)", line)[1] for line in GOOD})  # type: ignore[index]


def test_the_app_knows_the_commands_of_the_document() -> None:
    text = (ROOT / "firmware/SERIAL.md").read_text("ascii")
    rows = re.findall(r"^\| `@(\w+)` \|.*\| (.*) \|$", text, re.M)
    wanted = {name for name, does in rows if does != "reserved"}
    assert wanted == set(re.findall(r'^    "(\w+)": _\w+,$', (ROOT / "firmware/app/commands.py").read_text(), re.M))
    example = encode_command("stop", [("id", 7)]).decode()
    assert example.replace("\x15", "<Ctrl-U>").replace("\r", "<CR>") in text


@given(st.dictionaries(st.sampled_from(["path", "mode"]), TEXT.map(lambda text: text[:4]), max_size=2))
def test_a_command_is_one_call_and_one_checked_line(values: dict[str, str]) -> None:
    pairs = [("id", 2**30), *values.items()]
    line = encode_command("load", pairs)
    call = ast.parse(line.strip(b"\x15\r").decode(), mode="eval").body
    assert isinstance(call, ast.Call)
    (argument,) = call.args
    assert isinstance(argument, ast.Constant)
    body, _, check = argument.value.rpartition("*")
    assert parse_line(argument.value.encode()) == Unknown("load", tuple((key, str(value)) for key, value in pairs))
    assert len(argument.value) <= LIMIT
    assert "@" not in body[1:]
    assert len(check) == 4


def test_an_echoed_command_is_no_event() -> None:
    events, reader = read(b">>> " + encode_command("hit", [("id", 1)]) + b"\n")
    assert (events, reader.noise, reader.bad) == ([], 1, 0)


def test_bad_examples_of_the_document() -> None:
    events, reader = read("\n".join([*BAD, ""]).encode())
    assert (events, reader.bad, reader.noise) == ([], len(BAD), 0)


@pytest.mark.parametrize(
    "prefix", [b"", b">>> ", b"OK", b">>> >>> ", b"x = 1 # @", b"\x1b]0;title\x1b\\", b"\xff\x00@hit "]
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\r\n"])
def test_what_stands_before_an_event(prefix: bytes, end: bytes) -> None:
    line = GOOD[8].encode()
    assert read(prefix + line + end)[0] == [parse_line(line)]


@pytest.mark.parametrize(
    ("line", "bad"),
    [
        (b"print('hello')", 0),
        (b">>> ", 0),
        (b"mail me@example.org", 0),
        (b"@property", 1),
        (b">>> @property", 1),
        (b"... @", 1),
        (HIT + b"0e4g", 1),
        (HIT + b"B6C2", 1),
        (HIT.replace(b" t", b"  t") + b"0000", 1),
        (b"a" * 1000 + b"@", 0),
    ],
)
def test_lines_that_are_no_events(line: bytes, bad: int) -> None:
    events, reader = read(line + b"\n" + GOOD[0].encode() + b"\n")
    assert len(events) == 1
    assert (reader.bad, reader.noise) == (bad, 1 - bad)


def checked(body: str) -> bytes:
    from binascii import crc_hqx

    return f"{body}*{crc_hqx(body.encode(), 0xFFFF):04x}".encode()


@pytest.mark.parametrize(
    "body",
    [
        "@hit label=a t=1 t=2 score=1 mean=1",  # a key twice
        "@hit label=%4 t=1 score=1 mean=1",  # half an escape
        "@hit label=%GG t=1 score=1 mean=1",
        "@hit label t=1 score=1 mean=1",  # no value
        "@Hit label=a t=1 score=1 mean=1",
        "@hit label=" + "x" * LIMIT + " t=1 score=1 mean=1",
    ],
)
def test_right_check_but_wrong_shape(body: str) -> None:
    events, reader = read(checked(body) + b"\n")
    assert (events, reader.bad) == ([], 1)


@pytest.mark.parametrize(
    "body",
    [
        "@hit label=a t=1 score=1",  # a field is missing
        "@hit label=a t=-1 score=1 mean=1",  # no number
        "@hit label=a t=2147483648 score=1 mean=1",  # beyond 31 bits
        "@hit label=a t= score=1 mean=1",
        "@hit label=a t=1 score=256 mean=1",
        "@score label=a t=1 score=1 mean=70000",  # Bug: crashed the monitor, which draws a bar for each
        "@score label=a t=1 score=1 mean=1 ready=2",
        "@model name=a sha=0 arena=1 step=1 threshold=256",
        "@level t=1 peak=32769 clipped=0",
        "@ack id=4",
    ],
)
def test_unknown_is_kept_apart(body: str) -> None:
    events, reader = read(checked(body) + b"\n")
    assert isinstance(events[0], Unknown)
    assert (reader.unknown, reader.bad) == (1, 0)


def test_later_fields_are_ignored() -> None:
    assert parse_line(checked("@lost t=1 frames=x%20y lines=2 samples=3")) == Lost(1, 3, 2)


def test_every_flipped_bit_is_caught() -> None:
    line = GOOD[7].encode()
    for at in range(len(line) * 8):
        damaged = bytearray(line)
        damaged[at // 8] ^= 1 << at % 8
        assert parse_line(bytes(damaged)) is None, at


def test_a_megabyte_without_newline_is_bounded() -> None:
    reader = LineReader()
    for _ in range(64):
        assert reader.feed(b"\xa5" * 16384) == []
        assert len(reader._tail) <= 1024
    assert len(reader.feed(b"\n" + GOOD[0].encode() + b"\n")) == 1
    assert (reader.noise, reader.bad) == (1, 0)


CHUNKS = st.lists(
    st.one_of(
        st.binary(max_size=80),
        st.sampled_from([line.encode() + b"\r\n" for line in GOOD + BAD]),
        st.sampled_from([b"\n", b"\r\n", b">>> ", b"@", b"*", b"x" * 300, b"\r" * 600]),
    ),
    max_size=20,
)


@given(CHUNKS, st.lists(st.integers(0, 4000), max_size=8))
def test_any_split_gives_the_same(chunks: list[bytes], cuts: list[int]) -> None:
    data = b"".join(chunks)
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    pieces = [data[a:b] for a, b in itertools.pairwise(edges)]
    whole, one = read(data)
    split, other = read(*pieces)
    bytewise, third = read(*(data[i : i + 1] for i in range(len(data))))
    assert whole == split == bytewise
    assert vars(one) == vars(other) == vars(third)


@given(st.lists(st.tuples(st.binary(max_size=300), st.sampled_from(GOOD)), max_size=10))
def test_events_between_noise_are_found(parts: list[tuple[bytes, str]]) -> None:
    reader = LineReader()
    for noise, line in parts:
        reader.feed(noise.replace(b"*", b"+") + b"\n")
        assert reader.feed(line.encode() + b"\n") == [parse_line(line.encode())]
    assert reader.events == len(parts)


@given(TEXT, st.integers(0, 2**31 - 1))
def test_round_trip(label: str, t: int) -> None:
    line = encode_line("hit", [("label", label), ("t", t), ("score", 1), ("mean", 2)])
    assert line.isascii()
    event = parse_line(line.rstrip(b"\n"))
    assert event == (Hit(label, t, 1, 2) if len(line) - 2 <= LIMIT else None)
    if event is not None:
        assert as_json(event) == {"event": "hit", "label": label, "t": t, "score": 1, "mean": 2}


def test_an_unknown_event_cannot_pose_as_another() -> None:
    # Bug: its fields overwrote the object's own keys.
    event = parse_line(checked("@new event=hit at=5 x=1"))
    assert event is not None
    assert as_json(event) == {"event": "new", "fields": {"event": "hit", "at": "5", "x": "1"}}


def test_printable_shows_what_would_steer_a_terminal() -> None:
    assert printable("café 水 [b]") == "café 水 [b]"
    assert printable("a\x1b[2J\r\n\x9b\u202eb") == "a\ufffd[2J\ufffd\ufffd\ufffd\ufffdb"


def test_an_error_of_a_file_has_a_name() -> None:
    # Bug: "OSError: 28" was all that people were told.
    full = "OSError: ENOSPC, the file system is full: remove something, as with python -m mpremote fs rm"
    assert named("OSError: 28") == full
    assert named("OSError: [Errno 2] ENOENT") == "OSError: ENOENT, there is no such file"
    assert named("model: [Errno 2] ENOENT") == "model: ENOENT, there is no such file"
    assert named("OSError: [Errno 5] EIO") == "OSError: EIO, what it lies on cannot be read or written"
    assert named("OSError: 99999").startswith("OSError: error 99999, ")
    for other in ("ValueError: 28", "OSError: no mic.wav to hear", "OSError: 28 things"):
        assert named(other) == other


def test_one_table_of_architectures() -> None:
    size = runpy.run_path(str(ROOT / "firmware/module/mpy_size.py"))
    assert size["ARCHES"][: len(ARCHES)] == ARCHES
    assert not any(size["ARCHES"][len(ARCHES) :])


def app_link(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "tests/device/fake"))
    monkeypatch.delitem(sys.modules, "_tinywake", raising=False)
    return load_app("link")


def test_the_app_writes_what_the_host_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_link(monkeypatch)
    assert app.LIMIT == LIMIT
    out = bytearray()

    def write(buf: bytearray, start: int, end: int, wait_ms: int) -> int:
        out.extend(buf[start:end])
        return end - start

    link = app.Link(write)
    for text in ("computer", "ok computer", "a%b*c=d@e~", "café", "", "\N{GRINNING FACE}\n"):
        for number in (0, 9, 10, 99999, 2**30 - 1):
            out.clear()
            link.begin(b"@hit label=" + app.escape(text))
            values = [("t", number), ("score", number & 255), ("mean", number >> 22)]
            for key, value in values:
                link.number(f" {key}=".encode(), value)
            assert link.end()
            assert bytes(out) == encode_line("hit", [("label", text), *values])
            assert read(bytes(out))[0] == [Hit(text, number, number & 255, number >> 22)]


def test_the_app_cuts_a_text_between_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_link(monkeypatch)
    assert app.escape("x" * 100_000) == b"x" * 40  # Bug: one recursion for each surplus character
    assert app.escape("é" * 30, 17) == b"%c3%a9" * 2
    assert app.escape("abc", 0) == b""


@pytest.mark.parametrize("recording", [False, True])
def test_bandwidth_tables_of_the_document(recording: bool) -> None:
    text = (ROOT / "firmware/SERIAL.md").read_text("ascii").split("While a recording is on: a frame's line")[recording]
    rows = re.findall(r"^\| (\w+) \| (\d+) \| ([\d.]+) \| (\d+) \|$", text, re.M)
    n30, name = 2**30 - 1, "x" * 40
    longest: dict[str, list[tuple[str, int | str]]] = {
        "score": [("label", name), ("t", n30), ("score", 255), ("mean", 255), ("ready", 0), ("awake", 0)],
        "level": [("t", n30), ("peak", 32768), ("clipped", 3200)],
        "hit": [("label", name), ("t", n30), ("score", 255), ("mean", 255)],
        "lost": [("t", n30), ("samples", n30), ("lines", n30)],
        "state": [("v", 1), ("state", "listening"), ("model", name)],
        "heap": [("free", n30), ("low", n30), ("stack", n30)],
        "pcm": [("n", 9_999_999), ("d", "x" * 810)],
        "rec": [("state", "off"), ("mode", "stream"), ("label", "x" * 24), ("at", n30), ("frames", 9_999_999)],
    }
    longest["rec"] += [("lost", n30), ("dropped", 9_999_999), ("ring", 65535), ("cuts", 9_999_999)]
    for other in ("score", "level", "heap") if recording else ("pcm", "rec"):
        del longest[other]
    longest["state"] += [(key, n30) for key in ("t", "steps", "hits", "dropped", "lost")]
    total = 0
    for event, size, rate, product in rows:
        if event == "answer":
            assert int(size) == LIMIT + 2
        else:
            assert len(encode_line(event, longest[event])) == int(size), event
        assert int(size) <= LIMIT + 2 or event == "pcm"
        assert abs(int(size) * float(rate) - int(product)) < 1
        total += int(product)
    assert {row[0] for row in rows} == {*longest, "answer"}
    assert f"**{total}**" in text
    assert total < (11250 if recording else 115200 // 10)


def test_a_transfer_fits_the_line_too() -> None:
    text = (ROOT / "firmware/SERIAL.md").read_text("ascii").partition("While a recording is on")[0]
    rows = re.findall(r"^\| (\w+) \| (\d+) \| ([\d.]+) \| (\d+) \|$", text, re.M)
    others = sum(int(product) for event, _, _, product in rows if event != "answer")
    sha = "0" * HEAD
    piece = encode_command("piece", [("id", 9999), ("at", MOST), ("sha", sha), ("data", "x" * (PIECE // 3 * 4))])
    echo = len(piece) - len(b"\x15\r") + len(b"\r\n>>> ")
    answer = encode_line("ok", [("id", 2**31 - 1), ("value", 2**31 - 1)])
    total = others + 20 * (echo + len(answer))
    assert f"{echo} and {len(answer)}: {total} in all" in text
    assert total < 115200 // 10
    encode_command("put", [("id", 9999), ("name", "x" * 40), ("size", MOST), ("sha", "0" * 64)])  # is not too long


def test_a_command_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="160 bytes"):
        encode_command("load", [("id", 1), ("path", "x" * 160)])


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("OSError: 99999999999", "OSError: error 99999999999, which has no name"),
        ("[Errno 4242]", "error 4242, which has no name"),
        ("[Errno 110] ETIMEDOUT", "ETIMEDOUT, Connection timed out"),
        ("[Errno 35] EAGAIN", "EAGAIN, Resource temporarily unavailable"),
        ("[Errno 7] EOURS", "EOURS"),
        ("a.twm: [Errno 2]", "a.twm: ENOENT, there is no such file"),
        ("OSError: 84", "OSError: EILSEQ, Invalid or incomplete multibyte or wide character"),
    ],
)
def test_an_error_of_the_board_has_the_boards_name(said: str, shown: str) -> None:
    # Bug: a large number was a traceback, and a name that the board said gave way to this computer's for its number.
    assert named(said) == shown
