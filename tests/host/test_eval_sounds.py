"""What an evaluation plays: who speaks, and noise at a ratio that can be measured, the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinywake.errors import AudioError, ConfigError
from tinywake.evaluate.sounds.clipset import EvalClip, clip_set
from tinywake.evaluate.sounds.noise import Condition, Track, babble, level, mix, parse_snr, recorded
from tinywake.evaluate.sounds.quiet import framed


def tone(hertz: float = 440.0, amplitude: float = 6000.0, seconds: float = 1.0) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(int(16000 * seconds)) / 16000)).astype(np.int16)


def put(path: Path, pcm: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone() if pcm is None else pcm, 16000)
    return path


def white(seed: int, amplitude: float = 500.0) -> Track:
    return Track(np.random.default_rng(seed).normal(0, amplitude, 48000).astype(np.int16))


def power(pcm: np.ndarray) -> float:
    return float((pcm.astype(float) ** 2).mean())


def test_speakers_of_folders_names_and_manifests(tmp_path: Path) -> None:
    for name in ("ann/1.wav", "ann/2.wav", "bob/deep/1.wav", "loose.wav", "0ab_nohash_0.wav", "0ab_nohash_1.wav"):
        put(tmp_path / "plain" / name)
    found = {
        clip.path.relative_to(tmp_path / "plain").as_posix(): clip.speaker for clip in clip_set([tmp_path / "plain"])
    }
    assert found == {
        "ann/1.wav": "ann", "ann/2.wav": "ann", "bob/deep/1.wav": "bob", "loose.wav": "loose",
        "0ab_nohash_0.wav": "0ab", "0ab_nohash_1.wav": "0ab",
    }  # fmt: skip
    for name in ("x/1.wav", "x/2.wav"):
        put(tmp_path / "listed" / name)
    manifest = tmp_path / "listed" / "MANIFEST.csv"
    manifest.write_text("file,speaker,end_ms\nx/1.wav,eve,730\nx/2.wav,,\n")
    for source in (manifest, tmp_path / "listed"):
        first, second = clip_set([source])
        assert (first.speaker, first.end_ms) == ("eve", 730)
        assert (second.speaker, second.end_ms) == ("2" if source == manifest else "x", None)
    manifest.write_text("file,speaker,end_ms\nx/1.wav,eve,soon\n")
    with pytest.raises(AudioError, match=r"end_ms = 'soon' of 1\.wav"):
        clip_set([manifest])


@pytest.mark.parametrize("ratio", [20.0, 10.0, 0.0, -5.0])
def test_noise_has_the_ratio_that_was_asked_for(ratio: float) -> None:
    clip = tone(amplitude=3000)
    sound = framed(clip, 500).sound
    noisy = mix(sound, clip, "ann", Condition("white", ratio, (white(1), white(2)), 0, ""))
    noise = noisy.astype(float) - sound
    assert len(noisy) == len(sound)
    assert 10 * np.log10(power(clip) / power(noise)) == pytest.approx(ratio, abs=0.1)
    assert power(noise[:8000]) == pytest.approx(power(noise[8000:24000]), rel=0.1)  # before the clip as in it


def test_a_clip_has_the_same_noise_at_every_ratio_and_every_time() -> None:
    clip = tone(amplitude=3000)
    sound = framed(clip, 500).sound
    tracks = tuple(white(seed) for seed in range(8))

    def noise(ratio: float, seed: int = 0) -> np.ndarray:
        return mix(sound, clip, "ann", Condition("white", ratio, tracks, seed, "")).astype(float) - sound

    np.testing.assert_array_equal(noise(10), noise(10))
    assert np.corrcoef(noise(10), noise(0))[0, 1] > 0.999
    assert np.corrcoef(noise(10), noise(10, seed=1))[0, 1] < 0.5


def test_what_could_clip_is_turned_down() -> None:
    clip = tone(amplitude=32000)
    noisy = mix(clip, clip, "ann", Condition("white", 0, (white(1),), 0, ""))
    assert 20000 < int(np.abs(noisy.astype(int)).max()) <= 32767
    assert level(np.zeros(16000, np.int16)) == 30  # silence gets faint noise, not none


def test_babble_never_has_the_speaker_in_it(tmp_path: Path) -> None:
    clips = [EvalClip(tmp_path / f"{n}-{take}.wav", f"speaker {n}") for n in range(12) for take in range(2)]
    sounds = {clip.path: tone(100 + 20 * place, 2000, 1.5) for place, clip in enumerate(clips)}
    tracks = babble(clips, 0, sounds.__getitem__)
    assert {len(track.speakers) for track in tracks} == {5}
    assert {len(track.pcm) for track in tracks} == {12 * 16000}
    again = babble(clips, 0, sounds.__getitem__)
    assert all(np.array_equal(a.pcm, b.pcm) and a.speakers == b.speakers for a, b in zip(tracks, again, strict=True))
    assert not np.array_equal(tracks[0].pcm, babble(clips, 1, sounds.__getitem__)[0].pcm)
    condition = Condition("babble", 0, tracks, 0, "")
    condition.check([clip.speaker for clip in clips])
    mine = next(iter(tracks[0].speakers))
    with pytest.raises(AudioError, match=f"no noise without {mine}"):
        Condition("babble", 0, tracks[:1], 0, "").check([mine])
    with pytest.raises(AudioError, match="needs negatives of 10 speakers at least; there are 9"):
        babble(clips[:18], 0, sounds.__getitem__)


def test_kinds_of_noise(tmp_path: Path) -> None:
    noise = tmp_path / "noise"
    for name in ("rain/1.wav", "rain/2.wav", "city/a/1.wav", "hum.wav"):
        put(noise / name)
    assert {kind: len(tracks) for kind, tracks in recorded([noise]).items()} == {"city": 1, "noise": 1, "rain": 2}
    (noise / "MANIFEST.csv").write_text("file,kind\nrain/1.wav,wet\nhum.wav,steady\n")
    assert set(recorded([noise])) == {"wet", "steady", "rain", "city"}
    assert set(recorded([noise / "MANIFEST.csv"])) == {"wet", "steady"}
    put(noise / "babble" / "1.wav")
    with pytest.raises(AudioError, match="called babble"):
        recorded([noise])
    for name, content, says in (
        ("silent", np.zeros(16000, np.int16), "the clip is silent"), ("empty", None, "no sound files"),
    ):  # fmt: skip
        folder = tmp_path / name
        folder.mkdir()
        if content is not None:
            put(folder / "x.wav", content)
        with pytest.raises(AudioError, match=says):
            recorded([folder])


@pytest.mark.parametrize("text", ["loud", "", "10,", "10,10", "nan", "100", "-30", "1,2,3,4,5,6,7,8,9,10,11,12,13"])
def test_ratios_that_make_no_sense(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--snr .*such as 20,10,5,0"):
        parse_snr(text)


def test_ratios() -> None:
    assert parse_snr("20,10,5,0") == (20, 10, 5, 0)
    assert parse_snr("-2.5") == (-2.5,)
