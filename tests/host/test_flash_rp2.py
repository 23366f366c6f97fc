"""tinywake flash and an RP2: the drive of its boot ROM and the prompt that comes after, both faked (fake_pico.py)."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from tinywake.device.flash import find, rp2
from tinywake.device.flash.files.uf2_image import uf2_chip
from tinywake.device.flash.flash import Order, flash
from tinywake.device.image.record import pack_record
from tinywake.device.image.uf2 import join, pages_of, read_uf2, write_uf2
from tinywake.errors import DeviceError, ToolError

sys.path.insert(0, str(Path(__file__).parent))
from fake_pico import FakePico
from firmwares import esp_firmware, pico_firmware, uf2

VERSION = "MicroPython v1.25.0 on 2025-04-15"


def quiet(stage: str, fraction: float) -> None:
    assert 0 <= fraction <= 1


@pytest.fixture
def firmware(tmp_path: Path) -> Path:
    path = tmp_path / "pico.uf2"
    path.write_bytes(pico_firmware())
    return path


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Say which volumes there are, and that no port is found by itself."""
    monkeypatch.setattr("serial.tools.list_ports.comports", list)

    def mount(*picos: FakePico) -> None:
        monkeypatch.setattr(rp2, "_volumes", lambda: iter([(pico.drive, None) for pico in picos]))

    mount()
    return mount


def test_a_drive_and_the_version_after(tmp_path: Path, firmware: Path, mounted: Callable[..., None]) -> None:
    with FakePico(tmp_path / "pico") as pico:
        pico.bootsel()
        mounted(pico)
        done = flash(Order(str(pico.port), drive=pico.drive, board="RPI_PICO", firmware=firmware), quiet)
        assert pico.taken == uf2_chip(firmware.read_bytes())[1]
    assert (done.chip, done.board, done.version) == ("RP2040", "RPI_PICO", VERSION)
    assert done.verified == "verified by the version that it runs"
    assert done.next == f"tinywake deploy {pico.port} --board RPI_PICO --model MODEL.twm"


def test_a_ready_image_is_named(tmp_path: Path, firmware: Path, mounted: Callable[..., None]) -> None:
    # Bug: after one, too, it sent people to deploy.
    record = pages_of(0x1009F000, pack_record("loud.twm", bytes(1000)))
    firmware.write_bytes(write_uf2(join(read_uf2(firmware.read_bytes()), record)))
    with FakePico(tmp_path / "pico") as pico:
        pico.bootsel()
        mounted(pico)
        done = flash(Order(str(pico.port), drive=pico.drive, board="RPI_PICO", firmware=firmware), quiet)
    assert done.lines()[1:] == [
        "it is a ready image: unplug the board and plug it in, and it listens with loud.twm",
        f"next: tinywake monitor {pico.port}",
    ]


def test_from_its_prompt(tmp_path: Path, firmware: Path, mounted: Callable[..., None]) -> None:
    """MicroPython runs there: it says which board it is, and is sent into BOOTSEL."""
    with FakePico(tmp_path / "pico") as pico:
        pico.start()
        mounted(pico)
        done = flash(Order(str(pico.port), firmware=firmware), quiet)
        assert pico.taken == uf2_chip(firmware.read_bytes())[1]
    assert (done.board, done.version) == ("RPI_PICO", VERSION)


def test_the_only_drive_and_the_port_that_comes(
    tmp_path: Path, firmware: Path, mounted: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakePico(tmp_path / "pico") as pico:
        pico.bootsel()
        mounted(pico)

        def comports() -> list[SimpleNamespace]:
            if not pico.port.is_symlink():
                return []
            return [SimpleNamespace(device=str(pico.port), vid=0x2E8A, pid=5, product="Board in FS mode")]

        monkeypatch.setattr("serial.tools.list_ports.comports", comports)
        done = flash(Order(firmware=firmware), quiet)
    assert (done.port, done.version) == (str(pico.port), VERSION)


def test_the_command_line(tmp_path: Path, firmware: Path) -> None:
    with FakePico(tmp_path / "pico") as pico:
        pico.bootsel()
        result = subprocess.run(
            [sys.executable, "-m", "tinywake", "flash", pico.port, "--drive", pico.drive, "--board", "RPI_PICO",
             "--firmware", firmware, "--json"], capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    assert result.returncode == 0, result.stderr
    facts = json.loads(result.stdout)
    assert facts["version"] == VERSION
    assert facts["bytes"] == firmware.stat().st_size


def test_another_version_than_that_of_the_file(tmp_path: Path, firmware: Path, mounted: Callable[..., None]) -> None:
    with FakePico(tmp_path / "pico") as pico:
        pico.becomes = "MicroPython v1.24.1 on 2024-11-29"
        pico.bootsel()
        with pytest.raises(DeviceError, match=r"runs 3\.4\.0; MicroPython v1\.24\.1.*not the MicroPython v1\.25\.0"):
            flash(Order(str(pico.port), drive=pico.drive, firmware=firmware), quiet)


class Cable:
    """Instead of os.fsync: after `limit` bytes the drive is not there any more."""

    def __init__(self, pico: FakePico, limit: int) -> None:
        self.pico, self.limit = pico, limit

    def __call__(self, handle: int) -> None:
        if os.fstat(handle).st_size > self.limit:
            for path in self.pico.drive.iterdir():
                path.unlink()
            raise OSError(errno.EIO, "Input/output error")


def test_a_cable_pulled_half_way(
    tmp_path: Path, firmware: Path, mounted: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakePico(tmp_path / "pico") as pico:
        pico.bootsel()
        mounted(pico)
        order = Order(str(pico.port), board="RPI_PICO", firmware=firmware)  # a port that is not there in BOOTSEL
        with monkeypatch.context() as patch:
            patch.setattr(rp2.os, "fsync", Cable(pico, 100_000))
            with pytest.raises(DeviceError, match=r"lost at \d+ %.*not whole; unplug it, hold BOOTSEL while") as told:
                flash(order, quiet)
        assert "\n" not in str(told.value)
        assert pico.taken == b""
        pico.bootsel()
        assert flash(order, quiet).version == VERSION
        assert pico.taken == uf2_chip(firmware.read_bytes())[1]


def test_a_drive_that_goes_with_the_last_piece_has_all_of_it(
    tmp_path: Path, firmware: Path, mounted: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    size = firmware.stat().st_size
    with FakePico(tmp_path / "pico") as pico:
        pico.bootsel()

        def fsync(handle: int) -> None:
            if os.fstat(handle).st_size == size:
                while not pico.port.is_symlink():  # until it has taken the file and started
                    pass
                raise OSError(errno.ENODEV, "No such device")

        monkeypatch.setattr(rp2.os, "fsync", fsync)
        done = flash(Order(str(pico.port), drive=pico.drive, firmware=firmware), quiet)
    assert done.version == VERSION


def test_a_full_drive(tmp_path: Path, firmware: Path, mounted: Callable[..., None]) -> None:
    with FakePico(tmp_path / "pico") as pico:
        pico.bootsel()
        (pico.drive / "firmware.uf2").symlink_to("/dev/full")
        with pytest.raises(DeviceError, match="is full: unplug it, hold BOOTSEL"):
            flash(Order(str(pico.port), drive=pico.drive, firmware=firmware), quiet)


def test_a_board_that_does_not_take_the_file(
    tmp_path: Path, firmware: Path, mounted: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rp2, "_REBOOT_S", 0.3)
    with FakePico(tmp_path / "pico", family=0xE48BFF59) as pico:  # an RP2350 that calls itself RP2040
        pico.bootsel()
        with pytest.raises(DeviceError, match="has the whole file, but the board does not start it"):
            flash(Order(str(pico.port), drive=pico.drive, firmware=firmware), quiet)


def test_firmware_for_another_chip_is_refused_before_anything_is_written(
    tmp_path: Path, firmware: Path, mounted: Callable[..., None]
) -> None:
    pico2 = tmp_path / "pico2.uf2"
    pico2.write_bytes(pico_firmware(0xE48BFF59))
    esp = tmp_path / "esp.bin"
    esp.write_bytes(esp_firmware("ESP32", size=1000))
    with FakePico(tmp_path / "pico") as pico:
        pico.bootsel()
        with pytest.raises(DeviceError, match="is for RP2350, but the board has RP2040; nothing was written"):
            flash(Order(drive=pico.drive, firmware=pico2), quiet)
        with pytest.raises(DeviceError, match="is for ESP32, but the board has RP2040; nothing was written"):
            flash(Order(drive=pico.drive, firmware=esp), quiet)
        with pytest.raises(DeviceError, match="is for RP2040, but RPI_PICO2 has RP2350"):
            flash(Order(drive=pico.drive, board="RPI_PICO2", firmware=firmware), quiet)
        assert [path.name for path in pico.drive.iterdir()] == ["INFO_UF2.TXT"]
        pico.start()
        with pytest.raises(DeviceError, match="is for RP2350, but the board has RP2040"):
            flash(Order(str(pico.port), firmware=pico2), quiet)
        assert pico.port.is_symlink()  # it was not even sent into BOOTSEL


def test_which_board_is_meant(tmp_path: Path, firmware: Path, mounted: Callable[..., None]) -> None:
    with pytest.raises(DeviceError, match=r"no board is found; .* hold BOOTSEL while you plug it in"):
        flash(Order(firmware=firmware), quiet)
    with FakePico(tmp_path / "a") as one, FakePico(tmp_path / "b") as other:
        one.bootsel()
        other.bootsel()
        mounted(one, other)
        with pytest.raises(DeviceError, match=r"several boards are connected; name one: --drive \S+, --drive \S+"):
            flash(Order(firmware=firmware), quiet)
    with pytest.raises(DeviceError, match=r"is not the drive of a board in BOOTSEL \(it has no INFO_UF2"):
        flash(Order(drive=tmp_path, firmware=firmware), quiet)
    with FakePico(tmp_path / "c", board_id="SAMD21G18A-Zero") as zero:
        zero.bootsel()
        with pytest.raises(DeviceError, match="drive of another chip"):
            flash(Order(drive=zero.drive, firmware=firmware), quiet)


def test_a_volume_that_is_not_ours_to_look_into(
    tmp_path: Path, firmware: Path, mounted: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Bug: /boot/efi, vfat with mode 0700, was a PermissionError's traceback for all but root.
    efi = tmp_path / "efi"
    efi.mkdir()
    stat = Path.stat

    def guarded(path: Path, **options: bool) -> os.stat_result:
        if efi in path.parents:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", guarded)
    with pytest.raises(DeviceError, match=r"efi: is not the drive of a board in BOOTSEL"):
        flash(Order(drive=efi, firmware=firmware), quiet)
    assert rp2.Drive(efi, "RP2040").gone()
    with FakePico(tmp_path / "pico") as pico:
        pico.bootsel()
        monkeypatch.setattr(rp2, "_volumes", lambda: iter([(efi, None), (pico.drive, None)]))
        assert [drive.path for drive in rp2.drives()] == [pico.drive]
        assert flash(Order(str(pico.port), firmware=firmware), quiet).version == VERSION


@pytest.mark.parametrize(
    ("at", "why"),
    [
        (0x20000000, "is not for the flash: it writes 0x20000000 to 0x20002000, flash is at 0x10000000 to 0x11000000"),
        (0x0FFFF000, "is not for the flash"),
        (0x10FFF000, "is not for the flash"),
        (0x100A0000 - 0x1F00, "reaches to 0x100a0100, into the board's file system, which begins at 0x100a0000"),
    ],
)
def test_a_file_for_another_place_is_refused_before_anything_is_written(
    tmp_path: Path, mounted: Callable[..., None], at: int, why: str
) -> None:
    # Bug: only the family was looked at. A program for RAM passed as firmware, and so did one that overwrites files.
    path = tmp_path / "bad.uf2"
    path.write_bytes(uf2(0xE48BFF56, bytes(0x2000), at=at))
    with FakePico(tmp_path / "pico") as pico:
        pico.start()  # at its prompt, which says that it is a RPI_PICO
        for board in (None, "RPI_PICO"):
            with pytest.raises(DeviceError, match=rf"bad\.uf2: {why}.*; nothing was written"):
                flash(Order(str(pico.port), board=board, firmware=path), quiet)
            assert pico.port.is_symlink()  # it was not even sent into BOOTSEL
        pico.bootsel()
        with pytest.raises(DeviceError, match=rf"bad\.uf2: {why}.*; nothing was written"):
            flash(Order(drive=pico.drive, board="RPI_PICO", firmware=path), quiet)
        assert [file.name for file in pico.drive.iterdir()] == ["INFO_UF2.TXT"]


def test_a_file_up_to_the_file_system_is_taken(tmp_path: Path, mounted: Callable[..., None]) -> None:
    path = tmp_path / "full.uf2"
    path.write_bytes(uf2(0xE48BFF56, b"x" * 0xA0000))  # 2 MB without the 1,408 kB of files
    with FakePico(tmp_path / "pico") as pico:
        pico.becomes = VERSION
        pico.bootsel()
        assert flash(Order(drive=pico.drive, board="RPI_PICO", firmware=path), quiet).bytes == 0xA0000 * 2
        assert len(pico.taken) == 0xA0000


def test_usb_ids_tell_a_pico_from_an_esp32(mounted: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    known = [("/dev/ttyACM0", 0x2E8A, 5), ("/dev/ttyUSB0", 0x10C4, 0xEA60), ("/dev/ttyS9", 0x1234, 1)]
    ports = [SimpleNamespace(device=device, vid=vid, pid=pid, product="") for device, vid, pid in known]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: ports)
    assert find.find("/dev/ttyACM0", None, None).flash == "uf2"
    assert find.find("/dev/ttyUSB0", None, None).flash == "esptool"
    assert find.find(None, None, "uf2").port == "/dev/ttyACM0"
    assert find.find(None, None, "esptool").port == "/dev/ttyUSB0"
    with pytest.raises(DeviceError, match="name one: /dev/ttyACM0, /dev/ttyUSB0"):
        find.find(None, None, None)


def test_no_drive_appears(
    tmp_path: Path, firmware: Path, mounted: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a computer that mounts nothing by itself."""
    monkeypatch.setattr(find, "_MOUNT_S", 0.3)
    with FakePico(tmp_path / "pico") as pico:
        pico.start()
        with pytest.raises(DeviceError, match=r"in BOOTSEL, but its drive does not appear: mount it.*--drive DIR"):
            flash(Order(str(pico.port), firmware=firmware), quiet)


def test_no_drive_appears_for_deploy(
    tmp_path: Path, mounted: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: deploy --home xip named --drive, an option that it has not, and not how the board leaves BOOTSEL."""
    from tinywake.device.deploy.homes.xip import Space, send

    monkeypatch.setattr(find, "_MOUNT_S", 0.3)
    with FakePico(tmp_path / "pico") as pico:
        pico.start()
        with pytest.raises(DeviceError, match=r"unplug it and plug it in, and it runs its program again; ") as told:
            send(str(pico.port), Space(0x10100000, 0x10080000, ()), "w.twm", bytes(64))
    assert "--drive" not in str(told.value)
    assert "\n" not in str(told.value)


def test_a_port_without_micropython(tmp_path: Path, firmware: Path, mounted: Callable[..., None]) -> None:
    with pytest.raises(DeviceError, match=r"/dev/ttyNOSUCH: no such port.*; or unplug it, hold BOOTSEL while"):
        flash(Order("/dev/ttyNOSUCH", firmware=firmware), quiet)


PICOTOOL = """#!/bin/sh
echo "$@" >> {log}
if [ -e {fail}-all ]; then echo 'No accessible RP-series devices in BOOTSEL mode were found.'; exit 249; fi
[ "$1" = load ] || exit 0
if [ -e {fail} ]; then echo 'ERROR: The device was disconnected'; exit 1; fi
cp "$4" {drive}/firmware.uf2
"""


def test_picotool_where_there_is_one(
    tmp_path: Path, firmware: Path, mounted: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakePico(tmp_path / "pico") as pico:
        pico.start()
        mounted(pico)
        order = Order(str(pico.port), board="RPI_PICO", firmware=firmware, erase=True)
        with pytest.raises(ToolError, match=r"picotool is missing, .* cannot be erased: install it"):
            flash(order, quiet)
        assert pico.port.is_symlink()  # Bug: it was sent into BOOTSEL first, and stayed there
        tool, log, fail = tmp_path / "bin" / "picotool", tmp_path / "log", tmp_path / "fail"
        tool.parent.mkdir()
        tool.write_text(PICOTOOL.format(log=log, drive=pico.drive, fail=fail))
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", str(tool.parent), prepend=os.pathsep)
        fail.touch()
        with pytest.raises(DeviceError, match="picotool load: ERROR: The device was disconnected: unplug it, hold"):
            flash(order, quiet)
        fail.unlink()
        pico.start()
        log.unlink()
        done = flash(order, quiet)
        assert log.read_text() == f"erase -a\nload -v -x {firmware} -t uf2\n"
        assert (done.verified, done.version) == ("read back by picotool", VERSION)
        Path(f"{fail}-all").touch()  # no right to the device: the drive is written
        done = flash(Order(str(pico.port), board="RPI_PICO", firmware=firmware), quiet)
        assert done.verified == "verified by the version that it runs"
        pico.bootsel()
        with pytest.raises(DeviceError, match="--erase needs picotool and one board"):
            flash(Order(drive=pico.drive, firmware=firmware, erase=True), quiet)
        pico.start()
        with FakePico(tmp_path / "other") as other:
            other.bootsel()
            mounted(pico, other)
            with pytest.raises(DeviceError, match="--erase needs picotool and one board"):
                flash(order, quiet)
        assert pico.port.is_symlink()  # Bug: as above


def test_hostile_files(tmp_path: Path) -> None:
    good = pico_firmware(size=5000)
    with FakePico(tmp_path / "pico") as pico:
        pico.bootsel()
        bad = {
            "cut in a block": good[:-1], "cut": good[:-512], "begun": good[:4], "one block": good[:512],
            "twice": good + good, "two chips": good + pico_firmware(0xE48BFF59, size=100),
            "no family": good[:8] + bytes(4) + good[12:], "not for flash": uf2(0xE48BFF57, bytes(256)),
            "size": good[:16] + b"\xff\xff\xff\xff" + good[20:], "tail": good[:508] + bytes(4) + good[512:],
            "head": good[:512] + b"X" + good[513:],
        }  # fmt: skip
        for what, data in bad.items():
            path = tmp_path / "bad.uf2"
            path.write_bytes(data)
            with pytest.raises(DeviceError, match=r"bad\.uf2: (is|has|lacks|does)") as told:
                flash(Order(drive=pico.drive, firmware=path), quiet)
            assert "\n" not in str(told.value), what
        path.write_bytes(uf2(0x12345678, bytes(1000)))
        with pytest.raises(DeviceError, match="is for the UF2 family 0x12345678, but the board has RP2040"):
            flash(Order(drive=pico.drive, firmware=path), quiet)
        assert [path.name for path in pico.drive.iterdir()] == ["INFO_UF2.TXT"]


def test_any_change_is_read_or_refused() -> None:
    rng = random.Random(6)
    whole = pico_firmware(size=1500)
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            block = rng.randrange(len(whole) // 512) * 512
            data[block + rng.choice((rng.randrange(32), rng.randrange(512)))] = rng.randrange(256)
        del data[rng.choice((len(data), rng.randrange(len(data)))) :]
        with suppress(ValueError):
            assert len(uf2_chip(bytes(data))[1]) <= len(data)


def test_the_absolute_block_of_an_rp2350() -> None:
    extra = uf2(0xE48BFF57, b"\xef" * 256, at=0x10FFFF00)
    firmware = uf2(0xE48BFF59, b"x" * 1000)
    found = uf2_chip(extra + firmware)
    assert (found.chip, found.addresses) == ("RP2350", (0x10000000, 0x10000400))
    with pytest.raises(ValueError, match=r"has a block for any chip \(4\), which only the first may be"):
        uf2_chip(firmware + extra)


# CircuitPython

CIRCUITPYTHON = "CircuitPython 10.3.1 on 2026-07-15"


def test_circuitpython(tmp_path: Path, mounted: Callable[..., None]) -> None:
    """It is larger than what is in front of MicroPython's file system, and is told by its own version."""
    file = tmp_path / "circuitpython.uf2"
    file.write_bytes(pico_firmware(size=900_000, banner=b"Adafruit " + CIRCUITPYTHON.encode()))
    with FakePico(tmp_path / "pico") as pico:
        pico.bootsel()
        mounted(pico)
        done = flash(Order(str(pico.port), drive=pico.drive, board="RPI_PICO", firmware=file), quiet)
        assert (done.version, done.verified) == (CIRCUITPYTHON, "verified by the version that it runs")
        assert done.next == "tinywake deploy --model MODEL.twm --main"
    other = tmp_path / "newer.uf2"
    other.write_bytes(pico_firmware(banner=b"Adafruit CircuitPython 10.4.0 on 2026-10-01"))
    with FakePico(tmp_path / "runs", says=CIRCUITPYTHON) as pico:
        pico.start()
        mounted(pico)
        done = flash(Order(str(pico.port), firmware=other), quiet)  # from its prompt, which has no machine
        assert done.version == "CircuitPython 10.4.0 on 2026-10-01"


def test_a_feather_with_a_boot_loader_that_is_a_drive(tmp_path: Path, mounted: Callable[..., None]) -> None:
    file = tmp_path / "feather.uf2"
    file.write_bytes(pico_firmware(family=0xC47E5767, banner=b"Adafruit CircuitPython 10.4.0 on 2026-10-01"))
    with FakePico(tmp_path / "pico", board_id="ESP32S3-FEATHER-revA", family=0xC47E5767) as feather:
        feather.bootsel()
        mounted(feather)
        done = flash(
            Order(str(feather.port), drive=feather.drive, board="ADAFRUIT_FEATHER_ESP32S3", firmware=file), quiet
        )
        assert feather.taken == uf2_chip(file.read_bytes())[1]
    assert done.version == "CircuitPython 10.4.0 on 2026-10-01"
    with FakePico(tmp_path / "other") as pico:
        pico.bootsel()
        mounted(pico)
        with pytest.raises(
            DeviceError, match=r"is for ESP32-S3 \(UF2\), but the board has RP2040; nothing was written"
        ):
            flash(Order(str(pico.port), drive=pico.drive, firmware=file), quiet)
