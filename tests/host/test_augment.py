"""Rooms, noise, microphones and codecs do what their names say, measurably; the seed decides everything."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from tinywake.audio.augment.channel import Channel
from tinywake.audio.augment.codec import check_codecs, through_codec, through_telephone
from tinywake.audio.augment.curves import cheap_microphone, low_pass
from tinywake.audio.augment.masks import mask
from tinywake.audio.augment.noise import babble, coloured_noise, mix
from tinywake.audio.augment.rooms import Room, make_room
from tinywake.audio.augment.sound import active_level
from tinywake.audio.clips import Pcm
from tinywake.config import CODECS, Augment
from tinywake.errors import ToolError

PLAIN = Augment(noise=0.0, room=0.0, band=0.0, clipping=0.0, peak_db=(-6.0, -6.0))
ASKED = {
    "babble": Augment(noise=1.0, babble=1.0),
    "rooms": Augment(room=1.0, rooms=5),
    "microphone": Augment(microphone=1.0),
    "low_pass": Augment(low_pass=1.0),
    "telephone": Augment(telephone=1.0),
    "codec": Augment(codec=1.0),
    "dc": Augment(dc=1.0),
}


def white(seconds: float = 1.0, seed: int = 0, level: float = 3000.0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(int(16_000 * seconds)) * level).astype(np.float32)


def tone(hertz: float, seconds: float = 0.5) -> np.ndarray:
    return (8000 * np.sin(2 * np.pi * hertz * np.arange(int(16_000 * seconds)) / 16_000)).astype(np.float32)


def talk() -> list[Pcm]:
    return [white(0.7, seed).astype(np.int16) for seed in range(6)]


@functools.cache
def usual() -> Channel:
    return Channel(Augment(), 3, talk(), [])


def gain_db(before: np.ndarray, after: np.ndarray, low: float, high: float) -> float:
    """What became of the power between two frequencies."""
    hertz = np.fft.rfftfreq(len(before), 1 / 16_000)
    band = (hertz >= low) & (hertz < high)
    power = [(np.abs(np.fft.rfft(sound.astype(float)))[band] ** 2).sum() for sound in (before, after)]
    return float(10 * np.log10(power[1] / power[0]))


def fall_of_60_db(response: np.ndarray) -> float:
    """Seconds: Schroeder's backward integral, the slope between 5 and 25 dB below the whole."""
    energy = np.cumsum(response[::-1].astype(np.float64) ** 2)[::-1]
    decibels = 10 * np.log10(energy / energy[0] + 1e-30)
    part = np.flatnonzero((decibels < -5) & (decibels > -25))
    return float(-60 / np.polyfit(part / 16_000, decibels[part], 1)[0])


# Rooms


@pytest.mark.parametrize("seconds", [0.2, 0.35, 0.6, 0.9])
def test_a_room_reverberates_as_long_as_it_was_asked_to(seconds: float) -> None:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(8):  # after 30 ms: before that, single echoes and the direct sound decide
        room = replace(make_room(seconds, (2.0, 3.0), rng), bright=1.0)
        found.append(fall_of_60_db(room.response(rng)[480:]))
    assert np.mean(found) == pytest.approx(seconds, rel=0.1)
    assert all(abs(one / seconds - 1) < 0.2 for one in found)


def test_echoes_come_when_and_as_strong_as_geometry_says() -> None:
    room = Room((4.0, 3.0, 2.5), (1.0, 1.0, 1.0), (3.0, 1.0, 1.0), 0.4)
    early = room.images(0.03)
    assert early[0] == pytest.approx(1 / 2, rel=1e-6)  # 2 m away
    # The floor's and the nearer side wall's image are one: sqrt(2^2 + 2^2) m away, one wall each.
    far = np.sqrt(8.0)
    at = (far - 2.0) / 343 * 16_000
    near = early[int(at) - 6 : int(at) + 8]
    assert near.sum() == pytest.approx(2 * room.reflection / far, rel=0.1)
    assert np.abs(early[8 : int(at) - 12]).max() < 0.02


def test_the_tail_goes_on_as_strong_as_the_images_are() -> None:
    rng = np.random.default_rng(2)
    differences = []
    for _ in range(12):
        room = replace(make_room(0.5, (1.0, 2.0), rng), bright=1.0)
        images, response = room.images(0.12), room.response(rng)
        late = slice(int(0.065 * 16_000), int(0.11 * 16_000))
        # Images are positive, so their lowest tones add up, which no wall of a home would let them do.
        differences.append(gain_db(images[late], response[late] * images[0], 1500, 7900))
    assert abs(np.mean(differences)) < 1.0


def test_a_room_lies_within_its_walls_and_its_mouth_where_it_was_asked_for() -> None:
    rng = np.random.default_rng(0)
    far = []
    for _ in range(200):
        room = make_room(0.4, (0.3, 3.0), rng)
        for place in (room.mouth, room.microphone):
            assert all(0 < value < wall for value, wall in zip(place, room.size, strict=True))
        far.append(float(np.linalg.norm(np.subtract(room.mouth, room.microphone))))
    assert 0.29 < min(far) < 0.5
    assert 2.0 < max(far) < 3.01


def test_a_mouth_further_away_than_any_wall_is_as_far_as_it_can_be() -> None:
    room = make_room(0.4, (20.0, 20.0), np.random.default_rng(0))
    assert 3 < np.linalg.norm(np.subtract(room.mouth, room.microphone)) < np.linalg.norm(room.size)
    assert np.isfinite(room.response(np.random.default_rng(0))).all()


# Noise


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0, 30.0])
def test_mixed_noise_is_as_loud_as_asked(snr_db: float) -> None:
    rng = np.random.default_rng(3)
    speech = np.concatenate([np.zeros(8000, np.float32), tone(300), np.zeros(8000, np.float32)])
    for noise in (coloured_noise(len(speech), rng), babble(talk(), len(speech), rng, (2, 3))):
        added = mix(speech, noise, snr_db).astype(np.float64) - speech
        assert 20 * np.log10(active_level(speech) / active_level(added)) == pytest.approx(snr_db, abs=0.1)
    assert np.array_equal(mix(speech, np.zeros_like(speech), 3.0), speech)
    assert active_level(mix(np.zeros(8000, np.float32), noise[:8000], 0.0)) == pytest.approx(0.1, rel=0.01)


def test_babble_of_the_channel_has_the_ratio_of_the_recipe() -> None:
    clean = np.concatenate([np.zeros(24_000, np.float32), tone(440, 1.5)])
    config = replace(PLAIN, noise=1.0, babble=1.0, talkers=(8, 8), snr_db=(12.0, 12.0))
    pcm = Channel(config, 1, talk(), [])(clean, np.random.default_rng(2)).astype(float)
    noise, both = pcm[:24_000], pcm[24_000:]
    sine = np.exp(-2j * np.pi * 440 * np.arange(len(both)) / 16_000)
    level = np.abs((both * sine).mean()) * np.sqrt(2)  # of the tone alone
    assert 20 * np.log10(level / active_level(noise)) == pytest.approx(12.0, abs=1.0)


# Microphones


def test_a_low_pass_leaves_what_is_below() -> None:
    sound = white(2.0)
    after = low_pass(sound, 3000.0)
    assert gain_db(sound, after, 100, 2000) == pytest.approx(0, abs=0.2)
    assert gain_db(sound, after, 2950, 3050) == pytest.approx(-3, abs=0.5)
    assert gain_db(sound, after, 5900, 6100) < -40


def test_cheap_microphones_differ_and_lack_the_lowest_tones() -> None:
    rng, sound = np.random.default_rng(0), white(1.0)
    curves = []
    for _ in range(20):
        after = cheap_microphone(sound, rng)
        curves.append([gain_db(sound, after, low, low * 1.3) for low in (20, 60, 300, 1000, 3000, 6000)])
    assert np.mean(curves, axis=0)[0] < np.mean(curves, axis=0)[3] - 6
    assert np.std(curves, axis=0)[4:].min() > 2
    assert np.abs(np.array(curves)[:, 3]).max() < 12


def test_dc_is_what_was_asked_for() -> None:
    config = replace(PLAIN, dc=1.0, dc_level=(0.03, 0.03))
    channel = Channel(config, 1, [], [])
    means = [channel(tone(1000, 1.0), np.random.default_rng(n)).astype(float).mean() for n in range(12)]
    assert np.abs(means) == pytest.approx(np.full(12, 0.03 * 32767), rel=0.03)
    assert {np.sign(mean) for mean in means} == {-1.0, 1.0}


# Codecs


def test_a_telephone_has_its_band() -> None:
    sound = white(2.0).astype(np.int16)
    after = through_telephone(sound)
    assert after.dtype == np.int16
    assert len(after) == len(sound)
    assert gain_db(sound, after, 500, 3000) == pytest.approx(0, abs=0.5)
    assert gain_db(sound, after, 4200, 7900) < -40
    assert gain_db(sound, after, 20, 150) < -25
    voice = tone(1000).astype(np.int16)
    assert np.abs(np.fft.rfft(through_telephone(voice)))[500] == pytest.approx(
        np.abs(np.fft.rfft(voice))[500], rel=0.02
    )


@pytest.mark.parametrize(("name", "least_db"), [("mu-law", 33.0), ("ima-adpcm", 15.0), ("opus", 10.0)])
def test_a_codec_loses_something_and_delays_nothing(name: str, least_db: float) -> None:
    check_codecs((name,))
    time = np.arange(20_001) / 16_000
    voice = sum(np.sin(2 * np.pi * 130 * k * time + k) / k for k in range(1, 12)) * (0.6 + 0.4 * np.sin(9 * time))
    pcm = (voice * 6000).astype(np.int16)
    after = through_codec(pcm, name)
    assert len(after) == len(pcm)
    lost = after.astype(float) - pcm
    ratio = 10 * np.log10((pcm.astype(float) ** 2).mean() / (lost**2).mean())
    assert least_db < ratio < 60
    assert np.array_equal(after, through_codec(pcm, name))


def test_a_codec_that_cannot_be_had_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundfile, "available_subtypes", lambda form: {"PCM_16": ""})
    check_codecs.cache_clear()
    with pytest.raises(ToolError, match=r"augment\.codecs: 'opus': libsndfile \S+ cannot write it"):
        Channel(replace(PLAIN, codec=1.0, codecs=("opus",)), 1, [], [])
    check_codecs.cache_clear()


# Masks


def test_masks_hide_bands_at_their_mean() -> None:
    features = np.random.default_rng(0).integers(0, 600, (200, 40)).astype(np.uint16)
    config = Augment(time_masks=2, time_mask_frames=10, frequency_masks=2, frequency_mask_channels=4)
    mean = np.rint(features.mean(axis=0)).astype(np.uint16)
    hidden = []
    for seed in range(40):
        masked = mask(features, config, np.random.default_rng(seed))
        changed = masked != features
        assert (masked == np.where(changed, mean, features)).all()
        hidden.append(changed.mean())
        assert np.flatnonzero(changed.mean(axis=1) > 0.9).size <= 4 * 10
        assert np.flatnonzero(changed.mean(axis=0) > 0.9).size <= 2 * 4
        assert np.array_equal(masked, mask(features, config, np.random.default_rng(seed)))
    assert 0.03 < np.mean(hidden) < 0.25
    assert mask(features, Augment(), np.random.default_rng(0)) is features


# All of it


@pytest.mark.parametrize("name", list(ASKED))
def test_the_seed_alone_decides_and_positives_have_no_channel_of_their_own(name: str) -> None:
    clean = np.concatenate([np.zeros(8000, np.float32), tone(300), np.zeros(8000, np.float32)])
    one, two = (Channel(ASKED[name], 3, talk(), []) for _ in range(2))
    first = one(clean, np.random.default_rng(5))
    assert first.dtype == np.int16
    assert len(first) == len(clean)
    assert np.array_equal(first, two(clean, np.random.default_rng(5)))
    plain = usual()(clean, np.random.default_rng(5))
    assert not np.array_equal(first, plain)
    silent = one(np.zeros(len(clean), np.float32), np.random.default_rng(5))  # a stream without speech: the same way
    assert len(silent) == len(clean)
    assert np.abs(silent).max() > 0


def test_what_is_not_asked_for_changes_nothing() -> None:
    """Codecs have names, ranges and sizes; while their shares are 0, those do not matter."""
    clean = np.concatenate([np.zeros(8000, np.float32), tone(300)])
    other = Augment(talkers=(1, 1), distance_m=(1, 1), low_pass_hz=(900, 900), codecs=CODECS[:1], dc_level=(0.2, 0.2))
    two = [channel(clean, np.random.default_rng(7)) for channel in (usual(), Channel(other, 3, talk(), []))]
    assert np.array_equal(*two)
