"""The WORLD vocoder makes other voices of clips: higher, faster, with other throats; once, and the same each time."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import numpy as np
import pytest

from tinywake.audio import sources
from tinywake.audio.clips import Pcm, stretch
from tinywake.audio.conversion import clips, world
from tinywake.audio.conversion.clips import convert_all, plan_conversions
from tinywake.audio.conversion.world import Change, convert
from tinywake.audio.sources import Sources, Take
from tinywake.config import Conversion, Recipe, Word
from tinywake.errors import ToolError


@pytest.fixture
def vocoder() -> None:
    try:
        world.version()
    except ToolError as error:
        pytest.skip(str(error))


def vowel(pitch: float = 120.0, formants: tuple[float, ...] = (700.0, 1200.0, 2600.0), seconds: float = 0.6) -> Pcm:
    """Harmonics under resonances, the pitch falling by a fifth of its mean."""
    time = np.arange(int(16_000 * seconds)) / 16_000
    hertz = pitch * (1.1 - 0.2 * time / seconds)
    phase = 2 * np.pi * np.cumsum(hertz) / 16_000
    sound = np.zeros(len(time))
    for k in range(1, int(7000 / pitch)):
        height = sum(1 / (1 + ((k * pitch - at) / 90) ** 2) for at in formants) + 0.003
        sound += height * np.sin(k * phase)
    return np.asarray(sound / np.abs(sound).max() * 12_000, dtype=np.int16)


def pitch_of(pcm: Pcm) -> np.ndarray:
    """Hz of the voiced frames, by the peak of the autocorrelation: a measure that is not the vocoder's own."""
    found = []
    for at in range(1600, len(pcm) - 2400, 320):
        frame = pcm[at : at + 800].astype(float) * np.hanning(800)
        correlation = np.correlate(frame, frame, "full")[799:]
        lag = 32 + int(correlation[32:320].argmax())
        found.append(16_000 / lag)
    return np.array(found)


def envelope_peak(pcm: Pcm, low: float, high: float) -> float:
    """Hz of the strongest resonance between two frequencies: centre of its power."""
    power = np.abs(np.fft.rfft(pcm.astype(float) * np.hanning(len(pcm)))) ** 2
    hertz = np.fft.rfftfreq(len(pcm), 1 / 16_000)
    band = (hertz >= low) & (hertz <= high)
    return float((hertz[band] * power[band]).sum() / power[band].sum())


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.5])
def test_pitch_moves_and_nothing_else(vocoder: None, factor: float) -> None:
    before = vowel()
    after = convert(before, Change(pitch=factor))
    assert np.median(pitch_of(after)) / np.median(pitch_of(before)) == pytest.approx(factor, rel=0.04)
    assert abs(len(after) - len(before)) <= 160
    assert envelope_peak(after, 2000, 3300) == pytest.approx(envelope_peak(before, 2000, 3300), rel=0.04)
    level = [np.sqrt((pcm.astype(float) ** 2).mean()) for pcm in (before, after)]
    assert level[1] == pytest.approx(level[0], rel=0.05)


@pytest.mark.parametrize("factor", [0.85, 1.2])
def test_a_throat_moves_resonances_and_not_the_pitch(vocoder: None, factor: float) -> None:
    before = vowel(formants=(700.0, 2600.0))
    after = convert(before, Change(formant=factor))
    assert envelope_peak(after, 1900, 3600) / envelope_peak(before, 1900, 3600) == pytest.approx(factor, rel=0.05)
    assert np.median(pitch_of(after)) == pytest.approx(np.median(pitch_of(before)), rel=0.03)


def test_pace_rhythm_and_range(vocoder: None) -> None:
    before = vowel(seconds=1.0)
    slow = convert(before, Change(pace=0.8))
    assert len(slow) / len(before) == pytest.approx(1.25, rel=0.02)
    uneven = convert(before, Change(rhythm=0.4, seed=3))
    assert abs(len(uneven) - len(before)) <= 160
    assert not np.array_equal(uneven, convert(before, Change(rhythm=0.4, seed=4)))
    flat, lively = (np.ptp(pitch_of(convert(before, Change(range=factor)))) for factor in (0.2, 2.0))
    assert lively > 3 * flat


def periodic(pcm: Pcm) -> float:
    """How alike a period and the next one are, up to 1."""
    sound, found = pcm.astype(float), []
    for at in range(3000, len(pcm) - 1200, 800):
        frame = sound[at : at + 800]
        found.append(max(np.corrcoef(frame, sound[at + lag : at + lag + 800])[0, 1] for lag in range(60, 200)))
    return float(np.mean(found))


def test_breath_makes_a_voice_less_periodic(vocoder: None) -> None:
    usual, breathy, breathier = (periodic(convert(vowel(seconds=1.0), Change(breath=b))) for b in (1.0, 3.0, 5.0))
    assert usual > breathy + 0.02 > breathier + 0.04


def test_a_noisy_voice_does_not_become_a_whisper(vocoder: None) -> None:
    """Bug: the quick search for the pitch finds none above a little noise, and the vocoder then whispers."""
    noisy = (vowel(seconds=1.0) + np.random.default_rng(0).normal(0, 300, 16_000)).astype(np.int16)
    assert periodic(convert(noisy, Change(pitch=1.1))) > 0.8
    noise = np.random.default_rng(0).normal(0, 3000, 16_000).astype(np.int16)
    assert np.array_equal(convert(noise, Change(formant=1.1, pitch=1.3)), stretch(noise, 1.1))


def test_no_voice_leaves_what_humans_have(vocoder: None) -> None:
    child = convert(vowel(pitch=300.0), Change(pitch=2.0))
    assert np.median(pitch_of(child)) < 440
    deep = convert(vowel(pitch=80.0), Change(pitch=0.5))
    assert np.median(pitch_of(deep)) > 60


@pytest.mark.parametrize("pcm", [np.zeros(4000, np.int16), np.ones(200, np.int16), vowel()[:400]])
def test_silence_and_snippets_do_not_hurt(vocoder: None, pcm: Pcm) -> None:
    after = convert(pcm, Change(1.1, 1.2, 1.3, 0.9, 0.2, 1.2, 1))
    assert after.dtype == np.int16
    assert len(after) > 0


def test_a_clip_is_converted_once(vocoder: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(clips, "convert", lambda pcm, change: calls.append(1) or convert(pcm, change))
    jobs = [(vowel(pitch), Change(pitch=1.2, seed=n)) for n, pitch in enumerate((100.0, 130.0, 180.0))]
    stages: list[tuple[str, float]] = []
    first = convert_all(jobs, lambda *stage: stages.append(stage), cache=tmp_path, workers=3)
    assert stages[-1] == ("other voices", 1.0)
    assert len(calls) == 3
    again = convert_all(jobs, cache=tmp_path, workers=1)
    assert len(calls) == 3
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    made = sorted(tmp_path.rglob("*.flac"))
    made[0].unlink()  # as after an interruption
    made[1].write_bytes(b"damaged")
    third = convert_all(jobs, cache=tmp_path)
    assert len(calls) == 5
    assert all(np.array_equal(one, two) for one, two in zip(first, third, strict=True))


def test_a_plan_takes_every_clip_as_often() -> None:
    rng = np.random.default_rng(1)
    indices = [index for index, _ in plan_conversions(10, 23, Conversion(), rng)]
    assert len(indices) == 23
    assert {indices.count(n) for n in range(10)} == {2, 3}
    assert len({index for index, _ in plan_conversions(10, 5, Conversion(), rng)}) == 5
    assert plan_conversions(0, 2, Conversion(), rng) == []
    limits = Conversion()
    changes = [change for _, change in plan_conversions(20, 1000, limits, rng)]
    for name in ("formant", "range", "pace", "breath"):
        low, high = getattr(limits, name)
        values = [getattr(change, name) for change in changes]
        assert low - 1e-3 <= min(values) < low * 1.05
        assert high * 0.95 < max(values) <= high + 1e-3
    logs = [(np.log(change.formant), np.log(change.pitch)) for change in changes]
    assert np.corrcoef(np.transpose(logs))[0, 1] > 0.8  # short throats have high voices


def test_every_kind_and_both_domains_are_converted_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "convert_all", lambda jobs, *_, **__: [pcm[::-1] for pcm, _ in jobs])

    def takes(count: int, recorded: bool = False, exact: bool = True) -> list[Take]:
        return [Take(np.full(1000, n, np.int16), exact, recorded) for n in range(count)]

    given = Sources(takes(10) + takes(4, True, False), takes(6), takes(4), takes(8), takes(20, True))
    recipe = Recipe(Word("computer"), conversion=Conversion(per_clip=1.5))
    sources._add_conversions(given, recipe, None, None)
    sizes = [len(getattr(given, kind)) for kind in ("words", "near", "other", "sentences", "recorded")]
    assert sizes == [35, 15, 10, 20, 50]
    made = given.words[14:]
    assert 4 <= sum(take.recorded for take in made) <= 8
    assert all(take.recorded != take.exact for take in made)
    assert all(take.recorded for take in given.recorded)


def test_recordings_of_the_word_alone_can_be_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many conversions of other talk keep the vocoder's sound from meaning the word."""
    monkeypatch.setattr(sources, "convert_all", lambda jobs, *_, **__: [pcm[::-1] for pcm, _ in jobs])
    pcm, long = np.zeros(1000, np.int16), np.zeros(100_000, np.int16)
    said, other = [Take(pcm, recorded=True, word=1)] * 4, [Take(pcm, recorded=True), Take(long, recorded=True)]
    given = Sources([Take(pcm)] * 10 + said, [Take(pcm)] * 6, recorded=other)
    sources._add_conversions(given, Recipe(Word("computer"), conversion=Conversion(per_recording=3)), None, None)
    assert [len(part) for part in (given.words, given.near, given.recorded)] == [26, 6, 14]
    assert all(take.recorded and take.word == 1 for take in given.words[14:])
    assert all(len(take.pcm) == 1000 for take in given.recorded[2:])


def test_a_missing_vocoder_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    recipe = Recipe(Word("computer"), conversion=Conversion(per_clip=1))
    monkeypatch.setattr(sources, "engines", lambda names: {})
    with pytest.raises(ToolError, match=r"conversion\.per_clip.*pip install 'tinywake\[world\]'"):
        sources.identity(recipe, ())
    sources.identity(Recipe(Word("computer")), ())  # without conversions nothing is missing
