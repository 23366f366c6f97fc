# SPDX-License-Identifier: MIT
"""The README's way from an erased emulated Pico to a heard word: its commands, and the output that it shows."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tinywake.device.targets.rp2040 import RP2040Board

lacking = RP2040Board.available()


@pytest.mark.on("rp2040")
@pytest.mark.skipif(lacking is not None, reason=str(lacking))
def test_the_commands_of_the_readme_hear_the_word_on_an_erased_pico(
    repo: Path, reference: Path, tmp_path: Path
) -> None:
    lines = [line.strip() for line in (repo / "README.md").read_text().splitlines()]
    begin = lines.index("tinywake compile okay_nabu.json -o okay_nabu.twm")
    assert lines[begin + 1].startswith("tinywake listen okay_nabu_1.wav ")
    assert lines[begin + 1].endswith("--target rp2040")
    for name in ("okay_nabu.json", "okay_nabu.tflite", "clips/okay_nabu_1.wav"):
        shutil.copy(reference / "micro-wake-word" / name, tmp_path)
    for line in lines[begin : begin + 2]:
        command = [sys.executable, "-m", *shlex.split(line)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.splitlines() == [lines[begin + 2]]
