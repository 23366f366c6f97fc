"""An ESP32's serial loader on a pty: the ROM's protocol and, once uploaded, the stub's, over flash that behaves as NOR.

It is strict where silicon is lenient: a wrong length, checksum, sequence number, offset or size is a fault that a test
sees, and bytes written over what was not erased come out wrong, as they do. The protocol is that of esptool's
documentation ("Serial Protocol"). A chip keeps its flash when its cable is pulled; plug() gives it a new port.
"""

from __future__ import annotations

import hashlib
import os
import select
import struct
import threading
import tty
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

SECTOR = 0x1000
_ROM_BLOCK, _STUB_BLOCK = 0x400, 0x4000
_DETECT = 0x40001000
_INVALID, _FAILED, _CHECKSUM = 0x05, 0x06, 0x07


@dataclass(frozen=True)
class Chip:
    name: str
    number: int
    magic: int | None  # what its detection register holds; None: told by the security info
    spi: int  # base of the SPI registers
    usr2: int
    w0: int

    @property
    def extended(self) -> bool:
        """Whether FLASH_BEGIN of its ROM has a fifth word."""
        return self.name != "ESP32"


CHIPS = {
    "ESP32": Chip("ESP32", 0, 0x00F01D83, 0x3FF42000, 0x24, 0x80),
    "ESP32-S2": Chip("ESP32-S2", 2, 0x000007C6, 0x3F402000, 0x20, 0x58),
    "ESP32-C3": Chip("ESP32-C3", 5, None, 0x60002000, 0x20, 0x58),
    "ESP32-S3": Chip("ESP32-S3", 9, None, 0x60002000, 0x20, 0x58),
}


class RefusedError(Exception):
    def __init__(self, code: int) -> None:
        self.code = code


@dataclass
class _Writing:
    """What FLASH_BEGIN or FLASH_DEFL_BEGIN announced."""

    at: int
    end: int
    blocks: int
    size: int  # of a block
    inflate: zlib._Decompress | None
    seq: int = 0


@dataclass
class EspLoader:
    chip: Chip
    flash_bytes: int = 4 << 20
    boots: str = "loader"  # or "app": no button was held; or "nothing"
    stub_starts: bool = True
    pull_after: int | None = None  # bytes of flash: then the cable is out
    security: int = 0  # flags of its security info
    flip: int | None = None  # a byte of flash that keeps another value
    faults: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    written: int = 0
    port: str = ""

    def __post_init__(self) -> None:
        self.flash = bytearray(b"\x00" * self.flash_bytes)  # not erased: an old firmware
        self._handlers: dict[int, tuple[str, Callable[[bytes], bytes]]] = {
            0x02: ("FLASH_BEGIN", self._flash_begin),
            0x03: ("FLASH_DATA", self._flash_data),
            0x04: ("FLASH_END", self._flash_end),
            0x05: ("MEM_BEGIN", self._mem_begin),
            0x06: ("MEM_END", self._mem_end),
            0x07: ("MEM_DATA", self._mem_data),
            0x08: ("SYNC", self._sync),
            0x09: ("WRITE_REG", self._write_reg),
            0x0A: ("READ_REG", self._read_reg),
            0x0B: ("SPI_SET_PARAMS", self._set_params),
            0x0D: ("SPI_ATTACH", self._attach),
            0x0F: ("CHANGE_BAUDRATE", self._baud),
            0x10: ("FLASH_DEFL_BEGIN", self._deflated_begin),
            0x11: ("FLASH_DEFL_DATA", self._flash_data),
            0x12: ("FLASH_DEFL_END", self._flash_end),
            0x13: ("SPI_FLASH_MD5", self._md5),
            0x14: ("GET_SECURITY_INFO", self._security),
            0xD0: ("ERASE_FLASH", self._erase),
        }
        self._thread: threading.Thread | None = None
        self.plug()

    # the cable

    def plug(self) -> None:
        """A fresh pty, and the chip in its ROM again."""
        self.unplug()
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self.stub = self.attached = False
        self._value = 0
        self._writing: _Writing | None = None
        self._memory: dict[int, bytearray] = {}
        self._segment: tuple[int, int, int] | None = None  # address, blocks left, sequence number
        self._registers: dict[int, int] = {}
        self._gone = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        if self._thread is None:
            return
        self._gone = True
        if self._thread is not threading.current_thread():
            self._thread.join()
        self._thread = None

    def __enter__(self) -> EspLoader:
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def _serve(self) -> None:
        buffer = bytearray()
        try:
            while not self._gone:
                if not select.select([self._master], [], [], 0.02)[0]:
                    continue
                buffer += os.read(self._master, 1 << 16)
                if self.boots == "app":
                    buffer.clear()
                    self._send_raw(b"\r\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n")
                if self.boots != "loader":
                    buffer.clear()
                while (frame := _take_frame(buffer)) is not None:
                    self._answer(frame)
        except OSError:
            if not self._gone:
                raise
        finally:
            os.close(self._slave)
            os.close(self._master)

    # frames

    def _send_raw(self, data: bytes) -> None:
        while data and not self._gone:
            data = data[os.write(self._master, data) :]

    def _send(self, payload: bytes) -> None:
        self._send_raw(b"\xc0" + payload.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0")

    def _reply(self, op: int, data: bytes, status: bytes) -> None:
        tail = status + (b"" if self.stub else b"\x00\x00")
        self._send(struct.pack("<BBHI", 1, op, len(data + tail), self._value) + data + tail)

    def _answer(self, frame: bytes) -> None:
        if len(frame) < 8 or frame[0] != 0:
            self.fault(f"a frame that is no request: {frame[:8].hex()}")
            return
        _, op, length, self._sum = struct.unpack_from("<BBHI", frame)
        body = frame[8:]
        if length != len(body):
            self.fault(f"op {op:#x} announces {length} bytes and has {len(body)}")
        name, handle = self._handlers.get(op, ("", None))
        if handle is None or (name == "GET_SECURITY_INFO" and self.chip.name == "ESP32") or (
            name == "ERASE_FLASH" and not self.stub
        ):  # fmt: skip
            for _ in range(1 if self.stub else 8):  # the ROM says it eight times
                self._reply(0, b"", bytes((1, _INVALID)))
            return
        self.seen.append(name)
        self._value = 0
        was_stub = self.stub
        try:
            data = handle(body)
        except RefusedError as error:
            self._reply(op, b"", bytes((1, error.code)))
            return
        if self._gone:
            return
        now, self.stub = self.stub, was_stub  # the ROM still answers the MEM_END that starts the stub
        for _ in range(8 if name == "SYNC" else 1):
            self._reply(op, data, b"\x00\x00")
        self.stub = now
        if now and not was_stub:
            self._send(b"OHAI")

    def fault(self, text: str) -> None:
        self.faults.append(text)

    def _expect(self, right: bool, text: str) -> None:
        if not right:
            self.fault(text)
            raise RefusedError(_FAILED)

    # commands

    def _sync(self, body: bytes) -> bytes:
        self._expect(body == b"\x07\x07\x12\x20" + b"\x55" * 32, f"SYNC with {body.hex()}")
        self._value = 0 if self.stub else 0x20120707
        return b""

    def _security(self, body: bytes) -> bytes:
        self._expect(body == b"", "GET_SECURITY_INFO with data")
        info = struct.pack("<I8B", self.security, *bytes(8))
        return info if self.chip.magic is not None else info + struct.pack("<II", self.chip.number, 0)

    def _read_reg(self, body: bytes) -> bytes:
        (address,) = struct.unpack("<I", body)
        if address == _DETECT and self.chip.magic is not None:
            self._value = self.chip.magic
        elif address == self.chip.spi:  # SPI_CMD: every command is over at once
            self._value = 0
        else:
            self._value = self._registers.get(address, 0)
        return b""

    def _write_reg(self, body: bytes) -> bytes:
        for at in range(0, len(body), 16):
            address, value, mask, _ = struct.unpack_from("<IIII", body, at)
            self._registers[address] = (self._registers.get(address, 0) & ~mask) | (value & mask)
            if address == self.chip.spi and value & 1 << 18:
                command = self._registers.get(self.chip.spi + self.chip.usr2, 0) & 0xFFFF
                size = self.flash_bytes.bit_length() - 1
                ids = {0x9F: 0xEF | 0x40 << 8 | size << 16, 0x5A: 0x50444653}  # Winbond; "SFDP"
                self._expect(command != 0x9F or self.attached or self.stub, "flash read before SPI_ATTACH")
                self._registers[self.chip.spi + self.chip.w0] = ids.get(command, 0)
        return b""

    def _attach(self, body: bytes) -> bytes:
        self._expect(len(body) == 8, f"SPI_ATTACH with {len(body)} bytes")
        self.attached = True
        return b""

    def _set_params(self, body: bytes) -> bytes:
        words = struct.unpack("<6I", body)
        self._expect(words[1:5] == (self.flash_bytes, 0x10000, SECTOR, 0x100), f"SPI_SET_PARAMS {words}")
        return b""

    def _baud(self, body: bytes) -> bytes:
        self._expect(len(body) == 8, "CHANGE_BAUDRATE")
        return b""

    # memory, to which the stub goes

    def _mem_begin(self, body: bytes) -> bytes:
        size, blocks, block, address = struct.unpack("<IIII", body)
        self._expect(blocks == -(-size // block), f"MEM_BEGIN: {size} bytes in {blocks} blocks of {block}")
        self._memory[address] = bytearray()
        self._segment = (address, blocks, 0)
        self._segment_size = size
        return b""

    def _mem_data(self, body: bytes) -> bytes:
        self._expect(self._segment is not None, "MEM_DATA before MEM_BEGIN")
        assert self._segment is not None
        address, left, expected = self._segment
        data = self._block(body, expected)
        self._expect(left > 0, "MEM_DATA: too many blocks")
        self._memory[address] += data
        self._segment = (address, left - 1, expected + 1)
        if left == 1:
            self._expect(len(self._memory[address]) == self._segment_size, "MEM_DATA: another size than announced")
        return b""

    def _mem_end(self, body: bytes) -> bytes:
        stay, entry = struct.unpack("<II", body)
        inside = any(at <= entry < at + len(data) for at, data in self._memory.items())
        self._expect(stay == 0 and inside, f"MEM_END: entry {entry:#x} is not in what was loaded")
        self.stub = self.stub_starts
        return b""

    # flash

    def _flash_begin(self, body: bytes, deflated: bool = False) -> bytes:
        words = struct.unpack(f"<{len(body) // 4}I", body)
        self._expect(len(words) == (5 if self.stub or self.chip.extended else 4), f"FLASH_BEGIN of {len(words)} words")
        size, blocks, block, at = words[:4]
        self._expect(block == (_STUB_BLOCK if self.stub else _ROM_BLOCK), f"FLASH_BEGIN: blocks of {block}")
        self._expect(at % SECTOR == 0 or self.stub, f"FLASH_BEGIN: offset {at:#x}")
        self._expect(at + size <= self.flash_bytes, f"FLASH_BEGIN: {at:#x} + {size:#x} is outside the flash")
        self._expect(deflated or blocks == -(-size // block), f"FLASH_BEGIN: {size} bytes in {blocks} blocks")
        self._expect(self.attached or self.stub, "FLASH_BEGIN before SPI_ATTACH")
        if not self.stub:
            self._clear(at, at + size)
        self._writing = _Writing(at, at + size, blocks, block, zlib.decompressobj() if deflated else None)
        return b""

    def _deflated_begin(self, body: bytes) -> bytes:
        return self._flash_begin(body, deflated=True)

    def _flash_data(self, body: bytes) -> bytes:
        now = self._writing
        self._expect(now is not None, "FLASH_DATA before FLASH_BEGIN")
        assert now is not None
        data = self._block(body, now.seq)
        self._expect(now.seq < now.blocks, "FLASH_DATA: too many blocks")
        self._expect(len(data) <= now.size, "FLASH_DATA: block too large")
        self._expect(now.inflate is not None or len(data) == now.size, "FLASH_DATA: a block that is not filled up")
        if now.inflate is not None:
            data = now.inflate.decompress(data)
        if now.seq == now.blocks - 1 and now.inflate is None:
            data = data[: now.end - now.at]
        self._expect(now.at + len(data) <= now.end, "FLASH_DATA: more than announced")
        if self.stub:  # erases as it goes
            self._clear(-(-now.at // SECTOR) * SECTOR if now.seq else now.at, now.at + len(data))
        for i, byte in enumerate(data, now.at):
            self.flash[i] &= byte
        if self.flip is not None:
            self.flash[self.flip] ^= 0x10
            self.flip = None
        now.at += len(data)
        now.seq += 1
        self.written += len(data)
        if now.seq == now.blocks and now.inflate is not None:
            self._expect(now.inflate.eof, "FLASH_DEFL_DATA: the stream does not end with its last block")
        if self.pull_after is not None and self.written >= self.pull_after:
            self.pull_after = None
            self._gone = True
        return b""

    def _flash_end(self, body: bytes) -> bytes:
        (stay,) = struct.unpack("<I", body)
        self._expect(stay == 1, "FLASH_END that reboots")
        self._expect(self._writing is not None and self._writing.seq == self._writing.blocks, "FLASH_END too early")
        return b""

    def _erase(self, body: bytes) -> bytes:
        self._expect(body == b"", "ERASE_FLASH with data")
        self._clear(0, self.flash_bytes)
        return b""

    def _md5(self, body: bytes) -> bytes:
        at, size, _, _ = struct.unpack("<IIII", body)
        self._expect(at + size <= self.flash_bytes, "SPI_FLASH_MD5 outside the flash")
        digest = hashlib.md5(self.flash[at : at + size])
        return digest.digest() if self.stub else digest.hexdigest().encode()

    def _clear(self, begin: int, end: int) -> None:
        begin, end = begin // SECTOR * SECTOR, -(-end // SECTOR) * SECTOR
        self.flash[begin:end] = b"\xff" * (end - begin)

    def _block(self, body: bytes, expected: int) -> bytes:
        size, seq, zero, other = struct.unpack_from("<IIII", body)
        data = body[16:]
        check = 0xEF
        for byte in data:
            check ^= byte
        if check != self._sum:
            self.fault(f"block {seq}: checksum {self._sum:#x}, its bytes have {check:#x}")
            raise RefusedError(_CHECKSUM)
        self._expect(size == len(data) and (zero, other) == (0, 0), f"block {seq}: announces {size}, has {len(data)}")
        self._expect(seq == expected, f"block {seq} where {expected} was due")
        return data


def _take_frame(buffer: bytearray) -> bytes | None:
    """The first SLIP frame in the buffer, taken out of it."""
    while (begin := buffer.find(b"\xc0")) >= 0:
        end = buffer.find(b"\xc0", begin + 1)
        if end < 0:
            return None
        frame = bytes(buffer[begin + 1 : end])
        del buffer[: end + 1 if frame else end]
        if frame:
            return frame.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
    return None
