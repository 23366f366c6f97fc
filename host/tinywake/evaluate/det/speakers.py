# SPDX-License-Identifier: MIT
"""Who is not heard: an average over twelve people is a statement about two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["BAD", "SpeakerShare", "shares_of", "speaker_facts", "speaker_lines"]

BAD = 0.2  # share of misses above which a speaker is badly heard
_NAMED = 12  # in text


@dataclass(frozen=True)
class SpeakerShare:
    """Misses of one speaker at one threshold."""

    speaker: str
    missed: int
    clips: int

    @property
    def rate(self) -> float:
        """Share of the clips."""
        return self.missed / self.clips


def shares_of(table: Mapping[str, tuple[int, int]]) -> tuple[SpeakerShare, ...]:
    """Speaker -> (missed, clips), the worst first; of equals the one with more clips."""
    shares = [SpeakerShare(name, *counts) for name, counts in table.items()]
    return tuple(sorted(shares, key=lambda s: (-s.rate, -s.clips, s.speaker)))


def speaker_facts(shares: Sequence[SpeakerShare]) -> dict[str, object]:
    """As JSON-able values."""
    return {
        "count": len(shares),
        "median_misses": median(share.rate for share in shares),
        "worst": {"speaker": shares[0].speaker, "misses": shares[0].rate, "clips": shares[0].clips},
        "share_above_20": sum(share.rate > BAD for share in shares) / len(shares),
    }


def speaker_lines(shares: Sequence[SpeakerShare]) -> list[str]:
    """For people; none for one speaker."""
    if len(shares) < 2:
        return []
    bad = [share for share in shares if share.rate > BAD]
    worst = shares[0]
    lines = [
        f"{len(shares)} speakers: median {100 * median(s.rate for s in shares):.0f} % missed, worst "
        f"{100 * worst.rate:.0f} % ({worst.speaker}, {worst.clips} clips); {len(bad)} of them "
        f"({100 * len(bad) / len(shares):.0f} %) above {100 * BAD:.0f} %"
    ]
    if bad:
        named = ", ".join(f"{share.speaker} {share.missed} of {share.clips}" for share in bad[:_NAMED])
        lines.append(f"  missed: {named}{f' and {len(bad) - _NAMED} more' if len(bad) > _NAMED else ''}")
    return lines
