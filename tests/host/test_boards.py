"""boards/: each is whole, its pins can be used together, its board.py is a program, its currents have sources."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from tinywake.device import places
from tinywake.device.boards import STATES, Current, Memory, Release, board_names, load_board
from tinywake.device.firmware import ARCHES
from tinywake.errors import ConfigError

REPO = Path(__file__).resolve().parents[2]
MPY_CROSS = REPO / "build" / "targets" / "mpy-cross"
NAMES = board_names()
SILICON = [name for name in NAMES if load_board(name).flash != "none"]
# Of each chip: its pins, and those of them that boards use for flash or that cannot be driven.
PINS: dict[str, tuple[int, set[int], set[int]]] = {
    "RP2040": (30, set(), set()),
    "RP2350": (48, set(), set()),
    "ESP32": (40, {6, 7, 8, 9, 10, 11, 20, 24, 28, 29, 30, 31}, {34, 35, 36, 37, 38, 39}),
    "ESP32-C3": (22, {11, 12, 13, 14, 15, 16, 17}, set()),
    "ESP32-S3": (49, {22, 23, 24, 25, *range(26, 38)}, set()),  # octal PSRAM and flash take 26..37
}
# Of each chip: the native module it runs, how firmware gets there, its SRAM.
CHIPS = {
    "RP2040": ("armv6m", "uf2", 264 << 10),
    "RP2350": ("armv7emsp", "uf2", 520 << 10),
    "ESP32": ("xtensawin", "esptool", 520 << 10),
    "ESP32-C3": ("rv32imc", "esptool", 400 << 10),
    "ESP32-S3": ("xtensawin", "esptool", 512 << 10),
}
GENERIC = {"ADAFRUIT_FEATHER_ESP32S3": "ESP32_GENERIC_S3"}  # MicroPython has no firmware of its own for it
PSRAM = {"ESP32_GENERIC_S3-SPIRAM_OCT": 8 << 20}
ROLES = {"i2s": ("sck", "ws", "sd"), "pdm": ("clk", "data")}
KEYS = {
    "i2s": {"kind", "id", "sck", "ws", "sd", "bits", "shift", "channel", "late", "ring_ms", "timer", "sm"},
    "pdm": {"kind", "clk", "data", "shift", "channel", "sm", "ring_ms"},
    "wav": {"kind", "path", "paced", "timer"},
}


def program(name: str) -> dict[str, Any]:
    """The names that board.py sets, once it has run: it imports nothing, so it runs anywhere."""
    path = load_board(name).pins
    for node in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(node, ast.Import | ast.ImportFrom), f"{name}: board.py imports something"
    names: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), names)
    return names


@pytest.mark.parametrize("name", NAMES)
def test_a_board_is_one_toml_and_one_program(name: str) -> None:
    directory = places.boards() / name
    assert {path.name for path in directory.iterdir()} - {"__pycache__"} == {"board.toml", "board.py"}
    board = load_board(name)
    assert board.arch in ARCHES
    assert board.flash in ("esptool", "uf2", "none")
    assert board.name == name
    said = program(name)
    assert said["BOARD"] == name
    # An interpreter's own port needs no name: the same file serves every interpreter that the board has.
    assert said.get("PORT") in (None, "unix")
    assert (REPO / "firmware" / "app" / "port" / f"{said.get('PORT', 'micropython')}.py").is_file()
    assert said["__doc__"], "board.py says how the microphone is connected"


@pytest.mark.parametrize("name", NAMES)
def test_board_py_compiles_for_the_board(name: str, tmp_path: Path) -> None:
    if not MPY_CROSS.exists():
        pytest.skip(f"{MPY_CROSS} is not built: make targets")
    subprocess.run([MPY_CROSS, "-o", tmp_path / "pins.mpy", load_board(name).pins], check=True)


@pytest.mark.parametrize("name", NAMES)
def test_the_microphone_has_what_its_driver_reads(name: str) -> None:
    mic = program(name)["MIC"]
    assert mic.keys() <= KEYS[mic["kind"]], f"{name}: {mic.keys() - KEYS[mic['kind']]}"
    assert mic.get("channel", "left") in ("left", "right")
    if mic["kind"] == "i2s":
        assert mic["bits"] in (16, 32)
        assert 8 <= mic.get("shift", 16) <= 17
        assert mic.get("late", 0) in (0, 1)
    if mic["kind"] == "pdm":
        assert 8 <= mic.get("shift", 16) <= 16
        assert load_board(name).chip.startswith("RP2"), "PDM is PIO's"


@pytest.mark.parametrize("name", SILICON)
def test_pins_can_be_used_together(name: str) -> None:
    chip, mic = load_board(name).chip, program(name)["MIC"]
    pins = [mic[role] for role in ROLES[mic["kind"]]]
    assert len(set(pins)) == len(pins), "one pin for two things"
    count, taken, inputs = PINS[chip]
    assert all(0 <= pin < count for pin in pins)
    assert not taken.intersection(pins), "the flash is there"
    assert not inputs.intersection(pins[:-1]), "a clock goes out"
    assert all(f"{'GP' if name.startswith('RPI_') else 'GPIO'}{pin}" in program(name)["__doc__"] for pin in pins)
    if chip.startswith("RP2") and mic["kind"] == "i2s":
        assert mic["ws"] == mic["sck"] + 1, "side-set pins are neighbours"
    if chip.startswith("ESP32"):
        assert mic["timer"] == 0, "there are no timers with negative numbers"


@pytest.mark.parametrize("name", SILICON)
def test_a_board_of_silicon_says_what_it_has(name: str) -> None:
    board = load_board(name)
    assert board.memory is not None
    assert board.firmware is not None
    firmware = GENERIC.get(name, name.partition("-")[0])
    assert board.firmware.page.endswith(f"/{firmware}/")
    assert board.memory.flash in {1 << n for n in range(21, 25)}
    assert board.memory.storage % 4096 == 0
    arch, flash, sram = CHIPS[board.chip]
    assert (board.arch, board.flash) == (arch, flash)
    assert board.memory.ram == sram + PSRAM.get(name, 0)
    assert "Not yet tried on silicon" in board.pins.read_text()


@pytest.mark.parametrize("name", SILICON)
def test_currents_have_sources(name: str) -> None:
    board = load_board(name)
    if not board.power:
        assert "# No currents: " in (places.boards() / name / "board.toml").read_text()
        return
    states = [current.state for current in board.power]
    assert len(set(states)) == len(states)
    assert states == sorted(states, key=STATES.index)
    amps = [current.milliamps for current in board.power]
    assert amps == sorted(amps, reverse=True), "a deeper state takes less"
    for current in board.power:
        assert current.volts == 3.3
        assert "atasheet" in current.source
        assert "table" in current.source.lower()
        assert board.chip.partition("-WROOM")[0] in current.source


def test_what_is_documented_is_a_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (REPO / "docs" / "adding-a-board.md").read_text()
    toml, python = (re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL) for kind in ("toml", "python"))
    folder = tmp_path / "NEW"
    folder.mkdir()
    (folder / "board.toml").write_text(*toml)
    (folder / "board.py").write_text(*python)
    monkeypatch.setattr(places, "boards", lambda: tmp_path)
    board = load_board("NEW")
    assert board.memory is not None
    assert board.power
    assert program("NEW")["MIC"].keys() <= KEYS["i2s"]
    every = [field.name for kind in (Memory, Current, Release) for field in fields(kind)]
    assert [key for key in every if not re.search(rf"\b{key}\b", text)] == []


def test_the_boards_of_the_issue_are_there() -> None:
    assert {
        "RPI_PICO", "RPI_PICO_W", "RPI_PICO2", "ESP32_GENERIC", "ESP32_GENERIC_S3", "ESP32_GENERIC_S3-SPIRAM_OCT",
        "ESP32_GENERIC_C3", "ARDUINO_NANO_RP2040_CONNECT", "ADAFRUIT_FEATHER_RP2040", "ADAFRUIT_FEATHER_ESP32S3",
    } <= set(NAMES)  # fmt: skip


def test_boards_that_circuitpython_knows() -> None:
    ids = {name: board.circuitpython for name in NAMES if (board := load_board(name)).circuitpython}
    assert {"RPI_PICO", "RPI_PICO2", "ADAFRUIT_FEATHER_RP2040", "ADAFRUIT_FEATHER_ESP32S3"} <= set(ids)
    assert len(set(ids.values())) == len(ids), "one id, one board"
    for name, said in ids.items():
        assert re.fullmatch("[a-z0-9_]+", said)
        assert load_board(name).arch in ("armv6m", "armv7emsp", "xtensawin")
        pins = [value for role, value in program(name)["MIC"].items() if role in ("sck", "ws", "sd", "clk", "data")]
        assert all(isinstance(pin, int) for pin in pins), "microcontroller.pin.GPIO<n> there, machine.Pin(<n>) here"


@pytest.mark.parametrize(("change", "says"), [
    (('state = "busy"', 'state = "tired"'), "power.state = 'tired' must be one of busy, idle, sleep, deep sleep"),
    (("milliamps = 12.0", 'milliamps = "12"'), "power.milliamps = '12' must be a number"),
    (("milliamps = 12.0", "milliamps = 12000.0"), "power.milliamps = 12000.0 is impossible"),
    (('source = "RP2040', 'origin = "RP2040'), "power.origin is unknown"),
    (("volts = 3.3\n", ""), "power.volts is missing"),
    (("[[power]]", "[power]"), "board.toml"),
])  # fmt: skip
def test_wrong_currents(change: tuple[str, str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(places.boards() / "RPI_PICO", tmp_path / "ODD")
    path = tmp_path / "ODD" / "board.toml"
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change, 1))
    monkeypatch.setattr(places, "boards", lambda: tmp_path)
    with pytest.raises(ConfigError) as raised:
        load_board("ODD")
    assert says in str(raised.value)
