"""micro-wake-word's manifests: what is read, what is refused, whose decisions and input scalings they get."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinywake.compiler.manifest import SCALINGS, pymicro_map, read_manifest
from tinywake.compiler.twm.listening import Detector, Label
from tinywake.compiler.twm.unpack import unpack
from tinywake.core import Detector as CoreDetector
from tinywake.errors import CompileError, ConfigError

V2: dict[str, Any] = {
    "type": "micro",
    "wake_word": "Grüß dich",
    "author": "A. N. Other",
    "website": "https://example.org/",
    "model": "word.tflite",
    "trained_languages": ["de", "en"],
    "version": 2,
    "micro": {
        "probability_cutoff": 0.97,
        "feature_step_size": 10,
        "sliding_window_size": 5,
        "tensor_arena_size": 22860,
        "minimum_esphome_version": "2024.7.0",
    },
}
V1: dict[str, Any] = {
    "type": "micro",
    "wake_word": "Hey Jarvis",
    "author": "A. N. Other",
    "website": "https://example.org/",
    "model": "./word.tflite",
    "version": 1,
    "micro": {"probability_cutoff": 0.5, "sliding_window_average_size": 10},
}


def write(folder: Path, values: object, *, network: bool = True) -> Path:
    """A manifest, and something beside it that is there."""
    path = folder / "word.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    if network:
        (folder / "word.tflite").write_bytes(b"not read here")
    return path


def changed(values: dict[str, Any], key: str, value: object) -> dict[str, Any]:
    """A copy with another value at a.b; None removes the key."""
    copy: dict[str, Any] = json.loads(json.dumps(values))
    place = copy
    *parents, last = key.split(".")
    for parent in parents:
        place = place[parent]
    place[last] = value
    if value is None:
        del place[last]
    return copy


def tinywake(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tinywake", *map(str, arguments)], capture_output=True, text=True)


def test_version_2(tmp_path: Path) -> None:
    manifest = read_manifest(write(tmp_path, V2))
    assert manifest.network == tmp_path / "word.tflite"
    assert (manifest.label, manifest.cutoff, manifest.window, manifest.step_ms) == ("Grüß dich", 0.97, 5, 10)
    assert (manifest.threshold, manifest.tensor_arena) == (247, 22860)
    assert manifest.provenance() == {
        "manifest": "word.json",
        "manifest_version": "2",
        "author": "A. N. Other",
        "website": "https://example.org/",
        "trained_languages": "de en",
        "probability_cutoff": "0.97",
        "input_scaling": "esphome",
        "tensor_arena_size": "22860",
    }


def test_version_1_has_other_names_and_a_hop_of_20_ms(tmp_path: Path) -> None:
    manifest = read_manifest(write(tmp_path, V1))
    assert manifest.network == tmp_path / "word.tflite"
    assert (manifest.window, manifest.step_ms, manifest.threshold, manifest.tensor_arena) == (10, 20, 127, None)


def test_keys_of_other_trainers_are_passed_over_and_a_calibration_is_kept(tmp_path: Path) -> None:
    values = V2 | {"label": "x", "tater_native": {"a": [1]}, "calibration": {"recall": 0.991, "hours": 12, "by": "x"}}
    about = read_manifest(write(tmp_path, values)).about
    assert about["calibration.recall"] == "0.991"
    assert about["calibration.hours"] == "12"
    assert "calibration.by" not in about
    assert "label" not in about


def test_what_is_not_needed_may_be_missing(tmp_path: Path) -> None:
    values = {key: V2[key] for key in ("type", "wake_word", "model", "version", "micro")}
    values = changed(values, "micro.tensor_arena_size", None)
    manifest = read_manifest(write(tmp_path, values))
    assert manifest.tensor_arena is None
    assert set(manifest.about) == {"manifest_version"}


@pytest.mark.parametrize("key", ["type", "wake_word", "model", "version", "micro", "micro.probability_cutoff",
                                 "micro.feature_step_size", "micro.sliding_window_size"])  # fmt: skip
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    path = write(tmp_path, changed(V2, key, None))
    with pytest.raises(ConfigError) as error:
        read_manifest(path)
    assert str(error.value) == f"{path}: {key} is missing"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("type", "wake"), ("type", 1), ("version", 3), ("version", 0), ("version", "2"), ("version", 2.0),
        ("version", True), ("wake_word", ""), ("wake_word", "a\nb"), ("wake_word", 7), ("wake_word", "ü" * 128),
        ("model", 7), ("model", ""), ("model", "no.tflite"), ("model", "https://example.org/word.tflite"),
        ("model", "/etc/passwd"), ("model", "C:/word.tflite"), ("model", "a\\b.tflite"), ("model", "a\0b"),
        ("model", "."),
        ("micro", 7), ("micro", []), ("micro.probability_cutoff", "0.9"), ("micro.probability_cutoff", True),
        ("micro.probability_cutoff", -0.1), ("micro.probability_cutoff", 1), ("micro.probability_cutoff", 97),
        ("micro.probability_cutoff", float("nan")), ("micro.probability_cutoff", float("inf")),
        ("micro.probability_cutoff", 10**400), ("micro.sliding_window_size", 0), ("micro.sliding_window_size", 65),
        ("micro.sliding_window_size", 5.0), ("micro.sliding_window_size", None.__class__.__name__),
        ("micro.feature_step_size", 0), ("micro.feature_step_size", 31), ("micro.feature_step_size", 7),
        ("micro.feature_step_size", True), ("micro.tensor_arena_size", "big"), ("author", 3), ("website", ["x"]),
        ("trained_languages", "en"), ("trained_languages", [1]),
    ],
)  # fmt: skip
def test_a_wrong_value_is_one_line_with_file_and_key(tmp_path: Path, key: str, value: object) -> None:
    path = write(tmp_path, changed(V2, key, value))
    with pytest.raises(ConfigError) as error:
        read_manifest(path)
    message = str(error.value)
    assert message.startswith(f"{path}: {key} = ")
    assert "\n" not in message
    assert len(message) < 300 + len(str(tmp_path)) * 2


def test_each_version_wants_its_own_name_of_the_window(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"micro\.sliding_window_average_size is missing"):
        read_manifest(write(tmp_path, V2 | {"version": 1}))
    with pytest.raises(ConfigError, match=r"micro\.sliding_window_size is missing"):
        read_manifest(write(tmp_path, V1 | {"version": 2}))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"7", b'"x"', b"\xff\xfe", b"[" * 200_000, b'{"version": 1e999}']
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"x\.json: "):
        read_manifest(path)
    with pytest.raises(ConfigError, match=r"no\.json: cannot be read"):
        read_manifest(tmp_path / "no.json")


def esphome_detects(scores: list[int], cutoff: float) -> bool:
    """WakeWordModel::determine_detected, on the integer that its Python side computes."""
    return sum(scores) > int(cutoff * 255) * len(scores)


def pymicro_detects(scores: list[int], cutoff: float) -> bool:
    """process_streaming of pymicro-wakeword: the mean of dequantised outputs."""
    return float(np.mean([score * 0.00390625 for score in scores])) > cutoff


def core_detects(scores: list[int], threshold: int) -> bool:
    detector = CoreDetector(Detector((Label("x", threshold),), len(scores), 0).section())
    return 0 in [detector.push(np.array([score], np.uint8), step) for step, score in enumerate(scores)]


@pytest.mark.parametrize("window", [1, 2, 5, 10, 64])
def test_a_hit_is_where_esphome_has_one(tmp_path: Path, window: int) -> None:
    """For every cutoff in per cent, at the sums where the decision changes: there and nowhere else."""
    for percent in range(0, 100):
        cutoff = percent / 100
        values = changed(changed(V2, "micro.probability_cutoff", cutoff), "micro.sliding_window_size", window)
        threshold = read_manifest(write(tmp_path, values)).threshold
        for total in range(max(threshold * window - 2, 0), min(threshold * window + 4, 255 * window + 1)):
            even, more = divmod(total, window)
            scores = [even] * (window - more) + [
                even + 1
            ] * more  # the ring begins with zeros: never above before its sum is
            assert core_detects(scores, threshold) == esphome_detects(scores, cutoff)
            # pymicro-wakeword's 256 and comparison in floating point: the same but for a mean within two levels above.
            if core_detects(scores, threshold) != pymicro_detects(scores, cutoff):
                assert threshold < total / window <= cutoff * 256 < threshold + 2


FEATURES = np.arange(65536)
SCALES = (26 / 255, 26 / 256, 0.10196078568696976, 0.10217524319887161, 0.10202205926179886, 0.09, 0.0390625)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("zero_point", [-128, -127, -100])
def test_pymicros_rounding_is_met_by_integers(scale: float, zero_point: int) -> None:
    """All 65,536 features, as process_streaming_prob computes them, clamped."""
    features = np.array([feature * 0.0390625 for feature in FEATURES])  # what pymicro-features gives
    theirs = np.clip(np.round(features / scale + zero_point), -128, 127)
    mapped = pymicro_map(scale, zero_point)
    np.testing.assert_array_equal(mapped.apply(FEATURES.astype(np.uint16)), theirs)
    assert 65535 * mapped.multiply + mapped.add < 1 << 32


# 0.125: every eighth feature is a tie, rounded up and down in turns.
@pytest.mark.parametrize("scale", [0.125, 0.0, -0.1, float("nan"), float("inf"), 1e-30, 1e30])
def test_a_scale_that_is_none_is_refused(scale: float) -> None:
    with pytest.raises(CompileError):
        pymicro_map(scale, -128)


def test_esphomes_integers_are_esphomes(reference: Path) -> None:
    """generate_features: ((u * 256) + 333) / 666 - 128, clamped."""
    theirs = np.clip((FEATURES * 256 + 333) // 666 - 128, -128, 127)
    listening = read_manifest(reference / "micro-wake-word" / "vad.json").listening()
    np.testing.assert_array_equal(listening.input_map.apply(FEATURES.astype(np.uint16)), theirs)


def test_a_network_of_another_scale_is_pointed_to_the_other_convention(reference: Path) -> None:
    manifest = read_manifest(reference / "micro-wake-word" / "okay_nabu.json")
    input_map = manifest.listening().input_map
    input_map.check(0.10217524319887161, -128)  # vad's: 2 levels off in places, and ESPHome runs it
    for scale in (0.09, 0.12):
        with pytest.raises(CompileError, match="--input-scaling pymicro"):
            input_map.check(scale, -128)


@pytest.mark.parametrize("name", ["okay_nabu", "hey_jarvis", "vad", "v1/hey_jarvis"])
@pytest.mark.parametrize("scaling", [None, *SCALINGS])
def test_the_command_line_compiles_a_manifest(reference: Path, tmp_path: Path, name: str, scaling: str | None) -> None:
    source, out = reference / "micro-wake-word" / f"{name}.json", tmp_path / "m.twm"
    values = json.loads(source.read_text())
    options = [] if scaling is None else ["--input-scaling", scaling]
    done = tinywake("compile", source, "-o", out, *options)
    assert done.returncode == 0, done.stderr
    micro, first = values["micro"], values["version"] == 1
    assert ("to be given" in done.stdout) == (not first)
    file = unpack(out)
    assert file.detector is not None
    assert file.detector.labels == (Label(values["wake_word"], int(micro["probability_cutoff"] * 255)),)
    assert file.detector.window == micro["sliding_window_average_size" if first else "sliding_window_size"]
    assert (file.detector.ignore_ms, file.detector.refractory_ms) == (0, 2000 if first else 1000)
    assert (file.frames, file.step_ms, file.warmup) == ((1, 20, 0) if first else (3, 30, 0))
    assert file.provenance["input_scaling"] == (scaling or "esphome")
    assert file.provenance["author"] == values["author"]
    assert file.provenance["source"] == Path(values["model"]).name
    before = out.read_bytes()
    assert tinywake("compile", source, "-o", out, *options).returncode == 0
    assert out.read_bytes() == before


def test_the_command_line_refuses_in_one_line(tmp_path: Path, vectors: Path) -> None:
    good, out, recipe = write(tmp_path, V2), tmp_path / "m.twm", tmp_path / "recipe.toml"
    network = vectors / "networks" / "word.tflite"
    for arguments, says in (
        ([good], "word.tflite"),  # the network is none
        ([good, "--recipe", recipe], "leave"),
        ([good, "--input-scaling", "mine"], "known: esphome, pymicro"),
        ([network, "--input-scaling", "pymicro"], "word.tflite: an input scaling is for"),
        ([tmp_path / "no.json"], "no.json: cannot be read"),
    ):
        done = tinywake("compile", *arguments, "-o", out)
        assert (done.returncode, done.stdout) == (2, ""), done
        assert done.stderr.count("\n") == 1
        assert says in done.stderr
    (tmp_path / "word.tflite").write_bytes(network.read_bytes())  # a network, but not of features
    done = tinywake("compile", good, "-o", out)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert not out.exists()
