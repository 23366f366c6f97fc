"""Near words from pronunciation: found, ranked, never a homophone; the same list every time."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tinywake.audio.words import lexicon
from tinywake.audio.words.distance import costs
from tinywake.audio.words.lexicon import pronunciations
from tinywake.audio.words.near import find_near, near_words, sounds_like
from tinywake.config import Word, load_recipe
from tinywake.errors import ConfigError, ToolError

COMPUTER = ("K", "AH", "M", "P", "Y", "UW", "T", "ER")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("computer", {"commuter", "compute", "computing", "pewter"}),
        ("alexa", {"alexis", "lexus", "alexia", "alexi"}),
        ("voyager", {"voyage", "voyaged", "villager"}),
    ],
)
def test_what_one_would_think_of_is_found(word: str, expected: set[str]) -> None:
    found = find_near((word,), 60)
    assert expected <= set(found)
    assert len(found) == len(set(found)) == 60


@pytest.mark.parametrize("word", ["computer", "alexa", "voyager", "hey jarvis", "marvin"])
def test_no_homophone_and_nothing_that_holds_the_word(word: str) -> None:
    found = find_near((word,), 100)
    assert not [text for text in found if sounds_like(text, (word,))]
    targets = pronunciations(word)
    for text in found:
        for way in pronunciations(text):
            joined = " ".join(way)
            assert not any(" ".join(target) in joined for target in targets), text


def test_homophones_are_known() -> None:
    assert sounds_like("come pewter", ["computer"])
    assert sounds_like("microcomputers", ["computer"])
    assert sounds_like("I red it", ["read"])
    assert not sounds_like("commuter", ["computer"])
    assert not sounds_like("computed", ["computer"])
    near = find_near(("sea",), 40)
    assert not {"see", "sea", "c", "si"} & set(near)


def test_two_words_in_a_row_are_among_them() -> None:
    pairs = [text for text in find_near(("computer",), 60) if " " in text]
    assert len(pairs) == 12
    assert "come pewter" not in pairs
    assert {"come cuter", "camp yeutter"} & set(pairs)


def test_distances_follow_the_mouth() -> None:
    changed = [(*COMPUTER[:6], symbol, "ER") for symbol in ("D", "S", "AA")]
    words = [COMPUTER, *changed, COMPUTER[:6], COMPUTER[4:], ("S", "UW", *COMPUTER, "Z")]
    found = costs(COMPUTER, words)
    assert found.whole[0] == 0
    assert list(found.whole[:4]) == sorted(found.whole[:4])
    assert found.start[4] == found.end[5] == found.inside[6] == 0
    assert found.end[4] > 0 < found.start[5]
    assert found.whole[6] > 2


def test_one_pronunciation_is_said_once() -> None:
    found = find_near(("computer",), 100)
    ways = [pronunciations(text)[0] for text in found]
    assert len(set(ways)) >= len(ways) - 3  # a second pronunciation may be another's first


def test_a_word_that_no_dictionary_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexicon.shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match=r"word\.texts = 'hey tinywake': 'tinywake' is not in .* install espeak-ng"):
        pronunciations("hey tinywake")
    monkeypatch.undo()
    if lexicon.shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    assert pronunciations("hey tinywake") == (("HH", "EY", "T", "IH", "N", "IH", "W", "EY", "K"),)


def test_without_the_dictionary_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lexicon.entries.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match=r"pip install 'tinywake\[train\]'"):
        lexicon.entries()


def test_a_recipe_asks_for_them(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('[word]\nlabel = "computer"\nnear = "auto"\n')
    word = load_recipe(path).word
    assert near_words(word) == find_near(("computer",), 60)
    path.write_text('[word]\nlabel = "computer"\nnear = ["a new tour", "commuter"]\nnear_count = 20\n')
    found = near_words(load_recipe(path).word)
    assert found[:2] == ("a new tour", "commuter")
    assert len(found) == len(set(found)) >= 21
    assert near_words(Word("computer", near=("come pewter",))) == ("come pewter",)  # by hand, nobody looks
    with pytest.raises(ConfigError, match=r"word\.near = 'come pewter' sounds like the word"):
        near_words(Word("computer", near=("come pewter",), near_count=5))
