"""Firmware files as they are laid out, with nothing in them that would run."""

from __future__ import annotations

import hashlib
import random
import struct

BANNER = b"MicroPython v1.25.0 on 2025-04-15"
OFFSETS = {"ESP32": 0x1000, "ESP32-S2": 0x1000, "ESP32-C3": 0, "ESP32-S3": 0}
NUMBERS = {"ESP32": 0, "ESP32-S2": 2, "ESP32-C3": 5, "ESP32-S3": 9}


def esp_image(number: int, payload: bytes, digest: bool = True) -> bytes:
    """One image of ESP-IDF with one segment, in DRAM, and its SHA-256 behind it."""
    head = bytes((0xE9, 1, 2, 0x20))  # magic, segments, DIO, 4 MB at 40 MHz
    head += struct.pack("<I", 0x40080000)  # entry
    head += bytes((0xEE, 0, 0, 0))  # no write-protect pin
    head += struct.pack("<HBHH4xB", number, 0, 0, 0, digest)  # chip, revisions
    image = head + struct.pack("<II", 0x3FFF0000, len(payload)) + payload
    checksum = 0xEF
    for byte in payload:
        checksum ^= byte
    image += bytes(15 - len(image) % 16) + bytes((checksum,))
    return image + hashlib.sha256(image).digest() if digest else image


def esp_firmware(chip: str, size: int = 90_000, seed: int = 1, banner: bytes = BANNER, *, digest: bool = True) -> bytes:
    """Bootloader, partition table, application; from the bootloader on. Half of it can be compressed."""
    rng = random.Random(seed)
    offset = OFFSETS[chip]
    boot = esp_image(NUMBERS[chip], rng.randbytes(4000), digest)
    nvs = struct.pack("<HBBII16sI", 0x50AA, 1, 2, 0x9000, 0x6000, b"nvs", 0)
    factory = struct.pack("<HBBII16sI", 0x50AA, 0, 0, 0x10000, 0x1F0000, b"factory", 0)
    body = rng.randbytes(size // 2) + banner + b"; a board\0" + bytes(size // 2)
    app = esp_image(NUMBERS[chip], body, digest)
    data = boot.ljust(0x8000 - offset, b"\xff") + nvs + factory
    return data.ljust(0x10000 - offset, b"\xff") + app


def uf2(family: int, payload: bytes, at: int = 0x10000000, extra: bytes = b"") -> bytes:
    """A UF2 file; `extra`: blocks before it."""
    pieces = [payload[i : i + 256].ljust(256, b"\0") for i in range(0, len(payload), 256)]
    blocks = [
        struct.pack("<8I", 0x0A324655, 0x9E5D5157, 0x2000, at + 256 * i, 256, i, len(pieces), family)
        + piece.ljust(476, b"\0")
        + struct.pack("<I", 0x0AB16F30)
        for i, piece in enumerate(pieces)
    ]
    return extra + b"".join(blocks)


def pico_firmware(family: int = 0xE48BFF56, size: int = 120_000, seed: int = 2, banner: bytes = BANNER) -> bytes:
    rng = random.Random(seed)
    return uf2(family, rng.randbytes(size) + banner + b"; Raspberry Pi Pico with RP2040\0")
