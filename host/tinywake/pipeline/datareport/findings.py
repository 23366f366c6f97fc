# SPDX-License-Identifier: MIT
"""A thing that is wrong with a set of recordings, and the checks of single clips.

A fault is certain, and no training begins with it. A warning is a fact too, or says that it is a guess.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinywake.audio.sources import PHRASE_MAX, WORD_MAX
from tinywake.audio.survey.measure import Measures
from tinywake.audio.survey.survey import Surveyed

__all__ = ["Finding", "clip_findings", "some"]

_SILENT_DB = -72.3  # a peak of 8 steps of 16 bits
_SHOWN = 3
_LOW_HZ, _HIGH_HZ = 75.0, 350.0  # median pitch of a speaker or a folder
_MANY = 5  # clips of a speaker or a folder that say something about the pitch


@dataclass(frozen=True)
class Finding:
    """`text` is one line that names the clips and the way out; `clips` names all of them."""

    kind: str
    fault: bool
    text: str
    clips: tuple[str, ...] = ()


def some(names: Sequence[str]) -> str:
    """The first few names, and how many there are besides."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def clip_findings(clips: Sequence[Surveyed]) -> Iterator[Finding]:
    """What is wrong with clips taken one by one."""
    for clip in clips:
        if clip.measures is None:
            yield Finding("unreadable", True, f"{clip.name}: {clip.error}", (clip.name,))
    for clip, m in _speech(clips):
        if m.peak_db < _SILENT_DB:
            yield Finding("silent", True, f"{clip.name}: the clip is silent", (clip.name,))
        elif clip.recording.kind == "word" and m.speech > WORD_MAX:
            text = f"{clip.name}: {m.speech:.1f} s for the wake word; at most {WORD_MAX:g} s of speech"
            yield Finding("too long", True, text, (clip.name,))
    heard = [(clip, m) for clip, m in _speech(clips) if m.peak_db >= _SILENT_DB]
    for kind, wrong, text in _DOUBTS:
        found = [clip.name for clip, m in heard if wrong(clip, m)]
        if found:
            yield Finding(kind, False, f"{text}, in {len(found)} of {len(heard)} clips: {some(found)}", tuple(found))
    yield from _bands(heard)
    yield from _pitches(heard)


def _speech(clips: Sequence[Surveyed]) -> list[tuple[Surveyed, Measures]]:
    return [(c, c.measures) for c in clips if c.measures is not None and c.recording.kind != "noise"]


_DOUBTS: tuple[tuple[str, Callable[[Surveyed, Measures], bool], str], ...] = (
    ("clipped", lambda c, m: m.clipped > 0.05, "samples pile up at a limit, so record with less gain"),
    ("offset", lambda c, m: abs(m.offset) > max(0.02, 0.1 * 10 ** (m.level_db / 20)),
     "a constant part (DC) of the microphone or converter, to be taken off"),
    ("quiet", lambda c, m: m.level_db < -50, "speech below -50 dB of full scale, near the steps of 16 bits"),
    ("noisy", lambda c, m: m.snr_db < 10, "less than 10 dB between the loud and the quiet, if there is speech at all"),
    ("short", lambda c, m: c.recording.kind in ("word", "phrase") and m.speech < 0.2,
     "less than 0.2 s of sound for the word, cut off or empty"),
    ("not used", lambda c, m: c.recording.kind == "phrase" and m.speech > PHRASE_MAX,
     f"the word inside more than {PHRASE_MAX:g} s of speech, which is not used until it is cut near the word"),
    ("roomy", lambda c, m: c.recording.kind == "word" and PHRASE_MAX < m.speech <= WORD_MAX,
     f"more than {PHRASE_MAX:g} s of sound for the word, which may fall out of a stream until it is trimmed"),
)  # fmt: skip


def _bands(heard: Sequence[tuple[Surveyed, Measures]]) -> Iterator[Finding]:
    """Files whose rate promises more than they hold."""
    for edge, guess in ((3000.0, "a very narrow channel"), (4250.0, "a telephone's 8 kHz, raised to the file's rate")):
        low = 0.0 if edge == 3000.0 else 3000.0
        found = [c.name for c, m in heard if low < m.band_hz <= edge and min(m.rate, 16_000) / 2 > 1.5 * m.band_hz]
        if found:
            yield Finding(
                "band", False,
                f"{len(found)} clips hold nothing above {edge / 1000:.3g} kHz, though their files' rates promise more "
                f"(by the sound, a guess: {guess}): {some(found)}", tuple(found),
            )  # fmt: skip


def _pitches(heard: Sequence[tuple[Surveyed, Measures]]) -> Iterator[Finding]:
    """Folders and speakers who, by their pitch, are played at a wrong rate."""
    voices: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for clip, m in heard:
        if m.pitch_hz > 0:
            voices[str(Path(clip.name).parent)].append((clip.name, m.pitch_hz))
            voices[f"speaker {clip.recording.speaker}"].append((clip.name, m.pitch_hz))
    for low, high, what in ((0.0, _LOW_HZ, f"below {_LOW_HZ:g} Hz"), (_HIGH_HZ, np.inf, f"above {_HIGH_HZ:g} Hz")):
        odd = {
            name: pitch
            for clips in voices.values()
            if len(clips) >= _MANY and low < float(np.median([pitch for _, pitch in clips])) < high
            for name, pitch in clips
        }
        if odd:
            names = sorted(odd)
            text = f"{len(names)} clips have a median pitch of {np.median(list(odd.values())):.0f} Hz, {what}"
            why = "hardly anybody talks like that, so their rate may be wrong in the files (a guess: listen to one)"
            yield Finding("pitch", False, f"{text}; {why}: {some(names)}", tuple(names))
