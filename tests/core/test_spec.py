"""models/SPEC.md against the core and the packer: its example is a test vector, its rejections are tried one by one."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from coded_dump import dump

from tinywake.coded import decoded
from tinywake.compiler.coding.encode import coded
from tinywake.compiler.graph import FullyConnected, Graph, Requant, Tensor
from tinywake.compiler.memory.plan import plan
from tinywake.compiler.twm.layout import HEADER, SECTION, OpCode, Section
from tinywake.compiler.twm.pack import pack
from tinywake.compiler.twm.unpack import unpack
from tinywake.core import Model
from tinywake.errors import FormatError
from tinywake.native import _ERRORS

X = np.array([4, 1], np.int8)


def example(repo: Path) -> bytes:
    text = (repo / "models" / "SPEC.md").read_text().split("## An example, byte for byte")[1].split("\n## ")[0]
    data = bytearray()
    for at, digits in re.findall(r"^    ([0-9a-f]{4})  ((?:[0-9a-f]{2}(?: |$))+)", text, re.M):
        assert int(at, 16) == len(data), f"the dump skips to {at}"
        data += bytes.fromhex(digits)
    return bytes(data)


def example_graph() -> Graph:
    tensors = {
        0: Tensor("x", (1, 2), "int8", 0.5, 0, storage=0),
        1: Tensor("y", (1, 1), "int8", 1.0, -1, storage=1),
    }
    half = Requant(np.array([1 << 30], np.int32), np.array([0], np.int8))
    weights, bias = np.array([[3, -2]], np.int8), np.array([10], np.int32)
    return Graph(tensors, (FullyConnected(0, (0,), 1, weights, bias, half, (-128, 127)),), 0, 1)


def test_the_core_reads_the_example(repo: Path) -> None:
    model = Model(example(repo))
    model.verify()
    assert model.invoke(X).view(np.int8).tolist() == [9]


def test_the_packer_writes_the_example(repo: Path) -> None:
    graph = example_graph()
    assert pack(graph, plan(graph)) == example(repo)


def test_unpack_reads_the_example(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "m.twm").write_bytes(example(repo))
    file = unpack(tmp_path / "m.twm")
    assert (file.input_shape, file.output_shape) == ((1, 2), (1, 1))
    assert (file.input_scale, file.output_scale) == (0.5, 1.0)
    assert [op.kind for op in file.ops] == ["FULLY_CONNECTED"]
    assert file.arena_bytes == 8
    assert file.step_ms == 0


def test_the_coded_example_is_the_same_file(repo: Path) -> None:
    """By a reader that knows the text alone, and by the boards' own."""
    text = (repo / "models" / "SPEC.md").read_text().split("## The same file, coded\n")[1]
    given = bytes.fromhex("".join(re.findall(r"^    000[0-9a-f]  ([0-9a-f ]{11})", text, re.M)))
    bits = "".join(re.findall(r"^    [0-9a-f]{4}\.[0-7]  ((?:[01]+ )*[01]+)", text, re.M)).replace(" ", "")
    data = given + int(bits, 2).to_bytes(len(bits) // 8, "big")
    assert len(bits) % 8 == 0
    assert data == coded(example(repo))
    assert decoded(data).tobytes() == example(repo)
    lines, image = dump(data)
    assert image == example(repo)
    assert text.strip("\n") == text.split("\n    0000")[0].strip("\n") + "\n\n" + "\n".join(lines)


def test_names_agree_with_the_core(repo: Path) -> None:
    text = (repo / "firmware" / "core" / "decode.h").read_text()
    for prefix, names in (("TW_OP_", OpCode), ("TW_SECTION_", Section)):
        in_c = {n: int(v, 0) for n, v in re.findall(rf"{prefix}([A-Z_0-9]+) = (\w+),", text)}
        in_python = {n.name: n.value for n in names if n.value < 0x8000}
        in_c.pop("OPTIONAL", None)
        assert in_c == in_python


def test_the_error_names_agree(repo: Path) -> None:
    header = (repo / "firmware/core/errors.h").read_text()
    binding = (repo / "firmware/module/modtinywake.c").read_text()
    in_c = {int(code): name for name, code in re.findall(r"TW_ERR_(\w+) = (-\d+),", header)}
    assert in_c == {code: name for code, (name, _) in _ERRORS.items()}
    in_binding = re.findall(r"TW_ERR_(\w+)\\0", binding)
    assert in_binding == [in_c[-n] for n in range(1, len(in_c) + 1)]


def patched(data: bytes, at: int, new: bytes) -> bytes:
    """The file with other bytes and both checksums made right again, so that the check behind them is reached."""
    file = bytearray(data)
    file[at : at + len(new)] = new
    table = struct.unpack_from("<H", file, 6)[0] * SECTION.size
    start = HEADER.size + table
    if len(file) >= start:
        struct.pack_into("<I", file, 20, zlib.crc32(file[start:]))
        struct.pack_into("<I", file, 28, zlib.crc32(file[HEADER.size : start], zlib.crc32(file[:28])))
    return bytes(file)


def u16(value: int) -> bytes:
    return struct.pack("<H", value)


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


REJECTED: dict[str, tuple[int, bytes, str]] = {
    "magic": (0, b"X", "MAGIC"),
    "older version": (4, b"\0", "VERSION"),
    "newer version": (4, b"\2", "VERSION"),
    "header flags": (5, b"\1", "SECTION"),
    "no sections": (6, u16(0), "SECTION"),
    "file longer than given": (8, u32(193), "TRUNCATED"),
    "file shorter than its sections": (8, u32(100), "TRUNCATED"),
    "arena over the limit": (12, u32((1 << 24) + 1), "ARENA"),
    "arena too small for its tensors": (12, u32(4), "TENSOR"),
    "state larger than arena": (16, u32(12), "ARENA"),
    "state no multiple of 4": (16, u32(2), "ARENA"),
    "reserved header field": (24, u32(1), "SECTION"),
    "unknown required section": (0x20, u16(8), "SECTION"),
    "section type 0": (0x20, u16(0), "SECTION"),
    "missing section": (0x20, u16(0x8001), "SECTION"),
    "doubled section": (0x20, u16(2), "SECTION"),
    "reserved section field": (0x22, u16(1), "SECTION"),
    "misaligned section": (0x24, u32(0x52), "SECTION"),
    "section in the header": (0x24, u32(0x4C), "SECTION"),
    "gap of 16 bytes": (0x24, u32(0x60), "SECTION"),
    "overlapping sections": (0x30, u32(0x6C), "SECTION"),
    "section over the end": (0x4C, u32(17), "TRUNCATED"),
    "section far over the end": (0x4C, u32(0xFFFFFFFF), "TRUNCATED"),
    "tensors that are no multiple": (0x28, u32(28), "SECTION"),
    "only one of the listening sections": (0x38, u16(5), "SECTION"),
    "tensor of size 0": (0x54, u16(0), "TENSOR"),
    "tensor outside the arena": (0x50, u32(7), "TENSOR"),
    "tensor far outside the arena": (0x50, u32(0xFFFFFFFF), "TENSOR"),
    "huge tensor": (0x54, u16(65535) * 3, "TENSOR"),
    "unknown type": (0x5A, b"\2", "TENSOR"),
    "unknown place": (0x5B, b"\3", "TENSOR"),
    "zero point outside int8": (0x5C, u16(128), "TENSOR"),
    "reserved tensor field": (0x5F, b"\1", "TENSOR"),
    "unknown operator": (0x70, b"\x63", "OP"),
    "operator code 0": (0x70, b"\0", "OP"),
    "operator flags": (0x71, b"\2", "OP"),
    "operator length": (0x72, u16(20), "OP"),
    "operator cut off": (0x34, u32(20), "TRUNCATED"),
    "tensor index": (0x74, u16(2), "OP"),
    "weights outside": (0x78, u32(16), "OP"),
    "weights far outside": (0x78, u32(0xFFFFFFFF), "OP"),
    "bias misaligned": (0x7C, u32(2), "OP"),
    "bias outside": (0x7C, u32(16), "OP"),
    "requant outside": (0x80, u32(12), "OP"),
    "act min over max": (0x84, b"\x7f\x80", "OP"),
    "per channel 2": (0x86, b"\2", "OP"),
    "reserved operator field": (0x87, b"\1", "OP"),
    "weights misaligned": (0x78, u32(2), "OP"),
    "scratch misaligned": (0x88, u32(2), "OP"),
    "scratch outside the arena": (0x88, u32(12), "OP"),
    "scratch over the arena's end": (0x8C, u32(9), "OP"),
    "negative multiplier": (0xB4, u32(0x80000000), "OP"),
    "shift 31": (0xB8, b"\x1f", "OP"),
    "shift -32": (0xB8, b"\xe0", "OP"),
    "input index": (0x90, u16(2), "TENSOR"),
    "frames without a front end": (0x96, u16(1), "FRONTEND"),
    "rank 7": (0xA2, b"\7", "TENSOR"),
    "rank that the section has no room for": (0xA2, b"\5", "TRUNCATED"),
    "negative scale": (0x9B, b"\x80", "TENSOR"),
    "shape of another product": (0xA6, u16(3), "TENSOR"),
}


@pytest.mark.parametrize("what", REJECTED)
def test_a_reader_rejects(repo: Path, what: str) -> None:
    at, new, error = REJECTED[what]
    with pytest.raises(FormatError, match=f"TW_ERR_{error}:"):
        Model(patched(example(repo), at, new))


def test_unknown_optional_sections_are_skipped(repo: Path) -> None:
    data = example(repo)
    head, table, payload = data[:32], data[32:80], data[80:]
    # One more record moves the payload by 12 bytes; 16 are inserted to keep its alignment, as the new section's body.
    moved = b"".join(SECTION.pack(k, 0, o + 28, n) for k, _, o, n in SECTION.iter_unpack(table))
    table = SECTION.pack(0x8777, 0, 92, 16) + moved
    file = head[:6] + u16(5) + u32(len(data) + 28) + head[12:] + table + b"anything at all!" + payload
    # WEIGHTS now stands at 0xcc, which is no multiple of 16: refused; with the filler grown to 20 bytes it is right.
    with pytest.raises(FormatError, match="TW_ERR_SECTION"):
        Model(patched(file, 0, b""))
    moved = b"".join(SECTION.pack(k, 0, o + 32, n) for k, _, o, n in SECTION.iter_unpack(data[32:80]))
    table = SECTION.pack(0x8777, 0, 92, 20) + moved
    file = head[:6] + u16(5) + u32(len(data) + 32) + head[12:] + table + b"anything whatever at" + payload
    assert Model(patched(file, 0, b"")).invoke(X).view(np.int8).tolist() == [9]


def test_every_truncation_is_an_error(repo: Path) -> None:
    data = example(repo)
    for length in range(len(data)):
        with pytest.raises(FormatError):
            Model(data[:length])


def test_every_flipped_bit_is_found(repo: Path) -> None:
    data = example(repo)
    for bit in range(8 * len(data)):
        file = bytearray(data)
        file[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FormatError):
            Model(bytes(file)).verify()


@pytest.mark.parametrize("offset", range(16))
def test_only_aligned_buffers_are_opened(repo: Path, offset: int) -> None:
    data = example(repo)
    room = np.zeros(len(data) + 32, np.uint8)
    start = -room.ctypes.data % 16 + offset
    room[start : start + len(data)] = np.frombuffer(data, np.uint8)
    view = room[start : start + len(data)]
    if offset % 4:
        with pytest.raises(FormatError, match="TW_ERR_ALIGN"):
            Model(view)
    else:
        assert Model(view).invoke(X).view(np.int8).tolist() == [9]


def test_a_file_is_read_in_place_and_never_written(repo: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.twm"
    path.write_bytes(example(repo))
    mapped = np.memmap(path, np.uint8, mode="r")  # pages that cannot be written
    model = Model(mapped)
    model.verify()
    assert model.invoke(X).view(np.int8).tolist() == [9]


def test_mutations_that_pass_the_checks_run_safely(repo: Path) -> None:
    """Whatever the structural checks let through must run without leaving its memory (the sanitizers look)."""
    data = example(repo)
    rng = np.random.default_rng(0)
    ran = 0
    for _ in range(4000):
        at, value = int(rng.integers(4, len(data))), int(rng.integers(256))
        file = patched(data, at, bytes([value]))
        try:
            model = Model(file)
        except FormatError:
            continue
        model.invoke(np.zeros(model.input_bytes, np.int8))
        ran += 1
    assert ran > 500
