# SPDX-License-Identifier: MIT
"""What a UF2 file of CircuitPython says, and its drive before it boots, as test_circuitpy_in_flash.py does it."""

from __future__ import annotations

from pathlib import Path
from struct import pack

import pytest
from test_circuitpy import _modules, model  # noqa: F401 - modules that are not built here

from tinywake.device.circuitpy.deploy import Order
from tinywake.device.circuitpy.image.fat import SECTOR, make_fat
from tinywake.device.circuitpy.image.flash import FLASH_BYTES, flash_with, put_drive
from tinywake.device.circuitpy.image.uf2 import CircuitPythonUf2, circuitpython_in
from tinywake.device.image.uf2 import pages_of, write_uf2
from tinywake.errors import DeviceError

REPO = Path(__file__).resolve().parents[2]
BANNER = b"Adafruit CircuitPython 10.3.1 on 2026-07-15; Raspberry Pi Pico with rp2040\0"
BASE = 0x10000000


def uf2(*, banner: bytes = BANNER, tag: bytes = b"CP", address: int = 0x181000, entry: int | None = None) -> bytes:
    """A firmware that describes itself: a boot loader's 256 bytes, the head, one entry that lies in RAM, a banner."""
    blob = bytearray(b"\xff" * 256)
    at = BASE + len(blob) + 20  # behind the head, which comes first
    blob += pack("<5I", 0x7188EBF2, at, at + 4, at + 4, 0xE71AA390)
    blob += pack("<I", 0x20000010 if entry is None else entry)  # the list of entries
    blob += pack("<4I", at + 20, 0x20000010, 0x20000040, 0)  # what is copied to RAM: from, to, up to; the end
    blob += pack("<HHIIIIH", 7, int.from_bytes(tag, "little"), 0x10000000, address, 0x7F000, 0, 3)  # a block device
    return write_uf2(pages_of(BASE, bytes(blob) + b"\0" * 500 + banner))


def test_a_firmware_says_who_it_is_and_where_its_drive_lies() -> None:
    found = circuitpython_in(uf2())
    assert found is not None
    assert (found.facts.version, found.facts.chip, found.facts.arch) == ("10.3.1", "RP2040", "armv6m")
    assert found.drive == 0x181000
    in_sight = circuitpython_in(uf2(address=BASE + 0x100000))
    assert in_sight is not None
    assert in_sight.drive == 0x100000


@pytest.mark.parametrize("options", [{"tag": b"MP"}, {"entry": 0x10FFFF00}, {"entry": 0x100}])
def test_one_that_does_not_say_where_has_it_behind_a_megabyte(options: dict[str, int]) -> None:
    found = circuitpython_in(uf2(**options))  # type: ignore[arg-type]
    assert found is not None
    assert found.drive == 0x100000
    plain = circuitpython_in(write_uf2(pages_of(BASE, b"\0" * 700 + BANNER)))
    assert plain == found


def test_other_files_are_none_of_it() -> None:
    assert circuitpython_in(uf2(banner=b"MicroPython v1.25.0 on 2025-04-15; Raspberry Pi Pico with RP2040\0")) is None
    assert circuitpython_in(uf2(banner=b"Adafruit CircuitPython 10.3.1 on 2026-07-15\0")) is None  # of a program
    assert circuitpython_in(b"nothing") is None


def firmware(version: str = "10.3.1", drive: int = 0x100000) -> CircuitPythonUf2:
    found = circuitpython_in(uf2(banner=BANNER.replace(b"10.3.1", version.encode()), address=drive))
    assert found is not None
    return found


def test_all_that_deploy_writes_is_on_the_drive(tmp_path: Path) -> None:
    word = model(tmp_path, "word", 120)
    flash = flash_with(firmware(), Order(word, "RPI_PICO", recorder=True))
    assert len(flash) == FLASH_BYTES
    assert flash[:0x100000].count(0xFF) == 0x100000  # room for the firmware
    drive = flash[0x100000:]
    assert drive[510:512] == b"\x55\xaa"
    for data in (word.read_bytes(), (REPO / "boards/RPI_PICO/board.py").read_bytes(), b"storage.disable_usb_drive()"):
        assert drive.count(data) == 1
        assert drive.index(data) % SECTOR in (0, len(b"# Written by tinywake: no drive\nimport storage\n\n"))
    assert drive.count(b"/word.twm\n") == 1  # the record
    assert flash == flash_with(firmware(), Order(word, "RPI_PICO", recorder=True))


def test_what_stands_in_the_way_is_said_before_it_boots(tmp_path: Path) -> None:
    word = model(tmp_path, "word", 120)
    with pytest.raises(
        DeviceError, match=r"CircuitPython 10\.2\.0 loads no native modules: install CircuitPython 10\.3\.1"
    ):
        flash_with(firmware("10.2.0"), Order(word, "RPI_PICO"))
    with pytest.raises(DeviceError, match=r"the drive at 0x1f0000 of its flash: the drive of 65,536 bytes is full"):
        flash_with(firmware(drive=0x1F0000), Order(word, "RPI_PICO"))
    with pytest.raises(DeviceError, match=r"the drive at 0x200000 of its flash: 0 sectors are no FAT12 drive"):
        put_drive(firmware(drive=FLASH_BYTES), {})


def test_a_drive_has_its_limits() -> None:
    assert len(make_fat({"a": bytes(4084 * SECTOR)}, 4129)) == 4129 * SECTOR
    with pytest.raises(ValueError, match="are no FAT12 drive"):
        make_fat({}, 4130)
    with pytest.raises(ValueError, match="the drive of 65,536 bytes is full"):
        make_fat({"a": bytes(100 * SECTOR)}, 128)
    with pytest.raises(ValueError, match="the top folder of the drive is full"):
        make_fat({f"file number {number}": b"" for number in range(200)}, 1000)
