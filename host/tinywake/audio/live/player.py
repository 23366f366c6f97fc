# SPDX-License-Identifier: MIT
"""Sound out of this computer: PyPI's sounddevice where it is installed, else a program that plays wav files."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tinywake.audio.clips import RATE, read_clip
from tinywake.errors import ToolError

__all__ = ["player"]

# sox, ALSA, PulseAudio, PipeWire, macOS, ffmpeg
_PROGRAMS = (
    ("play", "-q"),
    ("aplay", "-q"),
    ("paplay",),
    ("pw-play",),
    ("afplay",),
    ("ffplay", "-nodisp", "-autoexit"),
)


def player() -> Callable[[Path], None]:
    """What plays a clip to its end. Raises ToolError where there is nothing that could."""
    if importlib.util.find_spec("sounddevice") is not None:
        return _by_device
    for program, *options in _PROGRAMS:
        found = shutil.which(program)
        if found is not None:
            return lambda path: _by_program([found, *options, str(path)])
    raise ToolError(
        "nothing here can play sound: pip install 'tinywake[mic]', or install sox or alsa-utils; or label without "
        "listening, in the column label of found.csv"
    )


def _by_device(path: Path) -> None:
    try:
        sounddevice = importlib.import_module("sounddevice")
    except OSError as error:
        raise ToolError(f"sounddevice lacks its library ({error}): apt install libportaudio2") from error
    try:
        sounddevice.play(read_clip(path, silent_ok=True), RATE, blocking=True)
    except (sounddevice.PortAudioError, ValueError) as error:
        raise ToolError(f"{path}: cannot be played ({error})") from error


def _by_program(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["it gave no reason"])[0]
        raise ToolError(f"{command[0]} cannot play {command[-1]} ({why})")
