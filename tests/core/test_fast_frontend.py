"""The front end's steps for Cortex-M0+ and M4 give the reference's results there: fast_frontend.c, and features."""

from __future__ import annotations

import os
import shutil
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from tinywake.core import Frontend
from tinywake.frontend import FrontendParams, frontend_section

HERE = Path(__file__).resolve().parent
FIRST, END = map(int, os.environ.get("TINYWAKE_CASES", "0:200").split(":"))

sys.path[:0] = [str(HERE), *(str(HERE.parents[1] / "tests" / "bench" / folder) for folder in ("m0", "m4"))]
import bench  # noqa: E402
import frontend as front_end_bench  # noqa: E402
import m4  # noqa: E402
from test_frontend import synthetic  # noqa: E402

pytestmark = [
    pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="needs arm-none-eabi-gcc (tools/setup.sh cross)"),
]
ON_M0 = pytest.mark.skipif(bench.rp2040js() is None, reason="needs node and rp2040js (make targets-all)")
ON_M4 = pytest.mark.skipif(m4.lacks() is not None, reason=str(m4.lacks()))
PARAMS = {
    "default": FrontendParams(),
    "other": FrontendParams(window_ms=25, hop_ms=20, channels=32, smoothing_bits=8, pcan=False, log_shift=5),
    "wide": FrontendParams(channels=7),  # more than 16 bins between two centres
    "apart": FrontendParams(window_ms=32, hop_ms=32),  # frames that share nothing
}


SINE = np.round(32767 * np.sin(2 * np.pi * np.arange(129) / 512)).astype("<i2").tobytes()


@ON_M0
def test_steps_equal_the_reference(tmp_path: Path) -> None:
    """On the instruction set itself: the emulator knows no other."""
    program = bench.build(tmp_path, HERE / "fast_frontend.c", [], "window_armv6m filterbank_* log fixed move*")
    _, sent = bench.run(program, struct.pack("<II", FIRST, END) + SINE)
    assert struct.unpack("<I", sent)[0] == END, "the number is the first case that differs"


@ON_M4
def test_steps_on_a_cortex_m4_equal_the_reference(tmp_path: Path) -> None:
    program = m4.build(tmp_path, HERE / "fast_frontend.c", "window filterbank filterbank_* log fixed move*")
    sent = m4.run(program, struct.pack("<II", FIRST, 5 * END) + SINE)
    assert struct.unpack("<I", sent)[0] == 5 * END, "the number is the first case that differs"


@ON_M0
@pytest.mark.parametrize("params", PARAMS.values(), ids=PARAMS)
def test_features_equal_the_host(tmp_path: Path, params: FrontendParams) -> None:
    """A sixth of a second of each synthetic signal, one after the other."""
    pcm = np.concatenate([signal[:2560] for signal in synthetic().values()])
    program = bench.build(tmp_path, front_end_bench.HERE / "frontend.c", [], front_end_bench.SOURCES)
    _, sent = bench.run(program, front_end_bench.job(frontend_section(params), pcm))
    features = np.frombuffer(sent, "<u2").reshape(-1, params.channels)
    np.testing.assert_array_equal(features, Frontend(params).features(pcm)[: len(features)])
    assert len(features) > len(pcm) // (16 * params.hop_ms) - 4
