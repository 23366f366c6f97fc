# SPDX-License-Identifier: MIT
"""Models in the firmware's ROMFS partition, where they are read in place: the image, and writing it.

The image is MicroPython's (extmod/vfs_rom.c). The board writes it from the files in its slots, so that each model
crosses the line once.
"""

from __future__ import annotations

from collections.abc import Mapping

from tinywake.device.deploy.probe import HASH
from tinywake.device.line.rawrepl import RawRepl

__all__ = ["ALIGN", "image_bytes", "image_parts", "write_romfs"]

ALIGN = 16  # of each file's data, from the image's start: what a .twm may want
_MAGIC = b"\xd2\xcd\x31"
_HEAD = 8  # magic, and the length in 5 bytes
_PADDING, _DATA, _FILE = 1, 2, 5  # kinds of record

_WRITE = """
import gc, os, vfs
try:
    vfs.umount("/rom")
except OSError:
    pass
rom = vfs.rom_ioctl(2, 0)
device = hasattr(rom, "ioctl")
block = rom.ioctl(5, 0) if device else vfs.rom_ioctl(6, 0)
if not device and block <= 0:
    vfs.rom_ioctl(3, 0, LENGTH)
size = block if 0 < block <= 4096 else 4096
buf = bytearray(size)
view = memoryview(buf)
at = n = 0
first = None
def flush():
    global at, n, first
    if device:
        if at % block == 0:
            rom.ioctl(6, at // block)
    elif 0 < block and at % block == 0:
        vfs.rom_ioctl(3, 0, at, block)
    if at:
        program(at, buf)
    else:
        first = bytes(buf)
    at += size
    n = 0
def program(at, data):
    if device:
        rom.writeblocks(at // block, data, at % block)
    else:
        vfs.rom_ioctl(4, 0, at, data)
for part in PARTS:
    if isinstance(part, str):
        f = open(part, "rb")
        while True:
            got = f.readinto(view[n:])
            if not got:
                break
            n += got
            if n == size:
                flush()
        f.close()
    else:
        for byte in part:
            buf[n] = byte
            n += 1
            if n == size:
                flush()
if n:
    for i in range(n, size):
        buf[i] = 0
    flush()
program(0, first)
if not device:
    vfs.rom_ioctl(5, 0)
del buf, view, first
gc.collect()
vfs.mount(vfs.VfsRom(vfs.rom_ioctl(2, 0)), "/rom")
answer({name: digest("/rom/" + name) for name in os.listdir("/rom")})
"""


def image_parts(files: Mapping[str, int]) -> list[bytes | str]:
    """An image with files at its top, name -> bytes each has: what to write, a name standing for that file's data."""
    parts: list[bytes | str] = [b""]
    at = _HEAD
    for name, size in files.items():
        text = name.encode()
        data = _number(_DATA) + _number(size)
        inside = _number(len(text)) + text + data
        head = _number(_FILE) + _number(len(inside) + size) + inside
        lead = _padding(-(at + len(head)) % ALIGN) + head
        parts += [lead, name]
        at += len(lead) + size
    parts.append(_padding(-at % ALIGN))
    at += len(parts[-1])
    length = _number(at - _HEAD)
    parts[0] = _MAGIC + b"\x80" * (_HEAD - len(_MAGIC) - len(length)) + length
    return parts


def image_bytes(files: Mapping[str, int]) -> int:
    """How long the image is."""
    return sum(len(part) for part in image_parts(files) if isinstance(part, bytes)) + sum(files.values())


def write_romfs(repl: RawRepl, sources: Mapping[str, tuple[str, int]]) -> dict[str, str | None]:
    """Fill the partition with files that lie on the board: name -> path and bytes. What was there is gone.

    The head of the image is erased first and written last: cut short at any point, the partition holds no image.
    Returns the SHA-256 of each file as read back from it. Raises DeviceError.
    """
    parts = image_parts({name: size for name, (_, size) in sources.items()})
    pieces = [sources[part][0] if isinstance(part, str) else part for part in parts]
    length = image_bytes({name: size for name, (_, size) in sources.items()})
    found: dict[str, str | None] = repl.ask(HASH + f"LENGTH = {length}\nPARTS = {pieces!r}\n" + _WRITE)
    return found


def _number(value: int) -> bytes:
    """As ROMFS writes one: seven bits a byte, the highest first."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.insert(0, value & 0x7F | 0x80)
    return bytes(out)


def _padding(count: int) -> bytes:
    """A record that takes `count` bytes more, or that and ALIGN where there is none so short."""
    if count == 0:
        return b""
    count += ALIGN if count == 1 else 0
    return _number(_PADDING) + _number(count - 2) + bytes(count - 2)
