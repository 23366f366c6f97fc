"""The teacher: Google's speech embedding against the wheel it comes from, its places in a stream, what it teaches."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from test_dataset import RECIPE as MIXED
from test_dataset import loudness, splits

from tinywake.audio import dataset
from tinywake.config import Network, Recipe, Teacher, Training, Word
from tinywake.errors import ConfigError, ModelError, ToolError
from tinywake.pipeline.training import teaching

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow", reason="tensorflow is not installed (pip install 'tinywake[train]')")


SMALL_TFLITE = Path(__file__).parents[1] / "vectors" / "networks" / "word.tflite"
MEL = [  # frames 0, 100 and 246, channels 0, 10 and 31
    [11.242754936218262, 9.549636840820312, 6.960395812988281],
    [7.336020469665527, 6.903477191925049, 7.187448501586914],
    [10.679241180419922, 9.743487358093262, 8.50221061706543],
]


@pytest.fixture(scope="module")
def google() -> Path:
    """The embedding's file. A computer without PyPI cannot have it."""
    try:
        return teaching.google_speech()
    except ToolError as error:
        pytest.skip(str(error))


def sound(seconds: float) -> NDArray[np.int16]:
    """Something with formants that move, and quiet parts."""
    t = np.arange(round(16000 * seconds)) / 16000
    voice = sum(np.sin(2 * np.pi * n * (110 + 20 * np.sin(3 * t)) * t) / n for n in range(1, 30))
    noise = np.random.default_rng(3).normal(0, 0.05, len(t))
    return np.asarray((voice * (np.sin(5 * t) > -0.3) + noise) * 3000, np.int16)


def test_it_equals_the_original_window_by_window(google: Path) -> None:
    from tinywake.learn.teacher.embedding import Embedding, melspectrogram

    pcm = sound(2.5)
    oracle = tf.lite.Interpreter(str(google))
    oracle.allocate_tensors()
    mel = melspectrogram(tf.constant(pcm, tf.float32)).numpy()
    wanted = []
    for first in range(0, len(mel) - 75, 8):
        oracle.set_tensor(oracle.get_input_details()[0]["index"], mel[None, first : first + 76, :, None])
        oracle.invoke()
        wanted.append(oracle.get_tensor(oracle.get_output_details()[0]["index"]).ravel().copy())
    said = Embedding(google)(pcm)
    assert said.shape == (len(wanted), 96) == (22, 96)
    assert np.abs(np.stack(wanted)).mean() > 1
    np.testing.assert_allclose(said, np.stack(wanted), atol=2e-3)


def test_its_front_end_is_that_of_the_wheel() -> None:
    # openWakeWord computes it with a network of its own, melspectrogram.onnx: MEL has what that one says of this sound.
    from tinywake.learn.teacher.embedding import melspectrogram

    mel = melspectrogram(tf.constant(sound(2.5), tf.float32)).numpy()
    assert mel.shape == (247, 32)
    np.testing.assert_allclose(mel[[0, 100, 246]][:, [0, 10, 31]], MEL, atol=1e-4)


def test_a_place_has_heard_up_to_its_own_frame() -> None:
    heard = np.arange(30, dtype=np.float32)[:, None] * 8 + 76  # each step says after how many frames it speaks
    said = dataset._placed(heard, total=300, heard=229, frames=229, stride=3)
    ends = 300 - 229 + np.arange(229, 30, -3)[::-1]
    assert said.shape == (67, 1)
    assert np.array_equal(said[:, 0], np.maximum(ends, 76).astype(np.float16))
    slower = dataset._placed(heard, total=300, heard=200, frames=229, stride=3)[:, 0]
    np.testing.assert_allclose(slower, np.maximum(100 + np.arange(229, 30, -3)[::-1] * 200 / 229, 76), atol=0.2)


RECIPE = Recipe(
    Word("w"),
    network=Network(stride=3, first_kernel=3, first_filters=8, filters=(8, 8), kernels=(5, 5), head=6),
    train=Training(seed=3, steps=60, batch=16, dropout=0.0),
    teacher=Teacher("google-speech", heads=2, steps=60, soft=0.7, hints=1.0),
)


@pytest.fixture(scope="module")
def data() -> dataset.Dataset:
    """Streams of noise whose word nobody can find in the features, but in what the ear heard."""
    rng = np.random.default_rng(5)
    frames, streams = RECIPE.network.window + 3 * 35, 80
    labels = np.zeros((streams, 36), np.uint8)
    labels[:40, 20:26] = dataset.CANDIDATE
    labels[:40, 26:] = dataset.IGNORED
    places = len(np.arange(frames, 30, -3))
    heard = rng.normal(0, 1, (streams, places, 12)).astype(np.float16)
    heard[:40, -16:-10, :4] += 3
    return dataset.Dataset(
        rng.integers(-128, 127, (streams, frames, 40)).astype(np.int8), labels,
        rng.integers(-128, 127, (8, frames, 40)).astype(np.int8),
        rng.integers(-128, 127, (2, 300, 40)).astype(np.int8),
        np.zeros(streams, np.uint8), np.zeros(8, np.uint8), heard=heard,
    )  # fmt: skip


def test_heads_find_the_word_and_are_trained_once(data: dataset.Dataset, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    from tinywake.learn.teacher import heads

    shares: list[float] = []
    said = heads.logits_of_heads(data, RECIPE, tmp_path, shares.append)
    assert said.shape == (2, 80, 36, 1)
    assert not np.array_equal(said[0], said[1])  # two heads, not one twice
    highest = said.mean(axis=0)[:, :, 0].max(axis=1)
    assert highest[:40].min() > highest[40:].max()
    assert shares == sorted(shares)
    assert shares[-1] > 0.9
    monkeypatch.setattr(heads, "_said_by_one", None)
    assert np.array_equal(heads.logits_of_heads(data, RECIPE, tmp_path, shares.append), said)


def test_the_network_learns_what_the_teacher_says(data: dataset.Dataset) -> None:
    from tinywake.learn.judge import logits
    from tinywake.learn.teacher.heads import lessons_of
    from tinywake.learn.train import fit

    # A teacher who says the opposite of the labels, for streams that can be told apart.
    features = data.features.copy()
    features[:40] = features[:40] // 4 + 64
    plain = replace(data, features=features)
    opposite = np.where(np.arange(80)[:, None, None] < 40, -6.0, 6.0) * np.ones((1, 80, 36, 1))
    means = []
    for soft in (0.0, 0.95):
        train = replace(RECIPE.train, steps=200, learning_rate=5e-3)
        recipe = replace(RECIPE, teacher=replace(RECIPE.teacher, soft=soft, hints=0.0), train=train)
        lessons = lessons_of(plain, recipe, opposite.astype(np.float16))
        z = logits(fit(plain, recipe, lessons=lessons).model, plain.features)[:, 20:26, 0]
        means.append(float(z[:40].mean() - z[40:].mean()))
    assert means[0] > 0 > means[1]


def test_hints_are_of_the_steps_that_the_head_reads(data: dataset.Dataset) -> None:
    from tinywake.learn.teacher.heads import lessons_of

    said = np.zeros((2, 80, 36, 1), np.float16)
    hints = lessons_of(data, RECIPE, said).hints
    assert hints is not None
    steps = 36 + RECIPE.network.head - 1
    assert hints.features.shape == (80, steps, 12)
    mean, deviation = data.heard.astype(np.float32).mean((0, 1)), data.heard.astype(np.float32).std((0, 1))
    wanted = ((data.heard.astype(np.float32) - mean) / deviation)[:, -5:]
    np.testing.assert_allclose(hints.features[:, -5:], wanted, atol=0.05)
    assert lessons_of(data, replace(RECIPE, teacher=replace(RECIPE.teacher, hints=0.0)), said).hints is None


def test_streams_with_an_ear_are_the_same_streams(tmp_path: Path) -> None:
    def listen(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
        steps = (len(pcm) // 160 - 78) // 8 + 1
        return np.full((max(1, steps), 5), float(np.abs(pcm.astype(np.float32)).mean()), np.float32)

    plain, heard = (dataset.build(splits(), MIXED, loudness, listen=ear) for ear in (None, listen))
    assert np.array_equal(plain.features, heard.features)
    assert plain.heard.shape[1:] == (0, 0)
    assert (len(heard.heard), heard.heard.shape[2]) == (len(heard.features), 5)
    dataset.save(tmp_path / "s.npz", heard)
    again = dataset.load(tmp_path / "s.npz")
    assert again is not None
    assert np.array_equal(again.heard, heard.heard)


@pytest.mark.parametrize("what", ["missing", "not a .tflite", "another network"])
def test_another_file_is_refused_in_one_line(what: str, tmp_path: Path) -> None:
    path = tmp_path / "ear.tflite"
    if what == "not a .tflite":
        path.write_bytes(b"nothing of the kind")
    elif what == "another network":
        path.write_bytes(SMALL_TFLITE.read_bytes())
    recipe = replace(RECIPE, teacher=Teacher("ear.tflite"))
    with pytest.raises((ConfigError, ModelError), match=r"ear\.tflite") as said:
        teaching.ear_of(recipe, tmp_path)
    assert "\n" not in str(said.value)


def test_without_pypi_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYWAKE_CACHE", str(tmp_path))
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: No matching distribution found")
    monkeypatch.setattr(teaching.subprocess, "run", lambda *args, **kwargs: failed)
    with pytest.raises(ToolError, match=r"No matching distribution.*\[teacher\] embedding"):
        teaching.google_speech()


def test_a_wheel_with_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYWAKE_CACHE", str(tmp_path))

    def fetched(asked: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        with zipfile.ZipFile(Path(asked[-1]) / "openwakeword-0.5.1-py3-none-any.whl", "w") as wheel:
            wheel.writestr("openwakeword/resources/models/embedding_model.tflite", b"\0\0\0\0TFL3")
        return subprocess.CompletedProcess(asked, 0, "", "")

    monkeypatch.setattr(teaching.subprocess, "run", fetched)
    with pytest.raises(ToolError, match="is not the file that is known here"):
        teaching.google_speech()
    assert not list((tmp_path / "teacher").glob("*.tflite"))


TINY = """
[word]
label = "computer"
[voices]
engines = ["espeak-ng"]
validation = ["espeak-ng/*+m3"]
[counts]
positives = 8
near = 0
words = 8
sentences = 8
positive_streams = 24
negative_streams = 40
validation_positives = 4
validation_minutes = 1
[train]
steps = 20
batch = 8
[network]
first_filters = 8
filters = [8]
kernels = [9]
head = 25
[teacher]
embedding = "google-speech"
heads = 1
steps = 10
soft = 0.5
"""


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_a_recipe_with_a_teacher_from_words_to_a_model(
    google: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tinywake.learn.teacher import heads
    from tinywake.pipeline.training.run import train

    def fresh(cache: Path) -> None:
        monkeypatch.setenv("TINYWAKE_CACHE", str(cache))
        (cache / "teacher").mkdir(parents=True)
        shutil.copy(google, cache / "teacher")

    fresh(tmp_path / "cache")
    recipe, stages = tmp_path / "recipe.toml", list[str]()
    recipe.write_text(TINY)
    made = train(recipe, tmp_path / "out", progress=lambda stage, done: stages.append(stage))
    assert list(dict.fromkeys(stages)) == ["speaking", "mixing", "teaching", "training", "converting"]
    assert "| teacher | Google's speech embedding" in (tmp_path / "out" / "CARD.md").read_text()
    (streams,) = (dataset.load(path) for path in (tmp_path / "cache" / "streams").glob("*.npz"))
    assert streams is not None
    assert streams.heard.shape[::2] == (64, 96)
    assert train(recipe, tmp_path / "out").reused
    fresh(tmp_path / "other cache")
    assert train(recipe, tmp_path / "again").sha256 == made.sha256

    # What the heads say is asked for again, not learnt again; without them it is another model.
    monkeypatch.setenv("TINYWAKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(heads, "_said_by_one", None)
    recipe.write_text(TINY.replace("soft = 0.5", "soft = 0.9"))
    other = train(recipe, tmp_path / "out")
    assert not other.reused
    recipe.write_text(TINY.split("[teacher]")[0])
    assert len({made.sha256, other.sha256, train(recipe, tmp_path / "out").sha256}) == 3
    assert "teacher" not in (tmp_path / "out" / "CARD.md").read_text()
