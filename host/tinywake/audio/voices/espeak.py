# SPDX-License-Identifier: MIT
"""espeak-ng as a library: PyPI's espeakng-loader carries it, with its data, for machines without the program."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import threading
from pathlib import Path
from typing import Any

import soundfile

__all__ = ["EspeakLibrary"]

_SYNCHRONOUS, _WHOLE_BUFFER = 2, 0  # espeak_AUDIO_OUTPUT, and the library's own buffer length
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER
_UTF8 = 1
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class EspeakLibrary:
    """The library keeps one global state, so calls take turns."""

    _lock = threading.Lock()

    def __init__(self, library: Path, data: Path) -> None:
        """Load the shared library; `data` is the folder espeak-ng-data."""
        self._lib = ctypes.CDLL(str(library))
        self._lib.espeak_Info.restype = ctypes.c_char_p
        self._rate = int(self._lib.espeak_Initialize(_SYNCHRONOUS, _WHOLE_BUFFER, str(data).encode(), 0))
        self._sound = bytearray()
        self._callback = _CALLBACK(self._collect)  # the library keeps the pointer: it must outlive the call
        self._lib.espeak_SetSynthCallback(self._callback)

    @classmethod
    def find(cls) -> EspeakLibrary | None:
        """The library of espeakng-loader, or None when that package is not installed or does not load."""
        if importlib.util.find_spec("espeakng_loader") is None:
            return None
        loader = importlib.import_module("espeakng_loader")
        try:
            found = cls(Path(loader.get_library_path()), Path(loader.get_data_path()))
        except OSError:
            return None
        return found if found._rate > 0 else None

    def version(self) -> str:
        """As in "1.52.0"."""
        return str(self._lib.espeak_Info(None).decode())

    def speak(self, text: str, voice: str, words_a_minute: int, pitch: int, path: Path, *, span: int = 50) -> None:
        """Write a wav; no file when the voice is unknown or nothing was said.

        `pitch` is 0 to 99, `span`, how far it moves around its mean, 0 to 100.
        """
        with self._lock:
            self._sound.clear()
            if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
                return
            for parameter, value in ((_RATE, words_a_minute), (_PITCH, pitch), (_RANGE, span)):
                self._lib.espeak_SetParameter(parameter, value, 0)
            said = text.encode() + b"\0"
            self._lib.espeak_Synth(said, ctypes.c_size_t(len(said)), 0, 0, 0, _UTF8, None, None)
            self._lib.espeak_Synchronize()
            sound = bytes(self._sound)
        if sound:
            soundfile.write(str(path), memoryview(sound).cast("h"), self._rate, subtype="PCM_16", format="WAV")

    def _collect(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._sound += ctypes.string_at(samples, count * 2)
        return 0
