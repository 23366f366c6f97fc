# SPDX-License-Identifier: MIT
"""How long after its end a word is heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinywake.audio.clips import RATE, Pcm, speech_span

__all__ = ["Latency", "end_of_word"]

_WITHIN_DB = 20.0  # of the loudest: what is below is breath and room


@dataclass(frozen=True)
class Latency:
    """From the end of the word to the hit, of every positive that was heard, in ms; below 0: before the end."""

    ms: Sequence[int]

    def percentile(self, share: float) -> int | None:
        """The least latency that so many per cent do not exceed."""
        return int(np.percentile(self.ms, share, method="inverted_cdf")) if len(self.ms) else None

    def facts(self) -> dict[str, object]:
        """As JSON-able values."""
        return {"heard": len(self.ms), "median_ms": self.percentile(50), "p90_ms": self.percentile(90)}

    def lines(self) -> list[str]:
        """For people."""
        if not len(self.ms):
            return []
        return [
            f"heard {self.percentile(50)} ms after the end of the word (median; 90 % within {self.percentile(90)} ms, "
            f"{len(self.ms)} clips)"
        ]


def end_of_word(pcm: Pcm, said_ms: int | None) -> int:
    """In ms from the clip's start: what a manifest says, else the end of the last sound in it.

    That is the end of the last 10 ms that are within 20 dB of the loudest and 6 dB above the quietest tenth
    (audio.clips.speech_span). A clip must end with its word for it.
    """
    return said_ms if said_ms is not None else speech_span(pcm, _WITHIN_DB)[1] * 1000 // RATE
