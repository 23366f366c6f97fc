# SPDX-License-Identifier: MIT
"""Noise over the clips of an evaluation: kinds of recordings, or babble of other speakers; the same every time."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.clips import RATE, Pcm, list_clips, read_clip, speech_span
from tinywake.errors import AudioError, ConfigError
from tinywake.evaluate.sounds.clipset import EvalClip, manifest_above, rows_of

__all__ = ["BABBLE", "Condition", "Track", "babble", "level", "mix", "parse_snr", "recorded"]

BABBLE = "babble"  # the kind that is made, not recorded
_TALKERS = 5
_BABBLES = 24  # tracks of it
_BABBLE_S = 12
_LONGEST_S = 120  # of a recording of noise
_LEVEL_OF = 600 * RATE  # samples
_FAINT = 30.0  # RMS of what is taken for speech in a clip of silence, in steps of 16 bits: about -61 dB
_BLOCK = 1 << 20  # samples mixed at a time
_SNR = (-20.0, 60.0)  # dB that make sense
_CELLS = 12  # signal-to-noise ratios in one grid


@dataclass(frozen=True)
class Track:
    """A stretch of noise, and who speaks in it."""

    pcm: Pcm
    speakers: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Condition:
    """A cell of the grid. digest: of the kind's tracks and the seed, all that decides what it sounds like."""

    kind: str
    snr_db: float
    tracks: tuple[Track, ...]
    seed: int
    digest: str

    def check(self, speakers: Sequence[str]) -> None:
        """Raise AudioError where some speaker could only be mixed with their own voice."""
        for speaker in set(speakers):
            if all(speaker in track.speakers for track in self.tracks):
                raise AudioError(f"{self.kind}: no noise without {speaker} in it; give negatives of more speakers")


def parse_snr(text: str) -> tuple[float, ...]:
    """`20,10,5,0` as numbers of dB. Raises ConfigError."""
    try:
        ratios = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--snr {text}: numbers of dB with commas between them, such as 20,10,5,0") from None
    if not all(_SNR[0] <= ratio <= _SNR[1] for ratio in ratios) or not 1 <= len(set(ratios)) == len(ratios) <= _CELLS:
        raise ConfigError(
            f"--snr {text}: at most {_CELLS} different ratios between {_SNR[0]:g} and {_SNR[1]:g} dB, such as 20,10,5,0"
        )
    return ratios


def recorded(sources: Sequence[Path]) -> dict[str, tuple[Track, ...]]:
    """Kind -> tracks, of folders, or of CSV files with a column `file`.

    The kind is a manifest's column `kind`, else the first sub-folder on the way to the recording, else the folder's
    own name. Raises AudioError for what cannot be read, and for silence.
    """
    found: dict[str, list[Track]] = {}
    for source in sources:
        for path, kind in sorted(_kinds(source).items()):
            found.setdefault(kind, []).append(Track(read_clip(path)[: _LONGEST_S * RATE]))
    if BABBLE in found:
        raise AudioError(f"a kind of noise is called {BABBLE}, which is made here; name that folder otherwise")
    return {kind: tuple(tracks) for kind, tracks in sorted(found.items())}


def _kinds(source: Path) -> dict[Path, str]:
    listed = source.suffix.lower() == ".csv"
    manifest = source if listed else manifest_above(source)
    rows: Mapping[Path, Mapping[str, str]] = rows_of(manifest) if manifest is not None else {}
    root = (source.parent if listed else source).resolve()
    clips = list(rows) if listed else [path.resolve() for path in list_clips(source)]
    if not clips:
        raise AudioError(f"{source}: lists no recordings of noise")
    kinds = {}
    for path in clips:
        parts = path.relative_to(root).parts if path.is_relative_to(root) else (path.name,)
        kinds[path] = rows.get(path, {}).get("kind") or (parts[0] if len(parts) > 1 else root.name)
    return kinds


def babble(clips: Sequence[EvalClip], seed: int, read: Callable[[Path], Pcm]) -> tuple[Track, ...]:
    """Tracks of five people, who differ, each speaking without end at the same level. Raises AudioError for fewer."""
    by_speaker: dict[str, list[Path]] = {}
    for clip in clips:
        by_speaker.setdefault(clip.speaker, []).append(clip.path)
    names = sorted(by_speaker)
    if len(names) < 2 * _TALKERS:
        raise AudioError(f"{BABBLE}: needs negatives of {2 * _TALKERS} speakers at least; there are {len(names)}")
    rng = np.random.default_rng([seed, zlib.crc32(BABBLE.encode())])
    tracks = []
    for _ in range(_BABBLES):
        talkers = [names[i] for i in rng.choice(len(names), _TALKERS, replace=False)]
        total = np.zeros(_BABBLE_S * RATE, np.float32)
        for talker in talkers:
            pcm = _talk(by_speaker[talker], rng, read)
            total += np.roll(pcm, int(rng.integers(len(pcm)))) / level(pcm)
        tracks.append(Track(np.rint(total * (4000 / np.abs(total).max())).astype(np.int16), frozenset(talkers)))
    return tuple(tracks)


def _talk(paths: Sequence[Path], rng: np.random.Generator, read: Callable[[Path], Pcm]) -> NDArray[np.float32]:
    """One speaker for the length of a track; a pause is no longer than the recording's own."""
    parts: list[Pcm] = []
    for _ in range(_BABBLE_S):  # of clips shorter than a second, what there is comes again
        pcm = read(paths[int(rng.integers(len(paths)))])
        first, last = speech_span(pcm)
        parts.append(pcm[first:last])
        if sum(map(len, parts)) >= _BABBLE_S * RATE:
            break
    return np.resize(np.concatenate(parts), _BABBLE_S * RATE).astype(np.float32)


def level(pcm: NDArray[np.int16] | NDArray[np.float32]) -> float:
    """RMS from the first to the last sound of speech, in steps of 16 bits; never below what a quiet room has.

    Of a long recording, its first ten minutes.
    """
    pcm = pcm[:_LEVEL_OF]
    first, last = speech_span(np.asarray(pcm, dtype=np.int16))
    return max(_FAINT, _rms(pcm[first:last]))


def _rms(pcm: NDArray[np.int16] | NDArray[np.float32]) -> float:
    power = sum(float(np.square(pcm[i : i + _BLOCK], dtype=np.float64).sum()) for i in range(0, len(pcm), _BLOCK))
    return math.sqrt(power / max(1, len(pcm)))


def _peak(pcm: Pcm) -> float:
    return float(max(-int(pcm.min()), int(pcm.max())))


def mix(sound: Pcm, clip: Pcm, speaker: str, condition: Condition) -> Pcm:
    """`sound`, which has the clip in it, with noise from end to end.

    The noise's own RMS over its whole track is `snr_db` below the clip's level. Which track, and where it begins,
    follows from seed, kind and clip, so that a clip has the same noise at every ratio; no track has the clip's speaker
    in it. Where the sum could clip, all of it is turned down.
    """
    rng = np.random.default_rng([condition.seed, zlib.crc32(clip.tobytes()), zlib.crc32(condition.kind.encode())])
    tracks = [track.pcm for track in condition.tracks if speaker not in track.speakers]
    track = tracks[int(rng.integers(len(tracks)))]
    start = int(rng.integers(len(track)))
    gain = np.float32(level(clip) * 10 ** (-condition.snr_db / 20) / max(_rms(track), 1e-3))
    quieter = np.float32(min(1.0, 32767 / max(1.0, _peak(sound) + float(gain) * _peak(track))))
    out = np.empty_like(sound)
    for at in range(0, len(sound), _BLOCK):
        part = sound[at : at + _BLOCK]
        noise = track.take(np.arange(start + at, start + at + len(part)), mode="wrap")
        out[at : at + len(part)] = np.rint((part + gain * noise.astype(np.float32)) * quieter).astype(np.int16)
    return out
