# SPDX-License-Identifier: MIT
"""What can be measured of one clip without knowing what is said in it. Levels are dB of full scale (a square wave)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from tinywake.audio.clips import RATE, read_clip, speech_span

__all__ = ["HOP", "Measures", "measure"]

HOP = 160  # samples from spectrum to spectrum: 10 ms
_SIZE = 512
_LONGEST = 120 * RATE  # samples of a clip that are analysed
_QUIET_DB = -120.0
_EDGE_DB = 62.0  # a band so far under the loudest one is empty

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Measures:
    """One clip. `rate` to `coding` are what the file says of itself; the rest is measured at 16 kHz."""

    rate: int  # Hz
    channels: int
    coding: str  # as in "WAV PCM_16"
    seconds: float
    speech: float  # seconds from the first loud sound to the last
    peak_db: float
    level_db: float  # of what is loud
    noise_db: float  # of the quietest tenth
    clipped: float  # share of the loud samples that stand at the limit; 0.0 where there is no limit
    offset: float  # mean, of full scale
    band_hz: float  # nothing is above it; at most 8000
    pitch_hz: float  # median of what is voiced; 0.0 where hardly anything is
    digest: str  # of the samples at 16 kHz, without digital silence at the ends
    anchors: Floats  # [places, dims] what the sound is like around its loudest places; each of length 1

    @property
    def snr_db(self) -> float:
        """How far the speech stands over the quietest tenth."""
        return self.level_db - self.noise_db


def measure(path: Path) -> Measures:
    """Read and measure a clip, a silent one too. Raises AudioError as `read_clip` does."""
    pcm = read_clip(path, silent_ok=True)
    info = soundfile.info(str(path))
    sound = np.flatnonzero(pcm)
    kept = pcm[sound[0] : sound[-1] + 1] if len(sound) else pcm[:0]
    first, last = speech_span(pcm) if len(sound) else (0, 0)
    part: Floats = pcm[:_LONGEST].astype(np.float32) / np.float32(32768)
    power = _spectra(part)
    peak = float(np.abs(part).max())
    frame_db = _db(power.sum(axis=1))
    levels = np.sort(frame_db)
    return Measures(
        info.samplerate,
        info.channels,
        f"{info.format} {info.subtype}",
        len(pcm) / RATE,
        (last - first) / RATE,
        float(_db(np.float32(peak * peak))),
        float(_db(np.mean(10 ** (levels[-max(1, len(levels) // 4) :] / 10)))),
        float(levels[len(levels) // 10]),
        _clipped(part if info.samplerate == RATE and info.channels == 1 else _as_recorded(path)),
        float(part.mean()),
        _band(power, frame_db),
        _pitch(part, frame_db),
        hashlib.sha256(kept.tobytes()).hexdigest(),
        _anchors(power, len(part) / RATE),
    )


def _db(power: NDArray[np.floating] | np.float32) -> NDArray[np.floating]:
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (_QUIET_DB / 10))))


def _spectra(sound: Floats) -> Floats:
    """Power [frames, 257], scaled so that a frame's sum is its mean square (about: the window is not flat)."""
    padded = np.pad(sound, (0, max(0, _SIZE - len(sound))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _SIZE)[::HOP]
    window = np.hanning(_SIZE).astype(np.float32)
    spectra = np.fft.rfft(frames * window)
    return np.asarray((spectra.real**2 + spectra.imag**2) * (2 / (_SIZE * float((window**2).sum()))), np.float32)


def _as_recorded(path: Path) -> Floats:
    """At the file's own rate, all channels: resampling rounds off what a limit cut flat."""
    with soundfile.SoundFile(str(path)) as file:
        return np.asarray(file.read(_LONGEST, dtype="float32", always_2d=True).ravel())


def _clipped(sound: Floats) -> float:
    """Speech that is not clipped comes near its peak the more seldom, the nearer; a limit collects samples."""
    level = np.abs(sound)
    peak = float(level.max(initial=0.0))
    loud = max(1, int((level > 0.3 * peak).sum()))
    below, at_peak = int(((level > 0.85 * peak) & (level <= 0.97 * peak)).sum()), int((level > 0.97 * peak).sum())
    return at_peak / loud if peak > 0 and at_peak > below else 0.0


def _band(power: Floats, frame_db: NDArray[np.floating]) -> float:
    """Upper edge of the highest 250 Hz that hold more than nothing, while somebody speaks."""
    spoken = power[frame_db > frame_db.max() - 40]
    bands = spoken.mean(axis=0)[1:].reshape(-1, 8).mean(axis=1)  # 32 of 250 Hz
    filled = np.flatnonzero(_db(bands) > max(float(_db(bands).max()) - _EDGE_DB, _QUIET_DB + 1))
    return 250.0 * (int(filled[-1]) + 1) if len(filled) else 0.0


def _pitch(sound: Floats, frame_db: NDArray[np.floating]) -> float:
    """Median over the loudest frames whose autocorrelation says that they are voiced."""
    size = 800
    loudest = np.argsort(-frame_db, kind="stable")[:80]
    starts = loudest[loudest * HOP + size <= len(sound)] * HOP
    if len(starts) < 5:
        return 0.0
    frames = sound[starts[:, None] + np.arange(size)]
    frames = frames - frames.mean(axis=1, keepdims=True)
    spectra = np.fft.rfft(frames, 2048)
    spectra[:, 140:] = 0  # above 1.1 kHz there is nothing to learn about the pitch
    product = np.fft.irfft(np.abs(spectra) ** 2)[:, : size // 2]
    product = product / np.maximum(product[:, :1], 1e-12) * (size / (size - np.arange(size // 2)))
    low, high = RATE // 600, RATE // 42
    searched = product[:, low:high]
    best = searched.max(axis=1)
    # The first lag that is nearly as good as the best: twice the period fits as well.
    lag = low + np.argmax(searched > 0.9 * best[:, None], axis=1)
    lag = np.array([at + np.argmax(row[at : at + 20]) for at, row in zip(lag, product, strict=True)])
    voiced = lag[(best > 0.6) & (lag > low)]
    return float(RATE / np.median(voiced)) if len(voiced) >= 5 else 0.0


def _anchors(power: Floats, seconds: float) -> Floats:
    """Shape of the sound in the telephone band, 600 ms around some of its loudest places, free of level and colour."""
    edges = np.round(np.geomspace(300, 3400, 9) / (RATE / _SIZE)).astype(int)
    bands = np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1)
    shape = _db(bands)
    shape = np.maximum(shape, shape.max() - 50)
    kernel = np.ones(5) / 5
    shape = np.stack([np.convolve(np.pad(row, 2, "edge"), kernel, "valid") for row in shape.T], axis=1)
    loudness = np.convolve(np.pad(bands.sum(axis=1), 10, "edge"), np.ones(21), "valid")
    places = []
    for _ in range(int(np.clip(1 + seconds / 2, 2, 6))):
        at = int(np.argmax(loudness))
        if loudness[at] <= 0:
            break
        places.append(at)
        loudness[max(0, at - 40) : at + 40] = 0
    if not places:
        return np.zeros((0, 31 * 8), np.float32)
    around = np.pad(shape, ((30, 32), (0, 0)), constant_values=shape.min())
    pieces = np.stack([around[at : at + 62 : 2] for at in places])  # 31 x 8
    pieces = pieces - pieces.mean(axis=1, keepdims=True)
    flat = pieces.reshape(len(pieces), -1)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6), np.float32)
