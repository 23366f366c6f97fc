"""tinywake flash and an ESP32: an emulated serial loader (esp_loader.py) that holds the flash, on a pty."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tinywake.device.flash.files.esp_image import CHIPS as KNOWN
from tinywake.device.flash.flash import Order, flash
from tinywake.errors import DeviceError, ToolError

sys.path.insert(0, str(Path(__file__).parent))
from esp_lines import LineServer
from esp_loader import CHIPS, EspLoader
from firmwares import NUMBERS, OFFSETS, esp_firmware, esp_image

BOARDS = {"ESP32": "ESP32_GENERIC", "ESP32-C3": "ESP32_GENERIC_C3"}


def quiet(stage: str, fraction: float) -> None:
    assert 0 <= fraction <= 1


@contextmanager
def chip(name: str, **how: object) -> Iterator[EspLoader]:
    with EspLoader(CHIPS[name], **how) as loader:  # type: ignore[arg-type]
        yield loader


def firmware(folder: Path, name: str, **how: int) -> Path:
    path = folder / f"{name}.bin"
    path.write_bytes(esp_firmware(name, **how))
    return path


def same(loader: EspLoader, path: Path, offset: int) -> None:
    data = path.read_bytes()
    assert bytes(loader.flash[offset : offset + len(data)]) == data
    assert loader.faults == []


@pytest.mark.parametrize("stub", [True, False])
@pytest.mark.parametrize("name", list(CHIPS))
def test_what_is_flashed_is_in_flash(tmp_path: Path, name: str, stub: bool) -> None:
    path = firmware(tmp_path, name, size=30_000)
    stages = []
    with chip(name) as loader:
        done = flash(Order(loader.port, firmware=path, stub=stub), lambda stage, part: stages.append((stage, part)))
        same(loader, path, OFFSETS[name])
        used = set(loader.seen)
    assert done.chip == name
    assert done.version == "MicroPython v1.25.0 on 2025-04-15"
    assert done.verified == "verified by MD5"
    assert ("FLASH_DEFL_DATA" if stub else "FLASH_DATA") in used
    assert ("MEM_END" in used) == stub
    assert "SPI_FLASH_MD5" in used
    assert ("SPI_ATTACH" in used) != stub
    assert stages[-1] == ("writing", 1.0)
    assert loader.flash[0x200000:0x200100] == bytes(256)  # files stay


def test_the_command_line(tmp_path: Path) -> None:
    path = firmware(tmp_path, "ESP32")
    with chip("ESP32") as loader:
        result = subprocess.run(
            [sys.executable, "-m", "tinywake", "flash", loader.port, "--board", "ESP32_GENERIC", "--firmware", path,
             "--json"], capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        same(loader, path, 0x1000)
    facts = json.loads(result.stdout)
    assert facts["chip"] == "ESP32"
    assert facts["bytes"] == path.stat().st_size
    assert facts["next"] == f"tinywake deploy {loader.port} --board ESP32_GENERIC --model MODEL.twm"


def test_all_of_it_is_erased_where_that_is_asked_for(tmp_path: Path) -> None:
    path = firmware(tmp_path, "ESP32-C3")
    with chip("ESP32-C3") as loader:
        flash(Order(loader.port, firmware=path, erase=True), quiet)
        same(loader, path, 0)
        assert bytes(loader.flash[0x200000:]) == b"\xff" * 0x200000
        with pytest.raises(DeviceError, match="--no-stub leaves out"):
            flash(Order(loader.port, firmware=path, erase=True, stub=False), quiet)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pyserial's, about threads
def test_the_lines_bring_it_into_its_loader_and_start_it_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = firmware(tmp_path, "ESP32", size=20_000)
    # pyserial waits 50 ms for each of the many answers of an RFC 2217 server.
    monkeypatch.setattr("serial.rfc2217.time", SimpleNamespace(sleep=lambda _: time.sleep(0.001), time=time.time))
    with chip("ESP32") as loader, LineServer(loader) as server:
        done = flash(Order(server.port, board="ESP32_GENERIC", firmware=path), quiet)
        same(loader, path, 0x1000)
        assert server.lines.starts[0] == "loader"
        assert server.lines.starts[-1] == "app"
        assert loader.boots == "app"
    assert done.port == server.port


@pytest.mark.parametrize("stub", [True, False])
def test_a_cable_pulled_half_way(tmp_path: Path, stub: bool) -> None:
    path = firmware(tmp_path, "ESP32", size=200_000)
    with chip("ESP32", pull_after=110_000) as loader:
        with pytest.raises(DeviceError, match=r"lost at \d+ %: its firmware is not whole.*hold BOOT, press EN") as told:
            flash(Order(loader.port, firmware=path, stub=stub), quiet)
        assert "\n" not in str(told.value)
        data = path.read_bytes()
        assert bytes(loader.flash[0x1000 : 0x1000 + len(data)]) != data
        loader.plug()
        flash(Order(loader.port, firmware=path, stub=stub), quiet)
        same(loader, path, 0x1000)


def test_a_byte_that_does_not_stay_is_found(tmp_path: Path) -> None:
    path = firmware(tmp_path, "ESP32")
    with chip("ESP32", flip=0x1234) as loader:
        with pytest.raises(DeviceError, match="what is in flash is not what was sent: run this again"):
            flash(Order(loader.port, firmware=path), quiet)
        loader.plug()
        flash(Order(loader.port, firmware=path), quiet)
        same(loader, path, 0x1000)


def untouched(loader: EspLoader) -> bool:
    began = {"FLASH_BEGIN", "FLASH_DEFL_BEGIN", "ERASE_FLASH"} & set(loader.seen)
    return not began and not any(loader.flash)


def test_firmware_for_another_chip_is_refused_before_anything_is_erased(tmp_path: Path) -> None:
    path = firmware(tmp_path, "ESP32-S3")
    with chip("ESP32-C3") as loader:
        with pytest.raises(DeviceError, match=r"is for ESP32-S3, but the board on /dev/\S+ has ESP32-C3; nothing"):
            flash(Order(loader.port, firmware=path, erase=True), quiet)
        with pytest.raises(DeviceError, match="is for ESP32-S3, but ESP32_GENERIC_C3 has ESP32-C3"):
            flash(Order(loader.port, board="ESP32_GENERIC_C3", firmware=path, erase=True), quiet)
        assert untouched(loader)


def test_a_board_with_less_flash_is_refused(tmp_path: Path) -> None:
    path = firmware(tmp_path, "ESP32")
    with chip("ESP32", flash_bytes=2 << 20) as loader:
        with pytest.raises(DeviceError, match="has 2,097,152 bytes of flash, the firmware needs 4,194,304"):
            flash(Order(loader.port, board="ESP32_GENERIC", firmware=path), quiet)
        assert untouched(loader)


def test_a_chip_that_runs_its_program(tmp_path: Path) -> None:
    path = firmware(tmp_path, "ESP32")
    with chip("ESP32", boots="app") as loader:
        order = Order(loader.port, board="ESP32_GENERIC", firmware=path)
        with pytest.raises(DeviceError, match=r"hold BOOT, press EN \(or RESET\) and let go of it, let go of BOOT"):
            flash(order, quiet)
        loader.boots = "loader"  # the button is held
        flash(order, quiet)
        same(loader, path, 0x1000)


def test_a_port_on_which_nothing_answers(tmp_path: Path) -> None:
    path = firmware(tmp_path, "ESP32")
    with (
        chip("ESP32", boots="nothing") as loader,
        pytest.raises(DeviceError, match="no ESP32 answers there: hold BOOT"),
    ):
        flash(Order(loader.port, board="ESP32_GENERIC", firmware=path), quiet)


def test_a_stub_that_does_not_start(tmp_path: Path) -> None:
    path = firmware(tmp_path, "ESP32")
    with chip("ESP32", stub_starts=False) as loader:
        with pytest.raises(DeviceError, match="run this again with --no-stub"):
            flash(Order(loader.port, firmware=path), quiet)
        loader.plug()
        flash(Order(loader.port, firmware=path, stub=False), quiet)
        same(loader, path, 0x1000)


def test_chips_that_cannot_be_served(tmp_path: Path) -> None:
    path = firmware(tmp_path, "ESP32-S3")
    stranger = replace(CHIPS["ESP32-S3"], name="ESP32-X9", number=99)
    with EspLoader(stranger) as loader:
        with pytest.raises(DeviceError, match=r"a chip that esptool does not know .Unexpected chip ID value 99"):
            flash(Order(loader.port, firmware=path), quiet)
        assert untouched(loader)
    with chip("ESP32-S3", security=1 << 2) as loader:
        with pytest.raises(DeviceError, match="this ESP32-S3 is in secure download mode, in which nothing can be ver"):
            flash(Order(loader.port, firmware=path), quiet)
        assert untouched(loader)


def test_a_port_that_is_in_use(tmp_path: Path) -> None:
    path = firmware(tmp_path, "ESP32")
    with chip("ESP32") as loader:
        handle = os.open(loader.port, os.O_RDWR | os.O_NOCTTY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            with pytest.raises(DeviceError, match="in use by another program"):
                flash(Order(loader.port, firmware=path), quiet)
        finally:
            os.close(handle)
    with pytest.raises(DeviceError, match="no such port"):
        flash(Order("/dev/ttyNOSUCH", firmware=path), quiet)


def test_without_a_pinned_firmware_it_says_where_to_get_one() -> None:
    with pytest.raises(DeviceError, match=r"no firmware is pinned for ESP32_GENERIC: download it from its page, https://\S+/ESP32_GENERIC/, and give --firmware FILE"):  # fmt: skip  # noqa: E501
        flash(Order("/dev/ttyNOSUCH", board="ESP32_GENERIC"), quiet)
    with chip("ESP32-C3") as loader:  # the board is told from its chip
        with pytest.raises(DeviceError, match="no firmware is pinned for ESP32_GENERIC_C3"):
            flash(Order(loader.port), quiet)
        assert untouched(loader)


def test_without_esptool_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "esptool", None)
    monkeypatch.delitem(sys.modules, "tinywake.device.flash.esp", raising=False)
    monkeypatch.delattr("tinywake.device.flash.esp", raising=False)
    with pytest.raises(ToolError, match=r"pip install 'tinywake\[flash\]'"):
        flash(Order("/dev/ttyNOSUCH", firmware=firmware(tmp_path, "ESP32")), quiet)


def test_chips_are_those_of_esptool() -> None:
    from esptool.targets import ROM_LIST

    theirs = {rom.IMAGE_CHIP_ID: (rom.CHIP_NAME, rom.BOOTLOADER_FLASH_OFFSET) for rom in ROM_LIST}
    for number, ours in KNOWN.items():
        assert tuple(ours) == theirs[number]


@pytest.mark.parametrize("name", list(NUMBERS))
def test_hostile_files(tmp_path: Path, name: str) -> None:
    whole = esp_firmware(name, size=2000, digest=False)
    bad = {
        "empty": b"",
        "text": b"not a firmware at all, whoever says so",
        "html": b"<!DOCTYPE html><title>404</title>" * 50,
        "app": esp_image(NUMBERS[name], bytes(0x9000 - OFFSETS[name])),
        "unknown": whole[:12] + b"\x77\x00" + whole[14:],
        "segments": whole[:1] + b"\xff" + whole[2:],
        "no table": whole[: 0x8000 - OFFSETS[name]] + b"\xff\xff" + whole[0x8002 - OFFSETS[name] :],
        "no app": whole[: 0x10000 - OFFSETS[name]],
        "far app": whole.replace((0x10000).to_bytes(4, "little") + (0x1F0000).to_bytes(4, "little"), b"\xff" * 8),
        "near app": whole.replace((0x10000).to_bytes(4, "little") + (0x1F0000).to_bytes(4, "little"), bytes(8)),
    }
    bad |= {f"cut {n}": whole[:n] for n in (1, 23, 24, 31, 32, 1000, 0x8000 - OFFSETS[name], len(whole) - 2000)}
    with chip(name) as loader:
        for what, data in bad.items():
            path = tmp_path / "bad.bin"
            path.write_bytes(data)
            if what == "near app" and name in ("ESP32-C3", "ESP32-S3"):
                continue  # an application at 0 is, there, a bootloader
            with pytest.raises(DeviceError, match=r"bad\.bin: (is|has)") as told:
                flash(Order(loader.port, firmware=path), quiet)
            assert "\n" not in str(told.value), what
        for path in (tmp_path, tmp_path / "none.bin"):
            with pytest.raises(DeviceError, match=r"is no file|no such file"):
                flash(Order(loader.port, firmware=path), quiet)
        assert loader.seen == []


@pytest.mark.parametrize("name", ["ESP32", "ESP32-S3"])
def test_a_damaged_image_is_refused_by_name_before_anything_is_written(tmp_path: Path, name: str) -> None:
    """Bug: one flipped byte in the application was written to the board."""
    whole = esp_firmware(name, size=4000)
    app = 0x10000 - OFFSETS[name]
    path = tmp_path / "bad.bin"
    with chip(name) as loader:
        for at, what in (
            (app + 2000, "checksum of its application"),
            (200, "checksum of its bootloader"),
            (app + 5, "SHA-256 of its application"),  # its entry, which the checksum leaves out
            (5, "SHA-256 of its bootloader"),
            (len(whole) - 1, "SHA-256 of its application"),
            (len(whole) - 33, "checksum of its application"),
        ):
            data = bytearray(whole)
            data[at] ^= 0x10
            path.write_bytes(data)
            with pytest.raises(DeviceError, match=rf"bad\.bin: is damaged: the {what} is wrong; download it again$"):
                flash(Order(loader.port, firmware=path), quiet)
        path.write_bytes(whole[:-1])
        with pytest.raises(DeviceError, match=r"bad\.bin: is cut short inside its application"):
            flash(Order(loader.port, firmware=path), quiet)
        assert loader.seen == []


def test_esptool_agrees_with_what_is_taken_and_refused(tmp_path: Path) -> None:
    """Its reader of images computes the same checksum and SHA-256 as ours accepts."""
    from esptool.bin_image import LoadFirmwareImage

    from tinywake.device.flash.files.esp_image import esp_chip

    for digest in (True, False):
        whole = esp_firmware("ESP32-C3", size=3001, digest=digest)
        esp_chip(whole)
        path = tmp_path / "app.bin"
        path.write_bytes(whole[0x10000:])
        theirs = LoadFirmwareImage("esp32c3", str(path))
        assert theirs.checksum == theirs.calculate_checksum()
        assert (theirs.stored_digest == theirs.calc_digest if digest else not theirs.append_digest) is True


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("web.uf2", b"\xef\xbb\xbf\n<!DOCTYPE html><title>404</title>", "is a web page, not a firmware: download the"),
        ("web.bin", b"<HTML><head>", "is a web page"),
        ("pico.zip", b"PK\x03\x04" + bytes(600), "is an archive: unpack it"),
        ("pico.uf2", bytes(range(256)) * 4, "is no UF2 file, in spite of its name: download it again"),
        ("random.bin", bytes(range(256)) * 4, "is no firmware: neither a UF2 file"),
        ("zeros.bin", bytes(4096), "is no firmware: neither a UF2 file"),
    ],
)
def test_what_is_no_firmware_is_told_in_one_line(tmp_path: Path, name: str, data: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    command = [sys.executable, "-m", "tinywake", "flash", "--firmware", path, "--board", "RPI_PICO"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"tinywake: {path}: {says}")
    assert result.stderr.count("\n") == 1


def test_any_change_to_the_head_is_read_or_refused(tmp_path: Path) -> None:
    """Bytes that decide lengths and offsets, changed at random: a ValueError or a chip, never anything else."""
    import random

    from tinywake.device.flash.files.esp_image import esp_chip

    rng = random.Random(5)
    whole = esp_firmware("ESP32", size=500, digest=False)
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            at = rng.choice((rng.randrange(40), 0x7000 + rng.randrange(64), 0xF000 + rng.randrange(40)))
            data[at] = rng.randrange(256)
        del data[rng.choice((len(data), rng.randrange(len(data)))) :]
        with suppress(ValueError):
            assert esp_chip(bytes(data)) in KNOWN.values()
