"""A fold in rooms has the same clips under the same labels, each somewhere else, and always at the same place."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

from tinywake.audio.clips import read_clip, write_clip

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bench"))


@pytest.fixture
def fold(tmp_path: Path) -> Path:
    rng = np.random.default_rng(2)
    for name, clips in (("positives", ("a", "b")), ("negatives", ("c",))):
        for clip in clips:
            sound = rng.standard_normal(8000) * np.repeat(rng.uniform(0, 6000, 20), 400)
            write_clip(tmp_path / "clips" / f"{clip}.wav", sound.astype(np.int16))
        lines = "".join(f"../clips/{clip}.wav,{name},ann\n" for clip in clips)
        (tmp_path / "0").mkdir(exist_ok=True)
        (tmp_path / "0" / f"{name}.csv").write_text(f"file,transcript,speaker\n{lines}")
    return tmp_path / "0"


def test_a_fold_moves_into_rooms(fold: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import rooms

    def moved(out: Path) -> dict[str, np.ndarray]:
        monkeypatch.setattr(sys, "argv", ["rooms.py", str(fold), "-o", str(out)])
        rooms.main()
        found = {}
        for name in ("positives", "negatives"):
            with (out / "0" / f"{name}.csv").open(newline="") as file:
                for row in csv.DictReader(file):
                    assert (row["transcript"], row["speaker"]) == (name, "ann")
                    found[Path(row["file"]).stem[-1]] = read_clip(Path(row["file"]))
        return found

    first, again = moved(tmp_path / "x"), moved(tmp_path / "y")
    assert sorted(first) == ["a", "b", "c"]
    for clip, sound in first.items():
        spoken = read_clip(tmp_path / "clips" / f"{clip}.wav")
        assert len(sound) == len(spoken)
        assert np.array_equal(sound, again[clip])
        alike = np.corrcoef(spoken, sound)[0, 1]
        assert alike < 0.9, "the room and the capsule are heard"
