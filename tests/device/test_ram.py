# SPDX-License-Identifier: MIT
"""RAM on every target: what module, app and model take, in each home, and that listening takes no more.

TINYWAKE_SOAK_MINUTES: of audio, on the targets that are not unix, which always hears an hour.
"""

from __future__ import annotations

import os
import runpy
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ram import RATE, Figures, homes_of, ram_of

from tinywake.device.targets.registry import TARGETS

ROOT = Path(__file__).parents[2]
SHORT = 0.1  # minutes

tiny: Callable[..., bytes] = runpy.run_path(str(ROOT / "tests/core/tiny.py"))["listening_model"]


def noise(seconds: float) -> bytes:
    """A wav file, quiet and loud by turns."""
    samples = int(RATE * seconds)
    pcm = np.random.default_rng(1).normal(0, 1, samples) * np.where(np.arange(samples) // 8000 % 2, 4000, 20)
    data = pcm.clip(-32768, 32767).astype("<i2").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", 36 + len(data), b"WAVE") + form + struct.pack("<4sI", b"data", len(data)) + data
    )


def check(home: str, minutes: float, figures: Figures) -> None:
    assert figures["samples"] / RATE / 60 > 0.95 * minutes
    assert figures["reset"] - figures["module"] > 1000  # on x64 its code is elsewhere
    assert figures["module"] - figures["app"] > 10_000
    assert figures["model"] > figures["listener"] > 0
    taken = figures["app"] - figures["model"]
    least = figures["arena_bytes"] + (figures["file_bytes"] if home == "heap" else 0)
    assert least <= taken <= least + 1500
    assert figures["start"] == figures["low"] == figures["end"]  # exactly: no byte
    assert figures["line_bytes"] > 0
    assert figures["hits"] >= 8 * minutes


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.twm"
    path.write_bytes(tiny(threshold=120, window=1, refractory_ms=500))
    return path


@pytest.fixture
def minutes(request: pytest.FixtureRequest) -> float:
    """Of audio: in make test-targets ten, as long as a chip may be expected to listen; in make test six seconds."""
    named = os.environ.get("TINYWAKE_SOAK_MINUTES")
    return float(named or (10 if request.config.getoption("--every-target") else SHORT))


@pytest.mark.timeout(3000)
@pytest.mark.lean("qemu-armv6m")
@pytest.mark.parametrize("target", sorted(set(TARGETS) - {"unix"}))
def test_a_chip_that_listens_takes_not_a_byte(target: str, model: Path, minutes: float) -> None:
    lacking = TARGETS[target].available()
    if lacking:
        pytest.skip(lacking)
    homes = homes_of(target)
    for home, figures in ram_of(target, model, noise(1), dict.fromkeys(homes, minutes)).items():
        check(home, minutes, figures)


@pytest.mark.parametrize("target", ["unix"])
def test_an_hour_on_unix_takes_not_a_byte(target: str, model: Path) -> None:
    lacking = TARGETS[target].available()
    if lacking:
        pytest.skip(lacking)
    long = {"heap": 60.0, "romfs": 5.0}
    for home, figures in ram_of(target, model, noise(7.3), long).items():
        check(home, long[home], figures)
        assert figures["hits"] > 100
