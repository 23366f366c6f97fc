"""CARD.md: recordings with their licences, what may not be shipped, and figures on named sets."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from tinywake.audio.voices.census import Census
from tinywake.config import Recipe, Word
from tinywake.core import Model
from tinywake.errors import AudioError, ConfigError
from tinywake.evaluate.metrics import DetCurve
from tinywake.pipeline.card import card
from tinywake.pipeline.credits import credits_of, refuse_unshippable
from tinywake.pipeline.evaluation.noted import note_in_card
from tinywake.pipeline.evaluation.run import Comparison, Questions, evaluate

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "core"))
from gated import audio
from tiny import listening_model

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYWAKE_CACHE", str(tmp_path / "cache"))


def folder(path: Path, rows: list[dict[str, str]]) -> Path:
    """Clips with a manifest that says whose they are."""
    path.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(rows):
        row.setdefault("file", f"{number}.wav")
        (path / row["file"]).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path / row["file"], audio(0.5, seed=number), 16000)
    with (path / "MANIFEST.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def row(licence: str, source: str = "corpus@1", **more: str) -> dict[str, str]:
    return {"keyword": "computer", "speaker": "ann-secret", "licence": licence, "source": source, **more}


def text_of(data: list[Path]) -> str:
    curve = DetCurve(np.arange(256) // 4, 20 - np.minimum(np.arange(256), 20), 64, 0.5)
    compiled = SimpleNamespace(
        blob=listening_model(),
        plan=SimpleNamespace(arena_bytes=100, state_bytes=40),
        graph=SimpleNamespace(macs=lambda: 9),
    )
    recipe = Recipe(word=Word("computer"))
    return card(recipe, data, compiled, curve, 100, (Census(), Census()))  # type: ignore[arg-type]


def test_recordings_are_credited_by_source_and_licence(tmp_path: Path) -> None:
    given = folder(tmp_path / "a", [row("CC-BY-4.0"), row("CC-BY-4.0"), row("Apache-2.0", "other|corpus")])
    text = text_of([given])
    assert "| a | corpus@1 | CC-BY-4.0 | 2 |" in text
    assert "| a | other/corpus | Apache-2.0 | 1 |" in text
    assert "ann-secret" not in text
    assert str(tmp_path) not in text
    assert "forbids" not in text
    assert text == text_of([given])
    assert "Recordings it was made of" not in text_of([])


def test_share_alike_goes_on_with_the_model(tmp_path: Path) -> None:
    given = folder(
        tmp_path / "a", [row("CC BY-SA 4.0"), row("CC BY-SA 4.0"), row("CC-BY-4.0"), row("Sabayon, any use")]
    )
    assert "2 clips are share-alike: pass this model on under CC BY-SA 4.0, with this card." in text_of([given])
    refuse_unshippable([given])
    assert "share-alike" not in text_of([folder(tmp_path / "b", [row("CC-BY-4.0"), row("MIT, by Saul")])])


@pytest.mark.parametrize("licence", ["CC BY-ND 3.0", "CC-BY-NC-ND-4.0", "no derivatives", "dfki-*: CC BY-ND 3.0"])
def test_a_licence_that_forbids_derivatives_is_found_and_refused(licence: str, tmp_path: Path) -> None:
    given = folder(tmp_path / "a", [row("CC0"), row(licence), row(licence)])
    with pytest.raises(AudioError, match=r"a/1\.wav and 1 more: licence '.*' forbids derivatives"):
        refuse_unshippable([given])
    assert "The licence of 2 clips forbids derivatives" in text_of([given])


@pytest.mark.parametrize("licence", ["CC BY-SA 4.0", "Apache-2.0", "BSD-2-Clause AND MIT", "public domain", "BRAND"])
def test_other_licences_are_not_refused(licence: str, tmp_path: Path) -> None:
    refuse_unshippable([folder(tmp_path / "a", [row(licence)])])


def test_a_clip_whose_licence_nobody_names_is_refused(tmp_path: Path) -> None:
    given = folder(tmp_path / "a", [row("CC0"), row("")])
    with pytest.raises(AudioError, match="no manifest names its licence"):
        refuse_unshippable([given])
    assert "Of 1 clips no manifest names the licence" in text_of([given])


@pytest.mark.parametrize("licence", ["GPL-3", "AGPL-3.0", "All rights reserved", "unknown", "?"])
def test_a_licence_that_permits_too_little_is_refused(licence: str, tmp_path: Path) -> None:
    # Bug: whatever did not forbid derivatives by name was shipped.
    with pytest.raises(AudioError, match=r"a/0\.wav: .*licence.*; a shipped model is not trained on it"):
        refuse_unshippable([folder(tmp_path / "a", [row(licence)])])


def test_a_list_of_ones_own_takes_licences_from_the_manifests_of_its_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Bug: a list without the column was refused, and everything beside it was searched for manifests.
    folder(tmp_path / "all", [row("CC-BY-4.0", file="computer/1.wav"), row("CC0", file="tea/2.wav")])
    own = tmp_path / "own.csv"
    own.write_text("file,label\nall/computer/1.wav,computer\nall/tea/2.wav,tea\n")
    monkeypatch.setattr(Path, "rglob", None)
    assert {(each.licence, each.source) for each in credits_of([own])} == {
        ("CC-BY-4.0", "corpus@1"),
        ("CC0", "corpus@1"),
    }
    refuse_unshippable([own])


def test_a_manifest_above_the_folder_is_asked_too(tmp_path: Path) -> None:
    folder(tmp_path / "all", [row("CC0", file="computer/1.wav"), row("CC BY-ND 4.0", file="tea/2.wav")])
    (credit,) = credits_of([tmp_path / "all" / "computer"])
    assert (credit.licence, credit.files) == ("CC0", ("1.wav",))
    refuse_unshippable([tmp_path / "all" / "computer"])
    with pytest.raises(AudioError, match=r"tea/2\.wav"):
        refuse_unshippable([tmp_path / "all" / "tea"])


def test_a_manifest_above_that_is_about_other_things_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("ship,cargo\nAnn,coal\n")
    path = tmp_path / "computer" / "1.wav"
    path.parent.mkdir()
    soundfile.write(path, audio(0.5), 16000)
    (credit,) = credits_of([path.parent])
    assert not credit.known


def test_train_refuses_before_anything_is_spoken(tmp_path: Path, tinywake: Run) -> None:
    given = folder(tmp_path / "a", [row("CC BY-ND 3.0")])
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[word]\nlabel = "computer"\n')
    code, _, said = tinywake("train", recipe, "--data", given, "--shipped", "-o", tmp_path / "out")
    assert code == 2
    assert "forbids derivatives" in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "cache").exists()


@pytest.fixture
def measured(tmp_path: Path) -> Comparison:
    model = tmp_path / "loud.twm"
    model.write_bytes(listening_model(threshold=200))
    Model.open(model)
    for number in range(6):
        path = tmp_path / "yes" / f"secret{number % 3}" / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, audio(1.5, seed=number), 16000)
    (tmp_path / "no").mkdir()
    soundfile.write(tmp_path / "no" / "1.wav", audio(20, seed=77), 16000)
    return evaluate([model], [tmp_path / "yes"], [tmp_path / "no"], Questions())


def test_figures_on_a_named_set_stand_in_the_card_once(tmp_path: Path, measured: Comparison) -> None:
    path = tmp_path / "CARD.md"
    path.write_text("# loud\n\nText.\n")
    (result,) = measured.models
    note_in_card(path, "kitchen", result)
    note_in_card(path, "street", result)
    once = path.read_text()
    assert once.startswith("# loud\n\nText.\n\n## Measured on kitchen\n")
    note_in_card(path, "kitchen", result)
    assert path.read_text() == once
    assert once.count("## Measured on ") == 2
    missed = f"At the threshold in the file, 200: {100 * result.misses:.1f} %"
    assert once.count(missed) == 2
    assert "Who it hears badly, at threshold 200: of 3 speakers" in once
    assert "secret" not in once
    assert str(tmp_path) not in once


def test_a_card_that_is_not_there_is_named(tmp_path: Path, measured: Comparison) -> None:
    with pytest.raises(ConfigError, match=r"CARD\.md"):
        note_in_card(tmp_path / "CARD.md", "kitchen", measured.models[0])
    (tmp_path / "CARD.md").write_text("# x\n")
    with pytest.raises(ConfigError, match="--set"):
        note_in_card(tmp_path / "CARD.md", "a\nb", measured.models[0])


def test_the_command_writes_it(tmp_path: Path, measured: Comparison, tinywake: Run) -> None:
    path = tmp_path / "CARD.md"
    path.write_text("# loud\n")
    clips = ("--positives", tmp_path / "yes", "--negatives", tmp_path / "no")
    assert tinywake("eval", tmp_path / "loud.twm", *clips, "--card", path, "--set", "kitchen")[0] == 0
    assert "## Measured on kitchen\n" in path.read_text()
    assert tinywake("eval", tmp_path / "loud.twm", *clips, "--card", path)[0] == 2
