"""PDM decimation: exact against plain integers, and what it does to sound: droop, aliases, noise.

The figures asserted are those of docs/microphones.md, each with the little that a change of seed may cost.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

REPO = Path(__file__).resolve().parents[2]
CORE = REPO / "firmware" / "core"
TAPS = [-82, -46, 100, 74, -147, -127, 220, 198, -309, -306, 434, 462, -603, -715, 862, 1177, -1305, -2324, 2230, 8341]
BITS_S = 2_048_000
SHIFT = 16  # a microphone's full scale is int16's
HALF = 1 << 23

Samples = npt.NDArray[np.int16]
Bits = npt.NDArray[np.uint8]
Reals = npt.NDArray[np.float64]


class Pdm:
    """tw_pdm_t, the state in plain memory of the size that the app gives it."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.state = (ctypes.c_uint32 * 32)()
        self._push = library.tw_pdm_push
        self._push.restype = None
        self._push.argtypes = [
            ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint32, ctypes.c_void_p
        ]  # fmt: skip

    def push(self, data: bytes, shift: int = SHIFT) -> Samples:
        byte = bytes(self.state)[36]
        out = np.full((byte + len(data)) // 16 + 1, 0x5A5A, np.int16)
        self._push(self.state, data, len(data), shift, out.ctypes.data)
        assert out[-1] == 0x5A5A, "one sample too many"
        return out[:-1]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    path = tmp_path_factory.mktemp("pdm") / "pdm.so"
    flags = ["-std=c99", "-O2", "-fsanitize=undefined", "-fno-sanitize-recover", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, str(CORE / "pdm.c"), "-o", str(path)], check=True)
    return ctypes.CDLL(str(path))


def packed(bits: Bits) -> bytes:
    return np.packbits(bits, bitorder="little").tobytes()


def model(bits: Bits, shift: int) -> list[int]:
    """The same in plain integers, with none of its tricks: a boxcar of 64 bits four times over, and so on."""
    kernel = [1]
    for _ in range(4):
        kernel = [sum(kernel[max(0, i - 63) : i + 1]) for i in range(len(kernel) + 63)]
    said = [int(bit) for bit in bits]
    constant, history, out = 0, [0] * 40, []
    for k in range(len(said) // 64):
        end = 64 * (k + 1)
        value = 0
        if k >= 4:  # before, the kernel reaches back to when the microphone was off
            value = sum(h * b for h, b in zip(kernel, reversed(said[end - len(kernel) : end]), strict=True)) - HALF
        constant += ((value << 6) - constant) >> 10
        history = [*history[1:], clamp((value - (constant >> 6)) >> (shift - 8))]
        if k % 2:
            out.append(clamp((sum(c * x for c, x in zip(TAPS + TAPS[::-1], history, strict=True)) + 8192) >> 14))
    return out


def clamp(value: int) -> int:
    return max(-32768, min(32767, value))


@pytest.mark.parametrize("shift", [8, 13, 16])
@pytest.mark.parametrize("kind", ["noise", "ones", "zeros", "tone", "square"])
def test_exact(library: ctypes.CDLL, kind: str, shift: int) -> None:
    n = 64 * 1000
    bits = {
        "noise": lambda: np.random.default_rng(1).integers(0, 2, n).astype(np.uint8),
        "ones": lambda: np.ones(n, np.uint8),
        "zeros": lambda: np.zeros(n, np.uint8),
        "tone": lambda: modulated(tone(1000, 0.5, n)),
        "square": lambda: (np.arange(n) // 128 % 2).astype(np.uint8),  # 8 kHz, full scale: all that saturates
    }[kind]()
    assert Pdm(library).push(packed(bits), shift).tolist() == model(bits, shift)


@pytest.mark.parametrize("chunk", [1, 7, 8, 16, 17, 100, 5120])
def test_chunks_of_any_length_give_the_same(library: ctypes.CDLL, chunk: int) -> None:
    data = np.random.default_rng(2).integers(0, 256, 12345).astype(np.uint8).tobytes()
    whole = Pdm(library).push(data)
    pdm = Pdm(library)
    parts = [pdm.push(data[at : at + chunk]) for at in range(0, len(data), chunk)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert len(whole) == len(data) // 16
    assert pdm.push(b"").tolist() == []


def test_reset_equals_fresh(library: ctypes.CDLL) -> None:
    data = np.random.default_rng(3).integers(0, 256, 4000).astype(np.uint8).tobytes()
    used = Pdm(library)
    used.push(data[:1003])
    ctypes.memset(used.state, 0, ctypes.sizeof(used.state))
    np.testing.assert_array_equal(used.push(data), Pdm(library).push(data))


def test_it_begins_in_silence(library: ctypes.CDLL) -> None:
    # Bug: time before the first bit counted as zeros, which is full scale: a click that took 0.2 s to fade.
    assert np.abs(Pdm(library).push(b"\x55" * 3200, 10)).max() <= 1


def test_the_state_fits_what_the_app_gives_it(library: ctypes.CDLL, tmp_path: Path) -> None:
    source = tmp_path / "size.c"
    source.write_text('#include "pdm.h"\nchar fits[sizeof(tw_pdm_t) <= 128 ? 1 : -1];\n')
    subprocess.run(["cc", f"-I{CORE}", "-fsyntax-only", str(source)], check=True)
    pdm = Pdm(library)
    pdm.push(b"\xff" * 5000)
    assert bytes(pdm.state)[120:] == bytes(8)


def tone(hertz: float, peak: float, n: int) -> Reals:
    return peak * np.sin(2 * np.pi * hertz * np.arange(n) / BITS_S)


@cache
def noise_shaping() -> tuple[list[float], list[float]]:
    """Numerator and denominator of a fourth-order noise transfer function with an out-of-band gain of 1.5."""
    signal = pytest.importorskip("scipy.signal")
    low, high = 0.001, 0.5
    for _ in range(60):
        middle = (low + high) / 2
        zeros, poles = np.poly(np.ones(4)), signal.butter(4, middle, "high")[1]
        gain = abs(np.polyval(zeros, -1) / np.polyval(poles, -1))
        low, high = (middle, high) if gain < 1.5 else (low, middle)
    return zeros.tolist(), poles.tolist()


def modulated(wave: Reals) -> Bits:
    """A fourth-order delta-sigma modulator, as in a MEMS microphone: the bits of `wave`, full scale is 1."""
    zeros, poles = noise_shaping()
    difference = [z - p for z, p in zip(zeros, poles, strict=True)][1:]
    b1, b2, b3, b4 = difference
    p1, p2, p3, p4 = poles[1:]
    e1 = e2 = e3 = e4 = s1 = s2 = s3 = s4 = 0.0
    rng = np.random.default_rng(7)
    dither = (rng.random(len(wave)) - 0.5) * 0.1
    bits = bytearray(len(wave))
    for i, (x, noise) in enumerate(zip(wave.tolist(), dither.tolist(), strict=True)):
        shaped = b1 * e1 + b2 * e2 + b3 * e3 + b4 * e4 - p1 * s1 - p2 * s2 - p3 * s3 - p4 * s4
        y = x + shaped
        v = 1.0 if y + noise >= 0 else -1.0
        bits[i] = v > 0
        e1, e2, e3, e4 = v - y, e1, e2, e3
        s1, s2, s3, s4 = shaped, s1, s2, s3
    return np.frombuffer(bytes(bits), np.uint8)


SETTLED = 1600  # samples: 0.1 s, three time constants of the high pass


def heard(library: ctypes.CDLL, wave: Reals, shift: int = SHIFT) -> Reals:
    return Pdm(library).push(packed(modulated(wave)), shift)[SETTLED:].astype(float)


def level(samples: Reals, hertz: float) -> float:
    """Amplitude of one frequency, by correlation over a whole number of its periods."""
    n = np.arange(len(samples))
    turn = np.exp(-2j * np.pi * hertz * n / 16000)
    return float(2 * abs((samples * turn).mean()))


def decibels(ratio: float) -> float:
    return float(20 * np.log10(max(ratio, 1e-9)))


def samples_of(seconds: float) -> int:
    return int(BITS_S * (seconds + SETTLED / 16000))


def test_droop(library: ctypes.CDLL) -> None:
    tones = [100, 300, 1000, 3000, 5000, 6000, 7000]
    got = {hertz: level(heard(library, tone(hertz, 0.5, samples_of(0.1))), hertz) / 16384 for hertz in tones}
    assert {hertz: round(decibels(ratio), 1) for hertz, ratio in got.items() if abs(decibels(ratio)) > 0.1} == {}


@pytest.mark.parametrize(
    ("hertz", "alias", "rejection"),
    [(9000, 7000, 50), (10000, 6000, 65), (12000, 4000, 60), (15000, 1000, 60), (25000, 7000, 44), (28000, 4000, 65),
     (31000, 1000, 95), (33000, 1000, 95), (39000, 7000, 55), (57000, 7000, 70)],
)  # fmt: skip
def test_aliases(library: ctypes.CDLL, hertz: int, alias: int, rejection: int) -> None:
    found = level(heard(library, tone(hertz, 0.5, samples_of(0.1))), alias) / 16384
    assert decibels(found) < -rejection


def snr(samples: Reals, hertz: int) -> float:
    """Power of the tone over all else from 100 Hz to 7.5 kHz, in decibels; whole periods, so no window."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    at = hertz * len(samples) // 16000
    low, high = 100 * len(samples) // 16000, 7500 * len(samples) // 16000
    rest = power[low:high].sum() - power[at]
    return float(10 * np.log10(power[at] / rest))


@pytest.mark.parametrize(("peak", "shift", "least"), [(0.5, 16, 88), (0.05, 16, 68), (0.05, 13, 85), (0.001, 10, 57)])
def test_signal_to_noise(library: ctypes.CDLL, peak: float, shift: int, least: float) -> None:
    assert snr(heard(library, tone(1000, peak, samples_of(0.2)), shift), 1000) > least


def test_the_constant_part_goes_before_the_gain(library: ctypes.CDLL) -> None:
    # A microphone that is 5 % off, with a gain of 8: it would take 40 % of the range, were it amplified too.
    n = samples_of(0.3)
    samples = heard(library, tone(1000, 0.1, n) + 0.05, 13)[3200:]
    assert abs(samples.mean()) < 40
    assert level(samples, 1000) == pytest.approx(0.1 * 8 * 32768, rel=0.02)


def test_gain(library: ctypes.CDLL) -> None:
    wave = tone(500, 0.01, samples_of(0.1))
    for shift in (16, 14, 12, 10):
        assert level(heard(library, wave, shift), 500) == pytest.approx(0.01 * 2 ** (31 - shift), rel=0.02)


def design() -> list[int]:
    """The filter's first half: least error in the passband behind the CIC filter, half of that in the stopband.

    Least squares, weighted again and again by what is left of the error, come to the minimax solution.
    """
    hertz = np.concatenate([np.linspace(0, 7000, 400), np.linspace(9000, 16000, 400)])
    turn = np.pi * np.maximum(hertz[:400], 1e-6) / BITS_S
    droop = np.abs(np.sin(64 * turn) / (64 * np.sin(turn))) ** 4
    wanted = np.concatenate([1 / droop, np.zeros(400)])
    importance = np.concatenate([droop, np.full(400, 2.0)])
    waves = 2 * np.cos(2 * np.pi * np.outer(hertz / 32000, 19.5 - np.arange(20)))
    weight = np.ones(800)
    for _ in range(400):
        root = np.sqrt(weight)
        taps, *_ = np.linalg.lstsq(waves * root[:, None], wanted * root, rcond=None)
        error = np.abs(waves @ taps - wanted) * importance
        weight *= (error / error.mean()) ** 0.6 + 1e-9
        weight /= weight.mean()
    return [int(tap) for tap in np.round(taps * (1 << 14))]


def test_the_taps_are_what_their_design_gives() -> None:
    found = re.search(r"taps\[TW_PDM_TAPS / 2\] = \{([^}]*)\}", (CORE / "pdm.c").read_text())
    assert found
    assert [int(tap) for tap in found[1].split(",")] == TAPS
    assert np.abs(np.array(design()) - TAPS).max() <= 1
    assert 2 * sum(map(abs, TAPS)) * 32768 + 8192 < 2**31
