# SPDX-License-Identifier: MIT
"""Recordings of people who train nothing, by whom the stages are judged where there are any."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tinywake.errors import AudioError, ConfigError
from tinywake.evaluate.metrics import DetCurve
from tinywake.evaluate.sounds.clipset import clip_set
from tinywake.files import why_unread
from tinywake.pipeline.evaluation.run import evaluate

__all__ = ["People"]


@dataclass(frozen=True)
class People:
    """Folders or CSV files as of `tinywake eval`: clips with the word, and sound without it."""

    positives: tuple[Path, ...]
    negatives: tuple[Path, ...]

    @classmethod
    def of(cls, positives: tuple[Path, ...], negatives: tuple[Path, ...], words: int) -> People | None:
        """None where nothing is given. words: of the network. Raises ConfigError where they judge nothing."""
        if not positives and not negatives:
            return None
        if not positives or not negatives:
            raise ConfigError(
                "people judge by clips with the word and clips without it: give --positives and --negatives"
            )
        if words > 1:
            raise ConfigError("--positives: of several words the voices of the development split judge; leave it out")
        return cls(positives, negatives)

    def identity(self) -> str:
        """Of every clip. Raises AudioError."""
        found = hashlib.sha256()
        for sources in (self.positives, self.negatives):
            for clip in clip_set(sources):
                try:
                    found.update(hashlib.sha256(clip.path.read_bytes()).digest() + clip.speaker.encode())
                except OSError as error:
                    raise AudioError(f"{clip.path}: {why_unread(error)}") from error
            found.update(b"|")
        return found.hexdigest()

    def curve(self, model: Path) -> DetCurve:
        """Of a .twm on these clips, each heard as `tinywake eval` does."""
        return evaluate([model], self.positives, self.negatives).models[0].curve
