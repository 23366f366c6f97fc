# SPDX-License-Identifier: MIT
"""UF2 files as what they put into flash: read with every doubt, put together, written so that any boot ROM takes them.

The format is that of Microsoft's specification. The RP2's boot ROM wants pages of 256 bytes, one family, and numbers
that count all blocks of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from struct import Struct
from typing import NamedTuple

__all__ = ["PAGE", "RP2040", "SECTOR", "Block", "Uf2", "blocks", "join", "pages_of", "read_uf2", "write_uf2"]

RP2040 = 0xE48BFF56  # family
PAGE = 256
SECTOR = 4096  # what is erased at once

_BLOCK = Struct("<8I476sI")
_MAGIC = (0x0A324655, 0x9E5D5157)
_END = 0x0AB16F30
_NOT_FLASH, _HAS_FAMILY = 0x0001, 0x2000
_MOST = 64 << 20  # bytes of a file


class Block(NamedTuple):
    """512 bytes of a file, as they are."""

    flags: int
    address: int
    size: int
    number: int
    total: int  # blocks in the file
    family: int
    payload: bytes

    @property
    def for_flash(self) -> bool:
        """Whether the payload is to be written at all."""
        return not self.flags & _NOT_FLASH

    @property
    def names_family(self) -> bool:
        """Whether `family` is one."""
        return bool(self.flags & _HAS_FAMILY)


@dataclass(frozen=True)
class Uf2:
    """What a UF2 file puts where."""

    family: int
    pages: Mapping[int, bytes]  # address -> PAGE bytes

    @property
    def runs(self) -> list[tuple[int, int]]:
        """Addresses (start, end) of what lies together, in order."""
        runs: list[tuple[int, int]] = []
        for address in sorted(self.pages):
            if runs and runs[-1][1] == address:
                runs[-1] = (runs[-1][0], address + PAGE)
            else:
                runs.append((address, address + PAGE))
        return runs

    def bytes_at(self, start: int, end: int) -> bytes:
        """Flash from start to end, on page boundaries; erased where the file says nothing."""
        return b"".join(self.pages.get(address, b"\xff" * PAGE) for address in range(start, end, PAGE))


def read_uf2(data: bytes) -> Uf2:
    """Read a file's bytes. Raises ValueError with the reason, to go behind the file's name."""
    if len(data) > _MOST:
        raise ValueError("is larger than any flash")
    pages: dict[int, bytes] = {}
    family = None
    found = list(blocks(data))
    for at, block in enumerate(found):
        if not block.for_flash:
            raise ValueError(f"has a block that is not for flash ({at})")
        if not block.names_family:
            raise ValueError("does not say which chip it is for")
        if family not in (None, block.family):
            raise ValueError(f"is for two chips, families {family:#x} and {block.family:#x}")
        if (block.number, block.total) != (at, len(found)):
            there = f"block {block.number} of {block.total}"
            raise ValueError(f"is not whole: {there} at the place of {at} of {len(found)}")
        if block.size != PAGE or block.address % PAGE or block.address + PAGE > 1 << 32:
            raise ValueError(f"has a block of {block.size} bytes for address {block.address:#x}: not a page")
        if block.address in pages:
            raise ValueError(f"writes address {block.address:#x} twice")
        family = block.family
        pages[block.address] = block.payload[:PAGE]
    assert family is not None
    return Uf2(family, pages)


def blocks(data: bytes) -> Iterator[Block]:
    """The blocks of a file's bytes, each whole in itself. Raises ValueError with the reason, at a damaged one."""
    if not data or len(data) % _BLOCK.size:
        raise ValueError("is no UF2 file: not a whole number of blocks")
    for at, (first, second, *rest, end) in enumerate(_BLOCK.iter_unpack(data)):
        block = Block(*rest)
        if (first, second) != _MAGIC or end != _END:
            raise ValueError(f"is no UF2 file: block {at} is damaged")
        if block.size > len(block.payload):
            raise ValueError(f"has a block of {block.size} bytes for address {block.address:#x}: not a page")
        yield block


def pages_of(start: int, data: bytes, family: int = RP2040) -> Uf2:
    """Bytes from an address on, which begins a page; the last page is filled up as erased flash."""
    if start % PAGE or start < 0 or start + len(data) > 1 << 32:
        raise ValueError(f"address {start:#x} is not a page's")
    pages = {start + at: data[at : at + PAGE].ljust(PAGE, b"\xff") for at in range(0, len(data), PAGE)}
    return Uf2(family, pages)


def join(*parts: Uf2) -> Uf2:
    """One file of several. Raises ValueError where they are for different chips, or share a sector."""
    pages: dict[int, bytes] = {}
    taken: set[int] = set()
    for part in parts:
        if part.family != parts[0].family:
            raise ValueError(f"are for two chips, families {parts[0].family:#x} and {part.family:#x}")
        sectors = {address // SECTOR for address in part.pages}
        if shared := sectors & taken:
            raise ValueError(f"share the flash sector at {min(shared) * SECTOR:#x}")
        taken |= sectors
        pages |= part.pages
    return Uf2(parts[0].family, pages)


def write_uf2(image: Uf2) -> bytes:
    """The file. The boot ROM erases a sector at its first page: where one begins later, pages are put in before it."""
    addresses = sorted(image.pages)
    blank = {page for at in addresses for page in range(at - at % SECTOR, at, PAGE)}.difference(addresses)
    pages = {**dict.fromkeys(blank, b"\xff" * PAGE), **image.pages}
    return b"".join(
        _BLOCK.pack(*_MAGIC, _HAS_FAMILY, address, PAGE, number, len(pages), image.family, pages[address], _END)
        for number, address in enumerate(sorted(pages))
    )
