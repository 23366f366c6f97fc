# SPDX-License-Identifier: MIT
"""Near words: what sounds nearly like the wake word, and must not wake.

Taken from the pronouncing dictionary by edit distance over phonemes: whole words, words that are how it begins or ends,
words with nearly all of it inside, and two words in a row. What sounds the same, or holds what sounds the same, is
left out: a network told "no" by a homophone goes deaf. The same word and dictionary give the same list.
"""

from __future__ import annotations

import functools
import heapq
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.voices.texts import WORDS
from tinywake.audio.words.distance import Costs, costs
from tinywake.audio.words.lexicon import Phonemes, entries, pronunciations
from tinywake.config import Word
from tinywake.errors import ConfigError

__all__ = ["find_near", "near_words", "sounds_like"]

_SAME = 0.25  # and less: a homophone; British "er" and "a" are 0.12 apart
_HOLDS = 0.05  # and less: the word is all in it, as in "computers"; "computed" only nearly holds it
_NEARLY = 0.2  # a phoneme of the target, at most, for words with nearly all of it inside
_HALF = 0.4  # share of the target's phonemes that a part has at least, and three
_PART = 0.45  # cost of a part, at most
_SHARES = (("inside", 0.15), ("part", 0.2), ("pair", 0.2))  # of the list; the rest are whole words


def near_words(word: Word) -> tuple[str, ...]:
    """The recipe's list, then as many more as its ``near_count``.

    Raises what `find_near` does, and ConfigError where one of the list is a homophone.
    """
    if not word.near_count:
        return word.near
    for text in word.near:
        if sounds_like(text, word.spoken):
            raise ConfigError(f"word.near = {text!r} sounds like the word itself, or holds it; take it out")
    found = find_near(word.spoken, word.near_count)
    return tuple(dict.fromkeys((*word.near, *(text for text in found if text not in word.near))))


@functools.lru_cache(maxsize=8)
def find_near(spoken: tuple[str, ...], count: int) -> tuple[str, ...]:
    """`count` texts that sound nearly like one of `spoken`, the nearest of each kind first.

    Raises ToolError without the dictionary, ConfigError for a text that nobody here can pronounce.
    """
    targets = [way for text in spoken for way in pronunciations(text)]
    lexicon = [
        (word, way)
        for word, ways in entries().items()
        if re.fullmatch("[a-z]{2,}", word)
        for way in ways
        if len(way) > 1
    ]
    texts, ways = [word for word, _ in lexicon], [way for _, way in lexicon]
    tables = [costs(target, ways) for target in targets]
    banned = {texts[int(at)] for table in tables for at in np.flatnonzero(_too_near(table))}
    banned |= {part for text in spoken for part in re.findall(r"[\w']+", text.lower())}
    kinds = _rank(targets, tables, ways)
    ranked = {
        kind: [(texts[at], ways[at]) for _, at in heapq.nsmallest(8 * count + 200, found) if texts[at] not in banned]
        for kind, found in kinds.items()
    }
    ranked["pair"] = _pairs(targets, [text for text, _ in (*ranked["part"][:60], *ranked["whole"][:20])])
    chosen: dict[Phonemes, str] = {}  # one spelling each
    for kind, share in (*_SHARES, ("whole", 1.0)):
        room = len(chosen) + round(share * count) if kind != "whole" else count
        for text, way in ranked[kind]:
            if len(chosen) >= room:
                break
            if text not in chosen.values():
                chosen.setdefault(way, text)
    return tuple(chosen.values())


def sounds_like(text: str, spoken: Sequence[str]) -> bool:
    """Whether `text` is, or holds, what sounds the same as one of `spoken`. Raises as `find_near`."""
    ways = pronunciations(text)
    return any(_too_near(costs(target, ways)).any() for said in spoken for target in pronunciations(said))


def _too_near(table: Costs) -> NDArray[np.bool_]:
    return (table.whole <= _SAME) | (table.inside <= _HOLDS)


def _rank(
    targets: Sequence[Phonemes], tables: Sequence[Costs], ways: Sequence[Phonemes]
) -> dict[str, list[tuple[float, int]]]:
    """For each kind (cost, index) of the words that are near enough to be of it."""
    kinds: dict[str, list[tuple[float, int]]] = {"whole": [], "part": [], "inside": []}
    for target, table in zip(targets, tables, strict=True):
        for at, way in enumerate(ways):
            longer = len(way) - len(target)
            if abs(longer) <= 3:  # a detector listens inside words too, so "lexus" is near "alexa"
                kinds["whole"].append((round(float(table.whole[at] + table.inside[at]), 3), at))
            part = min(float(table.start[at]), float(table.end[at]))
            if longer < 0 and len(way) >= max(3, _HALF * len(target)) and part <= _PART:
                kinds["part"].append((round(part - 0.1 * len(way), 3), at))
            if longer >= 2 and table.inside[at] <= _NEARLY * len(target):
                kinds["inside"].append((round(float(table.inside[at]), 3), at))
    return kinds


def _pairs(targets: Sequence[Phonemes], parts: Sequence[str]) -> list[tuple[str, Phonemes]]:
    """Two words in a row, the first nearly how the target begins and the second nearly how it ends."""
    known = entries()
    candidates = [word for word in dict.fromkeys((*parts, *(word.lower() for word in WORDS))) if word in known]
    ways = [known[word][0] for word in candidates]
    found: dict[str, float] = {}
    for target in targets:
        for cut in range(2, len(target) - 1):
            sides = [costs(half, ways).whole for half in (target[:cut], target[cut:])]
            firsts, seconds = ([int(at) for at in side.argsort(kind="stable")[:12]] for side in sides)
            for one in firsts:
                for other in seconds:
                    text = f"{candidates[one]} {candidates[other]}"
                    found[text] = min(found.get(text, 9.0), float(sides[0][one] + sides[1][other]))
    order = sorted(found, key=lambda text: (round(found[text], 3), text))[:400]
    said = [tuple(symbol for word in text.split() for symbol in known[word][0]) for text in order]
    same = [_too_near(costs(target, said)) for target in targets] if said else []
    return [(text, said[at]) for at, text in enumerate(order) if not any(column[at] for column in same)]
