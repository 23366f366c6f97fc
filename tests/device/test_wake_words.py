"""micro-wake-word's published models, compiled from their manifests: what they hear, and that every score is TFLM's."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinywake.audio.clips import read_clip
from tinywake.compiler.build import compile_tflite
from tinywake.compiler.manifest import SCALINGS, Manifest, read_manifest
from tinywake.core import Frontend
from tinywake.device.targets.registry import TARGETS
from tinywake.frontend import FrontendParams
from tinywake.pipeline.hearing import hear

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "core"))
from test_reference import Oracle

# Hits at the manifest's own cutoff. The voice detector takes the music for a voice, as it does in TFLM.
OKAY_NABU = {"okay_nabu_1": 1, "okay_nabu_2": 1, "okay_nabu_3": 2}
HEY_JARVIS = {"hey_jarvis_1": 1, "hey_jarvis_2": 1, "hey_jarvis_3": 1}
HEARD = {
    "okay_nabu": OKAY_NABU,
    "hey_jarvis": HEY_JARVIS,
    "v1/hey_jarvis": HEY_JARVIS,
    "vad": HEY_JARVIS | {"okay_nabu_1": 1, "okay_nabu_2": 1, "okay_nabu_3": 3, "speech": 1, "music": 1},
}

Compile = Callable[[str, str], tuple[Manifest, Path]]


@pytest.fixture(params=["host", *sorted(TARGETS)])
def target(request: pytest.FixtureRequest, runnable: Callable[[str], str]) -> str:
    return runnable(request.param)


@pytest.fixture
def compiled(reference: Path, tmp_path: Path) -> Compile:
    def call(name: str, scaling: str) -> tuple[Manifest, Path]:
        manifest = read_manifest(reference / "micro-wake-word" / f"{name}.json")
        model = tmp_path / "model.twm"
        listening = manifest.listening(scaling)
        model.write_bytes(compile_tflite(manifest.network, listening=listening).blob)
        return manifest, model

    return call


def clips(reference: Path) -> list[Path]:
    return sorted((reference / "micro-wake-word" / "clips").glob("*.wav"))


@pytest.mark.long
@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("name", HEARD)
def test_each_hears_its_own_clips_and_no_others(
    target: str, name: str, scaling: str, reference: Path, compiled: Compile
) -> None:
    _, model = compiled(name, scaling)
    hits = {Path(heard.clip).stem: len(heard.hits) for heard in hear(model, clips(reference), target)}
    assert {clip: count for clip, count in hits.items() if count} == HEARD[name]


@pytest.mark.long
@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("name", HEARD)
def test_every_score_is_that_of_tflite_micro(
    target: str, name: str, scaling: str, reference: Path, compiled: Compile
) -> None:
    extra = sorted((reference / "micro-speech").glob("*.wav"))
    check_scores(target, compiled(name, scaling), scaling, [*clips(reference), *extra])


@pytest.mark.parametrize("name", ["okay_nabu", "vad"])
def test_every_score_of_a_word_and_of_any_voice(place: str, name: str, reference: Path, compiled: Compile) -> None:
    """What an emulated chip can do of it in a minute, with models that fit a small heap."""
    few = [clip for clip in clips(reference) if clip.stem in ("okay_nabu_2", "hey_jarvis_2")]
    assert len(few) == 2
    check_scores(place, compiled(name, SCALINGS[0]), SCALINGS[0], few)


def check_scores(target: str, compiled: tuple[Manifest, Path], scaling: str, paths: list[Path]) -> None:
    manifest, model = compiled
    oracle = Oracle(manifest.network)
    frontend, input_map = Frontend(FrontendParams(hop_ms=manifest.step_ms)), manifest.listening(scaling).input_map
    frames = 1 if manifest.step_ms == 20 else 3
    for heard in hear(model, paths, target):
        features = input_map.apply(frontend.features(read_clip(Path(heard.clip), silent_ok=True)))
        steps = len(features) // frames
        oracle.reset()
        theirs = [oracle.invoke(x)[0] for x in features[: steps * frames].reshape(steps, 1, frames, 40)]
        np.testing.assert_array_equal(heard.scores[:, 0], theirs, err_msg=heard.clip)
        window = np.convolve(heard.scores[:, 0].astype(int), np.ones(manifest.window, int))[:steps]
        np.testing.assert_array_equal(heard.means[:, 0], window // manifest.window, err_msg=heard.clip)


def test_okay_nabu_is_heard_100_times_faster_than_it_is_spoken(
    reference: Path, compiled: Compile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole command, Python's start included, on ten minutes of the clips again and again."""
    _, model = compiled("okay_nabu", "esphome")
    once = np.concatenate([read_clip(clip, silent_ok=True) for clip in clips(reference)])
    pcm = np.tile(once, 600 * 16000 // len(once))
    soundfile.write(tmp_path / "long.wav", pcm, 16000)
    command = [sys.executable, "-m", "tinywake", "listen", str(tmp_path / "long.wav"), "--model", str(model)]
    ratios, hits = [], []
    for _ in range(3):  # the computer may be busy with other things
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        ratios.append(len(pcm) / 16000 / (time.perf_counter() - began))
        hits = [json.loads(line) for line in done.stdout.splitlines()]
    with capsys.disabled():
        print(f"\ntinywake listen, okay_nabu: {max(ratios):.0f} x real time")
    assert len(hits) > 2 * (600 * 16000 // len(once))  # the front end is used to the noise, so not quite four a round
    assert max(ratios) > 100
