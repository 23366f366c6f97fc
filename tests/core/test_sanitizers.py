"""The other tests of this folder once more, on a core built with address and undefined-behaviour sanitizers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WARNINGS = ["-Wall", "-Wextra", "-pedantic", "-Wmissing-prototypes", "-Wdouble-promotion", "-Wconversion", "-Werror"]


@pytest.mark.skipif("TINYWAKE_SANITIZED" in os.environ, reason="this is the run under sanitizers")
@pytest.mark.skipif(sys.platform != "linux" or shutil.which("gcc") is None, reason="needs gcc on Linux")
def test_everything_here_under_sanitizers(repo: Path, tmp_path: Path) -> None:
    library = tmp_path / "core.so"
    core = repo / "firmware" / "core"
    subprocess.run(
        ["gcc", "-std=c99", "-O1", "-g", "-shared", "-fPIC", *WARNINGS, "-fsanitize=address,undefined",
         "-fno-sanitize-recover=all", f"-I{core}", *map(str, sorted(core.glob("*.c"))), str(repo / "host/native/abi.c"),
         "-o", str(library)],
        check=True,
    )  # fmt: skip
    asan = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True
    ).stdout.strip()
    environment = {
        **os.environ,
        "LD_PRELOAD": asan,
        "ASAN_OPTIONS": "detect_leaks=0",  # CPython's own
        "TINYWAKE_CORE": str(library),
        "TINYWAKE_SANITIZED": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(Path(__file__).parent)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
