"""Coded files: models/SPEC.md against the core's decoder and the compiler's coder, and what both must refuse."""

from __future__ import annotations

import itertools
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tinywake.coded import decoded, decoder_bytes, is_coded
from tinywake.compiler.build import compile_tflite
from tinywake.compiler.coding.bits import Bits
from tinywake.compiler.coding.books import make_book
from tinywake.compiler.coding.encode import _merged, _options, _written, coded
from tinywake.compiler.coding.pieces import pieces
from tinywake.compiler.twm.unpack import parse, unpack
from tinywake.core import Listener, Model
from tinywake.errors import FormatError
from tinywake.native import _CODED_ERRORS

sys.path[:0] = [str(Path(__file__).parents[1] / "fuzz"), str(Path(__file__).parents[1] / "vectors")]

from assemble import GOOD, OPS, repaired, section_at  # noqa: E402
from make_coded import MALFORMED, row  # noqa: E402

NETWORKS = sorted((Path(__file__).parents[1] / "vectors" / "networks").glob("*.tflite"))
WIDTHS = {0: 1, 1: 1, 2: 2, 3: 4}


def read(data: bytes) -> bytes:
    """Another decoder, which follows the words of models/SPEC.md bit by bit."""
    bits = iter(f"{int.from_bytes(data[16:], 'big'):0{8 * (len(data) - 16)}b}")
    image, books = bytearray(), {}

    def number(count: int) -> int:
        return int("0" + "".join(next(bits) for _ in range(count)), 2)

    def gamma() -> int:
        zeros = 0
        while next(bits) == "0":
            zeros += 1
        return 1 << zeros | number(zeros)

    def book() -> dict[str, int]:
        longest, code, found = gamma() - 1, 0, {}
        for length in range(longest + 1):
            symbol, code = -1, code << 1
            for _ in range(gamma() - 1 if length else longest == 0):
                symbol += gamma()
                found[f"{code:0{length}b}" if length else ""] = symbol
                code += 1
        return found

    while len(image) < struct.unpack_from("<I", data, 12)[0]:
        form = number(2)
        same, order = (number(1), number(2)) if form else (1, 0)
        count, kind, width = gamma(), form > 1, WIDTHS[form]
        if not same:
            books[kind] = book()
        last = before = 0
        for _ in range(count):
            if form:
                code = ""
                while code not in books[kind]:
                    code += next(bits)
                value = books[kind][code]
            else:
                value = number(8)
            if kind and value:
                bound = 1 << value
                value = number(value)
                value -= bound - 1 if value < bound // 2 else 0
            value += [0, last, 2 * last - before][order]
            last, before = value, last
            image += (value % 256**width).to_bytes(width, "little")
    assert "1" not in (rest := "".join(bits))
    assert len(rest) < 8
    return bytes(image)


def networks() -> Iterator[bytes]:
    yield from (make() for make in GOOD.values())
    yield from (compile_tflite(path).blob for path in NETWORKS[:6])


def spoilt(image: bytes) -> bytes:
    """With an operator that there is not."""
    at = section_at(image, OPS)
    return repaired(image[:at] + b"\x63" + image[at + 1 :])


def test_coded_files_say_the_same() -> None:
    smaller = 0
    for image in networks():
        file = coded(image)
        assert len(file) <= len(image)
        assert is_coded(file) == (len(file) < len(image))
        if is_coded(file):
            smaller += 1
            assert read(file) == image
            for piece in (12, 13, 29, len(file)):
                assert bytes(decoded(file, piece=piece)) == image
            assert bytes(decoded(file + b"behind")) == image  # a slot of flash may have more
            assert coded(image) == file
    assert smaller >= 8


def test_a_coded_listener_hears_the_same(tmp_path: Path) -> None:
    image = GOOD["listening"]()
    file = coded(image)
    assert is_coded(file)
    (tmp_path / "coded.twm").write_bytes(file)
    sound = np.random.default_rng(1).integers(-8000, 8000, 16000).astype(np.int16)
    raw, small = Listener(Model(image)), Listener(Model.open(tmp_path / "coded.twm"))
    np.testing.assert_array_equal(raw.listen(sound).scores, small.listen(sound).scores)
    assert unpack(tmp_path / "coded.twm") == parse(image)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_every_form_of_every_number(width: int) -> None:
    rng = np.random.default_rng(width)
    edges = [0, 1, 127, 128, 255, (1 << 8 * width - 1) - 1, 1 << 8 * width - 1, (1 << 8 * width) - 1]
    for values in (edges, edges[::-1], [5] * 9, [3], rng.integers(0, 1 << 8 * width, 200), range(0, 200, 3)):
        data = np.array(values, f"<u{width}" if width > 1 else "u1").tobytes()
        options = _options(data, width)
        assert len(options) == (4 if width == 1 else 7)
        for run in options:
            pair = (make_book(run.counts), make_book(run.counts))
            file = _written(2 * len(data), _merged([run, run], [pair, pair]))
            assert read(file) == bytes(decoded(file, piece=12)) == 2 * data


def test_codes_are_complete_and_never_over_15_bits() -> None:
    rng = np.random.default_rng(0)
    fibonacci = [1, 1]
    while len(fibonacci) < 30:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    for counts in (fibonacci, [7], [1, 1], rng.integers(0, 3, 256), rng.geometric(0.01, 256), [1 << 24, *[1] * 255]):
        padded = np.zeros(256, np.int64)
        padded[: len(counts)] = counts
        book = make_book(padded)
        widths = book.widths[padded > 0]
        assert (book.widths[padded == 0] == -1).all()
        assert widths.max() <= 15
        assert sum(2.0 ** -float(width) for width in widths) == 1
    # One symbol takes no bits at all.
    assert make_book(np.eye(256, dtype=np.int64)[9]).widths.max() == 0


def test_pieces_cover_a_file_once() -> None:
    for image in networks():
        found = pieces(image)
        assert found[0].start == 0
        assert found[-1].end == len(image)
        assert all(a.end == b.start and a.start < a.end for a, b in itertools.pairwise(found))


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_malformed_is_refused_by_name(name: str) -> None:
    error, file = MALFORMED[name]
    for piece in (12, 1 << 20):
        with pytest.raises(FormatError, match=f"^m.twm: TW_ERR_{error}:"):
            decoded(file, "m.twm", piece)
    with pytest.raises(FormatError, match=f"^m.twm: TW_ERR_{error}:"):
        Model(file, "m.twm")


def test_every_truncation_and_every_flipped_bit_is_found() -> None:
    image = GOOD["dense"]()
    file = coded(image)
    assert is_coded(file)
    for length in range(6, len(file)):
        with pytest.raises(FormatError, match="TW_ERR_TRUNCATED"):
            Model(file[:length])
        if length >= 16:  # and where the header agrees with that
            with pytest.raises(FormatError):
                Model(file[:8] + struct.pack("<I", length) + file[12:length])
    same = 0
    for bit in range(8 * len(file)):
        flipped = bytearray(file)
        flipped[bit // 8] ^= 128 >> bit % 8
        if int.from_bytes(flipped[12:16], "little") > 1 << 20:
            continue  # only memory
        try:
            Model(bytes(flipped)).verify()
        except FormatError:
            continue
        assert bytes(decoded(bytes(flipped))) == image  # another way to say it: the order of a single value, say
        same += 1
    assert same < 20


def test_what_is_wrong_with_the_image_is_said_as_ever() -> None:
    def raw(image: bytes) -> bytes:
        return row(
            image, lambda bits: (bits.put([0], [2]), bits.elias(len(image)), bits.put(list(image), [8] * len(image)))
        )

    good = GOOD["dense"]()
    Model(raw(good)).verify()
    for error, image in (("VERSION", raw(good)), ("TRUNCATED", good[:-1]), ("MAGIC", b"x" * 40), ("OP", spoilt(good))):
        with pytest.raises(FormatError, match=f"TW_ERR_{error}:"):
            Model(raw(image))
    damaged = Model(raw(good[:-1] + bytes([good[-1] ^ 1])))
    with pytest.raises(FormatError, match="TW_ERR_CRC:"):
        damaged.verify()


def test_the_decoder_is_small() -> None:
    assert decoder_bytes() <= 620


def test_bits_are_put_highest_first() -> None:
    bits = Bits()
    bits.put([5, 0, (1 << 47) + 1], [3, 0, 48])
    bits.elias(5)
    assert bits.bytes() == int("101" + "1" + "0" * 46 + "1" + "00101" + "0" * 0, 2).to_bytes(7, "big")


def test_the_error_names_agree(repo: Path) -> None:
    header = (repo / "firmware/core/coded.h").read_text()
    in_c = {int(code): name for name, code in re.findall(r"TW_ERR_(\w+) = (-\d+),", header)}
    assert in_c == {code: name for code, (name, _) in _CODED_ERRORS.items()}
