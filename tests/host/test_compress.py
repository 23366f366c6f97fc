"""A tiny network through every stage: it shrinks, its int8 file holds what the stage promised, and a run can go on."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from test_learn import RECIPE, streams

from tinywake.audio.dataset import NEGATIVE, Dataset
from tinywake.coded import decoded
from tinywake.compiler.tflite.read import read_tflite
from tinywake.config import Compress, Network, Recipe
from tinywake.errors import ConfigError
from tinywake.pipeline.compression.row import weights_of
from tinywake.pipeline.evaluation.run import evaluate

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow", reason="tensorflow is not installed (pip install 'tinywake[train]')")

STRIDE = RECIPE.network.stride


@pytest.fixture(scope="module")
def data() -> Dataset:
    """As in test_learn: the "word" is a band that rises."""
    (wanted, labels), (other, _) = streams(40, True, 0), streams(40, False, 1)
    features, labels = np.concatenate([wanted, other]), np.concatenate([labels, np.full_like(labels, NEGATIVE)])
    positives, negatives = streams(12, True, 2)[0], streams(12, False, 3)[0]
    return Dataset(features, labels, positives, negatives, np.zeros(80, np.uint8), np.zeros(12, np.uint8))


def arrays(net: Network = RECIPE.network, seed: int = 0) -> dict[str, np.ndarray]:
    """Of a network whose norms do something."""
    from tinywake.learn.compress.arrays import arrays_of
    from tinywake.learn.networks import training_network

    rng = np.random.default_rng(seed)
    made = arrays_of(training_network(net, 1, 0.0, seed))
    for name, value in made.items():
        if "norm" in name:
            made[name] = rng.uniform(0.5, 1.5, value.shape).astype(np.float32)
    return made


def said(network: dict[str, np.ndarray], data: Dataset) -> np.ndarray:
    from tinywake.learn.compress.arrays import cropped, model_of, network_of

    features = cropped(data, network_of(network, STRIDE)).positives[:3]
    model = model_of(network, STRIDE, 0)
    return np.asarray(model(features.astype(np.float32) + 128.0, training=False))


def test_the_shape_is_in_the_arrays() -> None:
    from tinywake.learn.compress.arrays import network_of

    assert network_of(arrays(), STRIDE) == RECIPE.network


@pytest.mark.parametrize("layer", ["first", "mix_0", "mix_1"])
def test_a_channel_that_nobody_reads_can_leave(layer: str, data: Dataset) -> None:
    from tinywake.learn.compress.narrow import narrowed

    whole = arrays()
    reader = {"first": "mix_0.0", "mix_0": "mix_1.0", "mix_1": "head.0"}[layer]
    whole[reader][:, [1, 5]] = 0
    less = narrowed(whole, layer, [0, 2, 3, 4, 6, 7])
    assert less[f"{layer}.0"].shape[-1] == 6
    np.testing.assert_allclose(said(less, data), said(whole, data), atol=1e-4)


def test_a_block_leaves_with_its_frames(data: Dataset) -> None:
    from tinywake.learn.compress.arrays import network_of
    from tinywake.learn.compress.narrow import removable, without_block

    net = replace(RECIPE.network, filters=(8, 8, 12), kernels=(3, 5, 7))
    assert removable(arrays(net)) == [0, 1]
    whole = arrays(net)
    left = without_block(whole, 0)
    assert network_of(left, STRIDE) == replace(net, filters=(8, 12), kernels=(5, 7))
    assert np.array_equal(left["mix_1.0"], whole["mix_2.0"])
    assert network_of(left, STRIDE).window == net.window - 2 * STRIDE


@pytest.mark.parametrize(
    ("now", "share", "left"), [(40, 0.25, 32), (40, 0.5, 20), (32, 0.3, 24), (8, 0.95, 4), (3, 0.9, 3), (40, 0, 40)]
)
def test_widths_are_whole_words(now: int, share: float, left: int) -> None:
    from tinywake.learn.compress.narrow import width

    assert width(now, share) == left


def test_folding_norms_changes_nothing(data: Dataset) -> None:
    from tinywake.learn.compress.folded import folded

    whole = arrays()
    np.testing.assert_allclose(said(folded(whole), data), said(whole, data), rtol=1e-3, atol=1e-3)


def test_levels_are_numbers_of_int8_with_both_ends_and_nothing() -> None:
    from tinywake.learn.compress.forms import int8_levels

    shares = np.concatenate([np.full(500, 0.3), np.full(300, -0.62), [1.0, -1.0, 0.0]]).astype(np.float32)
    levels = int8_levels(shares, 8)
    assert len(levels) == 8
    assert np.array_equal(np.rint(levels * 127).astype(np.float32) / np.float32(127), levels)
    assert {-1.0, 0.0, 1.0} <= set(levels.tolist())
    assert min(abs(levels - 0.3)) < 0.01
    assert min(abs(levels + 0.62)) < 0.01


def test_a_share_of_the_weights_is_zero_when_training_has_settled() -> None:
    from tinywake.learn.compress.forms import Sparse

    whole = arrays()
    form = Sparse(whole, 0.5)
    zeros = []
    for done in (0.0, 0.2, 0.6, 1.0):
        form.tighten(done, whole)
        zeros.append(float(np.mean(np.asarray(form.nearest("first.0", whole["first.0"])) == 0)))
    assert zeros[0] == 0.0 < zeros[1] < zeros[2] == zeros[3] == 0.5
    assert np.array_equal(form.nearest("time_0.0", whole["time_0.0"]), whole["time_0.0"])


def test_a_teacher_that_sees_more_is_refused(data: Dataset) -> None:
    from tinywake.learn.compress.teach import soft_targets

    larger = arrays(replace(RECIPE.network, head=9))
    with pytest.raises(ConfigError, match="sees 53 frames cannot learn from streams made for 44"):
        soft_targets(data, [larger], STRIDE, 2.0)


def test_a_hint_is_what_the_head_reads(data: Dataset) -> None:
    from tinywake.learn.compress.teach import hints_of

    teacher = arrays()
    teacher["mix_1.0"][..., 2] = 0  # a channel that says the same at every step
    hints = hints_of(data, teacher, STRIDE, 0.5).features.astype(np.float64)
    head = teacher["head.0"].shape[0]
    assert hints.shape == (80, 36 + head - 1, teacher["head.0"].shape[1])
    spread = hints.std(axis=(0, 1))
    assert spread[2] == 0
    np.testing.assert_allclose(np.delete(spread, 2), 1, atol=0.01)


def test_hints_reach_the_network_that_learns(data: Dataset, tmp_path: Path) -> None:
    from tinywake.learn.compress.arrays import model_of
    from tinywake.learn.compress.stages import Workshop
    from tinywake.learn.compress.teach import hints_of
    from tinywake.learn.teacher.lessons import features_of

    teacher = arrays()
    wanted = hints_of(data, teacher, STRIDE, 1.0).features.astype(np.float64).reshape(-1, RECIPE.network.filters[-1])
    told = np.full((80, 36, 1), 0.1, np.float32)

    def unsaid(hints: float) -> float:
        """Share of the teacher's variance that no linear map finds in the features of what has learnt."""
        config = Compress(first_filters=12, filters=(12, 8), hints=hints)
        recipe = replace(RECIPE, compress=config, train=replace(RECIPE.train, steps=60))
        shop = Workshop(data, recipe, told, tmp_path / str(hints), teacher)
        student = model_of(shop.run("distil", teacher, lambda done: None).arrays, STRIDE, 0)
        said = np.asarray(features_of(student)(data.features.astype(np.float32) + 128.0, training=False))
        said = np.concatenate([said, np.ones_like(said[..., :1])], axis=-1).reshape(len(wanted), -1)
        return float(((wanted - said @ np.linalg.lstsq(said, wanted, rcond=None)[0]) ** 2).mean())

    assert unsaid(10.0) < 0.8 * unsaid(0.0)


def test_a_file_that_holds_no_network_is_refused(tmp_path: Path) -> None:
    from tinywake.learn.compress.arrays import read_arrays

    np.savez(tmp_path / "w.npz", a=np.zeros(3))
    with pytest.raises(ConfigError, match=r"compress.teachers: .*w.npz: not the weights of such a network"):
        read_arrays(tmp_path / "w.npz", "compress.teachers")
    with pytest.raises(ConfigError, match=r"no\.npz: No such file"):
        read_arrays(tmp_path / "no.npz", "compress.teachers")


def test_no_block_can_leave(data: Dataset, tmp_path: Path) -> None:
    from tinywake.learn.compress.stages import Workshop

    shop = Workshop(data, RECIPE, np.zeros((80, 36, 1), np.float32), tmp_path, arrays())
    with pytest.raises(ConfigError, match=r"compress.blocks = 1: 0 can leave; .* 40 frames"):
        shop.run("blocks", arrays(), lambda done: None)


@pytest.fixture(scope="module")
def trained(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `tinywake train` leaves it."""
    from tinywake.learn.saved import save_weights
    from tinywake.learn.train import fit

    folder = tmp_path_factory.mktemp("trained")
    save_weights(folder / "weights.npz", fit(data, RECIPE).model)
    return folder


def run(recipe: Recipe, data: Dataset, trained: Path, out: Path, monkeypatch: pytest.MonkeyPatch, **asked):  # type: ignore[no-untyped-def]
    from tinywake.pipeline.compression import run

    monkeypatch.setenv("TINYWAKE_CACHE", str(out.parent / "cache"))
    monkeypatch.setattr(run, "load_recipe", lambda path: recipe)
    monkeypatch.setattr(run, "train", lambda *args: SimpleNamespace(key="key", label="w"))
    monkeypatch.setattr(run, "streams_of", lambda *args: data)
    monkeypatch.setattr(run.sources, "identity", lambda *args: "sound")
    seen: list[tuple[str, float]] = []
    asked = run.Asked(trained=trained, **asked)
    result = run.compress(out.parent / "recipe.toml", out, asked, lambda *told: seen.append(told))
    return result, seen


RECIPE_SMALLER = replace(
    RECIPE,
    compress=Compress(
        stages=("distil", "channels", "weights", "cluster", "code"), limit=100.0, steps=24,
        learning_rate=2e-3, rounds=1, channels=0.5, sparsity=0.4, values=8, first_filters=12, filters=(12, 8),
    ),
    train=replace(RECIPE.train, steps=60),
)  # fmt: skip


@pytest.mark.timeout(1200)  # five trainings, on a computer that may be busy
def test_every_stage_and_again(data: Dataset, trained: Path, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "out"
    result, seen = run(RECIPE_SMALLER, data, trained, out, monkeypatch)
    rows = {row.stage: row for row in result.rows}
    assert list(rows) == ["trained", "distil", "channels", "weights", "cluster", "code"]
    assert not result.stopped
    assert rows["distil"].network.filters == (12, 8)
    assert (rows["channels"].network.first_filters, rows["channels"].network.filters) == (8, (8, 4))
    assert rows["channels"].macs < rows["distil"].macs
    assert rows["weights"].nonzero < 0.8 * rows["weights"].parameters
    assert rows["cluster"].nonzero <= rows["weights"].nonzero
    assert rows["cluster"].coded_bytes < rows["channels"].coded_bytes
    for weights in weights_of(read_tflite(out / "model.tflite")):
        assert len(np.unique(weights)) <= 8
    ordinary = (out / "stages" / "4-cluster" / "model.twm").read_bytes()
    assert len(ordinary) == rows["cluster"].file_bytes
    blob = (out / "model.twm").read_bytes()
    assert len(blob) == rows["code"].file_bytes == rows["cluster"].coded_bytes < len(ordinary)
    assert decoded(blob).tobytes() == ordinary
    assert rows["code"].missed == rows["cluster"].missed
    assert rows["code"].ram_bytes > rows["cluster"].ram_bytes  # it lies in RAM, and so does the decoder
    shares = [done for _, done in seen]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    card = (out / "CARD.md").read_text()
    assert "|cluster|" in card
    assert "0.5 an hour" in card
    assert f"| file | {len(blob):,} bytes" in card
    assert f"| form | coded: a board decodes it once, into {len(ordinary):,} bytes of RAM |" in card
    assert json.loads((out / "compress.json").read_text())["kept"] == "code"
    assert (out / "compress.png").read_bytes().startswith(b"\x89PNG")

    # Nothing has changed: nothing is trained, and the last stage alone where only its own key has.
    names = ("model.twm", "CARD.md", "compress.json", "compress.png")
    before = {name: (out / name).read_bytes() for name in names}
    again, seen = run(RECIPE_SMALLER, data, trained, out, monkeypatch)
    assert not seen
    assert {name: (out / name).read_bytes() for name in names} == before
    assert again.facts() == result.facts()
    strict = replace(RECIPE_SMALLER, compress=replace(RECIPE_SMALLER.compress, values=4))
    changed, seen = run(strict, data, trained, out, monkeypatch)
    assert {stage for stage, _ in seen} == {"cluster, 4 of 5"}
    assert changed.rows[3].facts(0.5) == result.rows[3].facts(0.5)
    assert all(len(np.unique(weights)) <= 4 for weights in weights_of(read_tflite(out / "model.tflite")))


def test_a_stage_that_costs_too_much_is_the_last(data: Dataset, trained: Path, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """The table so far, and the network before it."""
    harsh = Compress(stages=("weights", "cluster"), limit=0.0, steps=4, sparsity=0.99, learning_rate=1e-7)
    out = tmp_path / "out"
    result, _ = run(replace(RECIPE, compress=harsh), data, trained, out, monkeypatch)
    assert [row.stage for row in result.rows] == ["trained", "weights"]
    assert result.rows[1].missed > result.rows[0].missed
    assert "weights was the last stage" in result.stopped
    assert "compress.limit" in result.lines()[-2]
    assert (out / "model.twm").read_bytes() == (out / "stages" / "0-trained" / "model.twm").read_bytes()
    assert "The file is the network after trained" in (out / "CARD.md").read_text()


def test_people_who_train_nothing_judge(data: Dataset, trained: Path, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    clips = {name: tmp_path / name for name in ("word", "talk")}
    for number, folder in enumerate(clips.values()):
        folder.mkdir()
        for clip in range(3):
            pcm = np.random.default_rng([number, clip]).integers(-9000, 9000, 16_000).astype(np.int16)
            soundfile.write(folder / f"{clip}.wav", pcm, 16_000)
    recipe = replace(RECIPE, compress=Compress(stages=("code",), limit=0.0))
    judges = {"positives": (clips["word"],), "negatives": (clips["talk"],)}
    result, _ = run(recipe, data, trained, tmp_path / "out", monkeypatch, **judges)
    first, last = result.rows
    assert last.people is not None
    assert last.people.positives == 3
    assert last.people.hours == pytest.approx(3 / 3600)
    assert np.array_equal(last.people.misses, evaluate([result.model], *judges.values()).models[0].curve.misses)
    assert "people miss" in result.lines()[0]
    assert last.judged(0.5) == (
        last.facts(0.5)["people"]["missed"],
        last.facts(0.5)["people"]["false_accepts_per_hour"],
    )
    again, _ = run(recipe, data, trained, tmp_path / "out", monkeypatch, **judges)
    assert again.facts() == result.facts()

    # Other clips, other figures; nobody, none.
    shutil.copyfile(clips["word"] / "0.wav", clips["word"] / "3.wav")
    more, _ = run(recipe, data, trained, tmp_path / "out", monkeypatch, **judges)
    assert more.rows[0].people.positives == 4
    none, _ = run(recipe, data, trained, tmp_path / "out", monkeypatch)
    assert none.rows[0].people is None
    assert none.rows[0].judged(0.5) == (first.missed, first.false_accepts_per_hour)
    assert "people miss" not in none.lines()[0]


def test_people_without_other_speech_are_refused(tmp_path: Path) -> None:
    from tinywake.pipeline.compression.people import People

    assert People.of((), (), 1) is None
    with pytest.raises(ConfigError, match="give --positives and --negatives"):
        People.of((tmp_path,), (), 1)
    with pytest.raises(ConfigError, match="several words"):
        People.of((tmp_path,), (tmp_path,), 2)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_an_interrupted_stage_goes_on_to_the_same_weights(  # type: ignore[no-untyped-def]
    dropout: float, data: Dataset, tmp_path: Path, monkeypatch
) -> None:
    from tinywake.learn.compress import tune
    from tinywake.learn.compress.stages import Workshop

    monkeypatch.setattr(tune, "_KEEP", 8)
    recipe = replace(RECIPE, train=replace(RECIPE.train, dropout=dropout), compress=Compress(steps=24, values=8))
    told = np.full((80, 36, 1), 0.1, np.float32)

    def stop(done: float) -> None:
        if done >= 0.8:
            raise KeyboardInterrupt

    whole = Workshop(data, recipe, told, tmp_path / "a", arrays()).run("cluster", arrays(), lambda done: None)
    with pytest.raises(KeyboardInterrupt):
        Workshop(data, recipe, told, tmp_path / "b", arrays()).run("cluster", arrays(), stop)
    seen: list[float] = []
    again = Workshop(data, recipe, told, tmp_path / "b", arrays()).run("cluster", arrays(), seen.append)
    assert min(seen) >= 0.6
    for name, value in whole.arrays.items():
        assert np.array_equal(value, again.arrays[name]), name


def test_stages_draw_by_a_seed_of_their_own(data: Dataset, tmp_path: Path) -> None:
    """The same trained network, other luck; without one it is the seed of the training."""
    from tinywake.learn.compress.stages import Workshop

    told = np.full((80, 36, 1), 0.1, np.float32)

    def left(seed: int | None) -> dict[str, np.ndarray]:
        recipe = replace(RECIPE, compress=Compress(steps=8, values=8, seed=seed))
        return (
            Workshop(data, recipe, told, tmp_path / f"{seed}", arrays()).run("cluster", arrays(), lambda _: None).arrays
        )

    plain, same, other = left(None), left(RECIPE.train.seed), left(RECIPE.train.seed + 1)
    assert all(np.array_equal(value, same[name]) for name, value in plain.items())
    assert any(not np.array_equal(value, other[name]) for name, value in plain.items())
