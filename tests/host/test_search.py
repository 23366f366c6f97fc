"""The search: its networks fit the streams, it goes on where it stopped, and what it finds can be trained."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_learn import RECIPE, streams

from tinywake.audio import dataset, sources
from tinywake.audio.dataset import NEGATIVE, Dataset
from tinywake.config import Network, Recipe, Search, Word, fingerprint, load_recipe
from tinywake.device.targets.registry import TARGETS
from tinywake.errors import ConfigError, ToolError
from tinywake.evaluate.metrics import DetCurve
from tinywake.files import cache_folder
from tinywake.pipeline.compression.row import Row
from tinywake.pipeline.search.recipes import write_recipe
from tinywake.pipeline.search.result import front_of, spread
from tinywake.pipeline.search.space import parameters_of, proposed
from tinywake.pipeline.search.tries import counts

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
optuna = pytest.importorskip("optuna", reason="optuna is not installed (pip install 'tinywake[search]')")

SEARCH = Search(trials=6, blocks=(1, 3), first_filters=(4, 16), filters=(4, 16), kernels=(3, 7), head=(3, 9))
SMALL = Recipe(Word("w"), network=replace(RECIPE.network, first_kernel=5), search=SEARCH)


def row(net: Network, cycles: int, missed: int) -> Row:
    """As if it had been measured."""
    curve = DetCurve(np.full(256, missed, np.int64), np.zeros(256, np.int64), 100, 1.0)
    return Row("", net, 1, 1, 1, 1, 1, missed / 100, 0.0, 0.0, 1, curve, cycles=cycles, unit="instructions on x")


def measured(net: Network) -> Row:
    """Wider is dearer and better."""
    work = net.first_filters + sum(net.filters)
    return row(net, 100 * work, 100 - work)


@pytest.mark.parametrize("head", [1, 6, 40])
@pytest.mark.parametrize("kernel", [1, 5, 30])
def test_every_network_fits_the_streams(kernel: int, head: int) -> None:
    given = {"blocks": 2, "first_kernel": 5, "first_filters / 4": 2, "filters 0 / 4": 1, "filters 1 / 4": 3,
             "kernel 0": kernel, "kernel 1": kernel, "head": head}  # fmt: skip
    space = replace(SEARCH, kernels=(1, 30), head=(1, 40), first_kernel=(5, 5))
    made = proposed(optuna.trial.FixedTrial(given), space, RECIPE.network)
    assert 40 <= made.window <= RECIPE.network.window
    assert made.filters == (4, 12)
    assert made.first_filters == 8
    assert made.stride == RECIPE.network.stride


def test_a_network_of_the_space_can_be_proposed() -> None:
    given = parameters_of(SMALL.network, SEARCH)
    assert given is not None
    assert proposed(optuna.trial.FixedTrial(given), SEARCH, SMALL.network) == SMALL.network
    assert parameters_of(replace(SMALL.network, first_filters=10), SEARCH) is None
    assert parameters_of(replace(SMALL.network, head=10), SEARCH) is None


def test_the_front_is_cheaper_or_better() -> None:
    net = RECIPE.network
    rows = [(n, row(net, cycles, missed)) for n, (cycles, missed) in
            enumerate([(10, 50), (20, 60), (30, 40), (30, 35), (40, 35), (50, 10)])]  # fmt: skip
    front = front_of(rows, 0.5)
    assert [number for number, _ in front] == [0, 3, 5]
    assert [number for number, _ in spread(front, 2)] == [0, 5]
    assert [number for number, _ in spread(front, 1)] == [5]
    assert spread(front, 9) == front


def test_a_clock_is_no_cost() -> None:
    with pytest.raises(ConfigError, match="counts microseconds on unix, which is not the same twice"):
        counts(replace(row(RECIPE.network, 5, 5), unit="microseconds on unix"))


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_it_goes_on_where_it_stopped(sampler: str, tmp_path: Path) -> None:
    from tinywake.pipeline.search.study import Study

    recipe = replace(SMALL, search=replace(SEARCH, sampler=sampler))
    url, tried, told = f"sqlite:///{tmp_path}/s.sqlite", [], []

    def interrupted(net: Network) -> Row:
        tried.append(net)
        if len(tried) == 3:
            raise KeyboardInterrupt
        return measured(net)

    study = Study(url, "name", recipe)
    study.begin()
    with pytest.raises(KeyboardInterrupt):
        study.work(interrupted, told.append)
    assert tried[0] == SMALL.network  # the recipe's own comes first
    assert study.done == 2
    again = Study(url, "name", recipe)
    again.begin()
    again.work(interrupted, told.append)
    assert tried[3] == tried[2]
    assert told == [1, 2, 3, 4, 5, 6]
    assert again.done == 6
    found = again.found()
    assert {each.network for _, each in found} == set(tried)
    assert [each.cycles for _, each in found] == sorted(each.cycles for _, each in found)
    again.work(interrupted, told.append)
    assert len(told) == 6
    assert Study(url, "other", recipe).done == 0


def test_a_storage_that_is_none(tmp_path: Path) -> None:
    from tinywake.pipeline.search.study import Study

    for url in ("nowhere", f"sqlite:///{tmp_path}/no/folder/s.sqlite", "mysql://x@127.0.0.1:1/x"):
        with pytest.raises(ConfigError, match=r"^--storage ") as caught:
            Study(url, "name", SMALL)
        assert "\n" not in str(caught.value)


TEXT = """# Somebody's words.
[word]
label = "w"  # and why

[network]
# wide
first_filters = 32
kernels = [5,
  5]
filters = [8, 8]

[train]
steps = 7
"""


def test_a_recipe_keeps_all_but_its_network(tmp_path: Path) -> None:
    recipe, out = tmp_path / "recipe.toml", tmp_path / "best-1.toml"
    net = Network(first_filters=12, filters=(4, 8, 12), kernels=(3, 5, 7), head=9)
    recipe.write_text(TEXT)
    write_recipe(recipe, net, out, "trial 3")
    assert load_recipe(out) == replace(load_recipe(recipe), network=net)
    assert "# Somebody's words.\n" in out.read_text()
    assert '"w"  # and why\n' in out.read_text()
    assert "# trial 3\n" in out.read_text()
    recipe.write_text(TEXT.split("[network]")[0])
    write_recipe(recipe, net, out, "trial 3")
    assert load_recipe(out).network == net
    recipe.write_text('network = { head = 9 }\n[word]\nlabel = "w"\n')
    with pytest.raises(ConfigError, match=r"a table of its own, \[network\]|not valid TOML"):
        write_recipe(recipe, net, out, "trial 3")


TINY = """
[word]
label = "w"

[network]
first_filters = 8
filters = [8, 8]
kernels = [5, 5]
head = 6

[train]
steps = 8
batch = 16
checks = 1

[search]
trials = 2
steps = 4
blocks = [1, 2]
first_filters = [4, 8]
filters = [4, 8]
kernels = [3, 5]
first_kernel = [4, 5]
head = [4, 6]
keep = 2
"""


@pytest.mark.timeout(1200)
def test_two_processes_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real trainings, counted on QEMU; what is found is a recipe."""
    pytest.importorskip("tensorflow", reason="tensorflow is not installed (pip install 'tinywake[train]')")
    from tinywake.pipeline.search.run import Wanted, search

    lacking = TARGETS["qemu-armv6m"].available()
    if lacking:
        pytest.skip(lacking)
    monkeypatch.setenv("TINYWAKE_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "recipe.toml"
    path.write_text(TINY)
    recipe = load_recipe(path)
    assert recipe.network == RECIPE.network
    (wanted, labels), (other, _) = streams(16, True, 0), streams(16, False, 1)
    features, labels = np.concatenate([wanted, other]), np.concatenate([labels, np.full_like(labels, NEGATIVE)])
    positives, negatives = streams(4, True, 2)[0], streams(4, False, 3)[0]
    data = Dataset(features, labels, positives, negatives, np.zeros(32, np.uint8), np.zeros(4, np.uint8))
    key = fingerprint(dataset.FORMAT, sources.identity(recipe, ()), recipe.network.window, recipe.network.stride)[:40]
    dataset.save(cache_folder() / "streams" / f"{key}.npz", data)

    out, seen = tmp_path / "found", []
    result = search(path, out, Wanted(target="qemu-armv6m", jobs=2), lambda *told: seen.append(told))
    assert seen[-1] == ("searching", 1.0)
    facts = json.loads((out / "search.json").read_text())
    assert 1 <= len(facts["networks"]) <= 3
    assert all(each["unit"] == "instructions on qemu-armv6m" and each["cycles"] > 0 for each in facts["networks"])
    assert any(Network(**each["network"] | {name: tuple(each["network"][name]) for name in ("filters", "kernels")})
               == recipe.network for each in facts["networks"])  # fmt: skip
    for name, number in facts["recipes"].items():
        (of,) = [each for each in result.rows if each[0] == number]
        assert load_recipe(out / name).network == of[1].network
    assert (out / "search.png").read_bytes().startswith(b"\x89PNG")
    assert "qemu-armv6m" in result.lines()[0]

    # Nothing has changed: nothing is trained.
    before = (out / "search.json").read_bytes(), (out / "search.png").read_bytes()
    again = search(path, out, Wanted(target="qemu-armv6m"))
    assert again.facts() == result.facts()
    assert ((out / "search.json").read_bytes(), (out / "search.png").read_bytes()) == before


def test_what_cannot_be_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorflow", reason="tensorflow is not installed (pip install 'tinywake[train]')")
    from tinywake.pipeline.search.run import Wanted, search

    path = tmp_path / "recipe.toml"
    path.write_text(TINY.replace("batch = 16", 'base = "w.npz"'))
    with pytest.raises(ConfigError, match=r"train.base has the weights of one shape"):
        search(path, tmp_path / "out", Wanted())
    path.write_text(TINY)
    for name in ("qemu-armv6m", "qemu-rv32imc"):
        monkeypatch.setattr(TARGETS[name], "available", classmethod(lambda cls: f"{cls.name}: not built: make targets"))
    with pytest.raises(ToolError, match=r"nothing here counts .* make targets; or name another with --target"):
        search(path, tmp_path / "out", Wanted())
    with pytest.raises(ToolError, match=r"^qemu-rv32imc: not built: make targets$"):
        search(path, tmp_path / "out", Wanted(target="qemu-rv32imc"))
    with pytest.raises(ToolError, match="host counts nothing; known: unix, qemu-armv6m"):
        search(path, tmp_path / "out", Wanted(target="host"))
