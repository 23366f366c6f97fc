# SPDX-License-Identifier: MIT
"""An owner's utterances: read, and refused with a reason where nothing good can come of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinywake.audio.clips import Pcm, read_clip
from tinywake.audio.sources import WORD_MAX
from tinywake.audio.survey.measure import measure
from tinywake.errors import AudioError

__all__ = ["MOST", "read_utterances"]

MOST = 200
_SHORT_S = 0.2
_CLIPPED = 0.05  # share of the loud samples at a limit; data-report doubts the same
_FAINT_DB = -60.0
_CLEAR_DB = 6.0


def read_utterances(paths: Sequence[Path]) -> list[Pcm]:
    """The clips. Raises AudioError, which names the file, for the first that is no single clear utterance."""
    if not 1 <= len(paths) <= MOST:
        raise AudioError(f"{len(paths)} utterances: enrolment takes 1 to {MOST}; three to ten are enough")
    seen: dict[str, Path] = {}
    for path in paths:
        found = measure(path)
        if found.peak_db < _FAINT_DB:
            raise AudioError(f"{path}: the clip is silent; record it again, nearer to the microphone")
        if found.speech < _SHORT_S:
            raise AudioError(f"{path}: {found.speech:.2f} s of sound is too short for a word; record it again")
        if found.speech > WORD_MAX:
            raise AudioError(f"{path}: {found.speech:.1f} s of speech; cut it to the word, at most {WORD_MAX:g} s")
        if found.clipped > _CLIPPED:
            raise AudioError(f"{path}: clipped, samples pile up at a limit; record it again with less gain")
        if found.snr_db < _CLEAR_DB:
            raise AudioError(f"{path}: {found.snr_db:.0f} dB between loud and quiet; record it where it is quieter")
        if found.digest in seen:
            raise AudioError(f"{path}: the same sound as {seen[found.digest]}; say it again instead")
        seen[found.digest] = path
    return [read_clip(path) for path in paths]
