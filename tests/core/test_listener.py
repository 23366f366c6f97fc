"""Listener and detector: time, chunks, reset, and the rule of models/SPEC.md against a plain re-telling of it."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import listening_model

from tinywake.compiler.twm.listening import ESPHOME_MAP, Detector, InputMap, Label
from tinywake.core import Detector as CoreDetector
from tinywake.core import Frontend, Listener, Model
from tinywake.errors import CompileError, FormatError, ModelError


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-3000, 3000, samples).astype(np.int16)


def test_time_is_that_of_the_last_sample_seen() -> None:
    heard = Listener(Model(listening_model())).listen(noise(16000))
    # A step is 3 frames of 10 ms; the first one ends with the third frame's window, at 2 * 10 + 30 ms.
    assert heard.t_ms.tolist() == list(range(50, 1000, 30))
    assert not heard.ready[0]  # its receptive field is 6 frames
    assert heard.ready[1:].all()


@pytest.mark.parametrize("chunk", [1, 7, 160, 479, 4096])
def test_chunks_of_any_length_give_the_same(chunk: int) -> None:
    audio = noise(12345)
    listener = Listener(Model(listening_model()))
    whole = listener.listen(audio)
    listener.reset()
    parts = [listener.push(audio[at : at + chunk]) for at in range(0, len(audio), chunk)]
    np.testing.assert_array_equal(np.concatenate([p.scores for p in parts]), whole.scores)
    np.testing.assert_array_equal(np.concatenate([p.events for p in parts]), whole.events)
    np.testing.assert_array_equal(np.concatenate([p.t_ms for p in parts]), whole.t_ms)


def test_reset_equals_fresh() -> None:
    used = Listener(Model(listening_model()))
    used.push(noise(5000, 1))
    fresh = Listener(Model(listening_model())).listen(noise(8000, 2))
    again = used.listen(noise(8000, 2))
    np.testing.assert_array_equal(again.scores, fresh.scores)
    np.testing.assert_array_equal(again.t_ms, fresh.t_ms)
    assert len(np.unique(fresh.scores)) > 10  # the test network's scores vary with its input


def test_scores_are_the_networks_output_on_mapped_features() -> None:
    audio = noise(9600, 3)
    model = Model(listening_model())
    features = ESPHOME_MAP.apply(Frontend().features(audio))
    expected = [
        model.invoke(features[at : at + 3]).view(np.int8).astype(int) + 128 for at in range(0, len(features) - 2, 3)
    ]
    heard = Listener(Model(listening_model())).listen(audio)
    np.testing.assert_array_equal(heard.scores, np.array(expected))


def test_a_network_without_a_front_end_cannot_listen() -> None:
    with pytest.raises(ModelError, match="cannot listen"):
        Listener(Model(listening_model(listens=False)))


def rule(scores: list[list[int]], detector: Detector, step_ms: int) -> list[int]:
    """models/SPEC.md, DETECTOR, in other words."""
    armed = [True] * len(detector.labels)
    last = [-(10**9)] * len(detector.labels)
    events = []
    for step in range(len(scores)):
        t = (step + 1) * step_ms
        rows = scores[max(0, step + 1 - detector.window) : step + 1]
        sums = [sum(row[i] for row in rows) for i in range(len(detector.labels))]
        candidates = []
        for i, label in enumerate(detector.labels):
            above = sums[i] > label.threshold * detector.window
            if not above:
                armed[i] = True
            elif label.wake and armed[i] and t - last[i] >= detector.refractory_ms:
                candidates.append((-sums[i], i))
        event = min(candidates)[1] if candidates else -1
        if event >= 0:
            armed[event], last[event] = False, t
        events.append(event)
    return events


@settings(max_examples=200)
@given(st.data())
def test_detector_follows_its_rule(data: st.DataObject) -> None:
    labels = data.draw(st.integers(1, 3))
    detector = Detector(
        tuple(Label(f"l{i}", data.draw(st.integers(0, 255)), data.draw(st.booleans())) for i in range(labels)),
        window=data.draw(st.integers(1, 8)),
        refractory_ms=data.draw(st.sampled_from([0, 30, 31, 300])),
    )
    score = st.sampled_from([0, 1, 60, 128, 200, 254, 255])
    scores = data.draw(st.lists(st.lists(score, min_size=labels, max_size=labels), max_size=60))
    core = CoreDetector(detector.section())
    got = [core.push(np.array(row, np.uint8), (i + 1) * 30) for i, row in enumerate(scores)]
    assert got == rule(scores, detector, 30)
    core.reset()
    assert [core.push(np.array(row, np.uint8), (i + 1) * 30) for i, row in enumerate(scores)] == got


def test_detector_time_may_wrap() -> None:
    core = CoreDetector(Detector((Label("x", 100),), window=1, refractory_ms=100).section())
    high, low = np.array([200], np.uint8), np.array([0], np.uint8)
    steps = ((high, 2**31 - 20), (low, 2**31), (high, 2**31 + 30), (low, 2**31 + 60), (high, 2**31 + 80))
    assert [core.push(s, t) for s, t in steps] == [0, -1, -1, -1, 0]


def test_detector_is_not_deaf_after_weeks_of_silence() -> None:
    """Bug: an event more than 2^31 ms after the last one (or the reset) was taken for one before it."""
    core = CoreDetector(Detector((Label("x", 100),), window=1, refractory_ms=100).section())
    high, low = np.array([200], np.uint8), np.array([0], np.uint8)
    for t in range(0, 2**31 + 10**6, 10**8):
        core.push(low, t)
    assert core.push(high, 2**31 + 10**6) == 0


@pytest.mark.parametrize(
    ("at", "value", "error"),
    [(0, 0, "DETECTOR"), (0, 33, "DETECTOR"), (1, 0, "DETECTOR"), (1, 65, "DETECTOR"), (6, 1, "DETECTOR"),
     (7, 1, "DETECTOR"), (8, 2, "DETECTOR"), (10, 0, "DETECTOR"), (10, 200, "TRUNCATED")],
)  # fmt: skip
def test_impossible_detectors_are_refused(at: int, value: int, error: str) -> None:
    section = bytearray(Detector((Label("word", 100),)).section())
    section[at] = value
    with pytest.raises(FormatError, match=f"TW_ERR_{error}"):
        CoreDetector(bytes(section))


def test_input_map_is_checked_against_the_network() -> None:
    ESPHOME_MAP.check(26 / 256, -128)
    with pytest.raises(CompileError, match="off by up to"):
        ESPHOME_MAP.check(0.05, -128)
    u = np.arange(65536, dtype=np.uint16)
    reference = np.clip((u.astype(np.int64) * 256 + 333) // 666 - 128, -128, 127)
    np.testing.assert_array_equal(ESPHOME_MAP.apply(u), reference)


@pytest.mark.parametrize(
    "section",
    [
        struct.pack("<IIIiBbbB", 65538, 0, 1, 0, 0, -128, 127, 0),  # 65535 * multiply + add over 32 bits
        struct.pack("<IIIiBbbB", 1, 0, 0, 0, 0, -128, 127, 0),  # division by zero
        struct.pack("<IIIiBbbB", 1, 0, 1, 65537, 0, -128, 127, 0),  # offset
        struct.pack("<IIIiBbbB", 1, 0, 1, 0, 32, -128, 127, 0),  # shift
        struct.pack("<IIIiBbbB", 1, 0, 1, 0, 0, 1, 0, 0),  # low over high
        struct.pack("<IIIiBbbB", 1, 0, 1, 0, 0, -128, 127, 1),  # reserved
    ],
)
def test_impossible_input_maps_are_refused(section: bytes) -> None:
    good = InputMap(256, 333, 666, -128).section()
    blob = listening_model()
    assert blob.count(good) == 1
    from test_spec import patched

    with pytest.raises(FormatError, match="TW_ERR_FRONTEND"):
        Model(patched(blob, blob.index(good), section))
