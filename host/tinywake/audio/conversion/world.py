# SPDX-License-Identifier: MIT
"""One clip in another voice: WORLD takes speech apart into pitch, envelope and breath, and puts it together again.

The vocoder is PyPI's pyworld, which is needed only where a recipe asks for conversions.
"""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.clips import RATE, Pcm, stretch
from tinywake.errors import ToolError

__all__ = ["Change", "convert", "version"]

_FRAME_MS = 5.0  # WORLD's own step
_VOICES = (65.0, 420.0)  # Hz: mean pitch of a low man's voice and of a small child's
_LOWEST, _HIGHEST = 50.0, 700.0  # Hz: no moment of speech is outside
_UNSURE, _WHISPER = 0.35, 0.1  # shares of voiced frames: less is suspect, or hopeless
_KNOT = 24  # frames from one change of pace to the next: 120 ms, about a syllable
_PACKAGES = ("pyworld", "pyworld-prebuilt")  # the same module, from its author and as wheels


@dataclass(frozen=True)
class Change:
    """From one voice to another. Factors, 1.0 leaves as it is; `rhythm` 0 leaves as it is."""

    formant: float = 1.0  # places of the resonances: above 1 a shorter throat
    pitch: float = 1.0  # mean
    range: float = 1.0  # how far pitch moves around its mean, in semitones
    pace: float = 1.0
    rhythm: float = 0.0  # standard deviation of the logarithm of local pace
    breath: float = 1.0  # above 1 more noise in the voice
    seed: int = 0  # of the rhythm


def version() -> str:
    """Of the vocoder, as in "pyworld 0.3.5". Raises ToolError when it is not installed."""
    for name in _PACKAGES:
        try:
            return f"{name} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            continue
    raise ToolError(
        "conversion.per_clip: the WORLD vocoder is not installed: pip install 'tinywake[world]', which needs a "
        "C++ compiler; pip install pyworld-prebuilt does not"
    )


def convert(pcm: Pcm, change: Change) -> Pcm:
    """`pcm` in the changed voice, at the level it had; as long as `change.pace` makes it. Safe in threads.

    A clip in which no voice is found is only resampled. The same clip and change give the same samples. Raises
    ToolError when the vocoder is not installed.
    """
    world = _world()
    sound = pcm.astype(np.float64) / 32768.0
    pitch, times = _pitch(world, sound)
    if (pitch > 0).mean() < _WHISPER:
        return stretch(pcm, change.formant)  # a vocoder would make a whisper of it
    envelope = world.cheaptrick(sound, pitch, times, RATE)
    breath = world.d4c(sound, pitch, times, RATE)
    frames = _times(len(pitch), change)
    if abs(change.formant - 1) > 1e-3:
        envelope, breath = _moved(np.log(envelope), change.formant), _moved(breath, change.formant)
        envelope = np.exp(envelope)
    if abs(change.breath - 1) > 1e-3:
        breath = np.clip(breath, 1e-9, 1.0) ** (1 / change.breath)
    made = world.synthesize(
        np.ascontiguousarray(_melody(pitch, change)[frames]),
        np.ascontiguousarray(envelope[frames]),
        np.ascontiguousarray(np.clip(breath[frames], 0.0, 1.0)),
        RATE,
        _FRAME_MS,
    )
    level = np.sqrt((sound**2).mean()) / max(float(np.sqrt((made**2).mean())), 1e-9)
    made *= min(float(level), 0.99 / max(float(np.abs(made).max()), 1e-9))
    return np.asarray(np.rint(made * 32767), dtype=np.int16)


def _pitch(world: Any, sound: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Hz, 0 where there is no voice, and seconds of each frame."""
    rough, times = world.dio(sound, RATE, frame_period=_FRAME_MS)
    if (rough > 0).mean() < _UNSURE:  # noise, or a telephone that took the lowest tones: the method that takes longer
        rough, times = world.harvest(sound, RATE, frame_period=_FRAME_MS)
    return world.stonemask(sound, rough, times, RATE), times


def _melody(pitch: NDArray[np.float64], change: Change) -> NDArray[np.float64]:
    """Hz of each frame, 0 where there is no voice; a mean that no human has is brought back to one that some have."""
    voiced = pitch > 0
    if not voiced.any():
        return pitch
    logs = np.log(pitch[voiced])
    mean = float(logs.mean())
    wanted = min(max(mean + np.log(change.pitch), np.log(_VOICES[0])), np.log(_VOICES[1]))
    changed = pitch.copy()
    changed[voiced] = np.clip(np.exp(wanted + (logs - mean) * change.range), _LOWEST, _HIGHEST)
    return changed


def _moved(rows: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """[frames, bins] with what was at bin k now at bin k * factor; beyond the last bin its value goes on."""
    bins = rows.shape[1]
    at = np.minimum(np.arange(bins) / factor, bins - 1.0)
    low = np.minimum(at.astype(int), bins - 2)
    part = at - low
    return np.asarray(rows[:, low] * (1 - part) + rows[:, low + 1] * part)


def _times(frames: int, change: Change) -> NDArray[np.int64]:
    """The frame that each frame of the result is made of."""
    count = max(2, round(frames / change.pace))
    pace = np.ones(count)
    if change.rhythm > 0:
        rng = np.random.default_rng([change.seed, 5])
        knots = rng.normal(0.0, change.rhythm, count // _KNOT + 2)
        pace = np.exp(np.interp(np.arange(count) / _KNOT, np.arange(len(knots)), knots))
    place = np.concatenate([[0.0], np.cumsum(pace)[:-1]])
    place *= (frames - 1) / max(place[-1], 1e-9)
    return np.asarray(np.minimum(np.rint(place).astype(np.int64), frames - 1))


@functools.cache
def _world() -> Any:
    """The compiled part of pyworld: its package also asks for pkg_resources, which setuptools no longer has."""
    version()
    found = importlib.util.find_spec("pyworld")
    folder = Path(found.origin).parent if found and found.origin else Path()
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        path = folder / f"pyworld{suffix}"
        if path.is_file():
            return _loaded(path)
    raise ToolError(f"{folder}: pyworld is installed without its compiled part; pip install --force-reinstall pyworld")


def _loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("pyworld.pyworld", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
