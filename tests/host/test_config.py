"""A recipe says what it may say, or is refused with one line that helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinywake.config import Recipe, fingerprint, load_recipe
from tinywake.errors import ConfigError

WORD = '[word]\nlabel = "computer"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


def test_a_label_is_enough(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, WORD))
    assert isinstance(recipe, Recipe)
    assert recipe.word.spoken == ("computer",)
    assert recipe.detector.threshold is None
    net = recipe.network
    assert net.window == net.first_kernel + net.stride * (sum(net.kernels) - len(net.kernels) + net.head - 1)
    assert 98 <= net.window <= 148


def test_values_arrive(tmp_path: Path) -> None:
    text = WORD + "[augment]\nsnr_db = [0, 20]\n[detector]\nthreshold = 0.75\n[network]\nfilters = [8]\nkernels = [5]\n"
    recipe = load_recipe(write(tmp_path, text))
    assert recipe.augment.snr_db == (0.0, 20.0)
    assert isinstance(recipe.augment.snr_db[0], float)
    assert recipe.detector.threshold == 0.75
    assert recipe.network.filters == (8,)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["[word]", "label"]),
        ("[word]\n", ["word.label", "missing"]),
        (WORD + "[trian]\n", ["[trian]", "did you mean train?", "voices"]),
        (WORD + "[train]\nstepz = 3\n", ["train.stepz", "did you mean steps?", "batch"]),
        (WORD + "[train]\nsteps = -3\n", ["train.steps", "-3", "1 to 1e+06"]),
        (WORD + "[train]\nsteps = true\n", ["train.steps", "whole number"]),
        (WORD + "[train]\nsteps = 1.5\n", ["train.steps", "1.5", "whole number"]),
        (WORD + "[train]\nlearning_rate = nan\n", ["train.learning_rate", "nan", "allowed"]),
        (WORD + '[detector]\nwindow = "five"\n', ["detector.window", "'five'", "whole number"]),
        (WORD + "[detector]\nthreshold = 1.5\n", ["detector.threshold", "1.5", "0.01 to 0.996"]),
        (WORD + "[augment]\nnoise = 2\n", ["augment.noise", "0 to 1"]),
        (WORD + "[augment]\nsnr_db = [30, 3]\n", ["augment.snr_db", "lowest"]),
        (WORD + "[augment]\nsnr_db = [3]\n", ["augment.snr_db", "2 entries"]),
        (WORD + "[augment]\nsnr_db = 3\n", ["augment.snr_db", "list"]),
        (WORD + '[compress]\nstages = ["squash"]\n', ["compress.stages", "'squash'", "known: distil, blocks"]),
        (WORD + '[compress]\nstages = ["cluster", "distil"]\n', ["compress.stages", "in this order", "distil, blocks"]),
        (WORD + '[compress]\nstages = ["distil", "distil"]\n', ["compress.stages", "each once"]),
        (WORD + '[search]\nsampler = "random"\n', ["search.sampler", "'random'", "known: tpe, nsga2"]),
        (WORD + "[search]\nkernels = [9, 3]\n", ["search.kernels", "the lowest comes first"]),
        (WORD + "[compress]\nvalues = 2\n", ["compress.values", "2", "4 to 32"]),
        (WORD + "[compress]\nfilters = [8]\n", ["compress.filters has 1 entries", "network.filters 4"]),
        (WORD + "[conversion]\nper_clip = -1\n", ["conversion.per_clip", "0 to 50"]),
        (WORD + "[conversion]\nformant = [0.8, 3]\n", ["conversion.formant", "3", "0.6 to 1.6"]),
        (WORD + '[augment]\ncodecs = ["mp4"]\n', ["augment.codecs", "'mp4'", "ima-adpcm"]),
        (WORD + "[augment]\ncodecs = []\n", ["augment.codecs", "at least 1"]),
        (WORD + "[augment]\nrooms = 2.5\n", ["augment.rooms", "2.5", "whole number"]),
        (WORD + "[augment]\ntalkers = [8, 2]\n", ["augment.talkers", "lowest"]),
        (WORD + "[augment]\ndc_level = [0.1, 2]\n", ["augment.dc_level", "0 to 0.9"]),
        (WORD + "[network]\nkernels = [5]\n", ["network.kernels", "one each"]),
        (WORD + "[network]\nhead = 2\nfilters = [8]\nkernels = [2]\n", ["network.kernels", "40 to 300"]),
        (WORD + "[network]\nkernels = []\n", ["network.kernels", "at least 1"]),
        ("word = 3\n", ["word = 3", "[word]"]),
        ('[word]\nlabel = ""\n', ["word.label", "empty"]),
        (WORD + 'carriers = ["hello"]\n', ["word.carriers", "'hello'", "{}"]),
        (WORD + 'near = ["Computer"]\n', ["word.near", "computer"]),
        ("[word\n", ["not valid TOML"]),
    ],
)
def test_refusals_are_one_line_that_helps(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        load_recipe(path)
    message = str(error.value)
    assert "\n" not in message
    for part in [str(path), *parts]:
        assert part in message


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.toml: cannot be read"):
        load_recipe(tmp_path / "nothing.toml")


def test_fingerprint_sees_every_value(tmp_path: Path) -> None:
    first = load_recipe(write(tmp_path, WORD))
    second = load_recipe(write(tmp_path, WORD + "[train]\nseed = 2\n"))
    assert fingerprint(first) == fingerprint(load_recipe(write(tmp_path, WORD)))
    assert fingerprint(first) != fingerprint(second)
    assert fingerprint("a", "b") != fingerprint("ab")


def test_the_shipped_recipe_is_valid(repo: Path) -> None:
    recipe = load_recipe(repo / "models" / "demo" / "recipe.toml")
    assert recipe.word.label == "computer"
    assert recipe.voices.held_out


def test_several_words_are_several_tables(tmp_path: Path) -> None:
    text = '[[word]]\nlabel = "yes"\n[[word]]\nlabel = "no"\ntexts = ["no", "nope"]\nnear = ["know how"]\n'
    recipe = load_recipe(write(tmp_path, text))
    assert [word.label for word in recipe.words] == ["yes", "no"]
    assert recipe.spoken == ("yes", "no", "nope")
    assert load_recipe(write(tmp_path, WORD)).words[0].label == "computer"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("word = []\n", ["word = []", "[word]"]),
        ('[[word]]\nlabel = "yes"\n[[word]]\nlabel = "yes"\n', ["'yes'", "twice"]),
        ('[[word]]\nlabel = "yes"\n[[word]]\nlabel = "y"\ntexts = ["Yes"]\n', ["'yes'", "twice"]),
        ('[[word]]\nlabel = "yes"\nnear = ["No"]\n[[word]]\nlabel = "no"\n', ["word.near", "'no'"]),
        ("".join(f'[[word]]\nlabel = "w{n}"\n' for n in range(33)), ["33 [[word]] tables", "32"]),
    ],
)
def test_words_that_cannot_be_told_apart_are_refused(tmp_path: Path, text: str, parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_recipe(write(tmp_path, text))
    assert "\n" not in str(caught.value)
    for part in (*parts, "recipe.toml"):
        assert part in str(caught.value)
