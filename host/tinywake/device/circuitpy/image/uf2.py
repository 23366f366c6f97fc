# SPDX-License-Identifier: MIT
"""What a UF2 file of CircuitPython for RP2 chips says: its version, its board, and where in flash its drive lies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import error, pack, unpack_from

from tinywake.device.circuitpy.facts import Facts, read_boot_out
from tinywake.device.image.record import XIP_BASE
from tinywake.device.image.uf2 import read_uf2

__all__ = ["CircuitPythonUf2", "circuitpython_in"]

_BANNER = b"Adafruit CircuitPython "  # "... 10.3.1 on 2026-07-15; Raspberry Pi Pico with rp2040", as in boot_out.txt
_MOST = 200  # bytes of that

# The chips' makers have firmware describe itself ("binary info"): a head in the first flash that follows the boot
# loader, addresses of entries, and a table of what is copied to RAM before the entries are read.
_HEAD, _TAIL = pack("<I", 0x7188EBF2), 0xE71AA390
_SEARCHED = 0x1000  # bytes of flash
_BLOCK_DEVICE = 7
_TAG = int.from_bytes(b"CP", "little")

_USUAL_START = 0x100000  # of the drive: 1020 kB of firmware and 4 kB of its own in most builds, the Pico's among them


@dataclass(frozen=True)
class CircuitPythonUf2:
    """A firmware. `drive`: where its file system begins in flash, bytes."""

    facts: Facts
    drive: int


def circuitpython_in(data: bytes) -> CircuitPythonUf2 | None:
    """What a file's bytes say of CircuitPython; None where they are another firmware's, or none's."""
    try:
        image = read_uf2(data)
    except ValueError:
        return None
    start, end = image.runs[0][0], image.runs[-1][1]
    blob = image.bytes_at(start, end)
    for at in _places(blob, _BANNER):
        facts = read_boot_out(blob[at : at + _MOST].partition(b"\0")[0].decode("ascii", "replace"))
        if facts is not None and facts.machine:
            return CircuitPythonUf2(facts, next(_drives(blob, start), _USUAL_START))
    return None


def _places(blob: bytes, text: bytes) -> Iterator[int]:
    at = blob.find(text)
    while at >= 0:
        yield at
        at = blob.find(text, at + 1)


def _drives(blob: bytes, base: int) -> Iterator[int]:
    """Offsets in flash of the block devices that the firmware says are CircuitPython's. `base`: address of blob."""
    at = blob.find(_HEAD, 0, _SEARCHED)
    try:
        first, last, copies, tail = unpack_from("<4I", blob, at + len(_HEAD))
        if at < 0 or tail != _TAIL:
            return
        for pointer in range(first, last, 4):
            (entry,) = unpack_from("<I", blob, pointer - base)
            where = _in_flash(blob, base, copies, entry) - base
            kind, tag, _, address = unpack_from("<HHII", blob, where)
            if (kind, tag) == (_BLOCK_DEVICE, _TAG):
                yield address - XIP_BASE if address >= XIP_BASE else address
    except error:  # an address outside of the file
        return


def _in_flash(blob: bytes, base: int, copies: int, address: int) -> int:
    """Where in flash lies what is copied to an address; itself, where nothing is."""
    at = copies - base
    while True:
        source, start, end = unpack_from("<3I", blob, at)
        if not source:
            return address
        if start <= address < end:
            return int(address - start + source)
        at += 12
