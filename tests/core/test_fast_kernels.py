"""The kernels that arch.h picks give the reference kernels' bytes: fast_kernels.c, here, on Cortex-M0+, M3 and M4."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
CORE = REPO / "firmware" / "core"
PROGRAM = Path(__file__).parent / "fast_kernels.c"
KERNELS = (
    "channel* conv2d* depthwise* windows* fully_connected* dense* dsp* blocked* planes* requant* move* wide* fixed*"
)
FIRST, END = map(int, os.environ.get("TINYWAKE_CASES", "0:20000").split(":"))
CHOSEN = {
    "vectors": ["-DTW_WIDE"],
    "blocked": ["-DTW_BLOCKED=1"],  # as on RISC-V
    "blocked, few registers": ["-DTW_BLOCKED=1", "-DTW_FEW_REGISTERS=1"],  # as on Xtensa
}
ON_M0 = 400  # of them, at most: half a minute of an emulator

sys.path[:0] = [str(REPO / "tests" / "bench" / "m0"), str(REPO / "tests" / "bench" / "m4")]
import bench  # noqa: E402
import m4  # noqa: E402


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
@pytest.mark.parametrize("chosen", CHOSEN.values(), ids=CHOSEN)
def test_kernels_equal_the_reference(tmp_path: Path, chosen: list[str]) -> None:
    """With sanitizers: whatever a file claims, nothing is read or written outside, and nothing overflows."""
    files = [str(path) for pattern in KERNELS.split() for path in sorted(CORE.glob(f"{pattern}.c"))]
    program = tmp_path / "program"
    flags = ["-std=c99", "-O2", *chosen, f"-I{CORE}", "-fsanitize=address,undefined", "-fno-sanitize-recover"]
    subprocess.run(["gcc", *flags, str(PROGRAM), *files, "-o", str(program)], check=True)
    done = subprocess.run([program, str(FIRST), str(END)], check=True, capture_output=True, text=True)
    assert int(done.stdout) == END, "the number is the first case that differs"


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="needs arm-none-eabi-gcc (tools/setup.sh cross)")
@pytest.mark.skipif(bench.rp2040js() is None, reason="needs node and rp2040js (make targets-all)")
def test_cortex_m0_kernels_equal_the_reference(tmp_path: Path) -> None:
    """On the instruction set itself: the emulator knows no other."""
    program = bench.build(tmp_path, PROGRAM, [], KERNELS)
    end = min(END, FIRST + ON_M0)
    _, sent = bench.run(program, struct.pack("<II", FIRST, end))
    assert struct.unpack("<I", sent)[0] == end, "the number is the first case that differs"


@pytest.mark.skipif(m4.lacks() is not None, reason=str(m4.lacks()))
@pytest.mark.parametrize("processor", m4.PROCESSORS)
def test_larger_cortex_m_kernels_equal_the_reference(tmp_path: Path, processor: str) -> None:
    program = m4.build(tmp_path, PROGRAM, KERNELS, processor)
    sent = m4.run(program, struct.pack("<II", FIRST, END), processor=processor)
    assert struct.unpack("<I", sent)[0] == END, "the number is the first case that differs"


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="needs arm-none-eabi-gcc (tools/setup.sh cross)")
@pytest.mark.parametrize(
    ("processor", "other"), [("_armv6m", "cortex-m4"), ("_armv7em", "cortex-m3"), ("blocked", "cortex-m4")]
)
def test_other_processors_get_none_of_it(tmp_path: Path, processor: str, other: str) -> None:
    """A sibling's file is empty on any processor but its own."""
    for source in sorted(CORE.glob(f"*{processor}.c")):
        for compiler in ("gcc", f"arm-none-eabi-gcc -mcpu={other} -mthumb"):
            subprocess.run([*compiler.split(), "-std=c99", "-c", str(source), "-o", str(tmp_path / "o.o")], check=True)
            listing = subprocess.run(["nm", str(tmp_path / "o.o")], check=True, capture_output=True, text=True).stdout
            assert " T " not in listing, source.name
