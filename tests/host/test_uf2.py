# SPDX-License-Identifier: MIT
"""UF2 files and the model's record in flash: what is written is read back, and whatever else comes is refused."""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinywake.device.flash.files.image import read_image
from tinywake.device.image.ready import make_image
from tinywake.device.image.record import MOST_NAME, XIP_BASE, find_records, pack_record, place
from tinywake.device.image.uf2 import PAGE, RP2040, SECTOR, Uf2, join, pages_of, read_uf2, write_uf2
from tinywake.errors import ConfigError, DeviceError, TinywakeError

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from tiny import listening_model

BASE = XIP_BASE


def block(**change: int | bytes) -> bytes:
    """One block of a file of one, field by field."""
    fields: dict[str, int | bytes] = {
        "magic0": 0x0A324655, "magic1": 0x9E5D5157, "flags": 0x2000, "address": BASE, "size": 256, "number": 0,
        "count": 1, "family": RP2040, "data": bytes(range(256)), "magic2": 0x0AB16F30,
    }  # fmt: skip
    return struct.pack("<8I476sI", *{**fields, **change}.values())


def test_a_block_is_laid_out_as_the_specification_says() -> None:
    assert write_uf2(pages_of(BASE, bytes(range(256)))) == block()


@given(st.lists(st.integers(0, 300), min_size=1, max_size=40, unique=True), st.binary(min_size=1, max_size=PAGE))
def test_what_is_written_is_read_back(numbers: list[int], data: bytes) -> None:
    image = Uf2(RP2040, {BASE + PAGE * n: data.ljust(PAGE, bytes([n & 255])) for n in numbers})
    again = read_uf2(write_uf2(image))
    assert {address: page for address, page in again.pages.items() if address in image.pages} == image.pages
    added = set(again.pages) - set(image.pages)
    # Whatever was put in fills sectors from their beginning, as erased flash.
    assert all(again.pages[address] == b"\xff" * PAGE for address in added)
    for address in again.pages:
        assert address % SECTOR == 0 or address - PAGE in again.pages


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a whole number of blocks"),
        (block()[:-1], "not a whole number of blocks"),
        (block() + b"\0", "not a whole number of blocks"),
        (bytes(512), "block 0 is damaged"),
        (block(magic2=0), "block 0 is damaged"),
        (block(magic1=0), "block 0 is damaged"),
        (block(flags=0), "does not say which chip"),
        (block(flags=0x2001), "not for flash"),
        (block(count=2), "is not whole: block 0 of 2 at the place of 0 of 1"),
        (block(number=1), "is not whole"),
        (block(size=0), "of 0 bytes"),
        (block(size=477), "of 477 bytes"),
        (block(size=0xFFFFFFFF), "not a page"),
        (block(address=BASE + 4), "not a page"),
        (block(address=0xFFFFFF00, size=256), None),
        (block(count=2) + block(count=2, number=1), "writes address 0x10000000 twice"),
        (block(count=2) + block(count=2, number=1, address=BASE + 256, family=7), "is for two chips"),
    ],
)
def test_hostile_files_are_refused_with_a_reason(data: bytes, why: str | None) -> None:
    if why is None:
        assert read_uf2(data).pages  # the last page there can be
        return
    with pytest.raises(ValueError, match=why):
        read_uf2(data)


@settings(max_examples=300)
@given(st.data())
def test_no_damage_goes_further_than_a_reason(data: st.DataObject) -> None:
    whole = bytearray(write_uf2(pages_of(BASE, bytes(range(256)) * 3)))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = read_uf2(bytes(whole))
    except ValueError:
        return
    assert all(len(page) == PAGE and address % PAGE == 0 for address, page in image.pages.items())


def test_files_are_joined_only_where_they_do_not_meet() -> None:
    first, second = pages_of(BASE, b"a" * 300), pages_of(BASE + SECTOR, b"b")
    both = join(first, second)
    assert both.runs == [(BASE, BASE + 512), (BASE + SECTOR, BASE + SECTOR + PAGE)]
    assert both.bytes_at(BASE + 512, BASE + SECTOR + PAGE) == b"\xff" * (SECTOR - 512) + b"b" + b"\xff" * 255
    with pytest.raises(ValueError, match="share the flash sector at 0x10000000"):
        join(first, pages_of(BASE + 2 * PAGE, b"c"))
    with pytest.raises(ValueError, match="for two chips"):
        join(first, pages_of(BASE + SECTOR, b"b", family=1))
    with pytest.raises(ValueError, match="not a page's"):
        pages_of(BASE + 1, b"")


def test_a_record_is_laid_out_as_the_document_says() -> None:
    record = pack_record("word.twm", b"model", 7)
    expected = (
        b"TWFLASH1"  # magic
        + (7).to_bytes(4, "little")  # sequence
        + (5).to_bytes(4, "little")  # bytes of the model
        + zlib.crc32(b"model").to_bytes(4, "little")
        + bytes(4)  # reserved
        + b"word.twm".ljust(36, b"\0")
    )
    assert record[:60] == expected
    assert record[60:64] == zlib.crc32(expected).to_bytes(4, "little")
    assert record[64:] == b"\xff" * 192 + b"model"


def test_the_newest_whole_record_counts() -> None:
    flash = bytearray(b"\xff" * SECTOR * 8)

    def put(sector: int, record: bytes) -> None:
        flash[sector * SECTOR : sector * SECTOR + len(record)] = record

    put(1, pack_record("old.twm", b"1" * 5000, 1))
    put(4, pack_record("new.twm", b"2" * 300, 2))
    put(5, pack_record("cut.twm", b"3" * SECTOR * 3, 9)[: SECTOR * 3])  # longer than what is left of the flash
    found = find_records(bytes(flash))
    assert [(r.name, r.address, r.model[:1]) for r in found] == [
        ("new.twm", BASE + 4 * SECTOR, b"2"), ("old.twm", BASE + SECTOR, b"1"),
    ]  # fmt: skip
    flash[4 * SECTOR + PAGE] ^= 1  # its model
    flash[SECTOR + 10] ^= 1  # its head
    assert find_records(bytes(flash)) == []


def test_names_that_no_record_can_have() -> None:
    for name in ("word", "a/b.twm", "x" * (MOST_NAME - 3) + ".twm", "a\n.twm", "é" * 17 + ".twm"):
        with pytest.raises(ValueError, match="not a name"):
            pack_record(name, b"")
    assert len(pack_record("x" * (MOST_NAME - 4) + ".twm", b"")) == PAGE


def test_two_slots_of_half_the_free_flash() -> None:
    low, storage = BASE + 10 * SECTOR, BASE + 20 * SECTOR
    assert place(low - 5, storage, 3 * SECTOR) == storage - 3 * SECTOR
    assert place(low - 5, storage, 3 * SECTOR, slot=1) == BASE + 15 * SECTOR - 3 * SECTOR
    assert place(low, storage, 10 * SECTOR) == low  # alone
    with pytest.raises(ValueError, match="too large for the flash between firmware and file system by 4,096 bytes"):
        place(low, storage, 10 * SECTOR + 1)
    with pytest.raises(ValueError, match="too large"):
        place(low, storage, 6 * SECTOR, slot=1)


def test_an_image_needs_firmware_with_module_and_app_and_a_board_that_can_have_one(tmp_path: Path) -> None:
    model, base, out = tmp_path / "loud.twm", tmp_path / "base.uf2", tmp_path / "out.uf2"
    model.write_bytes(listening_model())
    for content, lacks in ((b"stock", "_tinywake"), (b"_tinywake", "tinywake/main.py")):
        base.write_bytes(write_uf2(pages_of(BASE, content)))
        with pytest.raises(DeviceError, match=f"base.uf2: lacks {lacks}"):
            make_image(model, out, base)
    base.write_bytes(write_uf2(pages_of(BASE, b"_tinywake tinywake/main.py")))
    with pytest.raises(ConfigError, match="RPI_PICO2: images can be made for an RP2040"):
        make_image(model, out, base, "RPI_PICO2")
    cut = tmp_path / "cut.twm"
    cut.write_bytes(model.read_bytes()[:400])
    with pytest.raises(TinywakeError, match=r"cut\.twm: TW_ERR_TRUNCATED"):
        make_image(cut, out, base)
    assert not out.exists()
    assert make_image(model, out, base).model == "loud.twm"
    # Bug: of an image that was given as firmware, it said that the model was too large.
    with pytest.raises(DeviceError, match=r"out\.uf2: is a ready image already, with loud\.twm in it: name"):
        make_image(model, tmp_path / "second.uf2", out)
    assert (read_image(out).model, read_image(base).model) == ("loud.twm", None)
    assert read_uf2(out.read_bytes()).pages[BASE].startswith(b"_tinywake")
