# SPDX-License-Identifier: MIT
"""What is said that is not the wake word: common words, and sentences built from parts.

Training, validation and demonstration never share a sentence: each is built from a different hash class.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import numpy as np

__all__ = ["SPLITS", "WORDS", "sentences", "words"]

SPLITS = ("train", "validation", "held_out")

_LISTED = """
the and you that was for are with his they this have from one had word but not what all were when your can said
there use each which she how their will other about out many then them these some her would make like him into
time has look two more write see number way could people than first water been call who oil its now find long
down day did get come made may part over new sound take only little work know place year live back give most
very after thing our just name good sentence man think say great where help through much before line right too
mean old any same tell boy follow came want show also around form three small set put end does another well
large must big even such because turn here why ask went men read need land different home move try kind hand
picture again change off play spell air away animal house point page letter mother answer found study still
learn should America world yes no stop go left up zero four five six seven eight nine ten eleven twelve twenty
hundred thousand Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February August October
November December music volume kitchen bedroom window garden weather morning evening tomorrow yesterday coffee
dinner breakfast television telephone radio camera battery speaker alarm timer light lamp temperature reminder
shopping calendar hello goodbye thanks please sorry really maybe never always together important information
government company community university traffic station airport restaurant hospital doctor teacher student
question communicate commercial committee commit common comfortable comedy combine compare compete complete
complicated component compound compose comprehend compromise compress company's companion compass pewter shooter
neuter tutor cuter hooter router suitor looter scooter future nature picture creature butter better water matter
letter later
"""
WORDS = tuple(dict.fromkeys(_LISTED.split()))

_WHO = (
    "my brother", "the old man", "our neighbour", "a young woman", "the teacher", "everybody", "my best friend",
    "the driver", "a small dog", "the whole family", "his sister", "the people next door", "a doctor", "the captain",
    "one of the children", "the woman in the red coat", "a friend of mine", "the new manager", "nobody",
    "the player",
)  # fmt: skip
_DID = (
    "bought a newspaper", "walked to the station", "was looking for the keys", "told me a funny story",
    "opened the window", "forgot to call", "wants to learn the guitar", "put the plates on the table",
    "has never been to Paris", "read the letter twice", "could not find the answer", "likes warm milk with honey",
    "painted the kitchen wall", "ran after the bus", "heard a strange noise", "is going to win the game",
    "waited for more than an hour", "fixed the broken bicycle", "went shopping for shoes", "met a famous singer",
    "cooked potatoes and beans", "left the house without a coat",
)  # fmt: skip
_WHEN = (
    "early in the morning", "last Tuesday", "before dinner", "in the middle of the night", "because it was raining",
    "when the lights went out", "after a long day", "at the end of the street", "without saying a word",
    "on the way home", "during the summer holidays", "as soon as the music stopped", "for the second time this week",
    "near the river", "while the others were sleeping", "about twenty minutes ago", "in front of the museum", "",
)  # fmt: skip
_ASK = (
    "do you know whether {who} {did}?", "{who} {did} {when}.", "{when}, {who} {did}.", "I think {who} {did} {when}.",
    "they said that {who} {did} {when}, but I do not believe it.", "turn up the volume, {who} {did} {when}.",
    "what happened when {who} {did}?", "set a timer for ten minutes, because {who} {did}.",
    "{who} {did}, and {who2} {did2}.", "could you please tell {who} about it {when}?",
    "in the news today, {who} {did} {when}.",
)  # fmt: skip


def words(split: str, without: Sequence[str]) -> list[str]:
    """Common words except those in `without`. Validation and demonstration share a quarter that training never has."""
    banned = {text.lower() for text in without}
    kept = [word for word in WORDS if word.lower() not in banned]
    return [word for word in kept if (zlib.crc32(word.encode()) % 4 == 0) == (split != "train")]


def sentences(split: str, count: int, without: Sequence[str], rng: np.random.Generator) -> list[str]:
    """`count` different sentences of `split` that contain none of the texts in `without`."""
    banned = [re.compile(rf"\b{re.escape(text)}\b", re.IGNORECASE) for text in without]
    found: dict[str, None] = {}
    for _ in range(count * 200):
        if len(found) >= count:
            break
        slots = {"who": _WHO, "who2": _WHO, "did": _DID, "did2": _DID, "when": _WHEN}
        parts = {slot: choices[int(rng.integers(len(choices)))] for slot, choices in slots.items()}
        filled = _ASK[int(rng.integers(len(_ASK)))].format(**parts)
        text = re.sub(r"\s+([.,?])", r"\1", filled).lstrip(" ,")
        mine = SPLITS[(0, 0, 0, 0, 1, 2)[zlib.crc32(text.encode()) % 6]]
        if mine == split and not any(pattern.search(text) for pattern in banned):
            found[text] = None
    return list(found)
