# SPDX-License-Identifier: MIT
# ruff: noqa: E501
"""`tinywake doctor` on boards with CircuitPython: each fault in one line, with the way out; nothing is written."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_circuitpy import UID, FakeCircuitPython, boot_out
from test_circuitpy import MODULE, _modules, drive, found, old, tree  # noqa: F401 - fixtures

from tinywake.compiler.coding.encode import coded
from tinywake.device.circuitpy import find
from tinywake.device.circuitpy.deploy import Order, deploy
from tinywake.device.doctor import Diagnosis, diagnose
from tinywake.device.usb.volumes import Volume


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules[diagnose.__module__]  # whose name in its package is the function's
    monkeypatch.setattr(module, "look_at_computer", list)
    monkeypatch.setattr(module, "look_at_ports", list)


@pytest.fixture
def ready(drive: Path, old: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:  # noqa: F811
    """A drive with all that deploy puts there, mounted."""
    deploy(found(drive), Order(old, main=True))
    monkeypatch.setattr(find, "volumes", lambda: iter([Volume(drive)]))
    before = tree(drive)
    yield drive
    assert {path: data for path, data in tree(drive).items() if path in before}.keys() == before.keys()


def faults(found: Diagnosis) -> list[str]:
    assert all(each.remedy for each in found.findings if each.level == "fault")
    return [f"{each.topic}: {each.what}" for each in found.findings if each.level == "fault"]


def test_a_drive_that_is_well(ready: Path) -> None:
    said = diagnose(drive=ready)
    assert said.healthy, said.lines()
    assert {each.topic for each in said.findings} >= {"firmware", "microphone", "drive", "files", "app", "pins", "module",
                                                      "model", "code.py"}  # fmt: skip
    (listed,) = diagnose().findings
    assert listed.what == f"{ready}: CircuitPython 10.3.1 on Raspberry Pi Pico with rp2040, UID {UID}"


def test_a_board_that_is_well(ready: Path) -> None:
    with FakeCircuitPython(ready) as board:
        said = diagnose(board.port)
    assert said.healthy, said.lines()
    assert said.findings[-1].what == "listens again"
    assert any("186,000" in each.what or "bytes free after a reset" in each.what for each in said.findings)


def test_a_bare_board(drive: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(find, "volumes", lambda: iter([Volume(drive)]))
    said = diagnose(drive=drive)
    assert said.healthy
    assert said.findings[-1].what == "tinywake is not on the board yet"
    assert said.findings[-1].remedy == "tinywake deploy --model MODEL.twm"


@pytest.mark.parametrize(("path", "data", "says"), [
    ("lib/tinywake/_armv6m.mpy", b"M\x06\x13\x1f", "module: lib/tinywake/_armv6m.mpy is for MicroPython (armv6m, .mpy 6.3); circuitpython answers"),
    ("lib/tinywake/_armv6m.mpy", b"C\x06\x2b\x1f", "module: lib/tinywake/_armv6m.mpy (CircuitPython, xtensawin, .mpy 6.3) is damaged"),
    ("lib/tinywake/_armv6m.mpy", MODULE[:100], "module: lib/tinywake/_armv6m.mpy (CircuitPython, armv6m, .mpy 6.3) is damaged or of another version"),
    ("lib/_tinywake.mpy", b"M\x06\x13\x1f", "module: lib/_tinywake.mpy (MicroPython's: armv6m, .mpy 6.3) is imported in place of ours"),
    ("lib/tinywake/main.mpy", b"", "app: 1 file(s) damaged, missing or of another version: lib/tinywake/main.mpy"),
    ("tinywake-models/model.a/old.twm", b"", "model: tinywake-models/model.a/old.twm is damaged"),
    ("tinywake-models/select.0", b"", "model: none is selected"),
])  # fmt: skip
def test_what_is_wrong_on_it(ready: Path, path: str, data: bytes, says: str) -> None:
    (ready / path).write_bytes(data)
    said = faults(diagnose(drive=ready))
    assert any(each.startswith(says) for each in said), said
    if path.startswith("tinywake-models"):
        return
    with FakeCircuitPython(ready) as board:
        at_prompt = diagnose(board.port)
    assert faults(at_prompt)
    assert at_prompt.findings[-1].what == "was left at its prompt: what it would start may hang"


def test_a_coded_model_without_its_decoder(ready: Path, old: Path) -> None:  # noqa: F811
    small = old.with_name("small.twm")
    small.write_bytes(coded(old.read_bytes()))
    deploy(found(ready), Order(small))
    assert diagnose(drive=ready).healthy
    (ready / "lib/_tinywake_huf.mpy").unlink()
    assert "module: lib/_tinywake_huf.mpy is missing" in faults(diagnose(drive=ready))


def test_another_architecture_at_the_prompt(ready: Path) -> None:
    (ready / "lib/tinywake/_armv6m.mpy").write_bytes(b"C\x06\x2b\x1f")
    with FakeCircuitPython(ready) as board:
        said = faults(diagnose(board.port))
    assert any(
        "is for another architecture (CircuitPython, xtensawin, .mpy 6.3); the board loads armv6m" in each
        for each in said
    )


@pytest.mark.parametrize(("version", "machine", "says", "remedy"), [
    ("10.2.0", "Raspberry Pi Pico with rp2040", "firmware: CircuitPython 10.2.0 loads no native modules", "10.3.1 or later"),
    ("10.3.1", "Adafruit Feather ESP32-S3 with ESP32S3", "firmware: CircuitPython 10.3.1 loads no native modules", "pre-release"),
    ("10.4.0", "QT Py ESP32-C3 with ESP32C3", "microphone: CircuitPython has no microphone input on ESP32-C3", "docs/circuitpython.md"),
])  # fmt: skip
def test_firmware_and_chip(drive: Path, version: str, machine: str, says: str, remedy: str) -> None:  # noqa: F811
    (drive / "boot_out.txt").write_text(boot_out(version, machine))
    said = diagnose(drive=drive)
    assert says in faults(said)
    assert any(remedy in each.remedy for each in said.findings if each.level == "fault")


def test_safe_mode_builds_and_drives(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeCircuitPython(ready, safe_mode="USER", modules=()) as board:
        said = faults(diagnose(board.port))
        assert "firmware: the board is in safe mode (USER) and runs no code.py" in said
        assert "microphone: this build has no input for an I2S microphone (no audioi2sin)" in said
        monkeypatch.setattr(find, "volumes", lambda: iter(()))
        assert "drive: CIRCUITPY is not mounted here, and only there can be written" in faults(diagnose(board.port))
        monkeypatch.setattr(find, "volumes", lambda: iter([Volume(ready, None, True)]))
        assert f"drive: {ready} is mounted read-only" in faults(diagnose(board.port))
    assert f"drive: {ready} is mounted read-only" in faults(diagnose(drive=ready))


def test_what_starts(ready: Path) -> None:
    (ready / "code.txt").write_text("print()\n")
    (ready / "main.py").write_text("print()\n")
    said = [f"{each.topic} {each.what}" for each in diagnose(drive=ready).findings]
    assert "code.txt is run in place of code.py and main.py" in said
    assert "code.txt is your own" in said


def test_no_drive(tmp_path: Path) -> None:
    (said,) = diagnose(drive=tmp_path / "none").findings
    assert (said.level, said.topic) == ("fault", "drive")
    assert "there is no such drive" in said.what
