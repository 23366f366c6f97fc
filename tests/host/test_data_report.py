"""What a training would find in recordings: every kind of accident, made here, and what is sound left alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tinywake.__main__ import main
from tinywake.audio import sources
from tinywake.audio.folders import in_validation
from tinywake.audio.survey.measure import measure
from tinywake.config import Recipe, Word
from tinywake.errors import AudioError
from tinywake.pipeline.datareport.report import DataReport, data_report
from tinywake.pipeline.training import run as training

RATE = 16_000
RECIPE = Recipe(Word("computer"))
NAMES = [f"person{n}" for n in range(100)]
TRAINS = [name for name in NAMES if not in_validation(name)]
VALIDATES = [name for name in NAMES if in_validation(name)]


def talk(seed: int, seconds: float = 0.8, pitch: float = 0.0) -> np.ndarray:
    """Something like a word: syllables of a gliding pitch with formants, consonants, a quiet room; float32."""
    rng = np.random.default_rng(seed)
    count = int(seconds * RATE)
    hertz = (pitch or rng.uniform(95, 240)) * (
        1 + 0.15 * np.sin(2 * np.pi * rng.uniform(0.5, 2) * np.arange(count) / RATE)
    )
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    sound = np.zeros(count)
    at = 0
    while at < count:
        length = min(int(rng.uniform(0.08, 0.2) * RATE), count - at)
        piece = slice(at, at + length)
        formants = rng.uniform([250, 900, 2200], [800, 2000, 3200])
        gains = sum(np.exp(-0.5 * ((np.arange(1, 40) * hertz[at] - f) / 150) ** 2) for f in formants) + 0.01
        voiced = sum(g * np.sin(k * phase[piece]) for k, g in enumerate(gains, 1))
        hiss = rng.standard_normal(length)
        sound[piece] = np.hanning(length) * (
            rng.uniform(0.3, 1) * voiced + (0.9 if rng.random() < 0.3 else 0.05) * hiss
        )
        at += length
    silence = np.zeros(RATE // 5)
    sound = np.concatenate([silence, 0.3 * sound / np.abs(sound).max(), silence])
    return (sound + 1e-4 * rng.standard_normal(len(sound))).astype(np.float32)


def save(path: Path, sound: np.ndarray, rate: int = RATE, subtype: str = "PCM_16") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(str(path), sound, rate, subtype=subtype, format="OGG" if path.suffix == ".ogg" else None)
    return path


def good(root: Path, count: int = 12) -> Path:
    """A few people who each say the word and something else."""
    for n, name in enumerate([*TRAINS[: count - 2], *VALIDATES[:2]]):
        save(root / "computer" / name / "1.wav", talk(n))
        save(root / "door" / name / "1.wav", talk(1000 + n))
    return root


def kinds(report: DataReport) -> set[str]:
    return {finding.kind for finding in report.findings}


def texts(report: DataReport, kind: str) -> str:
    return "\n".join(finding.text for finding in report.findings if finding.kind == kind)


# Nothing wrong, and the verb


def test_good_recordings_are_only_few(tmp_path: Path) -> None:
    report = data_report([good(tmp_path)], RECIPE)
    assert kinds(report) == {"few clips", "little speech"}
    assert not report.faults
    assert report.lines()[0].startswith("the word: 12 clips, 12 speakers (2 validate), 0.2 min")
    assert report.lines()[1].startswith("other speech: 12 clips")


def test_the_verb_reports_draws_and_says_yes_or_no(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, picture = good(tmp_path / "d"), tmp_path / "p.png"
    (tmp_path / "recipe.toml").write_text('[word]\nlabel = "computer"\n')
    arguments = ["data-report", str(root), "--recipe", str(tmp_path / "recipe.toml"), "-o", str(picture), "--json"]
    with pytest.raises(SystemExit) as stopped:
        main_with(arguments)
    assert not stopped.value.code
    facts = json.loads(capsys.readouterr().out)
    assert facts["faults"] == []
    assert [group["group"] for group in facts["groups"]] == ["word", "other"]
    assert {warning["kind"] for warning in facts["warnings"]} == {"few clips", "little speech"}
    first = picture.read_bytes()
    assert first.startswith(b"\x89PNG")
    data_report([root], RECIPE, picture)
    assert picture.read_bytes() == first

    save(root / "computer" / "ann" / "silent.wav", np.zeros(RATE))
    with pytest.raises(SystemExit) as stopped:
        main_with(arguments[:2])
    assert stopped.value.code == 2
    assert "fault: " + str(root / "computer" / "ann" / "silent.wav") + ": the clip is silent" in capsys.readouterr().out


def main_with(arguments: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["tinywake", *arguments])
        main()


# Faults


def test_each_fault_is_a_line_and_train_refuses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = good(tmp_path / "d")
    save(root / "computer" / "ann" / "silent.wav", np.zeros(RATE))
    save(root / "computer" / "ann" / "long.wav", talk(77, 5.0))
    (root / "door" / "torn.wav").write_bytes(b"RIFF")
    report = data_report([root], RECIPE)
    assert [fault.kind for fault in report.faults] == ["unreadable", "too long", "silent"]
    assert "torn.wav: not a sound file that can be read" in report.faults[0].text
    assert "long.wav: 5.0 s for the wake word; at most 4 s" in report.faults[1].text
    assert report.lines()[-1] == "3 faults: train refuses this data"

    monkeypatch.setattr(training.sources, "engines", lambda names: {})
    monkeypatch.setattr(sources, "speak_all", lambda *_, **__: pytest.fail("spoke before it had looked"))
    monkeypatch.setenv("TINYWAKE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "recipe.toml").write_text('[word]\nlabel = "computer"\n')
    with pytest.raises(AudioError, match=r"torn\.wav: .* \(2 more faults: tinywake data-report\)"):
        training.train(tmp_path / "recipe.toml", tmp_path / "out", [root])
    assert not (tmp_path / "out").exists()


def test_silence_may_be_noise(tmp_path: Path) -> None:
    root = good(tmp_path)
    save(root / "noise" / "quiet.wav", np.zeros(RATE))
    assert not data_report([root], RECIPE).faults


@pytest.mark.parametrize(
    ("one", "other", "kind", "fault"),
    [
        (f"computer/{TRAINS[20]}", f"door/{TRAINS[20]}", "two labels", True),
        (f"computer/{TRAINS[20]}", f"computer/{VALIDATES[3]}", "both sides", True),
        (f"door/{TRAINS[20]}", f"door/{TRAINS[21]}", "two speakers", False),
        (f"door/{TRAINS[20]}", f"door/{TRAINS[20]}", "copies", False),
    ],
)
def test_a_copy_is_found(tmp_path: Path, one: str, other: str, kind: str, fault: bool) -> None:
    root = good(tmp_path)
    pcm = (talk(500) * 32767).astype(np.int16)
    save(root / one / "a.wav", pcm)
    save(root / other / "b.flac", np.pad(pcm, (5000, 99)))
    found = [f for f in data_report([root], RECIPE).findings if f.kind == kind]
    assert [f.fault for f in found] == [fault]
    assert "twins" not in kinds(data_report([root], RECIPE))
    if kind != "copies":
        assert {Path(name).name for name in found[0].clips} == {"a.wav", "b.flac"}


# Nearly the same


def disguised(sound: np.ndarray, how: str, path: Path) -> None:
    if how == "quieter and later":
        noise = np.random.default_rng(9).standard_normal(4321).astype(np.float32) * 1e-4
        save(path.with_suffix(".wav"), np.concatenate([noise, 0.2 * sound]))
    elif how == "telephone":
        save(path.with_suffix(".wav"), soxr.resample(sound, RATE, 8000), 8000, "ULAW")
    elif how == "44.1 kHz Vorbis":
        save(path.with_suffix(".ogg"), soxr.resample(sound, RATE, 44_100), 44_100, "VORBIS")
    elif how == "other polarity and cut":
        save(path.with_suffix(".wav"), -sound[1600:])


@pytest.mark.parametrize("how", ["quieter and later", "telephone", "44.1 kHz Vorbis", "other polarity and cut"])
def test_the_same_sound_in_another_file_is_found(tmp_path: Path, how: str) -> None:
    root = good(tmp_path)
    disguised(talk(0), how, root / "door" / VALIDATES[4] / "same")
    found = [f for f in data_report([root], RECIPE).findings if f.kind == "twins"]
    assert len(found) == 1
    assert "1 pairs of clips are one recording under two labels" in found[0].text
    assert {Path(name).parent.name for name in found[0].clips} == {TRAINS[0], VALIDATES[4]}


# Doubts about single clips


@pytest.mark.parametrize(
    ("kind", "change", "rate"),
    [
        ("clipped", lambda x: np.clip(x, -0.08, 0.08), RATE),
        ("offset", lambda x: x + 0.05, RATE),
        ("quiet", lambda x: x * 0.005, RATE),
        ("noisy", lambda x: x + 0.1 * np.random.default_rng(1).standard_normal(len(x)), RATE),
        ("short", lambda x: x[: int(0.32 * RATE)], RATE),
        ("roomy", lambda x: np.concatenate([x, x, x]), RATE),
        ("band", lambda x: soxr.resample(soxr.resample(x, RATE, 8000), 8000, RATE), RATE),
        ("pitch", lambda x: x, 8000),
    ],
)
def test_a_doubtful_clip_is_named(tmp_path: Path, kind: str, change: object, rate: int) -> None:
    root = good(tmp_path)
    assert kind not in kinds(data_report([root], RECIPE))
    for n in range(5):
        save(root / "computer" / TRAINS[30] / f"{n}.wav", change(talk(300 + n, pitch=120.0)), rate)  # type: ignore[operator]
    found = [f for f in data_report([root], RECIPE).findings if f.kind == kind]
    assert {Path(name).parent.name for f in found for name in f.clips} == {TRAINS[30]}
    assert sum(len(f.clips) for f in found) == 5


def test_what_is_measured_is_what_was_made(tmp_path: Path) -> None:
    sound = talk(1, 1.0, pitch=150.0)
    m = measure(save(tmp_path / "a.wav", np.stack([soxr.resample(sound, RATE, 48_000)] * 2, 1), 48_000, "PCM_24"))
    assert (m.rate, m.channels, m.coding) == (48_000, 2, "WAV PCM_24")
    assert abs(m.seconds - 1.4) < 0.01
    assert abs(m.peak_db - 20 * np.log10(0.3)) < 0.7
    assert 125 < m.pitch_hz < 175
    assert m.band_hz >= 7000
    assert m.clipped == 0
    assert abs(measure(save(tmp_path / "b.wav", sound + 0.1)).offset - 0.1) < 0.01
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
    assert measure(save(tmp_path / "c.wav", tone * 0.5)).band_hz <= 1250


# Doubts about all of them


def test_a_channel_that_gives_the_word_away_is_named(tmp_path: Path) -> None:
    def narrow(sound: np.ndarray) -> np.ndarray:
        return np.asarray(soxr.resample(soxr.resample(sound, RATE, 8000), 8000, RATE))

    root = good(tmp_path / "one")
    for path in (root / "computer").rglob("*.wav"):
        save(path, narrow(soundfile.read(path)[0]))
    text = texts(data_report([root], RECIPE), "channel")
    assert "band alone tells the word from other speech in 100 % of the pairs" in text
    assert "band alone tells 'computer' from other speech" in texts(data_report([root]), "channel")
    for path in (root / "door").rglob("*.wav"):
        save(path, narrow(soundfile.read(path)[0]))
    assert "band" not in texts(data_report([root], RECIPE), "channel")


def test_a_codec_in_one_class_is_named(tmp_path: Path) -> None:
    root = good(tmp_path)
    for path in list((root / "door").rglob("*.wav")):
        save(path.with_suffix(".ogg"), soundfile.read(path)[0], subtype="VORBIS")
        path.unlink()
    assert "codec OGG VORBIS: 0 % of the word, 100 % of other speech" in texts(data_report([root], RECIPE), "channel")


def test_a_flat_folder_is_told_of(tmp_path: Path) -> None:
    for n in range(6):
        save(tmp_path / "computer" / f"{('ann', 'bob')[n % 2]}_{n}.wav", talk(n))
    report = data_report([tmp_path], RECIPE)
    assert "6 clips name no speaker" in texts(report, "no speakers")
    assert "look like those of ann, bob: a guess" in texts(report, "no speakers")
    assert "few speakers" not in kinds(report)
    assert "only the word is recorded" in texts(report, "one class")
    assert "speakers not named" in report.lines()[0]


def test_one_person_under_two_names_is_suspected(tmp_path: Path) -> None:
    root = good(tmp_path)
    one = next(name for name in TRAINS[20:] if in_validation(name.title()))
    save(root / "computer" / one / "1.wav", talk(70))
    save(root / "door" / one.title() / "1.wav", talk(71))
    assert f"{one.title()!r} and {one!r} are on both sides" in texts(data_report([root], RECIPE), "two names")


def test_a_word_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    save(tmp_path / "computr" / "ann" / "1.wav", talk(1))
    save(tmp_path / "door" / "ann" / "1.wav", talk(2))
    report = data_report([tmp_path], RECIPE)
    assert "no recording is labelled 'computer'; labels: 'computr', 'door'" in texts(report, "no word")
    assert "computr" in texts(report, "labels")


def test_two_speakers_are_few(tmp_path: Path) -> None:
    for name in TRAINS[:2]:
        save(tmp_path / "computer" / name / "1.wav", talk(len(name)))
    report = data_report([tmp_path], RECIPE)
    assert "2 speakers of the word" in texts(report, "few speakers")
    assert "no speaker of the word validates" in texts(report, "one side")
