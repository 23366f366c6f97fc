"""Events, misses and false accepts, by the detector's own rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinywake.compiler.twm.listening import Detector as DetectorConfig
from tinywake.compiler.twm.listening import Label
from tinywake.errors import ToolError
from tinywake.evaluate.metrics import (
    DetCurve,
    Rule,
    count_each,
    count_events,
    det,
    events,
    misses_by_speaker,
    poisson_bounds,
    sums,
)
from tinywake.evaluate.plots import plot_det


def u8(*values: int) -> np.ndarray:
    return np.array(values, np.uint8)


def slow(scores: np.ndarray, threshold: int, rule: Rule) -> list[int]:
    """The rule of detector.c, word for word."""
    ring, at, armed, quiet_until, hits = [0] * rule.window, 0, True, 0, []
    for step, score in enumerate(scores):
        ring[at], at = int(score), (at + 1) % rule.window
        now = step * rule.step_ms
        if sum(ring) <= threshold * rule.window:
            armed = True
        elif armed and now >= quiet_until:
            hits.append(step)
            armed, quiet_until = False, now + rule.refractory_ms
    return hits


def streams(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    made = []
    for _ in range(count):
        walk = np.cumsum(rng.normal(0, 40, int(rng.integers(1, 400))))
        made.append(np.clip(128 + 127 * np.sin(walk / 100) + rng.normal(0, 30, len(walk)), 0, 255).astype(np.uint8))
    return made


@pytest.mark.parametrize("window", [1, 3, 5])
@pytest.mark.parametrize("refractory", [0, 30, 100, 1000])
def test_events_equal_the_rule(window: int, refractory: int) -> None:
    rule = Rule(window, refractory, 30)
    for scores in streams(25):
        counts = count_events(scores, rule)
        for threshold in range(0, 256, 17):
            expected = slow(scores, threshold, rule)
            assert events(scores, threshold, rule) == expected
            assert counts[threshold] == len(expected)


@pytest.mark.parametrize("refractory", [0, 100, 3000])
def test_many_clips_at_once_equal_each_alone(refractory: int) -> None:
    rule = Rule(3, refractory, 30)
    clips = [*streams(12), u8(), u8(255, 255, 255, 255), u8(255, 255, 255, 255), u8(0)]
    counts = count_each(clips, rule)
    assert counts.shape == (16, 256)
    for row, scores in zip(counts, clips, strict=True):
        assert row[::5].tolist() == [len(slow(scores, threshold, rule)) for threshold in range(0, 256, 5)]
    assert count_each([], rule).shape == (0, 256)


def test_events_equal_the_core() -> None:
    core = pytest.importorskip("tinywake.core")
    rule = Rule(5, 1000, 30)
    for scores in streams(10):
        for threshold in (0, 100, 200, 255):
            try:
                detector = core.Detector(DetectorConfig((Label("w", threshold),), 5, 1000, 0).section())
            except ToolError as error:
                pytest.skip(str(error))
            hits = [n for n, s in enumerate(scores) if detector.push(np.array([s], np.uint8), n * 30) >= 0]
            assert hits == events(scores, threshold, rule)


def test_one_event_an_utterance() -> None:
    rule = Rule(2, 500, 30)
    word = u8(0, 0, 200, 250, 250, 250, 0, 0, 0)
    assert events(word, 128, rule) == [3]
    assert events(np.tile(word, 3), 128, rule) == [3, 21]  # the second falls into the refractory time
    assert events(u8(*[255] * 100), 128, rule) == [1]  # never falls below: never again
    assert events(u8(255), 128, rule) == []
    assert events(u8(255), 127, rule) == [0]  # the ring is zero at first
    assert sums(u8(1, 2, 3), 2).tolist() == [1, 3, 5]
    assert events(u8(), 0, rule) == []


def test_det_counts() -> None:
    rule = Rule(1, 0, 30)
    curve = det([u8(0, 200), u8(0, 100), u8(50, 0)], [u8(0, 120, 0, 120, 0), u8(0, 30)], 0.5, rule)
    assert curve.misses[[0, 49, 50, 100, 199, 200]].tolist() == [0, 0, 1, 2, 2, 3]
    assert curve.false_accepts[[0, 29, 30, 119, 120]].tolist() == [3, 3, 2, 2, 0]
    assert curve.threshold_for(0) == 120
    assert curve.threshold_for(4.0) == 30
    assert curve.misses_at(0) == pytest.approx(2 / 3)
    assert curve.misses_at(4.0) == 0
    assert curve.room(0) == (120, 199)
    assert curve.table((0.0, 4.0)) == [(0.0, 120, pytest.approx(2 / 3), 0), (4.0, 30, 0.0, 2)]
    with pytest.raises(ValueError, match="at least one clip"):
        det([], [u8(1)], 1.0)


def test_a_network_that_never_stops_cannot_be_silenced() -> None:
    curve = det([u8(255, 255)], [u8(255, 255, 255)], 0.1, Rule(1, 0, 30))
    assert curve.threshold_for(0) == 255
    assert curve.misses_at(0) == 1.0


def test_misses_are_counted_for_each_speaker() -> None:
    table = misses_by_speaker([u8(200), u8(0), u8(0)], ["b", "a", "b"], 100, Rule(1))
    assert dict(table) == {"a": (1, 1), "b": (1, 2)}
    assert list(table) == ["a", "b"]


@pytest.mark.parametrize(("count", "low", "high"), [(0, 0.0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.39)])
def test_poisson_bounds_are_garwoods(count: int, low: float, high: float) -> None:
    assert poisson_bounds(count, 1.0) == pytest.approx((low, high), rel=1e-3)
    assert poisson_bounds(count, 2.0)[1] == pytest.approx(high / 2, rel=1e-3)


def test_the_plot_is_a_picture_and_always_the_same(tmp_path: Path) -> None:
    curve = det([u8(0, 200), u8(90)], [u8(0, 120, 0, 120, 0)], 0.5, Rule(1))
    assert isinstance(curve, DetCurve)
    for name in ("a", "b"):
        plot_det({"model": curve, "other": curve}, tmp_path / f"{name}.png", "computer")
    content = (tmp_path / "a.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert content == (tmp_path / "b.png").read_bytes()
