# SPDX-License-Identifier: MIT
# ruff: noqa: PTH123, SIM105
"""boot.py of a unix board whose firmware has a ROMFS partition: RAM that is kept in a file, behind vfs.rom_ioctl.

STYLE is a file too: "memory", which rom_ioctl writes, or "device", a block device that reads as memory, as RP2 and
ESP32 have it.
"""

import sys

import vfs

BYTES, BLOCK = 65536, 4096


class Flash(bytearray):
    """A block device that reads as memory; only what was erased can be written."""

    def ioctl(self, op, arg):
        if op == 4:
            return BYTES // BLOCK
        if op == 5:
            return BLOCK
        if op == 6:
            self[arg * BLOCK : (arg + 1) * BLOCK] = b"\xff" * BLOCK
            save()
        return 0

    def writeblocks(self, block, buf, offset):
        write(block * BLOCK + offset, buf)


def write(at, buf):
    for i in range(len(buf)):
        assert rom[at + i] == 0xFF, "not erased"
        rom[at + i] = buf[i]
    save()


def save():
    with open("rom.bin", "wb") as file:
        file.write(bytes(rom))


class Vfs:
    VfsRom, mount, umount = vfs.VfsRom, vfs.mount, vfs.umount

    @staticmethod
    def rom_ioctl(op, *args):
        if op == 1:
            return 1
        if op == 2:
            return rom if args[0] == 0 else -22
        if op == 3 and len(args) == 2:
            erased = -(-args[1] // BLOCK) * BLOCK
            rom[:erased] = b"\xff" * erased
            return 4
        if op == 4:
            write(args[1], args[2])
        return 0 if op in (4, 5) else -22


with open("style") as file:
    device = file.read() == "device"
try:
    with open("rom.bin", "rb") as file:
        rom = (Flash if device else bytearray)(file.read())
except OSError:
    rom = (Flash if device else bytearray)(b"\xff" * BYTES)
try:
    vfs.mount(vfs.VfsRom(rom), "/rom")
except OSError:
    pass
sys.modules["vfs"] = Vfs
