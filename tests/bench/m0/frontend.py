"""Cortex-M0+ cycles of the audio front end, stage by stage, on the bare metal of an emulated RP2040 (rp2040js).

    .venv/bin/python tests/bench/m0/frontend.py CLIP... [--seconds=1] [--flags=-O2]

Without a CLIP, some of TINYWAKE_REFERENCE. Features are compared with the host library's. A stage's cycles are those
of its function and of the static functions that are inlined in it; the others stand for themselves.
"""

from __future__ import annotations

import argparse
import shutil
import struct
import tempfile
from pathlib import Path

import numpy as np
from bench import HERE, REFERENCE, build, by_function, run

from tinywake.audio.clips import RATE, Pcm, read_clip
from tinywake.core import Frontend
from tinywake.frontend import FrontendParams, frontend_section

CLIPS = ("okay_nabu_1", "speech", "music", "silence")
SOURCES = "frontend* window window_* fft* filterbank* noise* pcan* log* input_map* fixed move*"
# ESPHome's map of a feature to an int8 input: (u * 256 + 333) / 666 - 128.
INPUT_MAP = struct.pack("<IIIiBbbB", 256, 333, 666, -128, 0, -128, 127, 0)


def job(section: bytes, pcm: Pcm) -> bytes:
    """What frontend.c wants in flash."""
    return struct.pack("<II", len(section), len(pcm)) + INPUT_MAP + section + bytes(-len(section) % 4) + pcm.tobytes()


def bench(elf: Path, path: Path, seconds: float) -> list[tuple[float, str]]:
    """Run one clip; print its figures and return cycles a frame by function, most first."""
    pcm = read_clip(path, silent_ok=True)[: int(seconds * RATE)]
    front_end = Frontend()
    pcm = pcm[: len(pcm) // front_end.hop * front_end.hop]
    profile = elf.with_suffix(".profile")
    cycles, output = run(elf, job(frontend_section(FrontendParams()), pcm), profile)
    if output != front_end.features(pcm).tobytes():
        raise SystemExit(f"{path.name}: the features are not the host's")
    frames = np.array(cycles[::2])
    print(f"{path.stem:16} {len(frames):4} frames, cycles each: mean {frames.mean():,.0f}, most {frames.max():,}, "
          f"input map {np.mean(cycles[1::2]):,.0f}")  # fmt: skip
    return [(spent / len(frames), name) for spent, name in by_function(elf, profile)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each clip")
    parser.add_argument("--flags", action="append", default=[], help="for the compiler, behind a native module's")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="tinywake-m0-"))
    try:
        elf = build(folder, HERE / "frontend.c", options.flags, SOURCES)
        clips = options.clips or [REFERENCE / "micro-wake-word" / "clips" / f"{name}.wav" for name in CLIPS]
        tables = [bench(elf, path, options.seconds) for path in clips]
    finally:
        shutil.rmtree(folder)
    print(f"\ncycles a frame by function, {clips[0].stem}:")
    for spent, name in tables[0]:
        print(f"  {spent:11,.0f} {name}")


if __name__ == "__main__":
    main()
