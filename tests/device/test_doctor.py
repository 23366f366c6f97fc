# SPDX-License-Identifier: MIT
"""doctor: each thing that may be wrong is found, named in a line, and has a way out."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_slots import model, wave
from typer.testing import CliRunner

from tinywake.cli import app
from tinywake.device import places
from tinywake.device.boards import Memory, load_board
from tinywake.device.deploy import deploy
from tinywake.device.deploy.plan import cannot_be, propose
from tinywake.device.deploy.probe import PINS, Probe
from tinywake.device.doctor import board as board_checks
from tinywake.device.doctor import computer, diagnose
from tinywake.device.doctor import files as file_checks
from tinywake.device.doctor import port as port_checks
from tinywake.device.doctor.findings import Diagnosis, Finding, fault, fine, from_error, note
from tinywake.device.firmware import Firmware
from tinywake.device.targets.unix import UnixBoard
from tinywake.device.usb import find
from tinywake.device.usb.holders import Holder, holders
from tinywake.errors import ConfigError, DeviceError

ROOT = Path(__file__).parents[2]
lacking = UnixBoard.available()
needs_board = pytest.mark.skipif(lacking is not None, reason=str(lacking))
posix = pytest.mark.skipif(os.name != "posix", reason="needs a pty")


@pytest.fixture
def board(tmp_path: Path) -> Iterator[UnixBoard]:
    with UnixBoard(tmp_path / "board") as board:
        yield board


@contextlib.contextmanager
def pty_that_answers(answer: bytes) -> Iterator[str]:
    """A port with something on it that says the same to whatever it is told."""
    pty = pytest.importorskip("pty")
    import select
    import tty

    master, slave = pty.openpty()
    tty.setraw(slave)
    done = threading.Event()

    def talk() -> None:
        while not done.is_set():
            if select.select([master], [], [], 0.02)[0]:
                os.read(master, 4096)
                os.write(master, answer)

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        done.set()
        thread.join()
        os.close(master)
        os.close(slave)


def of(diagnosis: Diagnosis, topic: str) -> list[Finding]:
    return [each for each in diagnosis.findings if each.topic == topic]


def faults(diagnosis: Diagnosis) -> list[str]:
    return [each.topic for each in diagnosis.findings if each.level == "fault"]


def usb(device: str, vid: int | None, pid: int | None, product: str = "") -> SimpleNamespace:
    return SimpleNamespace(device=device, vid=vid, pid=pid, product=product)


def plug_in(monkeypatch: pytest.MonkeyPatch, *ports: SimpleNamespace) -> None:
    monkeypatch.setattr(find.list_ports, "comports", lambda: list(ports))


# ---- what is said


def test_every_fault_has_a_way_out_and_facts_are_json() -> None:
    diagnosis = Diagnosis((fine("a", "good"), note("b", "so so", "maybe"), fault("topic", "broken", "mend it")))
    assert not diagnosis.healthy
    assert diagnosis.lines() == [
        "ok    a      good", "note  b      so so", "             -> maybe",
        "FAULT topic  broken", "             -> mend it",
    ]  # fmt: skip
    assert json.loads(json.dumps(diagnosis.facts()))["findings"][2]["remedy"] == "mend it"
    assert Diagnosis(diagnosis.findings[:2]).healthy
    assert from_error("t", DeviceError("COM3: a: b: do it"), "COM3") == fault("t", "a: b", "do it")
    assert from_error("t", DeviceError("odd"), "COM3").remedy


# ---- the computer


def test_this_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch)
    found = Diagnosis(tuple(computer.look_at_computer()))
    assert found.healthy
    assert {"python", "tinywake", "C core", "modules", "targets", "cache", "tools"} <= {f.topic for f in found.findings}
    assert [each.level for each in computer.look_at_ports()] == ["note"]


def test_what_it_lacks_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(places, "modules", lambda: tmp_path)
    monkeypatch.setenv("TINYWAKE_CACHE", str(tmp_path / "file" / "cache"))
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(computer.shutil, "which", lambda name: None)
    monkeypatch.setattr(UnixBoard, "available", staticmethod(lambda: "unix: not built: make targets"))

    def none(name: str) -> str:
        raise computer.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(computer.importlib.metadata, "version", none)
    monkeypatch.setattr("tinywake.core._library", lambda: (_ for _ in ()).throw(OSError("not a library")))
    found = Diagnosis(tuple(computer.look_at_computer()))
    assert set(faults(found)) == {"cache", "C core"}
    said = "\n".join(found.lines())
    for text in ("make modules ARCH=armv6m", "unix: not built", "TINYWAKE_CACHE", "pip install 'tinywake[flash]'",
                 "only ESP32", "arm-none-eabi-gcc", "not a library"):  # fmt: skip
        assert text in said


def test_boards_are_found_by_their_usb_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    pico = usb("/dev/ttyACM0", 0x2E8A, 0x0005, "Board in FS mode")
    bridge = usb("/dev/ttyUSB0", 0x10C4, 0xEA60, "CP2102")
    other = usb("/dev/ttyUSB1", 0x1234, 0x5678)
    plug_in(monkeypatch)
    with pytest.raises(DeviceError, match="no board is connected"):
        find.find_board()
    plug_in(monkeypatch, usb("/dev/ttyS0", None, None), bridge)
    assert find.find_board() == "/dev/ttyUSB0"
    plug_in(monkeypatch, bridge, other, pico)
    assert find.find_board() == "/dev/ttyACM0"  # MicroPython's own ids decide
    plug_in(monkeypatch, bridge, other)
    assert find.find_board(lambda port: port.endswith("1")) == "/dev/ttyUSB1"  # who answers
    for answers in (lambda port: True, lambda port: False):
        with pytest.raises(DeviceError, match=r"several boards.*ttyUSB0: CP2102 \(10c4:ea60\), /dev/ttyUSB1: unknown"):
            find.find_board(answers)
    plug_in(monkeypatch, pico, usb("/dev/ttyACM1", 0x2E8A, 0x0005))
    with pytest.raises(DeviceError, match="several boards"):
        find.find_board(lambda port: True)
    first, second = find.list_boards()
    feather = usb("/dev/ttyACM2", 0x239A, 0x80F2)
    plug_in(monkeypatch, bridge, other, feather)
    assert find.find_board() == "/dev/ttyACM2"
    (port,) = (each for each in find.list_boards() if each.device == "/dev/ttyACM2")
    assert port.what == "CircuitPython, or a board of Adafruit's (239a:80f2)"
    assert {"ADAFRUIT_FEATHER_RP2040", "ADAFRUIT_FEATHER_ESP32S3", "RPI_PICO2"} <= set(port.boards)
    assert "RPI_PICO" in first.boards
    assert "RPI_PICO2" in first.boards
    assert "ESP32_GENERIC" not in second.boards


@needs_board
def test_of_several_ports_the_one_with_a_prompt_is_meant(board: UnixBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    with pty_that_answers(b"noise") as other:
        plug_in(monkeypatch, usb(board.port, 0x10C4, 0xEA60), usb(other, 0x1A86, 0x7523))
        assert find.find_board() == board.port


# ---- the port


@posix
def test_a_port_that_another_process_holds() -> None:
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    name = os.ttyname(slave)
    assert holders(name) == []
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdin=slave)
    try:
        assert [each.pid for each in holders(name)] == [sleeper.pid]
        finding = port_checks.closed(name)
        assert finding is not None
        assert (finding.level, finding.remedy) == ("fault", "end that program, then try again")
        assert f"process {sleeper.pid}" in finding.what
    finally:
        sleeper.kill()
        sleeper.wait()
        os.close(master)
        os.close(slave)
    assert holders(name) == []


def test_ports_that_are_not_there_or_not_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plug_in(monkeypatch, usb("/dev/ttyACM7", 0x2E8A, 5))
    finding = port_checks.closed("/dev/ttyNONE9")
    assert finding is not None
    assert (finding.what, finding.remedy) == ("/dev/ttyNONE9: no such port", "there is: /dev/ttyACM7")
    assert port_checks.closed("socket://127.0.0.1:1") is None
    device = tmp_path / "tty"
    device.write_text("")
    monkeypatch.setattr(computer.os, "access", lambda *a: False)
    finding = port_checks.closed(str(device))
    assert finding is not None
    assert "no right" in finding.what
    if sys.platform == "linux":
        assert finding.remedy.startswith("sudo usermod -a -G ")
    plug_in(monkeypatch, usb(str(device), 0x2E8A, 5))
    assert [each.level for each in computer.look_at_ports()] == ["fault"]
    monkeypatch.undo()
    plug_in(monkeypatch, usb(str(device), 0x2E8A, 5))
    monkeypatch.setattr(computer, "holders", lambda port: [Holder(42, "screen")])
    assert "held by screen (process 42)" in next(iter(computer.look_at_ports())).what


@posix
@pytest.mark.parametrize(
    ("answer", "what", "remedy"),
    [
        (b"", "nothing answers", "reset button"),
        (b"\r\nAdafruit CircuitPython 10.3.1 on 2026-05-01; Raspberry Pi Pico with rp2040\r\n>>> ",
         "CircuitPython 10.3.1 answers, but does not take our code", "reset button"),
        (b"\r\nMicroPython v1.12 on 2019-12-20; ESP32 module with ESP32\r\n>>> ", "MicroPython 1.12", "1.23 or later"),
        (b"rst:0x10 (RTCWDT_RTC_RESET)\r\ninvalid header: 0xffffffff\r\n", "no firmware", "tinywake flash"),
        (b"ets Jul 29 2019 12:21:46\r\n", "no MicroPython", "tinywake flash"),
        (b"Marlin 2.1\x1b[2J\r\nok\r\n", "'ok'", "tinywake flash"),
    ],
)  # fmt: skip
def test_what_answers_that_is_no_micropython(
    answer: bytes, what: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinywake.device.line.rawrepl._ENTER_S", 0.5)
    with pty_that_answers(answer) as port:
        last = diagnose(port).findings[-1]
    assert (last.level, last.topic) == ("fault", "firmware")
    assert what in last.what
    assert remedy in last.remedy


# ---- the board


@needs_board
def test_a_fresh_board_and_one_that_listens(board: UnixBoard, tmp_path: Path) -> None:
    fresh = diagnose(board.port)
    assert fresh.healthy
    assert f"tinywake deploy {board.port} --model MODEL.twm --board UNIX" in fresh.lines()[-2] + fresh.lines()[-3]
    wave(board)
    deploy(board.port, model(tmp_path, "word", 120), board="UNIX")
    good = diagnose(board.port)
    assert good.healthy
    assert good.findings[-1] == fine("board", "listens again")
    assert {each.level for topic in ("app", "module", "pins", "model", "heap") for each in of(good, topic)} == {"fine"}


@needs_board
def test_damage_is_found_without_importing_it(board: UnixBoard, tmp_path: Path) -> None:
    wave(board)
    deploy(board.port, model(tmp_path, "old", 119), board="UNIX", start=False)
    placed = deploy(board.port, model(tmp_path, "word", 120), board="UNIX").models[0]
    file = board.directory / placed.path
    whole = file.read_bytes()
    for data, says in (
        (whole[:-1], "is cut short"), (whole[:-1] + b"\x55", "is damaged"), (b"junk", "is no model"),
        (whole[:12] + b"\xff" + whole[13:], "has a damaged header"),
    ):  # fmt: skip
        file.write_bytes(data)
        found = of(diagnose(board.port), "model")
        assert [(each.level, says in each.what) for each in found[:2]] == [("fault", True), ("fine", False)]
    file.unlink()
    assert "is missing" in of(diagnose(board.port), "model")[0].what
    file.write_bytes(whole)
    link = board.directory / "lib/tinywake/link.mpy"
    text = link.read_bytes()
    link.write_bytes(text[:-5])
    assert "lib/tinywake/link.mpy" in of(diagnose(board.port), "app")[0].what
    link.write_bytes(text)
    module = board.directory / "lib/_tinywake.mpy"
    if module.exists():
        native = module.read_bytes()
        module.write_bytes(native[: len(native) // 2])
        found = diagnose(board.port)
        assert faults(found) == ["module"]
        assert not of(found, "model")
        assert "left at its prompt" in found.findings[-1].what
        module.write_bytes(native)
    assert diagnose(board.port).healthy


@needs_board
def test_a_fault_that_cannot_hang_leaves_no_board_silent(
    board: UnixBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Bug: a listening board whose file system was full was left at its prompt.
    wave(board)
    deploy(board.port, model(tmp_path, "word", 120), board="UNIX")
    monkeypatch.setattr(board_checks, "_ROOM", 1 << 60)
    found = diagnose(board.port)
    assert faults(found) == ["files"]
    assert found.findings[-1] == fine("board", "listens again")


@needs_board
def test_a_main_py_of_ones_own_and_none(board: UnixBoard, tmp_path: Path) -> None:
    deploy(board.port, model(tmp_path, "word", 120), board="UNIX", start=False)
    assert "does not listen by itself" in of(diagnose(board.port), "main.py")[0].what
    (board.directory / "main.py").write_text("print('mine')\n")
    found = diagnose(board.port)
    assert found.healthy
    assert "your own" in of(found, "main.py")[0].what


@needs_board
def test_a_model_that_no_longer_fits_the_heap(tmp_path: Path) -> None:
    path = model(tmp_path, "word", 120)
    path.write_bytes(path.read_bytes() + bytes(150_000))
    with UnixBoard(tmp_path / "board") as board:
        deploy(board.port, path, board="UNIX", start=False)
    with UnixBoard(tmp_path / "board", heap_kb=160) as board:
        found = diagnose(board.port)
    assert faults(found) == ["model"]
    assert "does not fit the heap" in of(found, "model")[-1].what


STOCK = Firmware("micropython", (1, 25, 0), (6, 3), "x64", builtin=False)
PROBE = Probe(
    firmware=STOCK, machine="Generic ESP32S3 module with Octal-SPIRAM with ESP32S3", build="", heap_free=200_000,
    heap_used=9_000, room=1 << 20, block=4096, digests={}, board=None, loose_models=(), romfs=None,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"firmware": dataclasses.replace(STOCK, name="circuitpython")}, "circuitpython 1.25.0 answers"),
        ({"firmware": dataclasses.replace(STOCK, abi=(6, 2), version=(1, 22, 0))}, "1.23 or later"),
        ({"firmware": dataclasses.replace(STOCK, abi=None, arch="none")}, "loads no native modules"),
        ({"firmware": dataclasses.replace(STOCK, arch="xtensa")}, "no _tinywake.mpy for xtensa"),
    ],
)
def test_firmware_that_is_of_no_use(change: dict[str, Firmware], says: str) -> None:
    (found,) = board_checks._firmware("COM3", dataclasses.replace(PROBE, **change))  # type: ignore[arg-type]
    assert found.level == "fault"
    assert says in f"{found.what}: {found.remedy}"


def test_memory_that_is_missing_is_noticed() -> None:
    board = load_board("ESP32_GENERIC_S3-SPIRAM_OCT")
    (found,) = board_checks._memory(PROBE, board)
    assert found.level == "fault"
    assert "PSRAM is not found" in found.what
    (found,) = board_checks._memory(dataclasses.replace(PROBE, heap_free=8_200_000), board)
    assert found.level == "fine"
    small = load_board("RPI_PICO")
    (found,) = board_checks._memory(dataclasses.replace(PROBE, heap_free=100_000), small)
    assert found.level == "note"
    assert isinstance(small.memory, Memory)
    (found,) = board_checks._memory(PROBE, None)
    assert found.level == "fine"


def test_a_full_file_system() -> None:
    assert [board_checks._room(dataclasses.replace(PROBE, room=room)).__next__().level for room in (8192, 1 << 20, None)
            ] == ["fault", "fine", "note"]  # fmt: skip


def test_pins_of_another_board() -> None:
    pico = load_board("RPI_PICO")
    probe = dataclasses.replace(PROBE, digests={PINS: "0"}, board="RPI_PICO")
    finding = file_checks._pins(probe, pico, "deploy")
    assert finding.level == "fault"
    assert "ESP32_GENERIC_S3-SPIRAM_OCT" in finding.remedy
    armv6m = dataclasses.replace(STOCK, arch="armv6m")
    right = dataclasses.replace(probe, machine="Raspberry Pi Pico with RP2040", firmware=armv6m)
    assert "changed on the board" in file_checks._pins(right, pico, "deploy").what


@pytest.mark.parametrize(
    ("machine", "build", "first"),
    [
        ("Raspberry Pi Pico with RP2040", "", "RPI_PICO"),
        ("Generic ESP32S3 module with Octal-SPIRAM with ESP32S3", "", "ESP32_GENERIC_S3-SPIRAM_OCT"),
        ("Generic ESP32S3 module with ESP32S3", "", "ESP32_GENERIC_S3"),
        ("ESP32C3 module with ESP32C3", "", "ESP32_GENERIC_C3"),
        ("whatever it says", "RPI_PICO2", "RPI_PICO2"),
        ("linux [GCC 12.2.0] version", "standard", "UNIX"),
        ("linux [GCC 12.2.0]", "", "UNIX"),
    ],
)
def test_boards_are_proposed_by_what_the_firmware_says(machine: str, build: str, first: str) -> None:
    assert propose(dataclasses.replace(PROBE, machine=machine, build=build))[0] == first


def test_no_board_is_proposed_that_it_cannot_be() -> None:
    # Bug: a chip in QEMU was offered as the first board of its architecture, an Arduino.
    def proposed(machine: str, arch: str) -> list[str]:
        return propose(dataclasses.replace(PROBE, machine=machine, firmware=dataclasses.replace(STOCK, arch=arch)))

    assert proposed("QEMU with an385", "armv6m") == ["QEMU_ARMV6M"]
    assert proposed("QEMU with microbit", "armv6m") == ["QEMU_ARMV6M"]
    assert proposed("Metro M4 with SAMD51", "armv7emsp") == []
    assert proposed("", "armv7emsp") == ["RPI_PICO2"]  # firmware that does not say
    assert set(proposed("Some board with RP2040", "armv6m")) == {
        "ADAFRUIT_FEATHER_RP2040", "ARDUINO_NANO_RP2040_CONNECT", "RPI_PICO", "RPI_PICO_W",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("machine", "arch", "board", "can"),
    [
        ("QEMU with an385", "armv6m", "RPI_PICO", False),
        ("QEMU with an385", "armv6m", "QEMU_ARMV6M", True),
        ("Raspberry Pi Pico with RP2040", "armv6m", "QEMU_ARMV6M", False),
        ("Raspberry Pi Pico with RP2040", "armv6m", "ARDUINO_NANO_RP2040_CONNECT", True),
        ("Raspberry Pi Pico2 with RP2350", "armv7emsp", "RPI_PICO", False),
        ("Generic ESP32S3 module with ESP32S3", "xtensawin", "ESP32_GENERIC", False),
        ("A board of its own with a chip of its own", "armv6m", "RPI_PICO", True),
        ("linux [GCC 12.2.0]", "x64", "UNIX", True),
        ("linux [GCC 12.2.0]", "x64", "RPI_PICO", False),
    ],
)
def test_a_board_that_it_cannot_be_is_known(machine: str, arch: str, board: str, can: bool) -> None:
    probe = dataclasses.replace(PROBE, machine=machine, firmware=dataclasses.replace(STOCK, arch=arch))
    assert (cannot_be(probe, board) is None) == can


@needs_board
def test_a_board_that_is_named_wrongly_is_told(board: UnixBoard, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no board NOPE; known: ADAFRUIT"):
        diagnose(None, "NOPE")
    (wrong,) = (each for each in diagnose(board.port, "RPI_PICO").findings if each.level == "fault")
    assert wrong.what.startswith("is no RPI_PICO (RP2040, armv6m): linux [GCC ")
    assert wrong.what.endswith("] answers")  # Bug: it ended in "version"
    assert wrong.remedy == "leave --board out, or name another, as in --board UNIX"
    deploy(board.port, model(tmp_path, "word", 120), board="UNIX", start=False)
    pins = board.directory / "lib/tinywake/pins.py"
    pins.write_text(pins.read_text().replace('"UNIX"', '"RPI_PICO"'))
    (pins_of,) = of(diagnose(board.port), "pins")
    assert pins_of.level == "fault"
    assert pins_of.what.startswith("are those of RPI_PICO, the firmware calls itself linux")


def test_names_are_checked_before_any_board_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Bug: "no board is connected" came first.
    plug_in(monkeypatch)
    path = model(tmp_path, "word", 120)
    for words, text in (
        (["deploy", "--model", str(path), "--board", "NOPE"], "no board NOPE; known: ADAFRUIT"),
        (["deploy", "--model", str(path), "--home", "attic"], "no home 'attic' for a model; known: heap"),
        (["doctor", "--board", "NOPE"], "no board NOPE; known: ADAFRUIT"),
    ):
        assert text in str(CliRunner().invoke(app, words).exception)


def test_the_command_line_says_it_with_its_exit_code() -> None:
    for words, code in ((["doctor"], 0), (["doctor", "/dev/ttyNONE9"], 2)):
        for extra in ([], ["--json"]):
            done = subprocess.run(
                [sys.executable, "-m", "tinywake", *words, *extra], capture_output=True, text=True, check=False
            )
            assert done.returncode == code, done.stderr
            assert done.stderr == ""
            assert json.loads(done.stdout)["healthy"] == (code == 0) if extra else "python" in done.stdout
