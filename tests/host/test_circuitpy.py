# SPDX-License-Identifier: MIT
# ruff: noqa: E501, SIM117
"""Deploying to CircuitPython: through a drive and through the prompt, cut at every write, and what stands in the way."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_circuitpy import UID, FakeCircuitPython, boot_out, selected

from tinywake.cli import boards as verbs
from tinywake.compiler.coding.encode import coded
from tinywake.device import places
from tinywake.device.boards import load_board
from tinywake.device.circuitpy import find
from tinywake.device.circuitpy.app import app_for_circuitpython, modules_for
from tinywake.device.circuitpy.deploy import Order, deploy
from tinywake.device.circuitpy.deploy import run as running
from tinywake.device.circuitpy.deploy.record import Record, read_record, select, write_record
from tinywake.device.circuitpy.deploy.run import Session, put_all
from tinywake.device.circuitpy.facts import read_boot_out, why_no_modules
from tinywake.device.circuitpy.files import DriveFiles
from tinywake.device.circuitpy.find import Drive, Found
from tinywake.device.circuitpy.hearing import why_deaf
from tinywake.device.deploy.models.wanted import read_model
from tinywake.device.usb.find import Port
from tinywake.device.usb.volumes import Volume
from tinywake.errors import DeviceError, TinywakeError, ToolError

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "tests/core"))
from tiny import listening_model  # noqa: E402

APP = app_for_circuitpython()
SOME = {path: data for path, data in APP.items() if "/m" in path or "/__init__" in path}  # enough of it to be cut
MODULE = b"C\x06\x13\x1f" + bytes(range(256)) * 20  # armv6m
USERS = "print('mine')\n"


@pytest.fixture(autouse=True)
def _modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for arch, number in (("armv6m", 0x13), ("armv7emsp", 0x1F), ("xtensawin", 0x2B)):
        folder = tmp_path / f"modules/circuitpython_{arch}_6.3"
        folder.mkdir(parents=True)
        for kind in ("", "_rec", "_pdm", "_huf"):
            (folder / f"_tinywake{kind}.mpy").write_bytes(MODULE[:2] + bytes([number]) + MODULE[3:] + kind.encode())
    monkeypatch.setattr(places, "modules", lambda: tmp_path / "modules")
    use(monkeypatch, APP)
    monkeypatch.setattr(find, "volumes", lambda: iter(()))
    monkeypatch.setattr(find, "list_boards", list)
    monkeypatch.setattr("os.fsync", lambda handle: None)  # no cable is pulled here, and a disk takes its time


def use(monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]) -> None:
    monkeypatch.setattr("tinywake.device.circuitpy.deploy.plan.app_for_circuitpython", lambda: dict(files))


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    path = tmp_path / "CIRCUITPY"
    path.mkdir()
    (path / "boot_out.txt").write_text(boot_out())
    (path / "code.py").write_text(USERS)
    (path / "lib").mkdir()
    (path / "lib/neopixel.mpy").write_bytes(b"C\x06\x00\x1fsomebody's")
    return path


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return model(tmp_path, "old", 120)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return model(tmp_path, "new", 121)


def model(folder: Path, name: str, threshold: int) -> Path:
    path = folder / f"{name}.twm"
    path.write_bytes(listening_model(threshold=threshold, window=1, refractory_ms=100))
    return path


def found(path: Path, port: str | None = None) -> Found:
    facts = read_boot_out((path / "boot_out.txt").read_text())
    assert facts is not None
    return Found(Drive(path, facts), port)


def tree(path: Path) -> dict[str, bytes]:
    return {each.relative_to(path).as_posix(): each.read_bytes() for each in sorted(path.rglob("*")) if each.is_file()}


def heard(path: Path) -> bytes:
    """The model that the app would open."""
    name = selected(path)
    assert name is not None
    return (path / name).read_bytes()


# Through the drive


def test_first_time_unchanged_and_changed(drive: Path, old: Path, new: Path) -> None:
    first = deploy(found(drive), Order(old))
    assert heard(drive) == old.read_bytes()
    files = tree(drive)
    assert files["lib/tinywake/pins.py"] == load_board("RPI_PICO").pins.read_bytes()
    assert files["lib/tinywake/_armv6m.mpy"] == MODULE
    assert "lib/tinywake/listener.py" in files  # it has coroutines
    assert {name[:1] for path, name in files.items() if path.startswith("lib/tinywake/") and path.endswith(".mpy")} <= {
        b"C"
    }
    assert not [path for path in files if path.endswith("~")]
    assert files["code.py"].decode() == USERS
    assert files["lib/neopixel.mpy"].endswith(b"somebody's")
    assert first.listening is None
    assert any("code.py is your own" in line for line in first.lines())
    again = deploy(found(drive), Order(old))
    assert again.copied == ()
    assert tree(drive) == files
    changed = deploy(found(drive), Order(new))
    assert changed.copied == ("tinywake-models/model.b/new.twm",)
    assert heard(drive) == new.read_bytes()
    assert changed.models[0].second == "tinywake-models/model.a/old.twm"


def test_code_py_comes_only_with_main_and_what_was_there_is_kept(drive: Path, old: Path) -> None:
    (drive / "main.py").write_text("print('other')\n")
    (drive / "code.py.bak").write_text("older")
    report = deploy(found(drive), Order(old, main=True))
    assert (drive / "code.py").read_text().endswith("tinywake.main.run()\n")
    assert (drive / "code.py.bak").read_text() == "older"
    assert (drive / "code.py.bak2").read_text() == USERS
    assert "your code.py is kept as code.py.bak2" in report.lines()
    assert "main.py is not run while there is a code.py" in report.lines()
    again = deploy(found(drive), Order(old, main=True))
    assert again.copied == ()
    assert again.kept_as is None
    assert not (drive / "code.py.bak3").exists()


def test_code_txt_is_run_in_place_of_code_py(drive: Path, old: Path) -> None:
    (drive / "code.txt").write_text("print()\n")
    before = tree(drive)
    with pytest.raises(DeviceError, match=r"code\.txt is run in place of code\.py"):
        deploy(found(drive), Order(old, main=True))
    assert tree(drive) == before
    assert any("code.txt is your own" in line for line in deploy(found(drive), Order(old)).lines())


def test_code_of_another_version_goes_and_other_files_stay(drive: Path, old: Path) -> None:
    deploy(found(drive), Order(old))
    (drive / "lib/tinywake/gone.mpy").write_bytes(b"C")
    (drive / "lib/tinywake/main.py").write_text("")  # it would hide the bytecode beside it
    (drive / "lib/tinywake/notes.txt").write_text("mine")
    report = deploy(found(drive), Order(old))
    assert set(report.removed) == {"lib/tinywake/gone.mpy", "lib/tinywake/main.py"}
    assert (drive / "lib/tinywake/notes.txt").read_text() == "mine"


def test_gates(drive: Path, old: Path, new: Path) -> None:
    deploy(found(drive), Order(old, gate="energy"))
    assert read_record(DriveFiles(drive)).chosen("gate") == "energy"
    report = deploy(found(drive), Order(new))
    assert read_record(DriveFiles(drive)).chosen("gate") == "energy"
    assert report.copied == ("tinywake-models/model.b/new.twm",)
    report = deploy(found(drive), Order(new, gate=old))
    assert selected(drive, "gate") == "tinywake-models/gate.a/old.twm"
    assert [each.role for each in report.models] == ["model", "gate"]
    deploy(found(drive), Order(new, no_gate=True))
    assert read_record(DriveFiles(drive)).chosen("gate") is None
    assert not list((drive / "tinywake-models/gate.a").iterdir())


def test_the_record_is_the_one_of_the_document() -> None:
    text = (REPO / "docs/slots.md").read_text()
    example = re.findall(r"^    (tinywake slots 1\n(?:    .*\n)+)", text, re.MULTILINE)[0]
    data = re.sub(r"^    ", "", example, flags=re.MULTILINE).rstrip("\n").encode()

    class Memory:
        where = "memory"

        def __init__(self) -> None:
            self.files = {"tinywake-models/select.0": data}

        def read(self, path: str) -> bytes | None:
            return self.files.get(path)

        def make(self, path: str) -> None:
            pass

        def write(self, path: str, data: bytes) -> None:
            self.files[path] = data

        def rename(self, old: str, new: str) -> None:
            self.files[new] = self.files.pop(old)

    memory: Any = Memory()
    record = read_record(memory)
    assert (record.which, record.sequence) == (0, 7)
    assert record.chosen("model") == "tinywake-models/model.b/jarvis.twm"
    write_record(memory, Record(1, 6), record.entries)
    assert memory.files["tinywake-models/select.0"] == data
    entries = select(record, "model", "tinywake-models/model.a/x.twm", "ab" * 32)
    assert entries["model.was"] == "tinywake-models/model.b/jarvis.twm"


# Cut at every write


class Cut(BaseException):
    """The cable is pulled."""


class Cutting(DriveFiles):
    """The power fails at one of the writes: of a file half is there, of all else nothing was done."""

    def __init__(self, root: Path, at: int) -> None:
        super().__init__(root)
        self.left = at

    def _count(self) -> bool:
        self.left -= 1
        return self.left == 0

    def write(self, path: str, data: bytes) -> None:
        if self._count():
            super().write(path, data[: len(data) // 2])
            raise Cut
        super().write(path, data)

    def make(self, path: str) -> None:
        if self._count():
            raise Cut
        super().make(path)

    def rename(self, old: str, new: str) -> None:
        if self._count():
            raise Cut
        super().rename(old, new)

    def remove(self, path: str) -> None:
        if self._count():
            raise Cut
        super().remove(path)


def cut_everywhere(start: Path, work: Path, order: Order) -> Iterator[Path]:
    """The drive after each cut of a deploy, one that was not cut last."""
    for at in range(1, 500):
        folder = work / f"cut{at}"
        shutil.copytree(start, folder)
        files = Cutting(folder, at)
        drive = found(folder).drive
        assert drive is not None
        try:
            put_all(Session(drive.facts, files, None), order, running.models_of(order))
        except Cut:
            yield folder
            shutil.rmtree(folder)
            continue
        yield folder
        assert at > 5
        return
    raise AssertionError("no end")


def test_a_cut_of_the_first_time(drive: Path, old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, SOME)
    order = Order(old, main=True)
    whole: dict[str, bytes] = {}
    cuts = 0
    for folder in cut_everywhere(drive, tmp_path, order):
        cuts += 1
        there = tree(folder)
        for path, data in there.items():
            if path.endswith("~") or path.startswith("tinywake-models/select") or not path.startswith("lib/tinywake/"):
                continue
            assert data in (MODULE, SOME.get(path), load_board("RPI_PICO").pins.read_bytes()), f"{path} is cut short"
        assert USERS.encode() in (there["code.py"], there.get("code.py.bak"))
        if there["code.py"] != USERS.encode():
            assert heard(folder) == old.read_bytes()
        deploy(found(folder), order)
        whole = whole or tree(folder)
        assert tree(folder) == whole
    assert cuts > 25


def test_a_cut_of_another_model(drive: Path, old: Path, new: Path, tmp_path: Path) -> None:
    """With two on the board, so that the slot of the second choice is written over."""
    third = model(tmp_path, "third", 122)
    deploy(found(drive), Order(third))
    deploy(found(drive), Order(old, main=True))
    states = []
    for folder in cut_everywhere(drive, tmp_path, Order(new)):
        states.append(heard(folder))
        assert states[-1] in (old.read_bytes(), new.read_bytes())
        assert {k: v for k, v in tree(folder).items() if k.startswith("lib/")} == {
            k: v for k, v in tree(drive).items() if k.startswith("lib/")
        }
        deploy(found(folder), Order(new))
        assert heard(folder) == new.read_bytes()
        assert not [path for path in tree(folder) if path.endswith("~")]
    assert len(states) > 8
    assert states == sorted(states, key=[old.read_bytes(), new.read_bytes()].index)
    assert set(states) == {old.read_bytes(), new.read_bytes()}


def test_a_cut_of_another_version(drive: Path, old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is the old or the new one, whole; what was selected stays so; the next run ends as one that was not cut."""
    use(monkeypatch, dict.fromkeys(SOME, b"C\x06\0\x1f old"))
    deploy(found(drive), Order(old))
    use(monkeypatch, SOME)
    before = tree(drive)
    for folder in cut_everywhere(drive, tmp_path, Order(old)):
        for path, data in tree(folder).items():
            if not path.endswith("~"):
                assert data in (before.get(path), SOME.get(path)), path
        assert heard(folder) == old.read_bytes()
        deploy(found(folder), Order(old))
        assert {path: data for path, data in tree(folder).items() if path in SOME} == SOME
        assert not [path for path in tree(folder) if path.endswith("~")]


# Bad input


def test_a_full_drive(drive: Path, old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree(drive)
    monkeypatch.setattr(DriveFiles, "room", lambda self: (4096, 3))
    with pytest.raises(
        DeviceError, match=r"bytes are needed and 12,288 are free: remove something.*nothing was changed"
    ):
        deploy(found(drive), Order(old))
    assert tree(drive) == before

    def full(self: DriveFiles, path: str, data: bytes) -> None:
        raise DeviceError(f"{self.where}: is full at {path}: remove something from it")

    monkeypatch.setattr(DriveFiles, "room", lambda self: None)  # as on Windows
    monkeypatch.setattr(DriveFiles, "write", full)
    with pytest.raises(DeviceError, match="is full at lib/tinywake/"):
        deploy(found(drive), Order(old))
    assert tree(drive) == before


def test_a_drive_that_can_only_be_read(drive: Path, old: Path) -> None:
    before = tree(drive)
    here = found(drive)
    assert here.drive is not None
    with pytest.raises(DeviceError, match="is mounted read-only"):
        deploy(Found(Drive(drive, here.drive.facts, read_only=True), None), Order(old))
    assert tree(drive) == before


def refused(error: int) -> Callable[..., int]:
    def replaced(*_: object) -> int:
        raise OSError(error, "no")

    return replaced


@pytest.mark.parametrize(("error", "says"), [(30, "can only be read"), (28, "is full at"), (5, "check the drive")])
def test_what_the_system_says_of_a_write(
    drive: Path, old: Path, monkeypatch: pytest.MonkeyPatch, error: int, says: str
) -> None:
    monkeypatch.setattr("os.fsync", refused(error))
    with pytest.raises(DeviceError, match=says) as raised:
        deploy(found(drive), Order(old))
    assert "\n" not in str(raised.value)
    assert tree(drive)["code.py"].decode() == USERS


def test_a_drive_that_goes_away(drive: Path, old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = found(drive)

    def gone(self: DriveFiles, path: str, data: bytes) -> None:
        shutil.rmtree(drive, ignore_errors=True)
        write(self, path, data)

    write = DriveFiles.write
    monkeypatch.setattr(DriveFiles, "write", gone)
    with pytest.raises(DeviceError, match="the drive went away"):
        deploy(here, Order(old))


@pytest.mark.parametrize(("path", "data", "says"), [
    ("lib/_tinywake.mpy", b"M\x06\x13\x1f", r"lib/_tinywake\.mpy \(MicroPython's: armv6m, \.mpy 6\.3\) is imported in place"),
    ("lib/_tinywake.mpy", b"C\x06\x2b\x1f", r"\(CircuitPython, xtensawin, \.mpy 6\.3\) is imported in place"),
    ("tinywake.py", b"", r"tinywake\.py \(a program\) is imported in place"),
    ("tinywake/__init__.py", b"", r"tinywake \(a folder\) is imported in place"),
    ("lib/_tinywake_rec.py", b"", r"lib/_tinywake_rec\.py \(a program\)"),
])  # fmt: skip
def test_what_would_be_imported_in_place_of_ours(drive: Path, old: Path, path: str, data: bytes, says: str) -> None:
    (drive / path).parent.mkdir(exist_ok=True)
    (drive / path).write_bytes(data)
    before = tree(drive)
    with pytest.raises(DeviceError, match=says):
        deploy(found(drive), Order(old))
    assert tree(drive) == before


@pytest.mark.parametrize(("version", "machine", "says"), [
    ("10.2.1", "Raspberry Pi Pico with rp2040", "install CircuitPython 10.3.1 or later"),
    ("9.0.0-beta.2", "Raspberry Pi Pico 2 with rp2350a", "install CircuitPython 10.3.1 or later"),
    ("10.3.1", "Adafruit Feather ESP32-S3 with ESP32S3", "install CircuitPython 10.4 or later; .* pre-release"),
    ("10.4.0-alpha.1", "Something with STM32F405RG", "loads no native modules on STM32F405RG"),
])  # fmt: skip
def test_a_version_that_loads_no_modules(drive: Path, old: Path, version: str, machine: str, says: str) -> None:
    (drive / "boot_out.txt").write_text(boot_out(version, machine))
    before = tree(drive)
    with pytest.raises(DeviceError, match=says):
        deploy(found(drive), Order(old))
    assert tree(drive) == before


def test_versions_that_do() -> None:
    for version, machine in (
        ("10.3.1", "Pico with rp2040"), ("11.0.0", "Pico 2 with rp2350a"), ("10.4.0-alpha.2", "S3 with ESP32S3"),
    ):  # fmt: skip
        facts = read_boot_out(boot_out(version, machine))
        assert facts is not None
        assert why_no_modules(facts) is None


def test_who_can_hear(drive: Path, old: Path) -> None:
    deaf = read_boot_out(boot_out("10.4.0", "QT Py ESP32-C3 with ESP32C3"))
    assert deaf is not None
    assert why_deaf(deaf, "i2s") == "CircuitPython has no microphone input on ESP32-C3"
    with FakeCircuitPython(drive, modules=("audiobusio",)) as board:
        with pytest.raises(DeviceError, match=r"this build has no input for an I2S microphone \(no audioi2sin\)"):
            deploy(found(drive, board.port), Order(old))


# Which board


def test_finding(tmp_path: Path, drive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other, plain = tmp_path / "OTHER", tmp_path / "USBSTICK"
    for path in (other, plain):
        path.mkdir()
    (other / "boot_out.txt").write_text(boot_out(machine="Raspberry Pi Pico 2 with rp2350a", uid="AB" * 8))
    volumes = [Volume(plain), Volume(drive)]
    monkeypatch.setattr(find, "volumes", lambda: iter(volumes))
    ports = {"/dev/ttyACM0": UID, "/dev/ttyACM2": UID, "/dev/ttyUSB0": "0001"}
    monkeypatch.setattr(find, "_serial_numbers", lambda: ports)
    only = find.find(None, None)
    assert only is not None
    assert only.drive is not None
    assert (only.drive.path, only.port) == (drive, "/dev/ttyACM0")
    assert only.drive.facts.board_id == "raspberry_pi_pico"
    by_port = find.find("/dev/ttyACM2", None)
    assert by_port is not None
    assert by_port.port == "/dev/ttyACM2"
    assert find.find("/dev/ttyUSB0", None) is None
    own, mine = (Port(device, 0x239A, 0x80F4, "") for device in ("/dev/ttyACM0", "/dev/ttyACM2"))
    monkeypatch.setattr(find, "list_boards", lambda: [own, mine])  # which are the drive's own
    assert find.find(None, None) == only
    pico = Port("/dev/ttyACM5", 0x2E8A, 5, "Board in FS mode")
    monkeypatch.setattr(find, "list_boards", lambda: [own, mine, pico])
    with pytest.raises(DeviceError, match=rf"name one: --drive {drive}, or a port \(/dev/ttyACM5: Board in FS mode"):
        find.find(None, None)
    volumes.append(Volume(other))
    with pytest.raises(
        DeviceError, match=rf"several CircuitPython boards.*--drive {drive}.*UID {UID}.*--drive {other}"
    ):
        find.find(None, None)
    named = find.find(None, other)
    assert named is not None
    assert named.port is None
    volumes.clear()
    assert find.find(None, None) is None


@pytest.mark.parametrize(("name", "says"), [
    ("nowhere", "there is no such drive"),
    ("USBSTICK", "is not the drive of a board with CircuitPython"),
    ("CIRCUITPY2/CIRCUITPY", r"has no boot_out\.txt.*press the board's reset button"),
])  # fmt: skip
def test_a_drive_that_is_none(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "USBSTICK").mkdir()
    (tmp_path / "CIRCUITPY2/CIRCUITPY").mkdir(parents=True)
    with pytest.raises(DeviceError, match=says):
        find.find(None, tmp_path / name)


def test_boards_by_their_id(drive: Path, old: Path) -> None:
    (drive / "boot_out.txt").write_text(boot_out(board="some_other_rp2040"))
    with pytest.raises(DeviceError, match=r"no board under boards/ is a some_other_rp2040: name one.*--board"):
        deploy(found(drive), Order(old))
    with pytest.raises(DeviceError, match=r"is no RPI_PICO2 \(RP2350\): Raspberry Pi Pico with rp2040 answers"):
        deploy(found(drive), Order(old, board="RPI_PICO2"))
    deploy(found(drive), Order(old, board="RPI_PICO"))
    deploy(found(drive), Order(old))  # by the pins that are there


def test_the_record_of_a_board_that_can_record(drive: Path, old: Path) -> None:
    assert "lib/_tinywake_rec.mpy" in deploy(found(drive), Order(old, recorder=True)).copied
    deploy(found(drive), Order(old))
    assert (drive / "lib/_tinywake_rec.mpy").is_file()


def test_a_coded_gate_is_enough_for_its_decoder(drive: Path, old: Path, new: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate.twm"
    gate.write_bytes(coded(new.read_bytes()))
    assert gate.stat().st_size < new.stat().st_size
    assert "lib/_tinywake_huf.mpy" not in deploy(found(drive), Order(old)).copied
    assert "lib/_tinywake_huf.mpy" in deploy(found(drive), Order(old, gate=gate)).copied


def test_what_only_some_need_is_of_the_same_version(drive: Path, old: Path, tmp_path: Path) -> None:
    deploy(found(drive), Order(old, recorder=True))
    (drive / "lib/_tinywake_rec.mpy").write_bytes(b"C\x06\x13\x1f of another version")
    assert deploy(found(drive), Order(old)).copied == ("lib/_tinywake_rec.mpy",)
    (tmp_path / "modules/circuitpython_armv6m_6.3/_tinywake_huf.mpy").unlink()
    small = tmp_path / "small.twm"
    small.write_bytes(coded(old.read_bytes()))
    before = tree(drive)
    with pytest.raises(ToolError, match=r"no _tinywake_huf\.mpy for CircuitPython on armv6m: make modules ARCH=armv6m"):
        deploy(found(drive), Order(small))
    assert tree(drive) == before


def test_a_larger_core_runs_the_smaller_ones_module(tmp_path: Path) -> None:
    assert modules_for("armv7emsp")[""][2] == 0x1F
    shutil.rmtree(tmp_path / "modules/circuitpython_armv7emsp_6.3")
    assert modules_for("armv7emsp")[""][2] == 0x13
    shutil.rmtree(tmp_path / "modules/circuitpython_armv6m_6.3")
    for arch in ("armv7emsp", "rv32imc"):
        with pytest.raises(ToolError, match=f"no native module of CircuitPython for {arch}: make modules ARCH={arch}"):
            modules_for(arch)


# At the prompt


def test_the_prompt_hashes_opens_and_starts(drive: Path, old: Path, new: Path) -> None:
    with FakeCircuitPython(drive) as board:
        report = deploy(found(drive, board.port), Order(old, main=True))
        assert report.verified == "hashed by the board"
        assert report.heap is not None
        assert report.heap.app > 0
        assert report.listening, report.trouble
        assert board.runs == 1
        again = deploy(found(drive, board.port), Order(old, main=True))
        assert again.copied == ()
        assert again.listening
        assert deploy(found(drive, board.port), Order(new)).listening
    assert heard(drive) == new.read_bytes()


def test_what_arrives_damaged_is_not_renamed(drive: Path, old: Path, new: Path) -> None:
    with FakeCircuitPython(drive) as board:
        board.damages = {"lib/tinywake/_armv6m.mpy~"}
        before = tree(drive)
        with pytest.raises(DeviceError, match=r"lib/tinywake/_armv6m\.mpy arrived damaged; nothing was changed"):
            deploy(found(drive, board.port), Order(old))
        assert tree(drive) == before
        board.damages = {"tinywake-models/model.b/new.twm~"}
        deploy(found(drive, board.port), Order(old))
        with pytest.raises(DeviceError, match=r"new\.twm arrived damaged"):
            deploy(found(drive, board.port), Order(new))
    assert heard(drive) == old.read_bytes()


def test_a_model_that_does_not_open_there_is_not_selected(drive: Path, old: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.twm"
    bad.write_bytes(old.read_bytes() + b"CORRUPT")
    with FakeCircuitPython(drive) as board:
        deploy(found(drive, board.port), Order(old))
        with pytest.raises(DeviceError, match=r"bad\.twm does not open on the board: .*TW_ERR_PAYLOAD"):
            deploy(found(drive, board.port), Order(bad))
    assert heard(drive) == old.read_bytes()
    assert not [path for path in tree(drive) if path.endswith("bad.twm")]


def test_a_program_that_raises(drive: Path, old: Path) -> None:
    (drive / "code.py").write_text("raise ValueError('mine')\n")
    with FakeCircuitPython(drive) as board:
        report = deploy(found(drive, board.port), Order(old))
    assert report.listening is False
    assert "the board does not listen yet: ValueError: mine" in report.lines()
    assert "code.py is your own and was kept: let it call tinywake.main.run(), or deploy with --main" in report.lines()


def test_safe_mode(drive: Path, old: Path) -> None:
    with FakeCircuitPython(drive, safe_mode="HARD_FAULT") as board:
        before = tree(drive)
        with pytest.raises(DeviceError, match=r"is in safe mode \(HARD_FAULT\) and runs no code\.py: press its reset"):
            deploy(found(drive, board.port), Order(old))
        assert tree(drive) == before


def test_the_drive_of_another_board(drive: Path, old: Path, tmp_path: Path) -> None:
    with FakeCircuitPython(tmp_path / "other", uid="AB" * 8) as board:
        with pytest.raises(DeviceError, match=rf"is another board \(UID {'AB' * 8}\) than the drive"):
            deploy(found(drive, board.port), Order(old))


def test_a_drive_that_is_not_mounted(tmp_path: Path, old: Path) -> None:
    with FakeCircuitPython(tmp_path / "board") as board:
        with pytest.raises(DeviceError, match="CIRCUITPY, which is not mounted here: mount it"):
            deploy(Found(None, board.port), Order(old))


@pytest.mark.parametrize("drive_too", [False, True])
def test_a_board_that_writes_itself(tmp_path: Path, old: Path, new: Path, drive_too: bool) -> None:
    """One without a drive, or whose boot.py keeps it: through the prompt."""
    root = tmp_path / "board"
    with FakeCircuitPython(root, read_only=False, machine="S3 with ESP32S3", version="10.4.0-alpha.2",
                           board="adafruit_feather_esp32s3_nopsram") as board:  # fmt: skip
        here = Found(None, board.port)
        if drive_too:
            (root / "boot_out.txt").write_text(boot_out())
            here = found(root, board.port)
        report = deploy(here, Order(old, main=True))
        assert report.listening, report.trouble
        assert report.where == board.port
        assert deploy(here, Order(old, main=True)).copied == ()
        assert deploy(here, Order(new)).listening
    assert heard(root) == new.read_bytes()
    assert (root / "lib/tinywake/_xtensawin.mpy").is_file()
    assert not [path for path in tree(root) if path.endswith("~")]


def test_the_verb(drive: Path, old: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(find, "_serial_numbers", dict)
    verbs.deploy(old, drive=drive, main=True, as_json=True)
    assert f'"sha256": "{hashlib.sha256(old.read_bytes()).hexdigest()}"' in capsys.readouterr().out
    with pytest.raises(TinywakeError, match="--home xip: on CircuitPython a model is copied to the heap"):
        verbs.deploy(old, drive=drive, home="xip")
    with FakeCircuitPython(drive.parent / "port", read_only=False) as board:
        monkeypatch.setattr("tinywake.device.usb.find.list_boards", list)
        verbs.deploy(old, port=board.port, board="RPI_PICO", reset=True)
        assert "hashed by the board" in capsys.readouterr().out


def test_models_and_names(tmp_path: Path, drive: Path) -> None:
    with pytest.raises(DeviceError, match="no such model"):
        deploy(found(drive), Order(tmp_path / "none.twm"))
    long = model(tmp_path, "x" * 200, 120)
    assert read_model("model", long).name
    deploy(found(drive), Order(long))
    assert heard(drive) == long.read_bytes()
