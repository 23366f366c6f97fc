"""A run says how many voices it really had: timbres and people once each, conversions apart."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from tinywake.audio import dataset, sources
from tinywake.audio.clips import write_clip
from tinywake.audio.dataset import Dataset
from tinywake.audio.folders import in_validation
from tinywake.audio.sources import Sources
from tinywake.audio.voices.census import Census, Tally
from tinywake.audio.voices.engines import person
from tinywake.audio.voices.voice import Utterance, Voice
from tinywake.config import Conversion, Counts, Recipe, Voices, Word


def tally() -> Tally:
    names = ["en-us+f1", "en-gb+f1", "en-us+m2"]
    voices = [Voice("espeak-ng", name, f"espeak-ng/{name}") for name in names]
    voices += [Voice("flite", "slt", person("flite", "slt")), Voice("flite", "rms", person("flite", "rms"))]
    voices += [Voice("festival", "cmu_us_slt_arctic_hts", person("festival", "cmu_us_slt_arctic_hts"))]
    voices += [Voice("piper", "alba#3", "piper/alba#3", False, "en_GB", "/home/me/alba.onnx", "f00")]
    made = Tally()
    for count, voice in enumerate(voices, start=1):
        made.spoken[voice] += count
    made.recorded.update({"ann": 3, "bob": 1})
    made.conversions = 1200
    return made


def test_timbres_accents_and_people_are_counted_once() -> None:
    census = tally().census()
    by_name = {one.engine: one for one in census.engines}
    assert (by_name["espeak-ng"].voices, by_name["espeak-ng"].timbres) == (3, 2)
    assert by_name["espeak-ng"].accents == ("en-gb", "en-us")
    assert by_name["espeak-ng"].clips == 6
    assert by_name["flite"].timbres == 2
    assert by_name["piper"].accents == ("en_GB",)
    assert census.timbres == 2 + 2 + 1  # festival's slt is flite's
    assert (census.people, census.recordings, census.conversions) == (2, 4, 1200)
    text = str(census)
    assert text.startswith("5 synthetic timbres (espeak-ng 2 in 2 accents, 6 clips; festival 1, 6 clips; flite 2")
    assert text.endswith("2 recorded people (4 clips), 1,200 converted clips, which are no more people")
    assert "/home/me" not in text
    assert str(Tally().census()) == "no synthetic voice"


def test_a_census_survives_json_and_the_disk(tmp_path: Path) -> None:
    census = tally().census()
    assert Census.of(json.loads(json.dumps(asdict(census)))) == census
    nothing = np.zeros((1, 2, 40), np.int8)
    made = Dataset(
        nothing, np.zeros((1, 36), np.uint8), nothing, nothing, *np.zeros((2, 1), np.uint8), (census, Census())
    )
    dataset.save(tmp_path / "a.npz", made)
    again = dataset.load(tmp_path / "a.npz")
    assert again is not None
    assert again.voices == (census, Census())


def test_only_voices_that_were_heard_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    voices = [Voice("flite", name, name) for name in "abcdefghij"]
    clip = tmp_path / "spoken.wav"
    write_clip(clip, (np.sin(np.arange(8000) / 9) * 9000).astype(np.int16))

    def speak(said: list[Utterance], *_: object, **__: object) -> list[Path | None]:
        return [None if one.voice.name == "e" else clip for one in said]

    monkeypatch.setattr(sources, "installed", lambda *_: voices)
    monkeypatch.setattr(sources, "speak_all", speak)
    monkeypatch.setattr(sources, "convert_all", lambda jobs, *_, **__: [pcm for pcm, _ in jobs])
    people = [f"person{n}" for n in range(12)]
    for name in people:
        for number in (1, 2):
            path = tmp_path / "data" / "computer" / name / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(clip.read_bytes())
    recipe = Recipe(
        Word("computer"),
        Voices(validation=("flite/a", "flite/b")),
        Counts(positives=60, near=0, words=40, sentences=40),
        Conversion(per_clip=0.5),
    )
    train, validation = (one.tally.census() for one in sources.gather(recipe, (tmp_path / "data",)))
    held = sum(in_validation(name) for name in people)
    assert train.engines[0].voices == 7  # c, d, f to j: e said nothing
    assert validation.engines[0].voices == 2
    assert (train.people, train.recordings) == (12 - held, 2 * (12 - held))
    assert (validation.people, validation.recordings, validation.conversions) == (held, 2 * held, 0)
    assert train.conversions == pytest.approx((train.engines[0].clips + train.recordings) / 2, abs=3)
    assert isinstance(Sources().tally, Tally)
