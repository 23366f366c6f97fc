"""`tinywake features` against pymicro-features, value for value: here and on every board that can run here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tinywake.audio.clips import Pcm, read_clip
from tinywake.core import Frontend
from tinywake.device.connect import connected
from tinywake.device.features import features_on, probe
from tinywake.device.targets.registry import TARGETS
from tinywake.frontend import FrontendParams
from tinywake.pipeline.hearing import features_of

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "core"))
from test_frontend import golden_signal, oracle, read_golden, same_log1p, synthetic

CHUNKS = (1, 7, 160, 4096)
__all__ = ["same_log1p"]  # a fixture


@pytest.fixture(params=["host", *TARGETS])
def target(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def chunked(clips: list[Pcm], target: str, chunk: int, tmp_path: Path) -> Iterator[np.ndarray]:
    """Features with so many samples at a time, from a fresh start each."""
    if target == "host":
        frontend = Frontend()
        for pcm in clips:
            frontend.reset()
            yield np.concatenate([frontend.push(pcm[at : at + chunk]) for at in range(0, len(pcm), chunk)])
        return
    (tmp_path / "probe.twm").write_bytes(probe())
    with connected(target, tmp_path / "probe.twm") as board:
        yield from features_on(board.port, clips, "probe.twm", directory=board.directory, chunk=chunk)


def speech_clips(speech: Path) -> list[Pcm]:
    """200 of them, spread over all sources."""
    paths = sorted(path for path in speech.rglob("*") if path.suffix in (".flac", ".wav"))
    if len(paths) < 200:
        pytest.skip(f"{speech}: has {len(paths)} clips, not 200")
    return [read_clip(path, silent_ok=True) for path in paths[:: len(paths) // 200][:200]]


def whole_hops(pcm: Pcm) -> Pcm:
    """pymicro-features takes hops of 160 samples."""
    return pcm[: len(pcm) // 160 * 160]


@pytest.mark.usefixtures("same_log1p")
def test_the_reference_clips(place: str, reference: Path, tmp_path: Path) -> None:
    """Through the command line."""
    clips = sorted((reference / "micro-wake-word" / "clips").glob("*.wav"))
    assert clips
    for clip in clips:
        out = tmp_path / "f.npy"
        command = [sys.executable, "-m", "tinywake", "features", str(clip), "-o", str(out), "--target", place]
        subprocess.run(command, check=True, capture_output=True)
        features = np.load(out)
        assert features.dtype == np.uint16
        np.testing.assert_array_equal(features, oracle(whole_hops(read_clip(clip))), err_msg=clip.name)


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.usefixtures("same_log1p")
def test_the_reference_clips_in_chunks(chunk: int, reference: Path, tmp_path: Path) -> None:
    clips = [read_clip(path) for path in sorted((reference / "micro-wake-word" / "clips").glob("*.wav"))]
    for number, (pcm, features) in enumerate(zip(clips, chunked(clips, "host", chunk, tmp_path), strict=True)):
        np.testing.assert_array_equal(features, oracle(whole_hops(pcm)), err_msg=str(number))


@pytest.mark.usefixtures("same_log1p")
def test_200_clips_of_speech(place: str, target: str, speech: Path) -> None:
    """On the slower targets every twentieth of them, and no more than three seconds."""
    clips = speech_clips(speech)
    if target not in ("host", "unix"):
        clips = [pcm[:48000] for pcm in clips[::20]]
    for number, (pcm, features) in enumerate(zip(clips, features_of(clips, place), strict=True)):
        np.testing.assert_array_equal(features, oracle(whole_hops(pcm)), err_msg=str(number))


@pytest.mark.usefixtures("same_log1p")
def test_synthetic_extremes(place: str) -> None:
    signals = synthetic()
    for name, features in zip(signals, features_of(list(signals.values()), place), strict=True):
        np.testing.assert_array_equal(features, oracle(signals[name]), err_msg=name)


@pytest.mark.lean("qemu-armv6m", "qemu-rv32imc")
@pytest.mark.parametrize("chunk", CHUNKS)
def test_chunk_sizes(place: str, chunk: int, tmp_path: Path) -> None:
    """Without pymicro-features too: the golden signal, whose features are kept."""
    clips = [golden_signal(), np.roll(golden_signal(), 3000)]
    whole = list(features_of(clips, "host"))
    np.testing.assert_array_equal(whole[0], read_golden("frontend_golden.txt"))
    for features, expected in zip(chunked(clips, place, chunk, tmp_path), whole, strict=True):
        np.testing.assert_array_equal(features, expected)


def test_clips_too_short_for_a_frame(place: str) -> None:
    lengths = (0, 1, 479, 480, 639, 640)
    clips = [np.full(length, 1000, np.int16) for length in lengths]
    assert [features.shape for features in features_of(clips, place)] == [(n, 40) for n in (0, 0, 0, 1, 1, 2)]


def test_a_hop_of_20_ms(place: str, tmp_path: Path) -> None:
    """micro-wake-word's version 1."""
    if place == "host":
        pytest.skip("the host is what the board is compared with")
    params = FrontendParams(hop_ms=20)
    (tmp_path / "probe.twm").write_bytes(probe(params))
    with connected(place, tmp_path / "probe.twm") as board:
        (features,) = features_on(
            board.port, [golden_signal()], "probe.twm", directory=board.directory, params=params, chunk=97
        )
    np.testing.assert_array_equal(features, Frontend(params).features(golden_signal()))
