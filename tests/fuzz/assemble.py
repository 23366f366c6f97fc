# SPDX-License-Identifier: MIT
"""Files written field by field from models/SPEC.md, one for every operator, without the compiler.

They are seeds of the fuzzer and what make_bad.py spoils: small, and with values at the edges of what is allowed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from tinywake.frontend import FrontendParams, frontend_section

__all__ = ["ARENA", "DETECTOR", "FRONTEND", "GOOD", "INPUT_MAP", "IO", "OPS", "STATE", "TENSORS", "WEIGHTS", "File",
           "audio", "repaired", "section_at"]  # fmt: skip

TENSORS, OPS, WEIGHTS, IO, FRONTEND, INPUT_MAP, DETECTOR = range(1, 8)
ARENA, STATE, CONSTANT = range(3)
HALF = 1 << 30  # a multiplier of 0.5


@dataclass
class File:
    """Records in the order in which they are added; `bytes()` lays them out as the packer does."""

    tensors: list[bytes] = field(default_factory=list)
    ops: list[bytes] = field(default_factory=list)
    weights: bytearray = field(default_factory=bytearray)
    shapes: list[tuple[int, int, int]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=lambda: [0, 0])  # of arena and state

    def tensor(self, h: int, w: int, c: int, place: int = ARENA, zero: int = 0, fill: int = 0, type_: int = 0) -> int:
        """A tensor behind the others of its place. Return its index."""
        if place == CONSTANT:
            offset = self.put(bytes(i * 37 & 0xFF for i in range(h * w * c)))
        else:
            offset = self.sizes[place]
            self.sizes[place] += -(-h * w * c // 4) * 4
        self.tensors.append(struct.pack("<IHHHBBhbB", offset, h, w, c, type_, place, zero, fill, 0))
        self.shapes.append((h, w, c))
        return len(self.tensors) - 1

    def put(self, data: bytes) -> int:
        """Constants, at the next multiple of 4. Return their offset in WEIGHTS."""
        self.weights += bytes(-len(self.weights) % 4)
        self.weights += data
        return len(self.weights) - len(data)

    def filter(self, weights: int, units: int, multipliers: int | None = None) -> tuple[int, int, int]:
        """Offsets of weights, biases and requantisation: so many of each."""
        n = units if multipliers is None else multipliers
        bias = self.put(struct.pack(f"<{units}i", *range(-units, units, 2)))
        requant = self.put(struct.pack(f"<{n}i", *[HALF] * n) + struct.pack(f"<{n}b", *[-3] * n))
        return self.put(bytes(i * 29 & 0xFF for i in range(weights))), bias, requant

    def op(self, code: int, inputs: int, output: int, layout: str = "", *values: int) -> None:
        body = struct.pack("<" + layout, *values)
        self.ops.append(struct.pack("<BBHHH", code, 0, 8 + len(body), inputs, output) + body)

    def bytes(self, first: int = 0, last: int = -1, listening: tuple[bytes, ...] = ()) -> bytes:
        """The file: `first` is the input, `last` the output; `listening` is FRONTEND, INPUT_MAP and DETECTOR."""
        last %= len(self.tensors)
        count = [h * w * c for h, w, c in (self.shapes[first], self.shapes[last])]
        frames = count[0] // listening[0][10] if listening else 0
        io = struct.pack("<HHHHiibbBB", first, last, 1, frames, 1 << 23, 1 << 24, -31, -32, 3, 3)
        io += struct.pack("<6H", *self.shapes[first], *self.shapes[last])
        bodies = {TENSORS: b"".join(self.tensors), OPS: b"".join(self.ops), IO: io}
        bodies |= dict(zip((FRONTEND, INPUT_MAP, DETECTOR), listening, strict=False))
        bodies[WEIGHTS] = bytes(self.weights)
        table, payload = b"", b""
        start = 32 + 12 * len(bodies)
        for kind, body in bodies.items():
            payload += bytes(-(start + len(payload)) % (16 if kind == WEIGHTS else 4))
            table += struct.pack("<HHII", kind, 0, start + len(payload), len(body))
            payload += body
        state = self.sizes[STATE]
        head = (b"TWM\x1a", 1, 0, len(bodies), start + len(payload), self.sizes[ARENA] + state, state, 0, 0, 0)
        return repaired(struct.pack("<4sBBHIIIIII", *head) + table + payload)


def repaired(data: bytes) -> bytes:
    """The same with both checksums made right, as far as there is room for them."""
    file = bytearray(data)
    if len(file) >= 32:
        start = 32 + 12 * struct.unpack_from("<H", file, 6)[0]
        end = min(struct.unpack_from("<I", file, 8)[0], len(file))
        struct.pack_into("<I", file, 20, zlib.crc32(file[start : max(start, end)]))
        struct.pack_into("<I", file, 28, zlib.crc32(file[32:start], zlib.crc32(file[:28])))
    return bytes(file)


def section_at(data: bytes, kind: int) -> int:
    """Where a section begins."""
    records = struct.iter_unpack("<HHII", data[32 : 32 + 12 * struct.unpack_from("<H", data, 6)[0]])
    return next(offset for type_, _, offset, _ in records if type_ == kind)


def conv() -> bytes:
    """Padded on every side, with a stride and a dilation."""
    f = File()
    x, y = f.tensor(5, 4, 2, zero=-3), f.tensor(3, 4, 3, zero=7)
    f.op(1, x, y, "3I10bH2I", *f.filter(3 * 2 * 3 * 2, 3), 2, 3, 2, 1, 1, 2, 2, 2, -128, 127, 0, 0, 16)
    return f.bytes()


def depthwise() -> bytes:
    f = File()
    x, y = f.tensor(5, 1, 2), f.tensor(2, 1, 4)
    f.op(2, x, y, "3I10bH2I", *f.filter(3 * 4, 4), 3, 1, 2, 1, 0, 0, 1, 1, -100, 100, 0, 0, 0)
    return f.bytes()


def dense() -> bytes:
    """Two rows; one unit's multiplier each, then one for all."""
    f = File()
    x, h, y = f.tensor(1, 2, 6), f.tensor(1, 2, 3), f.tensor(1, 1, 2)
    f.op(3, x, h, "3I2b2B2I", *f.filter(24, 3), -128, 127, 1, 0, 4, 8)
    f.op(3, h, y, "3I2b2B2I", *f.filter(16, 2, 1), -5, 5, 0, 0, 0, 0)
    return f.bytes()


def pools() -> bytes:
    f = File()
    x, a, m = f.tensor(4, 3, 2), f.tensor(3, 3, 2), f.tensor(2, 2, 2)
    f.op(4, x, a, "6B2b", 3, 2, 1, 1, 1, 1, -128, 127)
    f.op(5, a, m, "6B2b", 2, 2, 2, 2, 1, 0, -9, 9)
    return f.bytes()


def mean_softmax() -> bytes:
    f = File()
    x, m, y = f.tensor(2, 5, 3), f.tensor(2, 1, 3), f.tensor(2, 1, 3)
    f.op(6, x, m, "ib3x", HALF, -2)
    f.op(8, m, y, "ibBh", HALF, 20, 0, -128)
    return f.bytes()


def table() -> bytes:
    f = File()
    x, y = f.tensor(1, 3, 2), f.tensor(3, 2, 1, type_=1)
    f.op(7, x, y, "I", f.put(bytes(range(256))))
    return f.bytes()


def stream() -> bytes:
    """A window of four rows in state, each invoke's row pushed to its end."""
    f = File()
    x, s, y = f.tensor(1, 1, 3), f.tensor(4, 1, 3, STATE, fill=-7), f.tensor(1, 1, 3)
    f.op(9, x, s)
    f.op(4, s, y, "6B2b", 4, 1, 4, 1, 0, 0, -128, 127)
    return f.bytes()


def arithmetic() -> bytes:
    """A sum with a row repeated along h, a difference in place, a product with a constant channel."""
    f = File()
    x, row, s, k, y = (
        f.tensor(3, 2, 2, zero=5), f.tensor(1, 2, 2, CONSTANT), f.tensor(3, 2, 2), f.tensor(1, 1, 1, CONSTANT),
        f.tensor(3, 2, 2, zero=-4),
    )  # fmt: skip
    f.op(10, x, s, "H2b3i3bBI", row, -128, 127, HALF, HALF, HALF, 0, -1, -18, 0, 0)
    f.op(10, s, s, "H2b3i3bBI", row, -99, 99, HALF, HALF, HALF, -1, 0, -18, 1, 0)
    f.op(11, s, y, "H2bibBH", k, -128, 127, HALF, -5, 0, 0)
    return f.bytes()


def copies() -> bytes:
    """Transposed into the middle of a filled tensor."""
    f = File()
    x, y = f.tensor(2, 3, 2), f.tensor(3, 3, 2)
    f.op(12, x, y, "12IBbH", 0, 2, 1, 3, 2, 1, 0, 2, 1, 0, 6, 1, 1, -1, 0)
    return f.bytes()


def parts() -> bytes:
    """A sum in three parts, kept in state between them."""
    f = File()
    x, s, y = f.tensor(1, 1, 5, zero=1), f.tensor(1, 1, 12, STATE), f.tensor(1, 1, 3, zero=-1)
    for part, out in ((1, s), (2, s), (3, y)):
        f.op(13, x, out, "H2B3I2b2B2I", s, part, 0, *f.filter(24, 3), -128, 127, 1, 0, 0, 0)
    return f.bytes()


@cache
def audio() -> tuple[bytes, ...]:
    """FRONTEND with the longest window and overlap, INPUT_MAP, DETECTOR with a wake label and a background class."""
    front_end = frontend_section(FrontendParams(window_ms=32, hop_ms=10, channels=4, upper_hz=3000.0))
    input_map = struct.pack("<IIIiBbbB", 256, 333, 666, -128, 0, -128, 127, 0)
    detector = struct.pack("<BBHHBB", 2, 3, 300, 20, 0, 0) + b"\1\x80\4loud" + b"\0\0\1-"
    return front_end, input_map, detector + bytes(-len(detector) % 4)


def listening() -> bytes:
    """Two frames an invoke."""
    f = File()
    x, y = f.tensor(2, 1, 4, zero=-128), f.tensor(1, 1, 2, zero=-128)
    f.op(3, x, y, "3I2b2B2I", *f.filter(16, 2), -128, 127, 1, 0, 0, 0)
    return f.bytes(listening=audio())


GOOD: dict[str, Callable[[], bytes]] = {
    builder.__name__: builder
    for builder in (conv, depthwise, dense, pools, mean_softmax, table, stream, arithmetic, copies, parts, listening)
}
