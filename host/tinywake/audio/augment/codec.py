# SPDX-License-Identifier: MIT
"""What recordings went through before they were recordings: a telephone, a sound format that loses something."""

from __future__ import annotations

import functools
import io

import numpy as np
import soundfile
import soxr

from tinywake.audio.augment.sound import Sound, shape
from tinywake.audio.clips import RATE, Pcm
from tinywake.errors import ToolError

__all__ = ["check_codecs", "through_codec", "through_telephone"]

_FORMATS = {"mu-law": ("WAV", "ULAW"), "ima-adpcm": ("WAV", "IMA_ADPCM"), "opus": ("OGG", "OPUS")}
_LOWEST, _HIGHEST = 300.0, 3400.0  # Hz: the band of a telephone
_STEEP = 24  # the order of its limits: 3 dB less there, 24 dB less a few hundred hertz on
_TELEPHONE = 8_000  # Hz


@functools.cache
def check_codecs(names: tuple[str, ...]) -> None:
    """Raise ToolError for a codec that this machine's libsndfile cannot write."""
    for name in names:
        form, subtype = _FORMATS[name]
        if subtype not in soundfile.available_subtypes(form):
            raise ToolError(f"augment.codecs: {name!r}: libsndfile {soundfile.__libsndfile_version__} cannot write it")


def through_codec(pcm: Pcm, name: str) -> Pcm:
    """What is left of it after "mu-law", "ima-adpcm" or "opus", as long as before and without delay."""
    form, subtype = _FORMATS[name]
    file = io.BytesIO()
    soundfile.write(file, pcm, RATE, format=form, subtype=subtype)
    file.seek(0)
    heard = soundfile.read(file, dtype="int16")[0][: len(pcm)]  # ADPCM fills its last block
    return np.asarray(np.pad(heard, (0, len(pcm) - len(heard))), dtype=np.int16)


def through_telephone(pcm: Pcm) -> Pcm:
    """300 to 3400 Hz, 8000 samples a second in 8 bits of mu-law, and back."""
    narrow = shape(pcm.astype(np.float32), _band)
    slow = _int16(soxr.resample(narrow, RATE, _TELEPHONE, quality="HQ"))
    back = soxr.resample(through_codec(slow, "mu-law").astype(np.float32), _TELEPHONE, RATE, quality="HQ")[: len(pcm)]
    return _int16(np.pad(back, (0, len(pcm) - len(back))))


def _band(hertz: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    low = 10 * np.log10(1 + (_LOWEST / np.maximum(hertz, 1.0)) ** _STEEP)
    return np.asarray(-low - 10 * np.log10(1 + (hertz / _HIGHEST) ** _STEEP))


def _int16(sound: Sound) -> Pcm:
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)
