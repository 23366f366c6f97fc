# SPDX-License-Identifier: MIT
"""The emulated Pico: the board's own firmware, its flash and resets, ready images and a microphone."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tinywake import __version__
from tinywake.device.deploy import deploy
from tinywake.device.doctor import diagnose
from tinywake.device.doctor.findings import fine
from tinywake.device.image.ready import make_image
from tinywake.device.image.record import find_records, pack_record
from tinywake.device.image.uf2 import join, pages_of, read_uf2, write_uf2
from tinywake.device.line.events import Event, Hit, Model, Score, State
from tinywake.device.line.hear import listen_on
from tinywake.device.line.lines import LineReader
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.rp2040 import Microphone, RP2040Board
from tinywake.errors import DeviceError
from tinywake.pipeline.hearing import hear

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from remote import execute
from sounds import as_driven, swell, write_wav
from tiny import listening_model

PATIENT = 60.0  # seconds of silence; the computer may be busy with other things

lacking = RP2040Board.available()
pytestmark = [pytest.mark.on("rp2040"), pytest.mark.skipif(lacking is not None, reason=str(lacking))]


@pytest.fixture
def board() -> Iterator[RP2040Board]:
    with RP2040Board() as board:
        yield board


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "loud.twm"
    path.write_bytes(listening_model())
    return path


def assert_heard_as_here(model: Path, clip: Path, port: str, tmp_path: Path) -> None:
    (here,) = hear(model, [clip])
    with wave.open(str(clip)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    (there,) = listen_on(port, [pcm])
    assert there.hits
    assert [(hit.label, hit.t, hit.mean) for hit in there.hits] == [
        (hit.label, hit.t_ms, hit.score) for hit in here.hits
    ]
    for name in ("scores", "means", "t_ms", "ready"):
        np.testing.assert_array_equal(getattr(here, name), getattr(there, name), err_msg=name)


def test_an_erased_board_is_deployed_to_and_hears_what_the_host_hears(
    board: RP2040Board, model: Path, tmp_path: Path
) -> None:
    report = deploy(board.port, model, board=board.board, start=False)
    assert report.firmware.arch == "armv6m"
    assert not report.firmware.builtin
    assert_heard_as_here(model, write_wav(tmp_path / "clip.wav", swell(16_000)), board.port, tmp_path)


def test_firmware_with_the_module_compiled_in_hears_the_same(model: Path, tmp_path: Path) -> None:
    with RP2040Board(usermod=True) as board:
        assert deploy(board.port, model, board=board.board, start=False).firmware.builtin
        assert_heard_as_here(model, write_wav(tmp_path / "clip.wav", swell(16_000)), board.port, tmp_path)


def test_its_flash_outlives_it_and_its_resets(tmp_path: Path) -> None:
    flash = tmp_path / "flash.bin"
    with RP2040Board(flash) as board:
        execute(board.port, "with open('kept.txt', 'w') as f: f.write('x' * 5000)")
    assert flash.stat().st_size == 2 << 20
    with RP2040Board(flash) as board:
        with RawRepl(board.port, PATIENT) as repl:
            assert (
                repl.exec("import machine, os; print(os.stat('kept.txt')[6], machine.reset_cause())") == b"5000 1\r\n"
            )
        reset = [sys.executable, "-m", "mpremote", "connect", board.port, "reset"]
        subprocess.run(reset, check=True, capture_output=True, timeout=60)
        time.sleep(1)  # mpremote's reset comes 0.1 s later
        with RawRepl(board.port, PATIENT) as repl:
            assert (
                repl.exec("import machine, os; print(os.stat('kept.txt')[6], machine.reset_cause())") == b"5000 3\r\n"
            )
        assert board.running


def test_it_ends_with_the_process_that_owns_it() -> None:
    program = (
        "import time\nfrom tinywake.device.targets.rp2040 import RP2040Board\nb = RP2040Board()\nb.start()\n"
        "print(b._process.pid, flush=True)\ntime.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    os.kill(owner.pid, signal.SIGKILL)
    owner.communicate()
    end = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < end, "the board outlives its owner"
        time.sleep(0.05)


def test_firmware_that_is_none_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.uf2"
    with pytest.raises(DeviceError, match=r"bad\.uf2: no such firmware"):
        RP2040Board(firmware=bad).start()
    bad.write_bytes(bytes(1024))
    with pytest.raises(DeviceError, match=r"bad\.uf2: no UF2 image for the RP2040"):
        RP2040Board(firmware=bad).start()
    bad.write_bytes(write_uf2(pages_of(0x10000000, b"\xff" * 4096)))
    with pytest.raises(DeviceError, match="the processor stopped: undefined instruction"):
        RP2040Board(firmware=bad).start()


def test_the_i2s_driver_records_the_microphone_sample_for_sample(tmp_path: Path) -> None:
    ramp = (np.arange(4000) * 7 - 14000).astype(np.int16)
    clip = write_wav(tmp_path / "ramp.wav", ramp)
    record = """
import array
from machine import I2S, Pin
def record(n):
    i = I2S(0, sck=Pin(10), ws=Pin(11), sd=Pin(12), mode=I2S.RX, bits=32, format=I2S.{form}, rate=16000, ibuf=8000)
    a = array.array('i', bytearray(4 * n))
    i.readinto(a)
    i.deinit()
    return a
import time
record(100)
time.sleep_ms(20)  # a new beginning
print(list(record(2000)))
"""
    for right, offset in ((False, 0), (True, -5000)):
        with (
            RP2040Board(mic=Microphone(clip, right=right, offset=offset)) as board,
            RawRepl(board.port, PATIENT) as repl,
        ):
            said = repl.exec(record.format(form="STEREO" if right else "MONO"))
        heard = np.array(eval(said), np.int64)
        if right:
            assert not heard[2::2].any()  # nobody speaks in the left slot
            heard = heard[1::2]
        # The first frame is never whole: the driver begins in the middle of it.
        expected = (ramp[: len(heard) - 1].astype(np.int64) * 256 + offset) * 256
        np.testing.assert_array_equal(heard[1:], expected)


def events_of(board: RP2040Board, seconds: float, until: type[Event] | None = None) -> list[Event]:
    import serial

    events: list[Event] = []
    reader = LineReader()
    end = time.monotonic() + seconds
    with serial.Serial(board.port, timeout=0.2) as port:
        while time.monotonic() < end and not (until and any(isinstance(event, until) for event in events)):
            events += reader.feed(port.read(4096))
    return events


def test_a_ready_image_boots_names_its_model_and_hears_the_microphone(tmp_path: Path) -> None:
    model = tmp_path / "tone.twm"
    model.write_bytes(listening_model(threshold=120, window=1, refractory_ms=100))
    image = tmp_path / "ready.uf2"
    made = make_image(model, image)
    clip = swell(32_000, 2000)
    (here,) = hear(model, [write_wav(tmp_path / "heard.wav", as_driven(clip))])
    assert here.hits
    steps = len(here.scores)
    scores: list[Score] = []
    reader = LineReader()
    with RP2040Board(firmware=image, mic=Microphone(write_wav(tmp_path / "mic.wav", clip))) as board:
        events = events_of(board, 60, until=Hit)  # it has begun by itself
        with RawRepl(board.port, PATIENT) as repl:
            said = repl.exec(
                "import os, uctypes, tinywake.main as m\nm.load(score='all') and None\n"
                "print(os.listdir(), uctypes.addressof(m.listener.model.file))"
            )
            repl.exec(
                "from tinywake.port import port\nl = m.listener\nl.mic = port.microphone()\nl._open()\n"
                f"while l.report.steps < {steps}:\n    l._fill()\n    l.drain()\n"
                "assert l.lost == 0\nm.stop()",
                lambda data: scores.extend(event for event in reader.feed(data) if isinstance(event, Score)),
            )
    assert said.splitlines()[-1] == f"[] {made.model_address}".encode()  # no file, no copy
    assert [event.model for event in events if isinstance(event, Model)] == ["tone"]
    assert any(isinstance(event, State) and event.state == "listening" for event in events)
    assert any(isinstance(event, Hit) for event in events)
    table = np.array([score.score for score in scores]).reshape(-1, here.scores.shape[1])
    np.testing.assert_array_equal(table[:steps], here.scores)


def test_doctor_says_what_a_board_of_a_ready_image_runs(tmp_path: Path) -> None:
    # Bug: with nothing in the file system it said that tinywake is not on the board.
    model = tmp_path / "tone.twm"
    model.write_bytes(listening_model(threshold=120, window=1, refractory_ms=100))
    image = tmp_path / "ready.uf2"
    made = make_image(model, image)
    digest = hashlib.sha256(model.read_bytes()).hexdigest()[:16]
    where = f"tone.twm in flash at {made.model_address - 256:#x}, read in place"
    with RP2040Board(firmware=image, mic=Microphone(None)) as board:
        found = diagnose(board.port)
        assert found.healthy, found.lines()
        said = {each.topic: each.what for each in found.findings}
        assert said["firmware"] == "micropython 1.25.0 (armv6m), with the module in it on Raspberry Pi Pico with RP2040"
        assert said["app"] == f"{__version__}, in the firmware: nothing of it is needed in the file system"
        assert said["pins"] == "of RPI_PICO, in the firmware"
        models = [each.what for each in found.findings if each.topic == "model"]
        assert models[0] == f"{where} (from tinywake image, or deploy --home xip), is whole, SHA-256 {digest}..."
        assert "opens;" in models[1]
        assert found.findings[-1] == fine("board", "listens again")
        with RawRepl(board.port, PATIENT) as repl:
            repl.exec("import os\nos.mkdir('lib')\nos.mkdir('lib/tinywake')")
            repl.put("lib/tinywake/link.py", b"x = 1\n")
            repl.put("main.py", b"print('mine')\n")
        notes = [each.what for each in diagnose(board.port).findings if each.level == "note"]
    assert "lib/tinywake is not used: the firmware's comes first" in notes
    assert "of the file system runs in place of the firmware's" in notes
    assert "does not listen after a reset: it started nothing that listens" in notes


HOLD_UPS = """
import time
from tinywake.port import port
mic = port.microphone()
b = bytearray(640)
for hold in (0, 60, 100, 180, 500):
    mic.open()
    mic.readinto(b)
    began = time.ticks_us()
    for i in range(10): mic.readinto(b)
    time.sleep_ms(hold)
    for i in range(40): mic.readinto(b)
    came = time.ticks_diff(time.ticks_us(), began) * 0.016  # PIO's divider is exact at 125 MHz
    print(hold, round(came - 50 * 320), mic.lost)
    mic.close()
"""


def test_what_a_hold_up_costs_is_counted(tmp_path: Path) -> None:
    with (
        RP2040Board(
            firmware=RP2040Board.built("image.uf2"), mic=Microphone(write_wav(tmp_path / "mic.wav", swell(10)))
        ) as board,
        RawRepl(board.port, PATIENT) as repl,
    ):
        said = repl.exec(HOLD_UPS).decode().split("\r\n")[:-1]
    for line in said:
        hold, truly, counted = map(int, line.split())
        assert (counted > 0) == (hold > 120), said  # the ring holds 128 ms, less 8
        assert abs(counted - truly) < 32, said  # a read ends up to a millisecond after its samples are there


def test_of_two_models_in_flash_the_newest_that_is_whole_is_heard(tmp_path: Path) -> None:
    model = tmp_path / "old.twm"
    model.write_bytes(listening_model())
    make_image(model, tmp_path / "old.uf2")
    image = read_uf2((tmp_path / "old.uf2").read_bytes())
    for damaged in (False, True):
        blob = bytearray(listening_model(threshold=99))
        blob[-1] ^= damaged
        both = join(image, pages_of(0x10080000, pack_record("new.twm", bytes(blob), sequence=2)))
        whole = both.bytes_at(0x10000000, 0x100A0000)
        assert [record.name for record in find_records(whole)] == ["new.twm", "old.twm"]
        (tmp_path / "both.uf2").write_bytes(write_uf2(both))
        with RP2040Board(firmware=tmp_path / "both.uf2") as board, RawRepl(board.port, PATIENT) as repl:
            said = repl.exec("import tinywake.main as m\nm.load() and None\nprint(m.port.find_models())").decode()
        assert "@model name=" + ("old" if damaged else "new") in said
        assert said.splitlines()[-1].startswith("['/flash/10080000/new.twm', '/flash/100")
