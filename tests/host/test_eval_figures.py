"""What scores are turned into: bounds, folds, speakers, latency, false accepts; cases worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinywake.audio.clips import read_clip
from tinywake.errors import ConfigError
from tinywake.evaluate.det.alarms import alarms_of, write_alarms
from tinywake.evaluate.det.bounds import hours_for, miss_bounds, too_short
from tinywake.evaluate.det.crossfit import cross_fit, folds_of
from tinywake.evaluate.det.latency import Latency, end_of_word
from tinywake.evaluate.det.speakers import shares_of, speaker_facts, speaker_lines
from tinywake.evaluate.det.trial import Trial
from tinywake.evaluate.metrics import Rule, det

ONE = Rule(1, 0, 30)  # no averaging: a score above the threshold is an event


def u8(*values: int) -> np.ndarray:
    return np.array(values, np.uint8)


def bounds(missed: list[int], clips: list[int]) -> list[float]:
    found = miss_bounds(np.array(missed)[:, None], np.array(clips))
    assert found is not None
    return found[:, 0].tolist()


def test_bootstrap_of_two_people_is_everything_or_nothing() -> None:
    # Both drawn the deaf way, or the other: 0 and 1 with probability 1/4 each, however many clips they spoke.
    assert bounds([100, 0], [100, 100]) == [0.0, 1.0]


def test_bootstrap_of_people_who_are_all_alike_has_no_width() -> None:
    assert bounds([1, 2, 3], [10, 20, 30]) == pytest.approx([0.1, 0.1])


def test_bootstrap_of_many_who_speak_once_is_binomial() -> None:
    low, high = bounds([1] * 50 + [0] * 50, [1] * 100)
    assert (low, high) == pytest.approx((0.5 - 1.96 * 0.05, 0.5 + 1.96 * 0.05), abs=0.015)


def test_bootstrap_weighs_people_by_their_clips() -> None:
    # Drawn are (a, a), (a, b) or (b, b): 30 of 30, 30 of 40, 0 of 10 clips; the mean over draws is not asked for.
    found = miss_bounds(np.array([[30], [0]]), np.array([30, 10]), resamples=50)
    assert found is not None
    assert set(found[:, 0].tolist()) == {0.0, 1.0}
    assert miss_bounds(np.array([[3]]), np.array([10])) is None  # one speaker


def test_bootstrap_is_the_same_again_and_of_every_threshold() -> None:
    rng = np.random.default_rng(3)
    clips = rng.integers(1, 20, 12)
    missed = np.sort(rng.integers(0, clips[:, None] + 1, (12, 256)), axis=1)
    once, again = miss_bounds(missed, clips, 5), miss_bounds(missed, clips, 5)
    assert once is not None
    assert again is not None
    np.testing.assert_array_equal(once, again)
    rate = missed.sum(axis=0) / clips.sum()
    some = (rate > 0) & (rate < 1)
    assert ((once[0] <= rate) & (rate <= once[1]))[some].all()
    assert some.sum() > 200
    assert np.isnan(once[:, ~some]).all()  # nobody is missed: draws do not differ, and nothing is bounded


def test_audio_that_is_too_short_for_a_budget() -> None:
    assert hours_for(0.5) == pytest.approx(3.689 / 0.5, rel=1e-3)
    assert too_short(0.5, 7.4) is None
    line = too_short(0.5, 1 / 3)
    assert line is not None
    assert line.startswith("20 minutes without the word cannot show 0.5 false accepts an hour")
    assert "11.1 an hour" in line
    assert "7.4 h could" in line
    assert too_short(0.0, 0.1) is None  # nothing can be supported: that is no question of length


@pytest.fixture
def trial() -> Trial:
    """Peaks with the word: ann 200, 100; bob 60. Without it, half an hour each: cat 90 twice; dan 150."""
    return Trial(
        positives=[u8(0, 200), u8(100, 0), u8(60)],
        negatives=[u8(90, 0, 90), u8(150)],
        speakers=["ann", "ann", "bob"],
        others=["cat", "dan"],
        seconds=np.array([1800.0, 1800.0]),
        rule=ONE,
    )


def test_a_trial_is_the_curve_and_its_parts(trial: Trial) -> None:
    curve, expected = trial.curve, det(trial.positives, trial.negatives, 1.0, ONE)
    np.testing.assert_array_equal(curve.misses, expected.misses)
    np.testing.assert_array_equal(curve.false_accepts, expected.false_accepts)
    assert (curve.positives, curve.hours) == (3, 1.0)
    assert curve.false_accepts[[89, 90, 149, 150]].tolist() == [3, 1, 1, 0]
    names, missed, clips = trial.by_speaker()
    assert names == ("ann", "bob")
    assert clips.tolist() == [2, 1]
    assert missed[:, [59, 60, 100, 199, 200]].tolist() == [[0, 0, 1, 1, 2], [0, 1, 1, 1, 1]]
    part = trial.part(np.array([False, False, True]), np.array([True, False]))
    assert (part.positives, part.hours, part.false_accepts[89], part.misses[60]) == (1, 0.5, 2, 1)
    assert trial.hits(99) == [[1], [0], []]


def test_cross_fit_by_hand(trial: Trial) -> None:
    # ann has two clips, so she is in fold 0; bob in 1. Of the others cat comes first (equal seconds, then by name):
    # fold 0 is {ann, cat}, fold 1 {bob, dan}. Fold 0 is judged at dan's 150: ann's 100 is missed, cat stays quiet.
    # Fold 1 is judged at cat's 90: bob's 60 is missed, and dan's 150 is a false accept.
    fit = cross_fit(trial, 0.0, 2)
    assert fit.thresholds == (150, 90)
    assert (fit.missed, fit.positives, fit.false_accepts, fit.hours) == (2, 3, 1, 1.0)
    assert fit.facts()["misses"] == pytest.approx(2 / 3)
    assert "thresholds 150, 90" in fit.line()
    # The same data for choice and report: 150, one false accept fewer.
    assert trial.curve.threshold_for(0.0) == 150
    assert trial.curve.false_accepts[150] == 0


def test_folds_keep_a_speaker_together() -> None:
    fold = folds_of({"a": 5, "b": 3, "c": 2}, {"a": 100.0, "x": 90.0, "y": 30.0, "z": 20.0}, 2)
    assert fold["a"] == 0
    assert fold["b"] == fold["c"] == 1
    assert fold["x"] == 1  # a's 100 s weigh on fold 0
    assert fold["y"] == 1
    assert fold["z"] == 0
    for count in (0, 1, 3, 4):
        with pytest.raises(ConfigError, match=f"--cross-fit {count}"):
            folds_of({"a": 1, "b": 1}, {"x": 1, "y": 1, "z": 1}, count)


def test_speakers_worst_first() -> None:
    shares = shares_of({"a": (1, 10), "b": (3, 4), "c": (0, 3), "d": (2, 10), "e": (3, 10)})
    assert [share.speaker for share in shares] == ["b", "e", "d", "a", "c"]
    assert speaker_facts(shares) == {
        "count": 5,
        "median_misses": 0.2,
        "worst": {"speaker": "b", "misses": 0.75, "clips": 4},
        "share_above_20": 2 / 5,  # d's 20 % is not above
    }
    first, second = speaker_lines(shares)
    assert first == "5 speakers: median 20 % missed, worst 75 % (b, 4 clips); 2 of them (40 %) above 20 %"
    assert second == "  missed: b 3 of 4, e 3 of 10"
    assert speaker_lines(shares[:1]) == []


def test_latency_percentiles() -> None:
    late = Latency([*range(100, 1100, 100)])
    assert late.facts() == {"heard": 10, "median_ms": 500, "p90_ms": 900}
    assert Latency([]).facts() == {"heard": 0, "median_ms": None, "p90_ms": None}
    assert Latency([]).lines() == []


def test_end_of_word() -> None:
    rng = np.random.default_rng(1)
    quiet = rng.normal(0, 5, 32000)
    quiet[4800:16000] += 8000 * np.sin(np.arange(11200) * 0.3)  # the word: 0.3 to 1 s
    quiet[16000:20000] += 200 * np.sin(np.arange(4000) * 0.3)  # breath, 32 dB below
    assert end_of_word(quiet.astype(np.int16), None) == 1000
    assert end_of_word(quiet.astype(np.int16), 1234) == 1234


def test_false_accepts_have_a_file_a_time_and_a_clip(tmp_path: Path) -> None:
    ramp = np.arange(160_000, dtype=np.int32) % 20_000
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", ramp.astype(np.int16), 16000)
    rule = Rule(2, 0, 30)
    scores = [u8(0, 0, 200, 200, 0, 0, 0, 255, 255), u8(9, 9)]
    alarms = alarms_of([tmp_path / "a.wav", tmp_path / "b.wav"], scores, [4700, 0], 150, rule)
    # Sums of two: 200, 400 at step 3; 255, 510 at step 8. Above 300: steps 3 and 8. Step 0 ends at 4,700 ms.
    assert [(alarm.path.name, alarm.t_ms, alarm.score) for alarm in alarms] == [
        ("a.wav", 4790, 200),
        ("a.wav", 4940, 255),
    ]
    first, second = write_alarms(alarms, tmp_path / "out", "word")
    assert first.name == "word-000-a-4790ms.wav"
    np.testing.assert_array_equal(read_clip(first), ramp[1790 * 16 : 5790 * 16])
    assert len(read_clip(second)) == 4 * 16000
