# SPDX-License-Identifier: MIT
"""How many voices a run really had: those that spoke a clip that is used, not those that are installed.

A timbre is whom a listener takes a voice for: a person, or with espeak-ng a variant, which is alike in every accent. A
person whose voice two engines have counts once. Conversions are clips, not people.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tinywake.audio.voices.voice import Voice

__all__ = ["Census", "EngineCount", "Tally"]


@dataclass(frozen=True)
class EngineCount:
    """What one engine gave."""

    engine: str
    voices: int
    timbres: int
    accents: tuple[str, ...]  # languages or accents, as far as the engine tells them
    clips: int


@dataclass(frozen=True)
class Census:
    """The voices of one split."""

    engines: tuple[EngineCount, ...] = ()
    timbres: int = 0  # of all engines together
    people: int = 0  # that were recorded
    recordings: int = 0
    conversions: int = 0  # clips
    unknown: int = 0  # clips of nobody known, which may be anybody's

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Census:
        """From what ``asdict`` made, also after it was JSON. Raises KeyError and TypeError."""
        engines = tuple(EngineCount(**{**one, "accents": tuple(one["accents"])}) for one in facts["engines"])
        return cls(**{**facts, "engines": engines})

    def __str__(self) -> str:
        """As in "71 synthetic timbres (...), 12 recorded people (165 clips), 300 converted clips"."""
        parts = [f"{self.timbres} synthetic {_many('timbre', self.timbres)} ({'; '.join(map(_one, self.engines))})"]
        if not self.engines:
            parts = ["no synthetic voice"]
        if self.people:
            clips = _many("clip", self.recordings)
            parts.append(f"{self.people} recorded {_people(self.people)} ({self.recordings:,} {clips})")
        if self.unknown:
            parts.append(f"{self.unknown:,} recorded {_many('clip', self.unknown)} of nobody known")
        if self.conversions:
            parts.append(f"{self.conversions:,} converted {_many('clip', self.conversions)}, which are no more people")
        return ", ".join(parts)


@dataclass
class Tally:
    """Counts while clips are gathered."""

    spoken: Counter[Voice] = field(default_factory=Counter)  # clips of each voice
    recorded: Counter[str] = field(default_factory=Counter)  # clips of each speaker
    conversions: int = 0
    unknown: int = 0  # clips

    def census(self) -> Census:
        """What was counted so far."""
        engines = []
        for name in sorted({voice.engine for voice in self.spoken}):
            mine = [voice for voice in self.spoken if voice.engine == name]
            accents = tuple(sorted({voice.accent for voice in mine} - {""}))
            clips = sum(self.spoken[voice] for voice in mine)
            engines.append(EngineCount(name, len(mine), len({voice.timbre for voice in mine}), accents, clips))
        timbres = len({voice.timbre for voice in self.spoken})
        people, recordings = len(self.recorded), self.recorded.total()
        return Census(tuple(engines), timbres, people, recordings, self.conversions, self.unknown)


def _one(count: EngineCount) -> str:
    accents = f" in {len(count.accents)} {_many('accent', len(count.accents))}" if count.accents else ""
    return f"{count.engine} {count.timbres}{accents}, {count.clips:,} {_many('clip', count.clips)}"


def _many(word: str, count: int) -> str:
    return word if count == 1 else word + "s"


def _people(count: int) -> str:
    return "person" if count == 1 else "people"
