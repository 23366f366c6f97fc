"""Audio front end: the parameters a network was trained with, and the FRONTEND section of its model file.

The tables are those of TensorFlow Lite Micro's micro-frontend, value for value. Its set-up code computes in
float32 and that shows in a few of them, so the arithmetic here is float32 too, operation by operation. The C
library's cosf and powf are float64 functions rounded once; log1pf is fdlibm's, see _log1p.
"""

import math
import struct
from dataclasses import dataclass

import numpy as np

from tinywake.errors import CompileError, ConfigError

__all__ = ["FrontendParams", "frontend_section"]

_KIND = 1  # micro-frontend
_FLAG_PCAN = 1
_FFT = 512  # points
_SPECTRUM = _FFT // 2 + 1  # bins
_CHANNELS_MAX = 40
_OVERLAP_MAX = 352  # samples
_WINDOW_ONE = 1 << 12
_WEIGHT_ONE = 1 << 12
_SMOOTHING_ONE = 1 << 14
_SINE_ONE = (1 << 15) - 1
_LOG_ONE = 1 << 16
_LOG_SEGMENTS = 128
_SNR_BITS = 12
_CORRECTION_BITS = 3  # log2(_FFT) less half the bits of _WEIGHT_ONE

_f32 = np.float32


@dataclass(frozen=True)
class FrontendParams:
    """Parameters of the micro-frontend. The defaults are micro-wake-word's, and pymicro-features'."""

    sample_rate: int = 16000
    """Hz, 1..65535."""
    window_ms: int = 30
    """Length of a frame; 258..512 samples, an even number."""
    hop_ms: int = 10
    """From one frame to the next; at most the window."""
    channels: int = 40
    """Mel filters, 1..40."""
    lower_hz: float = 125.0
    """Where the first filter begins."""
    upper_hz: float = 7500.0
    """Where the last filter ends; below half the sample rate."""
    smoothing_bits: int = 10
    """Fraction bits of the noise estimate, 3..16."""
    even_smoothing: float = 0.025
    """Share of a new frame in the noise estimate of channels 0, 2, ...; 0..1."""
    odd_smoothing: float = 0.06
    """The same for channels 1, 3, ..."""
    min_signal_remaining: float = 0.05
    """What noise reduction leaves of a channel at least, 0..1."""
    pcan: bool = True
    """Per-channel gain control on or off."""
    pcan_strength: float = 0.95
    """Exponent of the gain, -strength."""
    pcan_offset: float = 80.0
    """Added to the noise estimate before the power; positive."""
    pcan_gain_bits: int = 21
    """log2 of the gain's scale, 16..31."""
    log_shift: int = 6
    """log2 of the features' scale, 0..11."""

    def __post_init__(self) -> None:
        """Refuse values that make no front end at all."""
        for name, low, high in (
            ("sample_rate", 1, 65535),
            ("window_ms", 1, 1000),
            ("hop_ms", 1, self.window_ms),
            ("channels", 1, _CHANNELS_MAX),
            ("smoothing_bits", _CORRECTION_BITS, 16),
            ("even_smoothing", 0, 1),
            ("odd_smoothing", 0, 1),
            ("min_signal_remaining", 0, 1),
            ("pcan_gain_bits", _SNR_BITS + _CORRECTION_BITS + 1, 31),
            ("log_shift", 0, 11),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"front end: {name} = {value} is outside {low}..{high}")
        if not 0 <= self.lower_hz < self.upper_hz < self.sample_rate / 2:
            raise ConfigError(
                f"front end: lower_hz = {self.lower_hz:g} and upper_hz = {self.upper_hz:g} must ascend,"
                f" from 0 to below {self.sample_rate / 2:g} Hz"
            )
        if not self.pcan_offset > 0 or not math.isfinite(self.pcan_strength):
            raise ConfigError("front end: pcan_offset must be positive and pcan_strength finite")

    @property
    def window(self) -> int:
        """Samples in a frame."""
        return self.window_ms * self.sample_rate // 1000

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""
        return self.hop_ms * self.sample_rate // 1000


def frontend_section(params: FrontendParams) -> bytes:
    """Return the FRONTEND section, fields and tables in the order of models/SPEC.md, padded to 4 bytes."""
    window, hop = params.window, params.hop
    if not _FFT // 2 + 2 <= window <= _FFT or window % 2:
        raise CompileError(
            f"front end: a window of {window} samples; the format takes even lengths, {_FFT // 2 + 2}..{_FFT}"
        )
    if hop < 1 or window - hop > _OVERLAP_MAX:
        raise CompileError(
            f"front end: window and hop of {window} and {hop} samples; they may overlap by 0..{_OVERLAP_MAX}"
        )
    first_bin, widths, weights = _filters(params)
    header = struct.pack(
        "<BBHHHHBBBBBBHHHH",
        _KIND,
        _FLAG_PCAN if params.pcan else 0,
        params.sample_rate,
        window,
        hop,
        _FFT,
        params.channels,
        first_bin,
        len(weights),
        params.smoothing_bits,
        params.pcan_gain_bits - _CORRECTION_BITS - _SNR_BITS if params.pcan else 0,
        params.log_shift,
        int(_f32(params.even_smoothing) * _f32(_SMOOTHING_ONE)),
        int(_f32(params.odd_smoothing) * _f32(_SMOOTHING_ONE)),
        int(_f32(params.min_signal_remaining) * _f32(_SMOOTHING_ONE)),
        0,
    )
    section = header + b"".join(
        np.asarray(table, dtype="<i2").tobytes()
        for table in (
            _half_window(window),
            _quarter_sine(),
            _log_residues(),
            weights,
            _gains(params) if params.pcan else [],
        )
    )
    section += bytes(widths)
    return section + bytes(-len(section) % 4)


def _rounded(x: np.float32, one: int) -> int:
    """Fixed point as the reference rounds it: floor(x * one + 0.5) in float32."""
    return math.floor(_f32(x * _f32(one)) + _f32(0.5))


def _half_window(window: int) -> list[int]:
    """Rising half of 0.5 - 0.5 cos(2 pi (i + 0.5) / window), in 1/4096.

    Bits 13..15 of an entry are a signed number: what its mirror image adds.
    """
    turn = _f32(math.pi) * _f32(2) / _f32(window)

    def coefficient(i: int) -> int:
        cosine = _f32(math.cos(turn * (_f32(i) + _f32(0.5))))
        return _rounded(_f32(0.5) - _f32(0.5) * cosine, _WINDOW_ONE)

    entries = []
    for i in range(window // 2):
        rising, falling = coefficient(i), coefficient(window - 1 - i)
        if not -4 <= falling - rising <= 3:
            raise CompileError(f"front end: the halves of a window of {window} samples differ too much")
        entries.append(rising + (falling - rising) * 8192)
    return entries


def _quarter_sine() -> list[int]:
    """sin(2 pi k / 512) in 1/32767, k = 0..128: kissfft's twiddle factors, all of them."""
    return [math.floor(0.5 + _SINE_ONE * math.sin(2 * math.pi * k / _FFT)) for k in range(_FFT // 4 + 1)]


def _log_residues() -> list[int]:
    """log2(1 + f) - f in 1/65536, f = 0, 1/128, ... 1."""
    fractions = (k / _LOG_SEGMENTS for k in range(_LOG_SEGMENTS + 1))
    return [math.floor(0.5 + _LOG_ONE * (math.log2(1 + f) - f)) for f in fractions]


def _log1p(x: np.float32) -> np.float32:
    """ln(1 + x), x >= 0, as fdlibm's log1pf rounds it: newlib's on boards, and glibc's before 2.41.

    A quarter of its results are not the nearest float32, and that changes filter weights by one.
    """
    if x < _f32(0.41421356):
        k, rest, f = 0, _f32(0), x
    else:
        mantissa, k = math.frexp(_f32(1) + x)
        u = _f32(2 * mantissa)  # 1 + x = u 2^k, u in 1/sqrt(2)..sqrt(2)
        k -= 1
        one_plus = _f32(1) + x
        rest = (_f32(1) - (one_plus - x) if k > 0 else x - (one_plus - _f32(1))) / one_plus
        if u > _f32(1.41421356):
            u, k = u / _f32(2), k + 1
        f = u - _f32(1)
    half_square = _f32(0.5) * f * f
    ln2_upper, ln2_lower = _f32(0.69313812256), _f32(9.0580006145e-06)
    tail = _f32(k) * ln2_lower + rest
    if abs(f) < _f32(2**-20):
        r = half_square * (_f32(1) - _f32(2 / 3) * f)
        return f - r if k == 0 else _f32(k) * ln2_upper - ((r - tail) - f)
    s = f / (_f32(2) + f)
    z = s * s
    r = _f32(0)
    for term in (0.1479819864, 0.15313838422, 0.1818357259, 0.22222198546, 0.28571429849, 0.4, 0.66666668653):
        r = z * (_f32(term) + r)
    if k == 0:
        return f - (half_square - s * (half_square + r))
    return _f32(k) * ln2_upper - ((half_square - (s * (half_square + r) + tail)) - f)


def _mel(hz: np.float32) -> np.float32:
    """Mel scale, 1127 ln(1 + hz / 700)."""
    return _f32(1127) * _log1p(hz / _f32(700))


def _filters(params: FrontendParams) -> tuple[int, list[int], list[int]]:
    """First bin; number of bins up to each of the channels + 1 centres; weight of each bin in 1/4096.

    A bin between the centres of channels c - 1 and c has weight w for channel c - 1, 4096 - w for channel c.
    """
    lower = _f32(params.lower_hz)
    mel_lower = _mel(lower)
    spacing = (_mel(_f32(params.upper_hz)) - mel_lower) / _f32(params.channels + 1)
    centres = [mel_lower + spacing * _f32(i + 1) for i in range(params.channels + 1)]
    hz_per_bin = _f32(0.5) * _f32(params.sample_rate) / _f32(_SPECTRUM - 1)

    first_bin = current = int(_f32(1.5) + lower / hz_per_bin)  # never 0: the mean is not a sound
    widths, weights = [], []
    previous = mel_lower
    for centre in centres:
        start = current
        while (mel := _mel(_f32(current) * hz_per_bin)) <= centre:
            weight = (centre - mel) / (centre - previous)
            weights.append(_rounded(weight, _WEIGHT_ONE))
            if weights[-1] + _rounded(_f32(1) - weight, _WEIGHT_ONE) != _WEIGHT_ONE:
                raise CompileError(f"front end: the weights of bin {current} do not add up to 1")
            current += 1
        widths.append(current - start)
        previous = centre
    if current >= _SPECTRUM or first_bin + len(weights) > _FFT // 2 or not weights or max(widths) > 255:
        raise CompileError("front end: the filters do not fit the spectrum")
    if not all(0 <= weight <= _WEIGHT_ONE for weight in weights):
        raise CompileError("front end: a filter weight lies outside 0..1")
    return first_bin, widths, weights


def _gains(params: FrontendParams) -> list[int]:
    """PCAN's gain 2^gain_bits (noise + offset)^-strength, noise a 32-bit integer in 2^(smoothing_bits - 3).

    First its values at 0 and 1, then for each interval [2^n, 2^(n+1)), n = 1..31, the parabola through its
    ends and its middle: value, slope and curvature at the lower end.
    """
    one = _f32(1 << (params.smoothing_bits - _CORRECTION_BITS))
    scale = _f32(1 << params.pcan_gain_bits)

    def gain(noise: int) -> int:
        base = _f32(noise) / one + _f32(params.pcan_offset)
        return int(min(scale * _f32(math.pow(base, -_f32(params.pcan_strength))) + _f32(0.5), _f32(1 << 16)))

    table = [gain(0), gain(1)]
    position = np.arange(1 << 10)  # inside an interval; int64, as numbers that do not fit are to be found
    for n in range(1, 32):
        low = 1 << n
        y0, y1, y2 = gain(low), gain(low + low // 2), gain(min(2 * low, (1 << 32) - 1))
        slope = 4 * (y1 - y0) - (y2 - y0)
        curvature = (y2 - y0) - slope
        parabola = y0 + ((((curvature * position >> 5) + slope * 32) * position + (1 << 14)) >> 15)
        fits = parabola.min() >= 0 and parabola.max() <= 32767 and max(table[:2]) <= 32767
        if not fits or not all(-32768 <= value <= 32767 for value in (slope, curvature)):
            raise CompileError("front end: PCAN's gain leaves 15 bits; lower pcan_gain_bits or pcan_strength")
        table += [y0, slope, curvature]
    return table
