# SPDX-License-Identifier: MIT
"""Coded files that a reader must refuse, one a reason, made bit by bit: what make_bad.py puts beside the others."""

from __future__ import annotations

import struct
from collections.abc import Callable

from tinywake.compiler.coding.bits import Bits

__all__ = ["MALFORMED", "row"]

_BYTES, _U16, _U32 = 1, 2, 3  # forms


def row(image: bytes | int, fill: Callable[[Bits], object]) -> bytes:
    """A coded file of what `fill` puts; image, or its bytes."""
    bits = Bits()
    fill(bits)
    body = bits.bytes()
    size = image if isinstance(image, int) else len(image)
    return struct.pack("<4sBBHII", b"TWM\x1a", 2, 0, 0, 16 + len(body), size) + body


def run(
    *numbers: int, form: int = _BYTES, same: int = 0, order: int = 0, count: int = 64, then: tuple[int, int] = (0, 0),
    image: int = 64,
) -> bytes:  # fmt: skip
    """A file of one run: `numbers` are its book in Elias's code, `then` the value and width of what follows."""

    def fill(bits: Bits) -> None:
        bits.put([form, same, order], [2, 1, 2])
        bits.elias(count)
        for number in numbers:
            bits.elias(number)
        bits.put([then[0]], [then[1]])

    return row(image, fill)


ONE = (1, 1)  # a book of symbol 0 alone, which takes no bits
TWO = (2, 3, 1, 1)  # of 0 and 1, a bit each

# What is wrong -> error, file
MALFORMED: dict[str, tuple[str, bytes]] = {
    "book-over-full": ("OVERFULL", run(2, 4, 1, 1, 1)),
    "book-over-full-of-long-codes": ("OVERFULL", run(4, 2, 1, 2, 2, 4, 3, 1, 1)),
    "book-goes-on-when-full": ("OVERFULL", run(3, 3, 1, 1, 2, 3)),
    "book-under-full": ("UNDERFULL", run(2, 2, 1)),
    "book-under-full-of-no-codes": ("UNDERFULL", run(3, 1, 1)),
    "book-under-full-of-15-bits": ("UNDERFULL", run(16, *(n for gap in range(1, 16) for n in (2, gap)))),
    "book-too-long": ("TOO_LONG", run(17, *(n for gap in range(1, 17) for n in (2, gap)))),
    "book-far-too-long": ("TOO_LONG", run((1 << 25) - 1)),
    "book-ends-early": ("TRUNCATED", run(16, 2, 1)),
    "book-symbol-twice": ("SYMBOL", run(3, 2, 1, 3, 1, 1)),
    "book-symbol-over-255": ("SYMBOL", run(2, 3, 1, 256)),
    "book-one-symbol-over-255": ("SYMBOL", run(1, 257)),
    "book-class-over-32": ("SYMBOL", run(1, 34, form=_U16, count=32)),
    "class-over-16": ("SYMBOL", run(1, 18, form=_U16, count=32)),
    "number-longer-than-any": ("SYMBOL", row(64, lambda bits: bits.put([1, 0, 0, 0b1, 0b1, 0], [2, 1, 2, 1, 1, 48]))),
    "run-over-the-image": ("RUN", run(*ONE, count=65)),
    "run-of-u32-over-the-image": ("RUN", run(*ONE, form=_U32, count=17)),
    "run-of-no-values": ("RUN", row(64, lambda bits: bits.put([1, 0, 0, 0], [2, 1, 2, 48]))),
    "run-of-order-3": ("RUN", run(*ONE, order=3)),
    "run-without-a-book": ("RUN", run(same=1)),
    "run-with-the-other-book": ("RUN", row(8, lambda bits: (
        bits.put([_BYTES, 0, 0], [2, 1, 2]), bits.elias(4), bits.elias(1), bits.elias(1),
        bits.put([_U16, 1, 0], [2, 1, 2]), bits.elias(2),
    ))),
    "values-end-early": ("TRUNCATED", run(*TWO, then=(0, 8))),
    "values-of-numbers-end-early": ("TRUNCATED", run(1, 33, form=_U32, count=16, then=(0, 31))),
    "no-runs": ("TRUNCATED", row(64, lambda bits: bits.put([0], [0]))),
    "bits-behind-the-last-run": ("RUN", run(*ONE, then=(1, 1))),
    "byte-behind-the-last-run": ("RUN", run(*ONE, then=(0, 9))),
    "bytes-behind-the-last-run": ("RUN", run(*ONE, then=(0, 48))),
    "image-of-no-bytes": ("RUN", run(*ONE, image=0)),
    "image-over-the-limit": ("RUN", run(*ONE, image=(1 << 24) + 1)),
    "coded-header-cut-off": ("TRUNCATED", run(*ONE)[:15]),
    "coded-file-cut-off": ("TRUNCATED", run(*TWO, then=(0, 48))[:-1]),
    "coded-file-shorter-than-its-header": ("TRUNCATED", struct.pack("<4sBBHII", b"TWM\x1a", 2, 0, 0, 15, 64)),
    "coded-reserved": ("VERSION", run(*ONE)[:5] + b"\1" + run(*ONE)[6:]),
    "coded-reserved-2": ("VERSION", run(*ONE)[:7] + b"\1" + run(*ONE)[8:]),
}  # fmt: skip
