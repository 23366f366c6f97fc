# SPDX-License-Identifier: MIT
"""A drive's sectors, made of files: FAT12 as CircuitPython formats its drives, each file in one run of them.

The format is that of Microsoft's specification of 2005: sectors of 512 bytes, clusters of one sector, one table, a
root folder of 512 entries. Names keep their case: all but short ones in capitals have long entries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from struct import pack, pack_into

__all__ = ["SECTOR", "make_fat"]

SECTOR = 512
_ROOT_ENTRIES = 512
_ENTRY = 32  # bytes
_MOST_CLUSTERS = 4084  # of FAT12
_LABEL, _FOLDER, _FILE, _LONG = 0x08, 0x10, 0x20, 0x0F  # attributes
_DATE = (2026 - 1980) << 9 | 1 << 5 | 1  # the same bytes each time
_SHORT = re.compile(r"[A-Z0-9_~-]{1,8}(\.[A-Z0-9_~-]{1,3})?")


def make_fat(files: Mapping[str, bytes], sectors: int, label: str = "CIRCUITPY") -> bytes:
    """The drive's bytes. `files`: path -> content; folders come of the paths. Raises ValueError where it is full."""
    made = _Volume(sectors)
    root = made.folder(_tree(files), None, pack("<11sB20x", label.upper().encode().ljust(11), _LABEL))
    return made.image(root, label)


def _tree(files: Mapping[str, bytes]) -> dict[str, object]:
    top: dict[str, object] = {}
    for path, data in sorted(files.items()):
        at = top
        *folders, name = path.split("/")
        for folder in folders:
            below = at.setdefault(folder, {})
            assert isinstance(below, dict)
            at = below
        at[name] = data
    return top


class _Volume:
    """Clusters that are given out one after the other."""

    def __init__(self, sectors: int) -> None:
        self.sectors = sectors
        self.root = _ROOT_ENTRIES * _ENTRY // SECTOR
        self.table = 1  # sectors
        while self.clusters * 3 > (self.table * SECTOR * 2) - 6:
            self.table += 1
        if not 0 < self.clusters <= _MOST_CLUSTERS:
            raise ValueError(f"{sectors} sectors are no FAT12 drive")
        self.next: list[int] = [0xFF8, 0xFFF]  # by cluster: the one after it
        self.data = bytearray()

    @property
    def clusters(self) -> int:
        return self.sectors - 1 - self.table - self.root

    def take(self, size: int) -> int:
        """The first of the clusters for so many bytes, which lie together; 0: none."""
        count = -(-size // SECTOR)
        first = len(self.next)
        if first - 2 + count > self.clusters:
            raise ValueError(f"the drive of {self.sectors * SECTOR:,} bytes is full")
        self.next += [*range(first + 1, first + count), 0xFFF] if count else []
        self.data += bytes(count * SECTOR)
        return first if count else 0

    def put(self, first: int, data: bytes) -> None:
        at = (first - 2) * SECTOR
        self.data[at : at + len(data)] = data

    def folder(self, tree: Mapping[str, object], above: int | None, head: bytes = b"") -> bytes | int:
        """Entries of a folder and of all below it. Of the root they are returned, of the others their first cluster."""
        shorts = _short_names(tree)
        own = 0
        if above is not None:
            own = self.take(sum(_entries(name, shorts[name]) for name in tree) * _ENTRY + 2 * _ENTRY)
            head = _entry(b".", _FOLDER, own) + _entry(b"..", _FOLDER, above)
        for name, what in tree.items():
            if isinstance(what, bytes):
                first = self.take(len(what))
                self.put(first, what)
                last = _entry(shorts[name], _FILE, first, len(what))
            else:
                assert isinstance(what, dict)
                below = self.folder(what, own)
                assert isinstance(below, int)
                last = _entry(shorts[name], _FOLDER, below)
            head += _long_entries(name, shorts[name]) + last
        if above is None:
            return head
        self.put(own, head)
        return own

    def image(self, root: bytes | int, label: str) -> bytes:
        assert isinstance(root, bytes)
        if len(root) > _ROOT_ENTRIES * _ENTRY:
            raise ValueError("the top folder of the drive is full")
        boot = bytearray(SECTOR)
        pack_into("<3s8sHBHBHHBHHHII", boot, 0, b"\xeb\x3c\x90", b"MSDOS5.0", SECTOR, 1, 1, 1, _ROOT_ENTRIES,
                  self.sectors if self.sectors < 1 << 16 else 0, 0xF8, self.table, 63, 255, 0,
                  self.sectors if self.sectors >= 1 << 16 else 0)  # fmt: skip
        pack_into("<BBBI11s8s", boot, 36, 0x80, 0, 0x29, 0x7477636D, label.upper().encode().ljust(11), b"FAT     ")
        boot[-2:] = b"\x55\xaa"
        chain = bytearray(self.table * SECTOR)
        for number, follows in enumerate(self.next):
            at, odd = number * 3 // 2, number & 1
            chain[at] |= follows << 4 & 0xF0 if odd else follows & 0xFF
            chain[at + 1] |= follows >> 4 & 0xFF if odd else follows >> 8
        made = bytes(boot) + bytes(chain) + root.ljust(self.root * SECTOR, b"\0") + bytes(self.data)
        return made.ljust(self.sectors * SECTOR, b"\0")


def _short_names(tree: Mapping[str, object]) -> dict[str, bytes]:
    """Eleven bytes for each name, no two alike."""
    found = {name: name for name in tree if _SHORT.fullmatch(name)}
    number = 0
    for name in tree:
        while name not in found:
            number += 1
            end = re.sub("[^A-Z0-9]", "", name.upper().rpartition(".")[2])[:3] if "." in name[1:] else ""
            begin = re.sub("[^A-Z0-9_]", "", name.upper().partition(".")[0])[: 7 - len(str(number))]
            made = f"{begin}~{number}" + (f".{end}" if end else "")
            if made not in found.values():
                found[name] = made
    parts = {name: short.partition(".") for name, short in found.items()}
    return {name: begin.ljust(8).encode() + end.ljust(3).encode() for name, (begin, _, end) in parts.items()}


def _entries(name: str, short: bytes) -> int:
    return len(_long_entries(name, short)) // _ENTRY + 1


def _entry(short: bytes, attribute: int, cluster: int, size: int = 0) -> bytes:
    return pack("<11sBBBHHHHHHHI", short.ljust(11), attribute, 0, 0, 0, _DATE, _DATE, 0, 0, _DATE, cluster, size)


def _long_entries(name: str, short: bytes) -> bytes:
    """What goes before the short entry: thirteen letters each, the end of the name first."""
    if _SHORT.fullmatch(name):
        return b""
    check = 0
    for byte in short:
        check = ((check & 1) << 7) + (check >> 1) + byte & 0xFF
    text = name.encode("utf-16-le")
    pieces = [text[at : at + 26] for at in range(0, len(text), 26)]
    entries = []
    for number, piece in enumerate(pieces, 1):
        piece = (piece + b"\0\0" * (len(piece) < 26)).ljust(26, b"\xff")
        order = number | 0x40 * (number == len(pieces))
        entries.append(pack("<B10sBBB12sH4s", order, piece[:10], _LONG, 0, check, piece[10:22], 0, piece[22:]))
    return b"".join(reversed(entries))
