# SPDX-License-Identifier: MIT
"""Makes tests/vectors/bad: files that a reader must refuse, one a reason, named REASON.ERROR.twm.

    .venv/bin/python tests/vectors/make_bad.py

Run it when the format changes. Those named REASON.TW_OK.twm look wrong and are not: they open, and run without harm.
Files that the fuzzer found are called crash-* and are left as they are.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "fuzz"))
from assemble import (
    CONSTANT,
    DETECTOR,
    FRONTEND,
    GOOD,
    INPUT_MAP,
    IO,
    OPS,
    STATE,
    TENSORS,
    WEIGHTS,
    File,
    audio,
    repaired,
    section_at,
)
from make_coded import MALFORMED

__all__ = ["BAD", "files"]

BAD = Path(__file__).parent / "bad"
TABLE = 32  # where the section table begins
FRONTEND_BYTES = 1432  # of the listening file


def u16(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}H", *values)


def u32(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *(v & 0xFFFFFFFF for v in values))


HUGE, MANY = u32(0xFFFFFFFF), u32(0x10000)

# reason, place in the section (or, with 0, in the file), bytes to put there, error
Row = tuple[str, int, int, bytes, str]
SPOILED: dict[str, list[Row]] = {
    "dense": [
        ("magic", 0, 0, b"X", "MAGIC"),
        ("version-older", 0, 4, b"\0", "VERSION"),
        ("version-newer", 0, 4, b"\2", "VERSION"),
        ("header-flags", 0, 5, b"\1", "SECTION"),
        ("no-sections", 0, 6, u16(0), "SECTION"),
        ("more-sections-than-bytes", 0, 6, u16(65535), "TRUNCATED"),
        ("file-bytes-over-the-end", 0, 8, u32(309), "TRUNCATED"),
        ("file-bytes-far-over-the-end", 0, 8, HUGE, "TRUNCATED"),
        ("file-bytes-inside-the-table", 0, 8, u32(60), "SECTION"),
        ("file-bytes-before-the-last-section-ends", 0, 8, u32(307), "TRUNCATED"),
        ("arena-over-the-limit", 0, 12, u32((1 << 24) + 1), "ARENA"),
        ("arena-smaller-than-state", 0, 16, u32(28), "ARENA"),
        ("arena-smaller-than-tensors", 0, 12, u32(16), "TENSOR"),
        ("state-no-multiple-of-4", 0, 16, u32(2), "ARENA"),
        ("header-reserved", 0, 24, u32(1), "SECTION"),
        ("section-unknown", 0, TABLE, u16(8), "SECTION"),
        ("section-type-0", 0, TABLE, u16(0), "SECTION"),
        ("section-twice", 0, TABLE, u16(2), "SECTION"),
        ("section-missing", 0, TABLE, u16(0x8001), "SECTION"),
        ("section-reserved", 0, TABLE + 2, u16(1), "SECTION"),
        ("section-misaligned", 0, TABLE + 4, u32(82), "SECTION"),
        ("section-inside-the-table", 0, TABLE + 4, u32(76), "SECTION"),
        ("section-after-a-gap", 0, TABLE + 4, u32(96), "SECTION"),
        ("section-over-another", 0, TABLE + 16, u32(124), "SECTION"),
        ("section-over-the-end", 0, TABLE + 44, u32(85), "TRUNCATED"),
        ("section-far-over-the-end", 0, TABLE + 44, HUGE, "TRUNCATED"),
        ("section-beyond-the-end", 0, TABLE + 40, u32(0xFFFFFFF0), "SECTION"),
        ("weights-not-at-16", 0, TABLE + 40, u32(228), "SECTION"),
        ("bytes-after-the-last-section", 0, TABLE + 44, u32(68), "SECTION"),
        ("tensors-no-multiple-of-16", 0, TABLE + 8, u32(44), "SECTION"),
        ("only-a-front-end", 0, TABLE + 24, u16(5), "SECTION"),
        ("operator-cut-off", 0, TABLE + 20, u32(56), "TRUNCATED"),
        ("io-cut-off", 0, TABLE + 32, u32(28), "TRUNCATED"),
        ("io-head-cut-off", 0, TABLE + 32, u32(16), "TRUNCATED"),
        ("tensor-of-no-height", TENSORS, 4, u16(0), "TENSOR"),
        ("tensor-of-no-channels", TENSORS, 8, u16(0), "TENSOR"),
        ("tensor-outside-the-arena", TENSORS, 0, u32(13), "TENSOR"),
        ("tensor-far-outside-the-arena", TENSORS, 0, HUGE, "TENSOR"),
        ("tensor-huge", TENSORS, 4, u16(65535, 65535, 65535), "TENSOR"),
        ("tensor-huge-by-overflow", TENSORS, 4, u16(4096, 1024, 1024), "TENSOR"),
        ("tensor-of-unknown-type", TENSORS, 10, b"\2", "TENSOR"),
        ("tensor-at-unknown-place", TENSORS, 11, b"\3", "TENSOR"),
        ("tensor-outside-state", TENSORS, 11, b"\1", "TENSOR"),
        ("tensor-outside-weights", TENSORS, 0, u32(70) + u16(1, 2, 6) + b"\0\2", "TENSOR"),
        ("zero-point-128", TENSORS, 12, u16(128), "TENSOR"),
        ("zero-point-minus-129", TENSORS, 12, struct.pack("<h", -129), "TENSOR"),
        ("zero-point-of-uint8-negative", TENSORS, 10, b"\1\0" + struct.pack("<h", -1), "TENSOR"),
        ("tensor-reserved", TENSORS, 15, b"\1", "TENSOR"),
        ("operator-0", OPS, 0, b"\0", "OP"),
        ("operator-unknown", OPS, 0, b"\x63", "OP"),
        ("operator-flags", OPS, 1, b"\2", "OP"),
        ("operator-length", OPS, 2, u16(28), "OP"),
        ("operator-length-0", OPS, 2, u16(0), "OP"),
        ("operator-input", OPS, 4, u16(3), "OP"),
        ("operator-output", OPS, 6, u16(65535), "OP"),
        ("dense-weights-outside", OPS, 8, u32(84), "OP"),
        ("dense-weights-misaligned", OPS, 8, u32(30), "OP"),
        ("dense-weights-far-outside", OPS, 8, HUGE, "OP"),
        ("dense-bias-misaligned", OPS, 12, u32(2), "OP"),
        ("dense-bias-outside", OPS, 12, u32(76), "OP"),
        ("dense-bias-far-outside", OPS, 12, u32(0xFFFFFFFC), "OP"),
        ("dense-requant-misaligned", OPS, 16, u32(1), "OP"),
        ("dense-requant-outside", OPS, 16, u32(72), "OP"),
        ("dense-requant-far-outside", OPS, 16, u32(0xFFFFFFFC), "OP"),
        ("dense-act-empty", OPS, 20, b"\1\0", "OP"),
        ("dense-per-channel-2", OPS, 22, b"\2", "OP"),
        ("dense-reserved", OPS, 23, b"\1", "OP"),
        ("dense-scratch-misaligned", OPS, 24, u32(6), "OP"),
        ("dense-scratch-outside", OPS, 24, u32(24), "OP"),
        ("dense-scratch-far-outside", OPS, 28, HUGE, "OP"),
        ("dense-rows-no-divisor", TENSORS, 16 + 4, u16(1, 5, 1), "OP"),
        ("dense-rows-more-than-inputs", TENSORS, 4, u16(1, 1, 1), "OP"),
        ("dense-unsigned", TENSORS, 10, b"\1", "OP"),
        ("multiplier-negative", WEIGHTS, 12, u32(1 << 31), "OP"),
        ("shift-31", WEIGHTS, 24, b"\x1f", "OP"),
        ("shift-minus-32", WEIGHTS, 25, b"\xe0", "OP"),
        ("io-input-index", IO, 0, u16(3), "TENSOR"),
        ("io-output-index", IO, 2, u16(65535), "TENSOR"),
        ("io-frames-without-front-end", IO, 6, u16(1), "FRONTEND"),
        ("io-scale-negative", IO, 8, HUGE, "TENSOR"),
        ("io-scale-over-24-bits", IO, 12, u32((1 << 24) + 1), "TENSOR"),
        ("io-rank-7", IO, 18, b"\7", "TENSOR"),
        ("io-rank-over-its-bytes", IO, 19, b"\6", "TRUNCATED"),
        ("io-rank-under-its-bytes", IO, 18, b"\0", "TRUNCATED"),
        ("io-shape", IO, 20, u16(2), "TENSOR"),
        ("io-shape-0", IO, 30, u16(0), "TENSOR"),
        ("io-shape-huge", IO, 20, u16(65535, 65535, 65535), "TENSOR"),
    ],
    "conv": [
        ("conv-kernel-0", OPS, 20, b"\0", "OP"),
        ("conv-kernel-width-0", OPS, 21, b"\0", "OP"),
        ("conv-stride-0", OPS, 22, b"\0", "OP"),
        ("conv-stride-over-the-input", OPS, 23, b"\2", "OP"),
        ("conv-padding-of-a-kernel", OPS, 24, b"\3", "OP"),
        ("conv-padding-of-a-dilated-kernel", OPS, 25, b"\5", "OP"),
        ("conv-dilation-0", OPS, 26, b"\0", "OP"),
        ("conv-act-empty", OPS, 28, b"\x7f\x7e", "OP"),
        ("conv-reserved", OPS, 30, b"\1", "OP"),
        ("conv-scratch-misaligned", OPS, 32, u32(1), "OP"),
        ("conv-scratch-outside", OPS, 36, u32(4096), "OP"),
        ("conv-kernel-larger-than-weights", OPS, 21, b"\4", "OP"),
        ("conv-weights-outside", OPS, 8, HUGE, "OP"),
        ("conv-bias-outside", OPS, 12, MANY, "OP"),
        ("conv-requant-outside", OPS, 16, MANY, "OP"),
        ("conv-output-channels", TENSORS, 16 + 4, u16(1, 1, 36), "OP"),
        ("conv-input-channels", TENSORS, 4, u16(1, 1, 40), "OP"),
    ],
    "depthwise": [
        ("depthwise-channels-no-multiple", TENSORS, 16 + 8, u16(3), "OP"),
        ("depthwise-fewer-channels-than-input", TENSORS, 16 + 8, u16(1), "OP"),
        ("depthwise-weights-outside", OPS, 20, b"\4", "OP"),
        ("depthwise-reserved", OPS, 31, b"\1", "OP"),
    ],
    "pools": [
        ("operator-head-cut-off", 0, TABLE + 20, u32(20), "TRUNCATED"),
        ("pool-kernel-0", OPS, 8, b"\0", "OP"),
        ("pool-stride-0", OPS, 11, b"\0", "OP"),
        ("pool-stride-over-the-input", OPS, 10, b"\3", "OP"),
        ("pool-padding-of-a-kernel", OPS, 12, b"\3", "OP"),
        ("pool-act-empty", OPS, 14, b"\1\0", "OP"),
        ("pool-channels", TENSORS, 16 + 8, u16(1), "OP"),
        ("max-pool-padding-of-a-kernel", OPS, 16 + 13, b"\2", "OP"),
    ],
    "mean_softmax": [
        ("mean-output", TENSORS, 16 + 4, u16(1, 1, 3), "OP"),
        ("mean-multiplier-negative", OPS, 8, HUGE, "OP"),
        ("mean-shift-31", OPS, 12, b"\x1f", "OP"),
        ("mean-reserved", OPS, 15, b"\1", "OP"),
        ("softmax-output", TENSORS, 32 + 4, u16(1, 1, 3), "OP"),
        ("softmax-multiplier-negative", OPS, 16 + 8, HUGE, "OP"),
        ("softmax-shift-negative", OPS, 16 + 12, b"\xff", "OP"),
        ("softmax-shift-31", OPS, 16 + 12, b"\x1f", "OP"),
        ("softmax-reserved", OPS, 16 + 13, b"\1", "OP"),
        ("softmax-diff-min-positive", OPS, 16 + 14, u16(1), "OP"),
    ],
    "table": [
        ("table-outside", OPS, 8, u32(1), "OP"),
        ("table-far-outside", OPS, 8, HUGE, "OP"),
        ("table-output", TENSORS, 16 + 4, u16(1, 2, 1), "OP"),
    ],
    "stream": [
        ("push-out-of-state", OPS, 6, u16(2), "OP"),
        ("push-larger-than-state", TENSORS, 16 + 4, u16(2, 1, 1), "OP"),
        ("push-of-another-type", TENSORS, 10, b"\1", "OP"),
    ],
    "arithmetic": [
        ("output-in-weights", OPS, 6, u16(1), "OP"),
        ("io-output-in-weights", IO, 2, u16(3), "TENSOR"),
        ("add-second-input", OPS, 8, u16(5), "OP"),
        ("add-axis", TENSORS, 16 + 4, u16(2, 1, 2), "OP"),
        ("add-axis-of-first-input", TENSORS, 4, u16(2, 2, 2), "OP"),
        ("add-output-smaller-than-inputs", TENSORS, 32 + 4, u16(1, 2, 2), "OP"),
        ("add-act-empty", OPS, 10, b"\1\0", "OP"),
        ("add-multiplier-negative", OPS, 12, HUGE, "OP"),
        ("add-second-multiplier-negative", OPS, 16, HUGE, "OP"),
        ("add-output-multiplier-negative", OPS, 20, HUGE, "OP"),
        ("add-shift-1", OPS, 24, b"\1", "OP"),
        ("add-shift-minus-32", OPS, 25, b"\xe0", "OP"),
        ("add-output-shift-1", OPS, 26, b"\1", "OP"),
        ("add-subtract-2", OPS, 27, b"\2", "OP"),
        ("add-reserved", OPS, 31, b"\1", "OP"),
        ("mul-second-input", OPS, 64 + 8, u16(65535), "OP"),
        ("mul-axis", TENSORS, 48, u32(0) + u16(2, 1, 1), "OP"),
        ("mul-act-empty", OPS, 64 + 10, b"\1\0", "OP"),
        ("mul-multiplier-negative", OPS, 64 + 12, HUGE, "OP"),
        ("mul-shift-31", OPS, 64 + 16, b"\x1f", "OP"),
        ("mul-shift-minus-32", OPS, 64 + 16, b"\xe0", "OP"),
        ("mul-reserved", OPS, 64 + 17, b"\1", "OP"),
        ("mul-reserved-2", OPS, 64 + 19, b"\1", "OP"),
    ],
    "copies": [
        ("copy-count-0", OPS, 16, u32(0), "OP"),
        ("copy-count-0-in-the-middle", OPS, 20, u32(0), "OP"),
        ("copy-run-0", OPS, 28, u32(0), "OP"),
        ("copy-run-over-the-input", OPS, 28, u32(13), "OP"),
        ("copy-run-huge", OPS, 28, HUGE, "OP"),
        ("copy-in-offset", OPS, 8, u32(7), "OP"),
        ("copy-in-offset-huge", OPS, 8, HUGE, "OP"),
        ("copy-out-offset", OPS, 12, u32(6), "OP"),
        ("copy-out-offset-huge", OPS, 12, HUGE, "OP"),
        ("copy-in-stride", OPS, 36, u32(6), "OP"),
        ("copy-in-stride-huge", OPS, 36, HUGE, "OP"),
        ("copy-out-stride", OPS, 48, u32(9), "OP"),
        ("copy-out-stride-huge", OPS, 52, HUGE, "OP"),
        # (2^32 - 1) (2^32 - 1) three times and a little more is 0 in 64 bits
        ("copy-sum-of-products-wraps", OPS, 16, u32(-1, -1, -1, 1, -1, -1, -1, -1, -1, -1), "OP"),
        ("copy-count-huge-without-stride", OPS, 16, u32(-1, 1, 1, 1, 0, 0, 0, 0, 0, 0), "OP"),
        ("copy-filled-2", OPS, 56, b"\2", "OP"),
        ("copy-fill-without-filled", OPS, 56, b"\0\1", "OP"),
        ("copy-reserved", OPS, 58, b"\1", "OP"),
        ("copy-of-another-type", TENSORS, 10, b"\1", "OP"),
    ],
    "parts": [
        ("part-sums", OPS, 8, u16(3), "OP"),
        ("part-sums-elsewhere-than-output", OPS, 8, u16(0), "OP"),
        ("part-0", OPS, 10, b"\0", "OP"),
        ("part-4", OPS, 10, b"\4", "OP"),
        ("part-reserved", OPS, 11, b"\1", "OP"),
        ("part-weights-outside", OPS, 12, HUGE, "OP"),
        ("part-bias-misaligned", OPS, 16, u32(2), "OP"),
        ("part-requant-outside", OPS, 20, MANY, "OP"),
        ("part-act-empty", OPS, 24, b"\1\0", "OP"),
        ("part-per-channel-2", OPS, 26, b"\2", "OP"),
        ("part-reserved-2", OPS, 27, b"\1", "OP"),
        ("part-sums-misaligned", TENSORS, 16, u32(2) + u16(1, 1, 8), "OP"),
        ("part-sums-no-words", TENSORS, 16 + 8, u16(11), "OP"),
        ("part-sums-unsigned", TENSORS, 16 + 10, b"\1", "OP"),
        ("part-sums-fewer-than-units", TENSORS, 16 + 8, u16(8), "OP"),
        ("part-last-of-another-size", OPS, 72 + 6, u16(1), "OP"),
    ],
    "listening": [
        ("sections-33", 0, 6, u16(33), "SECTION"),
        ("front-end-missing", 0, TABLE + 36, u16(0x8005), "SECTION"),
        ("detector-missing", 0, TABLE + 60, u16(0x8007), "SECTION"),
        ("front-end-cut-off", 0, TABLE + 44, u32(FRONTEND_BYTES - 4), "TRUNCATED"),
        ("input-map-cut-off", 0, TABLE + 56, u32(16), "SECTION"),
        ("detector-cut-off", 0, TABLE + 68, u32(4), "SECTION"),
        ("io-no-frames", IO, 6, u16(0), "FRONTEND"),
        ("io-other-frames", IO, 6, u16(3), "FRONTEND"),
        ("front-end-kind", FRONTEND, 0, b"\2", "FRONTEND"),
        ("front-end-flags", FRONTEND, 1, b"\3", "FRONTEND"),
        ("front-end-flag-without-gain", FRONTEND, 1, b"\0", "FRONTEND"),
        ("front-end-rate-0", FRONTEND, 2, u16(0), "FRONTEND"),
        ("front-end-rate-of-no-milliseconds", FRONTEND, 2, u16(11025), "FRONTEND"),
        ("front-end-window-short", FRONTEND, 4, u16(256), "FRONTEND"),
        ("front-end-window-long", FRONTEND, 4, u16(514), "FRONTEND"),
        ("front-end-window-odd", FRONTEND, 4, u16(511), "FRONTEND"),
        ("front-end-hop-0", FRONTEND, 6, u16(0), "FRONTEND"),
        ("front-end-hop-over-window", FRONTEND, 6, u16(513), "FRONTEND"),
        ("front-end-overlap-long", FRONTEND, 6, u16(159), "FRONTEND"),
        ("front-end-fft", FRONTEND, 8, u16(1024), "FRONTEND"),
        ("front-end-no-channels", FRONTEND, 10, b"\0", "FRONTEND"),
        ("front-end-41-channels", FRONTEND, 10, b"\x29", "FRONTEND"),
        ("front-end-bin-0", FRONTEND, 11, b"\0", "FRONTEND"),
        ("front-end-bin-256", FRONTEND, 11, b"\xff", "FRONTEND"),
        ("front-end-no-bins", FRONTEND, 12, b"\0", "FRONTEND"),
        ("front-end-smoothing-bits", FRONTEND, 13, b"\x11", "FRONTEND"),
        ("front-end-gain-shift-32", FRONTEND, 14, b"\x20", "FRONTEND"),
        ("front-end-gain-shift-0", FRONTEND, 14, b"\0", "FRONTEND"),
        ("front-end-log-shift", FRONTEND, 15, b"\x0c", "FRONTEND"),
        ("front-end-even-smoothing", FRONTEND, 16, u16(16385), "FRONTEND"),
        ("front-end-odd-smoothing", FRONTEND, 18, u16(16385), "FRONTEND"),
        ("front-end-min-signal", FRONTEND, 20, u16(16385), "FRONTEND"),
        ("front-end-reserved", FRONTEND, 22, b"\1", "FRONTEND"),
        ("front-end-window-over-1", FRONTEND, 24, u16(4097), "FRONTEND"),
        ("front-end-mirrored-window-over-1", FRONTEND, 24, u16(0x2000 | 4096), "FRONTEND"),
        ("front-end-mirrored-window-negative", FRONTEND, 24, u16(0xE000), "FRONTEND"),
        ("front-end-weight-over-1", FRONTEND, 24 + 2 * (256 + 258), u16(4097), "FRONTEND"),
        ("front-end-more-channels-than-widths", FRONTEND, 10, b"\x28", "TRUNCATED"),
        ("input-map-overflow", INPUT_MAP, 0, u32(65538), "FRONTEND"),
        ("input-map-sum-overflow", INPUT_MAP, 4, HUGE, "FRONTEND"),
        ("input-map-by-0", INPUT_MAP, 8, u32(0), "FRONTEND"),
        ("input-map-offset", INPUT_MAP, 12, u32(65537), "FRONTEND"),
        ("input-map-offset-negative", INPUT_MAP, 12, u32(-65537), "FRONTEND"),
        ("input-map-shift-32", INPUT_MAP, 16, b"\x20", "FRONTEND"),
        ("input-map-empty", INPUT_MAP, 17, b"\1\0", "FRONTEND"),
        ("input-map-reserved", INPUT_MAP, 19, b"\1", "FRONTEND"),
        ("detector-no-labels", DETECTOR, 0, b"\0", "DETECTOR"),
        ("detector-33-labels", DETECTOR, 0, b"\x21", "DETECTOR"),
        ("detector-other-labels-than-outputs", DETECTOR, 0, b"\1", "DETECTOR"),
        ("detector-window-0", DETECTOR, 1, b"\0", "DETECTOR"),
        ("detector-window-65", DETECTOR, 1, b"\x41", "DETECTOR"),
        ("detector-output-kind", DETECTOR, 6, b"\1", "DETECTOR"),
        ("detector-reserved", DETECTOR, 7, b"\1", "DETECTOR"),
        ("detector-label-flags", DETECTOR, 8, b"\2", "DETECTOR"),
        ("detector-nameless-label", DETECTOR, 17, b"\0", "DETECTOR"),
        ("detector-name-of-no-lead-byte", DETECTOR, 11, b"\x80", "DETECTOR"),
        ("detector-name-of-no-utf-8", DETECTOR, 11, b"\xff", "DETECTOR"),
        ("detector-name-cut-in-a-character", DETECTOR, 11, b"\xc3", "DETECTOR"),
        ("detector-name-over-the-end", DETECTOR, 10, b"\xff", "TRUNCATED"),
        ("detector-last-name-over-the-end", DETECTOR, 17, b"\x10", "TRUNCATED"),
        ("detector-longer-than-its-labels", DETECTOR, 8, b"\1\x80\1a\0\0\1b", "DETECTOR"),
    ],
}  # fmt: skip


def spoiled(data: bytes, section: int, at: int, new: bytes) -> bytes:
    file = bytearray(data)
    at += section_at(data, section) if section else 0
    file[at : at + len(new)] = new
    return bytes(file)


def damaged() -> Iterator[tuple[str, str, bytes]]:
    """Files whose checksums find it, or that end too early."""
    data = GOOD["dense"]()
    yield "header-checksum", "CRC", spoiled(data, 0, 12, b"\x20")
    yield "table-checksum", "CRC", spoiled(data, 0, TABLE, b"\1\x80")
    yield "payload-checksum", "CRC", spoiled(data, WEIGHTS, 75, b"\0")  # only verifying finds this one
    for name, length in (("empty", 0), ("magic-alone", 4), ("header-cut-off", 31), ("header-alone", 32),
                         ("table-cut-off", 79), ("one-byte-short", len(data) - 1)):  # fmt: skip
        yield name, "TRUNCATED", data[:length]
    yield "another-format", "MAGIC", b"TFL3"


def others() -> Iterator[tuple[str, str, bytes]]:
    """What needs a network of its own."""
    f = File()
    x, y = f.tensor(1, 1, 4096), f.tensor(1, 1, 4096)
    f.op(8, x, y, "ibBh", 1 << 30, 20, 0, -128)
    yield "softmax-of-4096", "ERR_OP", f.bytes()
    f = File()
    x, y = f.tensor(10, 10, 1), f.tensor(264, 264, 1)
    f.op(4, x, y, "6B2b", 255, 255, 1, 1, 254, 254, -128, 127)
    yield "pool-of-too-much-work", "ERR_OP", f.bytes()
    f = File()
    x, s = f.tensor(1, 1, 3), f.tensor(1, 1, 2, STATE)
    f.op(9, x, s)
    yield "push-more-than-there-is", "ERR_OP", f.bytes()
    f = File()
    k, y = f.tensor(1, 1, 4, CONSTANT), f.tensor(1, 1, 4)
    f.op(12, k, y, "12IBbH", 0, 0, 1, 1, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    yield "io-input-in-weights", "ERR_TENSOR", f.bytes()
    f = File()
    x, y = f.tensor(1, 2, 4, type_=1), f.tensor(1, 1, 2)
    f.op(12, x, f.tensor(1, 1, 2, type_=1), "12IBbH", 0, 0, 1, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    yield "front-end-for-unsigned-input", "ERR_FRONTEND", f.bytes(last=y, listening=audio())


def strange() -> Iterator[tuple[str, str, bytes]]:
    """Files that are not refused and must do no harm."""
    f = File()
    s = f.tensor(2, 2, 2, STATE)
    f.op(9, s, s)
    yield "state-pushed-onto-itself", "OK", f.bytes()
    f = File()
    f.tensor(1, 1, 1)
    yield "nothing-to-run", "OK", f.bytes()
    # every tensor at the same place
    data = GOOD["pools"]()
    yield "tensors-upon-each-other", "OK", spoiled(spoiled(data, TENSORS, 16, u32(1)), TENSORS, 32, u32(0))
    # the largest multiplier and shift, the largest bias
    data = spoiled(GOOD["dense"](), WEIGHTS, 0, u32(0x7FFFFFFF, 1 << 31))
    yield "sums-that-wrap", "OK", spoiled(data, WEIGHTS, 12, u32(*[0x7FFFFFFF] * 3) + b"\x1e\x1e\xe1")
    yield "bytes-behind-the-file", "OK", GOOD["table"]() + bytes(7)


def files() -> dict[str, bytes]:
    """Name to bytes: all that this script makes."""
    out = {}
    for base, rows in SPOILED.items():
        for reason, section, at, new, error in rows:
            out[f"{reason}.TW_ERR_{error}.twm"] = repaired(spoiled(GOOD[base](), section, at, new))
    for reason, error, data in damaged():
        out[f"{reason}.TW_ERR_{error}.twm"] = data
    for reason, error, data in (*others(), *strange()):
        out[f"{reason}.TW_{error}.twm"] = repaired(data)
    for reason, (error, data) in MALFORMED.items():
        out[f"coded-{reason.removeprefix('coded-')}.TW_ERR_{error}.twm"] = data
    return out


def main() -> None:
    made = files()
    for path in BAD.glob("*.twm"):
        if path.name not in made and not path.name.startswith("crash-"):
            path.unlink()
    for name, data in made.items():
        (BAD / name).write_bytes(data)


if __name__ == "__main__":
    main()
