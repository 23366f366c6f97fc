# SPDX-License-Identifier: MIT
"""What emulated microphones say in tests, and what their drivers make of it."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["as_driven", "swell", "write_wav"]

SHIFT = 14  # boards/RPI_PICO/board.py


def write_wav(path: Path, pcm: npt.NDArray[Any]) -> Path:
    """16 kHz, mono, 16 bits."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(pcm.astype("<i2").tobytes())
    return path


def swell(samples: int, level: float = 3000) -> npt.NDArray[np.int16]:
    """Noise that comes and goes."""
    noise = np.random.default_rng(0).normal(0, level, samples) * np.sin(np.arange(samples) / 3000) ** 2
    return noise.clip(-32768, 32767).astype(np.int16)


def as_driven(clip: npt.NDArray[Any], shift: int = SHIFT, offset: int = 0, quiet: int = 0) -> npt.NDArray[np.int16]:
    """What an I2S driver gives of a clip that the microphone says after its first zero, which is the first here.

    It takes away the constant part. offset: added to each sample, in units of 24 bits. quiet: bits by which the
    microphone speaks below full scale.
    """
    constant, out = 0, []
    for sample in [0, *clip.tolist()]:
        value = (sample << 8 - quiet) + offset
        constant += ((value << 6) - constant) >> 9
        out.append(max(-32768, min(32767, (value - (constant >> 6)) >> (shift - 8))))
    return np.array(out, np.int16)
