# SPDX-License-Identifier: MIT
"""How far apart phonemes sound, and edit distances between one word and all the others at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.words.lexicon import Phonemes

__all__ = ["Costs", "costs", "encode"]

# Vowels: height of the tongue, how far back (both 0..3), whether it glides.
_VOWELS = {
    "IY": (3.0, 0.0, 0), "IH": (2.5, 0.4, 0), "EY": (2.2, 0.0, 1), "EH": (1.5, 0.3, 0), "AE": (0.7, 0.3, 0),
    "AA": (0.0, 1.6, 0), "AO": (0.8, 2.0, 0), "OW": (1.6, 2.0, 1), "UH": (2.5, 1.6, 0), "UW": (3.0, 1.8, 0),
    "AH": (1.3, 1.2, 0), "ER": (1.4, 1.2, 0), "AY": (0.8, 0.8, 1), "AW": (0.6, 1.2, 1), "OY": (1.4, 1.5, 1),
}  # fmt: skip
# Consonants: place from the lips (0) to the glottis (4), manner, voice.
_CONSONANTS = {
    "P": (0.0, "stop", 0), "B": (0.0, "stop", 1), "T": (1.5, "stop", 0), "D": (1.5, "stop", 1), "K": (3.0, "stop", 0),
    "G": (3.0, "stop", 1), "CH": (2.0, "affricate", 0), "JH": (2.0, "affricate", 1), "F": (0.5, "fricative", 0),
    "V": (0.5, "fricative", 1), "TH": (1.0, "fricative", 0), "DH": (1.0, "fricative", 1), "S": (1.5, "fricative", 0),
    "Z": (1.5, "fricative", 1), "SH": (2.0, "fricative", 0), "ZH": (2.0, "fricative", 1), "HH": (4.0, "fricative", 0),
    "M": (0.0, "nasal", 1), "N": (1.5, "nasal", 1), "NG": (3.0, "nasal", 1), "L": (1.5, "liquid", 1),
    "R": (2.0, "liquid", 1), "W": (0.5, "glide", 1), "Y": (2.5, "glide", 1),
}  # fmt: skip
_MANNERS = {
    ("affricate", "stop"): 0.25, ("affricate", "fricative"): 0.2, ("fricative", "stop"): 0.35,
    ("nasal", "stop"): 0.4, ("glide", "liquid"): 0.25,
}  # fmt: skip
_ALIKE = {("ER", "R"): 0.5, ("IY", "Y"): 0.4, ("UW", "W"): 0.4}  # a vowel and the consonant next to it
_LIGHT = {"AH": 0.6, "IH": 0.6, "HH": 0.5, "Y": 0.55}  # come and go unnoticed
_SYMBOLS = (*_VOWELS, *_CONSONANTS)
_INDEX = {symbol: index for index, symbol in enumerate(_SYMBOLS)}
_GAP = np.array([_LIGHT.get(symbol, 0.9 if symbol in _VOWELS else 0.8) for symbol in _SYMBOLS])

Codes = NDArray[np.uint8]
Floats = NDArray[np.float64]


def _between(one: str, other: str) -> float:
    if one == other:
        return 0.0
    if one in _VOWELS and other in _VOWELS:
        (high, back, glides), (high2, back2, glides2) = _VOWELS[one], _VOWELS[other]
        return min(0.9, 0.1 + 0.22 * float(np.hypot(high - high2, back - back2)) + 0.1 * abs(glides - glides2))
    if one in _CONSONANTS and other in _CONSONANTS:
        (place, manner, voice), (place2, manner2, voice2) = _CONSONANTS[one], _CONSONANTS[other]
        kind = min(manner, manner2), max(manner, manner2)
        changed = 0.0 if manner == manner2 else _MANNERS.get(kind, 0.5)
        return min(1.0, 0.12 + 0.2 * abs(voice - voice2) + 0.12 * abs(place - place2) + changed)
    return _ALIKE.get((min(one, other), max(one, other)), 1.3)


_SUBSTITUTION = np.array([[_between(one, other) for other in _SYMBOLS] for one in _SYMBOLS])


class Costs:
    """What it costs to turn a target into each of some words: arrays, one number a word."""

    def __init__(self, whole: Floats, start: Floats, end: Floats, inside: Floats) -> None:
        self.whole = whole  # the word is the target
        self.start = start  # the word is how the target begins
        self.end = end  # the word is how the target ends
        self.inside = inside  # the target is somewhere in the word


def encode(phonemes: Phonemes) -> Codes:
    """Indices into the tables above. Raises KeyError for what is no ARPABET."""
    return np.array([_INDEX[symbol] for symbol in phonemes], np.uint8)


def costs(target: Phonemes, words: Sequence[Phonemes]) -> Costs:
    """From `target` to each of `words`, in their order."""
    codes = encode(target)
    found = Costs(*(np.zeros(len(words)) for _ in range(4)))
    by_length: dict[int, list[int]] = {}
    for index, word in enumerate(words):
        by_length.setdefault(len(word), []).append(index)
    for members in by_length.values():
        table = np.stack([encode(words[index]) for index in members])
        begins = _last_row(codes, table)
        found.whole[members], found.start[members] = begins[:, -1], begins.min(axis=1)
        found.end[members] = _last_row(codes, table, late=True)[:, -1]
        found.inside[members] = _inside(codes, table)
    return found


def _last_row(target: Codes, words: Codes, *, late: bool = False) -> Floats:
    """[n words, len(target) + 1]: each word against every beginning of the target; `late`: from anywhere on."""
    row = _first_row(target, len(words))
    if late:
        row[:] = 0
    for column in words.T:
        row = _next_row(row, target, column, free=False)
    return row


def _inside(target: Codes, words: Codes) -> Floats:
    row = _first_row(target, len(words))
    best = row[:, -1].copy()
    for column in words.T:
        row = _next_row(row, target, column, free=True)
        best = np.minimum(best, row[:, -1])
    return best


def _first_row(target: Codes, count: int) -> Floats:
    return np.tile(np.concatenate([[0.0], np.cumsum(_GAP[target])]), (count, 1))


def _next_row(row: Floats, target: Codes, column: Codes, *, free: bool) -> Floats:
    """One more phoneme of every word; `free`: the word may go on before the target begins."""
    out = np.empty_like(row)
    gap = _GAP[column]
    out[:, 0] = 0.0 if free else row[:, 0] + gap
    for at, symbol in enumerate(target, 1):
        replaced = row[:, at - 1] + _SUBSTITUTION[symbol, column]
        out[:, at] = np.minimum(np.minimum(replaced, row[:, at] + gap), out[:, at - 1] + _GAP[symbol])
    return out
