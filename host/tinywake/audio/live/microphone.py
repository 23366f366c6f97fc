# SPDX-License-Identifier: MIT
"""The computer's own microphone, where the optional package sounddevice finds one."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import soxr

from tinywake.audio.clips import RATE, Pcm
from tinywake.errors import ToolError

__all__ = ["Microphone"]

_BLOCK_MS = 100


class Microphone:
    """Iterate to record: int16 mono 16 kHz, 100 ms at a time, until `seconds` are over or for ever.

    The system's default input; one that does not do 16 kHz is resampled. Raises ToolError with one line where the
    package or a device is missing.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds = seconds
        self.overruns = 0  # times that audio was lost, because nobody took it

    def __iter__(self) -> Iterator[Pcm]:
        device = _sounddevice()
        try:
            yield from self._record(device)
        except (device.PortAudioError, ValueError) as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise ToolError(f"no microphone that works: {reason}; is one plugged in and allowed?") from error

    def _record(self, device: Any) -> Iterator[Pcm]:
        rate = _rate(device)
        resampler = None if rate == RATE else soxr.ResampleStream(rate, RATE, 1, dtype="int16", quality="HQ")
        block = rate * _BLOCK_MS // 1000
        left = None if self.seconds is None else round(self.seconds * rate)
        with device.InputStream(samplerate=rate, channels=1, dtype="int16") as stream:
            while left is None or left > 0:
                samples, lost = stream.read(block if left is None else min(block, left))
                self.overruns += bool(lost)
                mono = np.asarray(samples, np.int16)[:, 0]
                left = None if left is None else left - len(mono)
                yield mono if resampler is None else resampler.resample_chunk(mono)


def _sounddevice() -> Any:
    try:
        return importlib.import_module("sounddevice")
    except ImportError as error:
        raise ToolError("a microphone needs the package sounddevice: pip install 'tinywake[mic]'") from error
    except OSError as error:
        raise ToolError(f"sounddevice lacks its library ({error}): apt install libportaudio2") from error


def _rate(device: Any) -> int:
    try:
        device.check_input_settings(samplerate=RATE, channels=1, dtype="int16")
    except device.PortAudioError:
        return int(device.query_devices(kind="input")["default_samplerate"])
    return RATE
