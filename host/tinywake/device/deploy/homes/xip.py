# SPDX-License-Identifier: MIT
"""A model in the RP2040's flash between firmware and file system, read in place: docs/flash-layout.md.

MicroPython cannot write there. The board is sent into BOOTSEL and takes the record as a UF2 file; its firmware and its
files stay. The record goes where the one that counts is not.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinywake.device.flash.find import wait_for_drive
from tinywake.device.flash.prompt import enter_bootsel, wait_for_prompt
from tinywake.device.flash.rp2 import copy_to, drives
from tinywake.device.image.record import XIP_BASE, pack_record, place
from tinywake.device.image.uf2 import PAGE, pages_of, write_uf2
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError

__all__ = ["Lying", "Space", "address_for", "left_beside", "send", "survey"]

_BOOT_S = 15.0
# deploy begins at the board's prompt, so that a drive mounted by hand comes too late for it.
_WAY_OUT = (
    "unplug it and plug it in, and it runs its program again; then run this again without --home, or where drives are "
    "mounted by themselves"
)

_SURVEY = f"""
try:
    import rp2, uctypes
    from binascii import crc32
    storage = uctypes.addressof(rp2.Flash())
except (ImportError, TypeError):
    storage = 0
blank = b"\\xff" * 4096
number = lambda head, at: int.from_bytes(head[at : at + 4], "little")
records = []
end = upto = at = {XIP_BASE}
while at < storage:
    head = bytes(uctypes.bytearray_at(at, 64))
    if head[:8] == b"TWFLASH1" and crc32(head[:60]) == number(head, 60):
        size = number(head, 12)
        upto = at + {PAGE} + size
        whole = upto <= storage and crc32(uctypes.bytearray_at(at + {PAGE}, size)) == number(head, 16)
        if whole:
            records.append([at, number(head, 8), size, number(head, 16), head[24:60].rstrip(b"\\0").decode()])
    elif at >= upto and uctypes.bytearray_at(at, 4096) != blank:
        end = at + 4096
    at += 4096
answer([storage, end, records] if storage else None)
"""


@dataclass(frozen=True)
class Lying:
    """A whole record in a board's flash."""

    address: int
    sequence: int
    bytes: int  # of the model
    crc: int  # CRC-32 of the model
    name: str

    @property
    def path(self) -> str:
        """As the board's app names it (firmware/app/port/rp2/flash.py)."""
        return f"/flash/{self.address:x}/{self.name}"


@dataclass(frozen=True)
class Space:
    """The flash in front of a board's file system. Addresses."""

    storage: int  # where the file system begins
    firmware_end: int
    records: tuple[Lying, ...]

    @property
    def current(self) -> Lying | None:
        """The record that counts."""
        return max(self.records, key=lambda record: record.sequence, default=None)

    def find(self, name: str, model: bytes) -> Lying | None:
        """A record that holds this model under this name."""
        crc = zlib.crc32(model)
        same = [each for each in self.records if (each.name, each.bytes, each.crc) == (name, len(model), crc)]
        return max(same, key=lambda record: record.sequence, default=None)


def survey(repl: RawRepl) -> Space | None:
    """Read it through the prompt. None where the board is no RP2."""
    said: list[Any] | None = repl.ask(_SURVEY)
    return None if said is None else Space(said[0], said[1], tuple(Lying(*record) for record in said[2]))


def address_for(space: Space, model_bytes: int) -> int:
    """Where a record goes: the slot in which the one that counts is not, as far as there is one.

    Raises ValueError: by how many bytes it is too large.
    """
    size = PAGE + model_bytes
    first = place(space.firmware_end, space.storage, size, 0)
    for slot in (0, 1):
        try:
            address = place(space.firmware_end, space.storage, size, slot)
        except ValueError:
            break
        old = space.current
        if old is None or address + size <= old.address or old.address + PAGE + old.bytes <= address:
            return address
    return first


def left_beside(space: Space, model_bytes: int) -> list[Lying]:
    """The records that are still there when one of a model of that size has been written."""
    try:
        address = address_for(space, model_bytes)
    except ValueError:  # then send() writes none
        return list(space.records)
    end = address + PAGE + model_bytes
    return [old for old in space.records if end <= old.address or old.address + PAGE + old.bytes <= address]


def send(port: str, space: Space, name: str, model: bytes, bootsel: Callable[[str, bytes], None] | None = None) -> int:
    """Write a record; the board is at its prompt again afterwards. Returns its address. Raises DeviceError.

    bootsel: sends the board on a port into BOOTSEL and gives it a UF2 file; default: by its drive.
    """
    sequence = 1 + (space.current.sequence if space.current else 0)
    try:
        address = address_for(space, len(model))
        record = pack_record(name, model, sequence)
    except ValueError as error:
        raise DeviceError(f"{port}: {name} {error}: leave --home out") from error
    (bootsel or _by_drive)(port, write_uf2(pages_of(address, record)))
    wait_for_prompt(port, _BOOT_S)
    return address


def _by_drive(port: str, uf2: bytes) -> None:
    before = [drive.path for drive in drives()]
    enter_bootsel(port)
    copy_to(wait_for_drive(before, "RP2040", _WAY_OUT), uf2, lambda fraction: None)
