# SPDX-License-Identifier: MIT
"""The same people in rooms: every clip of a fold as a small microphone hears it from 1 to 3 m away.

    python tests/bench/rooms.py build/study/0 build/study/1 -o build/rooms
    tinywake eval MODEL --positives build/rooms/0/positives.csv --negatives build/rooms/0/negatives.csv

FOLD is a folder that speakers.py wrote. 64 rooms with 0.25 to 0.7 s of reverberation and a capsule's curves, by
tinywake.audio.augment with a seed of their own, so that no training has met them; nothing else happens. Which one a
clip gets is decided by its name: every model hears the same.
"""

from __future__ import annotations

import argparse
import zlib
from pathlib import Path

import numpy as np
from rich.progress import track
from speakers import Row, write

from tinywake.audio.augment.channel import Channel
from tinywake.audio.clips import read_clip, write_clip
from tinywake.config import Augment
from tinywake.evaluate.sounds.clipset import rows_of

_SEED = 4242
_ROOMS = Augment(
    room=1.0, rooms=64, reverb_s=(0.25, 0.7), distance_m=(1.0, 3.0), microphone=1.0,
    noise=0.0, band=0.0, clipping=0.0, peak_db=(-26.0, -6.0),
)  # fmt: skip


def move(fold: Path, out: Path, name: str, channel: Channel) -> None:
    """Write the clips of fold/NAME.csv into out/NAME, and out/NAME.csv. What is there is not made again."""
    rows: list[Row] = []
    (out / name).mkdir(parents=True, exist_ok=True)
    for clip, row in track(rows_of(fold / f"{name}.csv").items(), f"{fold.name}/{name}"):
        moved = (out / name / f"{len(rows):05d}-{clip.stem}.wav").resolve()
        if not moved.exists():
            chance = np.random.default_rng([_SEED, zlib.crc32(clip.name.encode())])
            write_clip(moved, channel(read_clip(clip, silent_ok=True).astype(np.float32), chance))
        rows.append({**row, "file": str(moved)})
    write(out / f"{name}.csv", rows)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folds", type=Path, nargs="+")
    parser.add_argument("-o", "--out", type=Path, required=True, help="a folder")
    asked = parser.parse_args()
    channel = Channel(_ROOMS, _SEED, [], [])
    for fold in asked.folds:
        for name in ("positives", "negatives"):
            move(fold, asked.out / fold.resolve().name, name, channel)


if __name__ == "__main__":
    main()
