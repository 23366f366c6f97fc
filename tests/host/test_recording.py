# SPDX-License-Identifier: MIT
"""Recordings on this computer: frames to samples, files that are whole at any time, every loss marked, the list."""

from __future__ import annotations

import base64
import csv
import math
import random
import re
import resource
import sys
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tinywake.audio.folders import recordings
from tinywake.device.line.events import Event, Hit, Pcm, Rec
from tinywake.device.line.lines import LineReader, encode_line, parse_line
from tinywake.device.record.board import Board
from tinywake.device.record.folder import Folder, Recorded
from tinywake.device.record.frames import WRAP, Frame, read_frame
from tinywake.device.record.pieces import Pieces
from tinywake.device.record.record import Wanted, fault, record
from tinywake.device.record.take import Take
from tinywake.device.record.wav import WavFile
from tinywake.errors import ConfigError, DeviceError, ToolError

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from ima import DIGITS, FRAME, PYTHONS, line, lines

Samples = npt.NDArray[np.int16]


def sound(samples: int, seed: int = 1) -> Samples:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=samples) * 4000 * (1 + np.sin(np.arange(samples) / 900))).astype(np.int16)


def read(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)
        data = file.readframes(file.getnframes())
        assert len(data) == 2 * file.getnframes()
    assert path.stat().st_size == 44 + len(data), "more than the header says"
    return np.frombuffer(data, "<i2")


def joined(made: list[tuple[bytes, list[int]]]) -> list[int]:
    return [sample for _, samples in made for sample in samples]


def event(text: bytes) -> Event:
    found = parse_line(text.rstrip(b"\n"))
    assert found is not None
    return found


def rec(state: str = "off", **fields: int) -> Rec:
    counts = {"at": 0, "frames": 0, "lost": 0, "dropped": 0, "ring": 960, "cuts": 0}
    return Rec(state, "stream", "", **(counts | fields))


def frame_of(text: bytes) -> Frame:
    found = event(text)
    assert isinstance(found, Pcm)
    frame = read_frame(found)
    assert frame is not None
    return frame


@pytest.mark.parametrize("samples", [1, 2, FRAME - 1, FRAME, 3 * FRAME + 7])
def test_a_frame_is_decoded_by_itself(samples: int) -> None:
    for i, (text, decoded) in enumerate(lines(sound(samples), at=WRAP - 1 - samples)):
        frame = frame_of(text)
        assert (frame.number, frame.at) == (i, WRAP - 1 - samples + i * FRAME)
        assert frame.samples.tolist() == decoded


@pytest.mark.parametrize("data", [b"", bytes(8), b"\0\0\x59\0\0\0\0\0\1", b"\0\0\xff\0\0\0\0\0\1"])
def test_what_is_no_frame_is_none(data: bytes) -> None:
    found = event(line(1, data))
    assert isinstance(found, Pcm)
    assert read_frame(found) is None


@pytest.mark.parametrize("text", ["", "!", "|||||||||||||||", "aa'aa'aa'aa'aa'aa'", "%%%%%%%%%%%%%%%"])
def test_what_is_no_base_85_is_none(text: str) -> None:
    assert read_frame(Pcm(1, text)) is None


def test_a_line_may_be_so_long_and_no_longer() -> None:
    whole = line(1 << 30, bytes(648))
    assert isinstance(event(whole), Pcm)
    assert parse_line(line(1, bytes(680)).rstrip()) is None
    reader = LineReader()
    assert [type(e) for e in reader.feed(b">>> " + whole + whole[100:] + whole)] == [Pcm, Pcm]
    assert reader.noise == 1


class Heard:
    """A take that is fed, and what came of it."""

    def __init__(self, path: Path, texts: list[bytes]) -> None:
        self.take = Take(path)
        for text in texts:
            self.take.put(frame_of(text))

    def end(self, samples: int | None = None) -> tuple[list[int], list[str]]:
        self.take.end(samples)
        return read(self.take.path).tolist(), [str(gap) for gap in self.take.gaps]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a/b.wav"


def test_frames_in_order_are_the_sound(path: Path) -> None:
    made = list(lines(sound(5 * FRAME + 33)))
    whole = joined(made)
    assert Heard(path, [text for text, _ in made]).end(len(whole)) == (whole, [])


def test_a_lost_frame_costs_itself_alone(path: Path) -> None:
    made = list(lines(sound(6 * FRAME)))
    texts = [text for text, _ in made]
    got, gaps = Heard(path, [texts[0], *texts[3:5]]).end(6 * FRAME)
    assert gaps == [f"{FRAME}+{2 * FRAME} line", f"{5 * FRAME}+{FRAME} line"]
    assert got == made[0][1] + [0] * 2 * FRAME + made[3][1] + made[4][1] + [0] * FRAME


def test_doubles_are_dropped_and_late_ones_find_their_place(path: Path) -> None:
    made = list(lines(sound(6 * FRAME)))
    order = [0, 0, 3, 1, 1, 5, 4, 3, 2, 5]
    heard = Heard(path, [made[i][0] for i in order])
    assert heard.end(6 * FRAME) == (joined(made), [])
    assert (heard.take.doubled, heard.take.refused) == (4, 0)


def test_what_the_microphone_lost_is_told_from_the_line(path: Path) -> None:
    first, second = list(lines(sound(700))), list(lines(sound(FRAME), number=1, at=700 + 55))
    third = list(lines(sound(10), number=4, at=700 + 55 + FRAME + 999))
    got, gaps = Heard(path, [first[0][0], second[0][0], third[0][0]]).end()
    assert gaps == ["700+55 microphone", f"{755 + FRAME}+999 line"]
    assert got == first[0][1] + [0] * 55 + second[0][1] + [0] * 999 + third[0][1]


def test_the_count_of_samples_begins_anew(path: Path) -> None:
    made = list(lines(sound(3 * FRAME), at=5))
    texts = [line(i, self_at(text, WRAP - FRAME + i * FRAME)) for i, (text, _) in enumerate(made)]
    take = Take(path, WRAP - FRAME, 0)
    for text in texts:
        take.put(frame_of(text))
    take.end()
    assert read(path).tolist() == joined(made)
    assert take.over == 2 * FRAME


def self_at(text: bytes, at: int) -> bytes:
    """The frame's bytes, with another count of samples."""
    frame = event(text)
    assert isinstance(frame, Pcm)
    data = base64.b85decode(frame.d.translate(str.maketrans(DIGITS, PYTHONS)))
    return data[:4] + (at % WRAP).to_bytes(4, "little") + data[8:]


def test_a_frame_that_cannot_be_true_is_refused(path: Path) -> None:
    made = list(lines(sound(3 * FRAME)))
    far = line(1, self_at(made[1][0], 1 << 29))
    early = line(2, self_at(made[2][0], 5))
    heard = Heard(path, [made[0][0], far, early, made[1][0], made[2][0]])
    assert heard.end() == (joined(made), [])
    assert heard.take.refused == 2


def test_a_long_gap_is_believed_when_two_frames_say_so(path: Path) -> None:
    made = list(lines(sound(2 * FRAME), number=500, at=500 * FRAME))
    got, gaps = Heard(path, [text for text, _ in made]).end()
    assert gaps == [f"0+{500 * FRAME} line"]
    assert got[500 * FRAME :] == made[0][1] + made[1][1]


@pytest.mark.parametrize("seed", range(6))
def test_a_bad_line_never_makes_a_wrong_sample(path: Path, seed: int) -> None:
    """Lost, damaged, doubled, swapped lines and noise between them: what is there is right, what is not is marked."""
    rng = random.Random(seed)
    made = list(lines(sound(40 * FRAME, seed)))
    texts = [text for text, _ in made]
    for _ in range(8):
        i, j = rng.randrange(len(texts)), rng.randrange(len(texts))
        kind = rng.choice(["lose", "double", "swap", "damage", "noise", "cut"])
        if kind == "lose":
            texts[i] = b""
        elif kind == "double":
            texts.insert(j, texts[i])
        elif kind == "swap":
            texts[i], texts[j] = texts[j], texts[i]
        elif kind == "damage" and texts[i]:
            at = rng.randrange(len(texts[i]))
            texts[i] = texts[i][:at] + bytes([texts[i][at] ^ 1 << rng.randrange(8)]) + texts[i][at + 1 :]
        elif kind == "noise":
            texts.insert(i, rng.randbytes(rng.randrange(3000)))
        else:
            texts[i] = texts[i][: rng.randrange(len(texts[i]) + 1)]
    reader, take = LineReader(), Take(path)
    stream = b"".join(texts)
    at = 0
    while at < len(stream):
        size = rng.randrange(1, 500)
        for found in reader.feed(stream[at : at + size]):
            if isinstance(found, Pcm) and (frame := read_frame(found)):
                take.put(frame)
        at += size
    take.end(40 * FRAME)
    wanted = np.array(joined(made), np.int16)
    for gap in take.gaps:
        wanted[gap.start : gap.start + gap.length] = 0
    got = read(path)
    assert len(got) == 40 * FRAME
    assert (got == wanted).all()
    assert sum(gap.length for gap in take.gaps) <= 16 * FRAME


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """No file may be larger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [44, 45, 46, 1000, 44 + 2 * FRAME, 5001])
def test_a_full_disk_leaves_a_file_that_is_whole(path: Path, size: int) -> None:
    made = list(lines(sound(4 * FRAME)))
    take = Take(path)
    with small_disk(size), pytest.raises(ToolError, match=r"cannot be written .*it is whole up to"):  # noqa: PT012
        for text, _ in made:
            take.put(frame_of(text))
    take.close()
    got = read(path)
    assert len(got) == (size - 44) // 2
    assert got.tolist() == joined(made)[: len(got)]


def test_a_disk_too_full_for_a_header_leaves_nothing(path: Path) -> None:
    with small_disk(20), pytest.raises(ToolError, match="cannot be written"):
        WavFile(path)
    assert not path.exists()


def test_a_file_is_whole_after_each_write_and_none_is_written_over(path: Path) -> None:
    with WavFile(path) as file:
        for i in range(5):
            file.put(file.samples, sound(100, i))
            assert len(read(path)) == 100 * (i + 1)
    with pytest.raises(ToolError, match="cannot be written"):
        WavFile(path)


def test_levels_are_those_of_the_loudest_20_ms(path: Path) -> None:
    take = Take(path)
    loud = np.zeros(FRAME, np.int16)
    loud[320:640] = np.where(np.arange(320) % 2, 16384, -16384)
    take.put(Frame(0, 0, 0, loud))
    assert take.level_db == pytest.approx(-6.02, abs=0.01)
    assert (take.peak, take.clipped) == (16384, 0)
    take.put(Frame(1, 0, FRAME, np.full(20, -32768, np.int16)))
    assert (take.peak, take.clipped) == (32768, 20)
    take.end()
    done = Recorded.of(take)
    assert "clipped" in fault(done)


def recorded(folder: Folder, events: list[Event], way: str = "all", samples: int | None = None) -> list[Recorded]:
    pieces = Pieces(folder, way, samples)
    found = [pieces.take(each) for each in events] + [pieces.end()]
    return [each for each in found if each]


def test_the_list_is_one_that_training_takes(tmp_path: Path) -> None:
    made = [event(text) for text, _ in lines(sound(FRAME))]
    for label, speaker in (("computer", "Ann B."), ("the door", ""), ("noise", "ann"), ("computer", "Ann B.")):
        folder = Folder(tmp_path, label, speaker)
        for done in recorded(folder, [*made, rec(at=FRAME)]):
            folder.add(done)
    found = recordings(tmp_path, ["computer"])
    assert [(str(each.path.relative_to(tmp_path)), each.kind, each.speaker) for each in found] == [
        ("computer/ann_b/0001.wav", "word", "Ann B."),
        ("computer/ann_b/0002.wav", "word", "Ann B."),
        ("noise/ann/0001.wav", "noise", "ann"),
        ("the_door/0001.wav", "other", "0001"),
    ]
    rows = list(csv.DictReader((tmp_path / "manifest.csv").open()))
    assert [row["seconds"] for row in rows] == ["0.08"] * 4


def test_a_list_that_is_there_keeps_its_lines_and_columns(tmp_path: Path) -> None:
    (tmp_path / "old.wav").write_bytes(b"")
    (tmp_path / "manifest.csv").write_text("\ufefffile,label,mine\nold.wav,door,7\n", encoding="utf-8")
    folder = Folder(tmp_path, "computer", "ann")
    for done in recorded(folder, [*(event(text) for text, _ in lines(sound(FRAME))), rec(at=FRAME + 9)]):
        folder.add(done)
    old, new = csv.DictReader((tmp_path / "manifest.csv").open())
    assert (old["file"], old["label"], old["mine"], old["gaps"]) == ("old.wav", "door", "7", "")
    assert (new["file"], new["gaps"]) == ("computer/ann/0001.wav", f"{FRAME}+9 line")


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "file,label\na,b,c\n", "file,label\n\0\xff\n"])
def test_another_list_is_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(ToolError, match=r"manifest\.csv"):
        Folder(tmp_path, "computer", "ann")
    assert (tmp_path / "manifest.csv").read_bytes() == text.encode("latin-1")


def test_names_of_folders_are_safe(tmp_path: Path) -> None:
    path = Folder(tmp_path, "../../etc: Passwörd?", "..").next_path()
    assert path == tmp_path / "etc_passwörd" / "0001.wav"
    assert Folder(tmp_path, "///", "a/b").next_path() == tmp_path / "unnamed/a_b/0001.wav"


def test_all_of_a_long_recording_is_in_files_of_ten_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinywake.device.record.pieces._ROLL", 3 * FRAME)
    made = list(lines(sound(8 * FRAME)))
    texts = [event(text) for i, (text, _) in enumerate(made) if i not in (3, 7)]  # the first of a file, and the last
    done = recorded(Folder(tmp_path, "x", ""), [*texts, rec(at=8 * FRAME)])
    assert [len(read(each.path)) for each in done] == [3 * FRAME, 3 * FRAME, 2 * FRAME]
    assert [each.gaps for each in done] == [(), (f"0+{FRAME} line",), (f"{FRAME}+{FRAME} line",)]


def test_nothing_that_arrives_is_silence_that_is_marked(tmp_path: Path) -> None:
    done = recorded(Folder(tmp_path, "x", ""), [], "prompt", 2000)
    assert [(each.gaps, each.lost) for each in done] == [(("0+2000 line",), 2000)]
    assert "lost" in fault(done[0])


def around(cuts: int, frames: int, *, skip: tuple[int, ...] = ()) -> list[Event]:
    """A piece of five frames around a hit, the frames before it not sent."""
    made = list(lines(sound(5 * FRAME, cuts), number=20 * cuts, at=20 * cuts * FRAME, piece=cuts))
    said: list[Event] = [Hit("word", 9, 250, 192)]
    said += [event(text) for i, (text, _) in enumerate(made) if i not in skip]
    return [*said, rec("on", frames=frames, cuts=cuts + 1)]


def test_a_file_for_each_piece_around_a_hit(tmp_path: Path) -> None:
    events = around(0, 5) + around(1, 10, skip=(0, 4)) + around(2, 15, skip=(2,))
    done = recorded(Folder(tmp_path, "x", ""), events, "hit")
    assert [len(read(each.path)) for each in done] == [5 * FRAME] * 3
    assert [each.gaps for each in done] == [(), (f"{3 * FRAME}+{2 * FRAME} line",), (f"{2 * FRAME}+{FRAME} line",)]
    assert [each.heard for each in done] == ["word 0.75"] * 3


class Line:
    """In the place of a board's port: answers every command but those that `happens` is asked about first."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, happens: Callable[[str], bool]) -> None:
        self.orders: list[str] = []
        self._happens = happens
        self._said = b""
        monkeypatch.setattr("tinywake.device.command.session.open_port", lambda port: self)
        monkeypatch.setattr("tinywake.device.command.session._ANSWER_S", 0.05)

    def write(self, data: bytes) -> None:
        text = re.search(rb"@(.*)\*", data)
        assert text
        name, number, *fields = text[1].decode().split()
        self.orders.append(" ".join([name, *fields]))
        if self._happens(self.orders[-1]):
            self._said += encode_line("ok", [("id", int(number[3:])), ("value", 0)])

    def read(self, count: int) -> bytes:
        time.sleep(0.005)
        said, self._said = self._said, b""
        return said

    def close(self) -> None:
        pass


@pytest.mark.parametrize("error", [KeyboardInterrupt, DeviceError])
def test_a_board_that_may_have_heard_the_order_is_told_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    # Bug: it recorded until a reset where Ctrl-C came, or the answer did not.
    def happens(order: str) -> bool:
        if "mode=stream" in order and error is KeyboardInterrupt:
            raise KeyboardInterrupt
        return "mode=stream" not in order

    line = Line(monkeypatch, happens)
    with pytest.raises(error):
        list(record("x", tmp_path, Wanted("word", way="all"), print))
    assert line.orders[-2:] == ["record mode=stream ms=0", "record mode=off"]


@pytest.mark.parametrize("how", ["ctrl-c", "damaged", "whole"])
def test_only_what_the_board_says_it_recorded_is_filled_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    # Bug: a recording that Ctrl-C ended was filled up with silence to the seconds that had been asked for.
    def listen(board: Board, seconds: float = math.inf) -> Iterator[Event]:
        yield from [event(text) for text, _ in lines(sound(2 * FRAME))]
        if how == "ctrl-c":
            raise KeyboardInterrupt
        if how == "whole":
            yield rec(at=3 * FRAME)

    Line(monkeypatch, lambda order: True)
    monkeypatch.setattr(Board, "listen", listen)
    done = list(record("x", tmp_path, Wanted("word", way="all", seconds=60), print))
    assert len(read(done[0].path)) == (3 if how == "whole" else 2) * FRAME
    assert done[0].gaps == ((f"{2 * FRAME}+{FRAME} line",) if how == "whole" else ())


def test_pieces_are_kept_apart_where_their_end_was_damaged(tmp_path: Path) -> None:
    events = around(0, 5)[:-1] + around(1, 10)[1:-1]
    done = recorded(Folder(tmp_path, "x", ""), events, "hit")
    assert [len(read(each.path)) for each in done] == [5 * FRAME] * 2


@pytest.mark.parametrize("lost", ["told", "all of it", "all but what is told"])
def test_the_end_of_a_piece_is_filled_up_only_by_what_is_known(tmp_path: Path, lost: str) -> None:
    # Bug: what an earlier piece had was missed at the end of the next one.
    first = around(0, 5)
    said = {"told": first[:-1], "all of it": [], "all but what is told": first[-1:]}[lost]
    done = recorded(Folder(tmp_path, "x", ""), said + around(1, 10), "hit")
    assert [len(read(each.path)) for each in done][-1] == 5 * FRAME
    assert done[-1].gaps == ()


@pytest.mark.parametrize(("label", "speaker"), [("w" * 150, ""), ("x", "\udcff"), ("\udcffx", "")])
def test_names_that_no_board_takes_are_refused_before_its_port(tmp_path: Path, label: str, speaker: str) -> None:
    # Bug: a traceback, and with a speaker's a list that could not be written.
    with pytest.raises(ConfigError, match=r"too long|no UTF-8"):
        list(record("no such port", tmp_path, Wanted(label, speaker), print))
