"""Recorded audio: IMA ADPCM against the standard's own words, and lines in base 85 as firmware/SERIAL.md has them."""

from __future__ import annotations

import base64
import binascii
import ctypes
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from ima import DIGITS, PYTHONS, reference

REPO = Path(__file__).resolve().parents[2]
CORE = REPO / "firmware" / "core"
Samples = npt.NDArray[np.int16]


class State(ctypes.Structure):
    _fields_ = [("predictor", ctypes.c_int16), ("index", ctypes.c_uint8), ("none", ctypes.c_uint8)]


class Core:
    def __init__(self, library: ctypes.CDLL) -> None:
        self._encode = library.tw_adpcm_encode
        self._encode.restype = None
        self._encode.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t]
        self._line = library.tw_pcmline_write
        self._line.restype = ctypes.c_size_t
        self._line.argtypes = [ctypes.c_uint32, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p]

    def encode(self, state: State, pcm: Samples, out: ctypes.Array[ctypes.c_uint8], at: int = 0) -> None:
        pcm = np.ascontiguousarray(pcm, np.int16)
        self._encode(ctypes.byref(state), pcm.ctypes.data, len(pcm), out, at)

    def line(self, number: int, data: bytes) -> bytes:
        size = 27 + (len(data) + 3) // 4 * 5
        out = ctypes.create_string_buffer(b"\x5a" * size, size + 1)
        length = self._line(number, data, len(data), out)
        assert length <= size
        assert out.raw[length:size] == b"\x5a" * (size - length), "wrote behind its end"
        return out.raw[:length]


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Core:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    path = tmp_path_factory.mktemp("adpcm") / "adpcm.so"
    flags = ["-std=c99", "-O2", "-fsanitize=undefined", "-fno-sanitize-recover", "-shared", "-fPIC"]
    sources = [str(CORE / name) for name in ("adpcm.c", "pcmline.c", "crc.c")]
    subprocess.run([compiler, *flags, *sources, "-o", str(path)], check=True)
    return Core(ctypes.CDLL(str(path)))


def sounds() -> dict[str, Samples]:
    rng = np.random.default_rng(5)
    n = np.arange(4000)
    square = np.where(n // 7 % 2, 32767, -32768)
    return {
        "silence": np.zeros(4000, np.int16),
        "noise": rng.integers(-32768, 32768, 4000).astype(np.int16),
        "quiet": rng.integers(-3, 4, 4000).astype(np.int16),
        "tone": (20000 * np.sin(n / 9)).astype(np.int16),
        "full scale": square.astype(np.int16),
        "one": np.array([-32768], np.int16),
        "odd": rng.integers(-9000, 9000, 1281).astype(np.int16),
    }


@pytest.mark.parametrize("name", sounds())
def test_every_code_is_the_standards(core: Core, name: str) -> None:
    pcm = sounds()[name]
    state = State()
    out = (ctypes.c_uint8 * (len(pcm) // 2 + 2))(*[0x5A] * (len(pcm) // 2 + 2))
    core.encode(state, pcm, out)
    codes, decoded = reference(pcm)
    assert [out[i // 2] >> 4 * (i % 2) & 15 for i in range(len(pcm))] == codes
    assert state.predictor == decoded[-1]
    assert out[(len(pcm) + 1) // 2] == 0x5A, "a byte too many"
    if len(pcm) % 2:
        assert out[len(pcm) // 2] < 16, "the unused half is 0"


def test_pythons_own_agrees(core: Core) -> None:
    audioop = pytest.importorskip("audioop")  # until Python 3.13; halves of its bytes the other way round
    pcm = np.concatenate([*sounds().values(), np.zeros(1, np.int16)])
    pcm = pcm[: len(pcm) // 2 * 2]
    out = (ctypes.c_uint8 * (len(pcm) // 2))()
    core.encode(State(), pcm, out)
    theirs, _ = audioop.lin2adpcm(pcm.tobytes(), 2, None)
    assert bytes((b & 15) << 4 | b >> 4 for b in bytes(out)) == theirs


def test_any_cut_gives_the_same_and_the_state_is_all_that_is_needed(core: Core) -> None:
    rng = np.random.default_rng(6)
    pcm = np.concatenate([sounds()["noise"], sounds()["tone"]])
    whole = (ctypes.c_uint8 * (len(pcm) // 2))()
    core.encode(State(), pcm, whole)
    pieces, state, at = (ctypes.c_uint8 * (len(pcm) // 2))(), State(), 0
    while at < len(pcm):
        count = int(rng.integers(0, 40))
        before = (state.predictor, state.index)
        core.encode(state, pcm[at : at + count], pieces, at)
        codes, _ = reference(pcm[at : at + count], *before)
        assert codes == [whole[i // 2] >> 4 * (i % 2) & 15 for i in range(at, min(at + count, len(pcm)))]
        at += count
    assert bytes(pieces) == bytes(whole)


def test_a_state_that_nobody_made_is_harmless(core: Core) -> None:
    out = (ctypes.c_uint8 * 2)()
    state = State(0, 255, 0)
    core.encode(state, np.array([1, 2], np.int16), out)
    assert state.index <= 88


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 7, 8, 648])
def test_a_line_is_base_85_with_a_check(core: Core, size: int) -> None:
    data = np.random.default_rng(size).integers(0, 256, size).astype(np.uint8).tobytes()
    for number in (0, 9, 10, 4294967295):
        said = core.line(number, data)
        match = re.fullmatch(rb"(@pcm n=([0-9]+) d=([!-~]*))\*([0-9a-f]{4})\r\n", said)
        assert match, said
        assert int(match[2]) == number
        assert binascii.crc_hqx(match[1], 0xFFFF) == int(match[4], 16)
        text = match[3].decode().translate(str.maketrans(DIGITS, PYTHONS))
        assert base64.b85decode(text) == data
        assert base64.b85encode(data).decode() == text


def test_the_digits_need_no_escape() -> None:
    assert len(set(DIGITS)) == 85
    assert not set(DIGITS) & set(" \"%'*=@\\`~\x7f")
    assert all(0x21 <= ord(digit) <= 0x7E for digit in DIGITS)


@pytest.mark.parametrize("data", [bytes(8), b"\xff" * 8])
def test_groups_at_both_ends_of_the_range(core: Core, data: bytes) -> None:
    said = core.line(1, data).split(b" d=")[1].split(b"*")[0]
    digits = [DIGITS.index(chr(c)) for c in said]
    value = int.from_bytes(data[:4], "big")
    assert digits == [value // 85**i % 85 for i in (4, 3, 2, 1, 0)] * 2
