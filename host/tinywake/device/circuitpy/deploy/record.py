# SPDX-License-Identifier: MIT
"""The record of which model a board listens with, written from here: docs/slots.md.

The board's own code cannot write while the computer has the drive, so firmware/app/swap.py is of no use there.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field

from tinywake.device.circuitpy.files import Files, parents
from tinywake.errors import DeviceError

__all__ = ["ROOT", "Record", "free_slot", "read_record", "select", "slot_of", "write_record"]

ROOT = "tinywake-models"
_HEAD = b"tinywake slots 1\n"
_MOST = 1000  # bytes
_CHECK = 10  # bytes of the last line
_SUM = "sha."


@dataclass(frozen=True)
class Record:
    """The one of the two files that counts. Without one: the second, with number 0, so that the first comes next."""

    which: int = 1
    sequence: int = 0
    entries: Mapping[str, str] = field(default_factory=dict)  # as docs/slots.md has them, but for the sequence and sums

    def chosen(self, role: str) -> str | None:
        """What a role has."""
        return self.entries.get(role)

    def digest(self, path: str) -> str:
        """First 16 hex digits of the SHA-256 that a model had when it came into the record; "" where none is known."""
        return self.entries.get(_sum_key(path), "")

    def named(self) -> set[str]:
        """Every path in it."""
        return {value for key, value in self.entries.items() if not key.startswith(_SUM)}

    def without(self, folder: str) -> dict[str, str]:
        """Its entries but those that name something in a folder; a second choice moves up."""
        kept = {key: value for key, value in self.entries.items() if not value.startswith(f"{folder}/")}
        for key in [key for key in kept if key.endswith(".was") and key.removesuffix(".was") not in kept]:
            kept[key.removesuffix(".was")] = kept.pop(key)
        return kept


def read_record(files: Files) -> Record:
    """The newer of the two that are whole. Raises DeviceError."""
    best = Record()
    for which in (0, 1):
        entries = _parse(files.read(_path(which)))
        sequence = int(entries.pop("sequence", "0"))
        if entries.pop("sums", "0") != str(sequence):  # written by an app that did not know them
            entries = {key: value for key, value in entries.items() if not key.startswith(_SUM)}
        if sequence > best.sequence:
            best = Record(which, sequence, entries)
    return best


def write_record(files: Files, before: Record, entries: Mapping[str, str]) -> Record:
    """Write the other file, with the next number: until it is whole, `before` counts. Raises DeviceError."""
    sums = {_sum_key(path) for key, path in entries.items() if not key.startswith(_SUM)}
    kept = {key: value for key, value in entries.items() if not key.startswith(_SUM) or key in sums}
    after = Record(1 - before.which, before.sequence + 1, kept)
    lines = {**kept, "sequence": str(after.sequence), "sums": str(after.sequence)}
    data = _HEAD + "".join(f"{key}={lines[key]}\n" for key in sorted(lines)).encode()
    data += b"check=%04x" % binascii.crc_hqx(data, 0xFFFF)
    if len(data) > _MOST:
        raise DeviceError(f"{files.where}: the names of the models are too long: rename them")
    path = _path(after.which)
    for folder in parents([path]):
        files.make(folder)
    files.write(f"{path}~", data)
    files.rename(f"{path}~", path)
    return after


def select(record: Record, role: str, path: str | None, sha: str = "") -> dict[str, str]:
    """The record's entries with another model for a role; the one in the other slot stays second choice.

    path: None: it has none. sha: of its content in hex; empty where it is no file.
    """
    entries = dict(record.entries)
    before = [entries.pop(key, None) for key in (role, f"{role}.was")]
    entries.pop(f"{role}.trial", None)
    if path:
        entries[role] = path
        if sha:
            entries[_sum_key(path)] = sha[:16]
        second = next((old for old in before if old and old != path and slot_of(old) != slot_of(path)), None)
        if second:
            entries[f"{role}.was"] = second
    return entries


def slot_of(path: str) -> str:
    """The folder of a slot's file."""
    return path.rpartition("/")[0]


def free_slot(record: Record, role: str) -> str:
    """The folder that may be written: not the one of the model that is selected."""
    letter = "b" if (record.chosen(role) or "").startswith(f"{ROOT}/{role}.a/") else "a"
    return f"{ROOT}/{role}.{letter}"


def _path(which: int) -> str:
    return f"{ROOT}/select.{which}"


def _parse(data: bytes | None) -> dict[str, str]:
    end = len(data or b"") - _CHECK
    if not data or end < len(_HEAD) or len(data) > _MOST or not data.startswith(_HEAD):
        return {}
    if data[end:] != b"check=%04x" % binascii.crc_hqx(data[:end], 0xFFFF):
        return {}
    lines = data[len(_HEAD) : end].decode().split("\n")
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _sum_key(path: str) -> str:
    return f"{_SUM}{binascii.crc_hqx(path.encode(), 0xFFFF):04x}"
