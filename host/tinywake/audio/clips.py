# SPDX-License-Identifier: MIT
"""Sound files in and out. Inside the package a clip is int16, mono, 16 kHz, one dimension."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from tinywake.errors import AudioError
from tinywake.files import why_unread, write_beside

__all__ = [
    "RATE",
    "SUFFIXES",
    "Pcm",
    "check_folder",
    "list_clips",
    "read_blocks",
    "read_clip",
    "speech_span",
    "stretch",
    "write_clip",
]

RATE = 16_000  # Hz
SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif")
_BLOCK = 1 << 18  # samples of each channel read at a time
_SILENT = 8  # a peak below this many steps of 16 bits is no sound

Pcm = NDArray[np.int16]


def read_clip(path: Path, *, silent_ok: bool = False) -> Pcm:
    """Any sound file as int16 mono 16 kHz: channels are averaged, other rates resampled.

    Raises AudioError when the file is missing, damaged, empty or, unless `silent_ok`, silent.
    """
    _check_there(path)
    try:
        with soundfile.SoundFile(str(path)) as file:
            exact = file.samplerate == RATE and file.channels == 1 and file.subtype == "PCM_16"
            expected = file.frames
            pcm, got = _read(file) if exact else _convert(file, path)
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        raise AudioError(f"{path}: not a sound file that can be read, or damaged ({_reason(error)})") from error
    if len(pcm) == 0:
        raise AudioError(f"{path}: the clip is empty")
    if got < expected:
        raise AudioError(f"{path}: damaged: {got} of {expected} samples could be read")
    if not silent_ok and int(np.abs(pcm.astype(np.int32)).max()) < _SILENT:
        raise AudioError(f"{path}: the clip is silent")
    return np.ascontiguousarray(pcm)


def read_blocks(path: Path) -> Iterator[Pcm]:
    """The same of a recording of any length, some seconds at a time. Raises AudioError, perhaps only on the way."""
    _check_there(path)
    got = 0
    try:
        with soundfile.SoundFile(str(path)) as file:
            for pcm, samples in _blocks(file, path):
                got += samples
                yield pcm
            expected = file.frames
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        raise AudioError(f"{path}: not a sound file that can be read, or damaged ({_reason(error)})") from error
    if got == 0:
        raise AudioError(f"{path}: the clip is empty")
    if got < expected:
        raise AudioError(f"{path}: damaged: {got} of {expected} samples could be read")


def _check_there(path: Path) -> None:
    try:
        if path.is_dir():
            raise AudioError(f"{path}: is a folder, not a sound file")
        if not path.exists():
            raise AudioError(f"{path}: there is no such file")
        with path.open("rb"):
            pass  # soundfile does not say why it could not
    except OSError as error:
        raise AudioError(f"{path}: {why_unread(error)}") from error


def _read(file: Any) -> tuple[Pcm, int]:
    pcm = file.read(dtype="int16", always_2d=True)[:, 0]
    return pcm, len(pcm)


def _convert(file: Any, path: Path) -> tuple[Pcm, int]:
    """Block by block, so that an hour of a recorder's 48 kHz stereo does not fill the memory; and samples read."""
    parts, got = [np.zeros(0, np.int16)], 0
    for pcm, samples in _blocks(file, path):
        parts.append(pcm)
        got += samples
    return np.concatenate(parts), got


def _blocks(file: Any, path: Path) -> Iterator[tuple[Pcm, int]]:
    """Sound at 16 kHz, and how many samples of the file it was made of."""
    rate = file.samplerate
    if not 1000 <= rate <= 1_000_000:
        raise AudioError(f"{path}: damaged: {rate} Hz is no sample rate")
    if rate == RATE and file.channels == 1 and file.subtype == "PCM_16":
        while len(exact := file.read(_BLOCK, dtype="int16", always_2d=True)):
            yield np.ascontiguousarray(exact[:, 0]), len(exact)
        return
    resampler = None if rate == RATE else soxr.ResampleStream(rate, RATE, 1, dtype="float32", quality="HQ")
    while True:
        block = file.read(_BLOCK, dtype="float32", always_2d=True)
        if not np.isfinite(block).all():
            raise AudioError(f"{path}: damaged: some samples are not numbers")
        last = len(block) < _BLOCK
        mono = block.mean(axis=1)
        if resampler is not None:
            mono = resampler.resample_chunk(mono, last=last)
        yield np.clip(np.rint(mono * 32768.0), -32768, 32767).astype(np.int16), len(block)
        if last:
            return


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0].split(": ", 1)[-1].strip().rstrip(".")


def write_clip(path: Path, pcm: Pcm) -> None:
    """Write int16 mono 16 kHz as .wav or .flac, beside and renamed: a reader never sees half a file."""
    kind = "FLAC" if path.suffix == ".flac" else "WAV"
    write_beside(path, lambda part: soundfile.write(str(part), pcm, RATE, subtype="PCM_16", format=kind))


def check_folder(folder: Path) -> None:
    """Raise AudioError where it is no folder that can be looked into."""
    try:
        if folder.is_dir():
            next(folder.iterdir(), None)
            return
        there = folder.exists()
    except OSError as error:
        raise AudioError(f"{folder}: {why_unread(error)}") from error
    if there:
        raise AudioError(f"{folder}: is a file; name a folder of clips, or a .csv that lists some where one is taken")
    raise AudioError(f"{folder}: there is no such folder; check the name")


def list_clips(folder: Path) -> list[Path]:
    """Every sound file below `folder`, in order of name. Raises AudioError when there is none."""
    check_folder(folder)
    clips = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not clips:
        raise AudioError(f"{folder}: no sound files in this folder ({' '.join(SUFFIXES)})")
    return clips


def stretch(pcm: Pcm, factor: float) -> Pcm:
    """Played `factor` times as fast: pace, pitch and formants together. 1.0 returns `pcm` itself."""
    if abs(factor - 1) < 1e-3:
        return pcm
    return np.asarray(soxr.resample(pcm, RATE * factor, RATE, quality="MQ"), dtype=np.int16)


def speech_span(pcm: Pcm, floor_db: float = 35.0) -> tuple[int, int]:
    """First and one-past-last sample of what is within `floor_db` of the loudest 10 ms; (0, len) for silence."""
    block = RATE // 100
    count = len(pcm) // block
    if count == 0:
        return 0, len(pcm)
    power = (pcm[: count * block].reshape(count, block).astype(np.float64) ** 2).mean(axis=1)
    # Above the background too: a recording's noise must not count as speech.
    gate = max(power.max() * 10 ** (-floor_db / 10), 4.0 * float(np.quantile(power, 0.1)))
    loud = np.flatnonzero(power > min(gate, power.max() * 0.5))
    if len(loud) == 0:
        return 0, len(pcm)
    return int(loud[0]) * block, min(len(pcm), (int(loud[-1]) + 1) * block)
