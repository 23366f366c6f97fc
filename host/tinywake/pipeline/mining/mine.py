# SPDX-License-Identifier: MIT
"""Long recordings -> a folder of what a model took for its word, or nearly, that training takes as it is."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile

from tinywake.audio.clips import RATE, Pcm, list_clips, read_blocks
from tinywake.compiler.report import align
from tinywake.config import fingerprint
from tinywake.errors import AudioError, ConfigError
from tinywake.evaluate.metrics import poisson_bounds
from tinywake.files import check_writable, write_beside
from tinywake.pipeline.evaluation.contenders import Contender, contenders_of
from tinywake.pipeline.evaluation.run import Comparison, evaluate
from tinywake.pipeline.mining.clusters import clusters
from tinywake.pipeline.mining.find import find
from tinywake.pipeline.mining.folder import MiningFolder, Row, content

__all__ = ["Mined", "Wanted", "against", "mine"]

Progress = Callable[[str, float], None]
_FORMAT = 1  # change it when the same sound gives other finds
_SHOWN = 12  # clusters in text
_WAITING = "the others wait in found.csv: --play, or fill in its column label (word, other, noise)"


@dataclass(frozen=True)
class Wanted:
    """What is looked for. near: share of the threshold from which on a peak is a near miss; most: finds a recording."""

    near: float = 0.5
    most: int = 200
    without_word: bool = False  # nobody says the word in it: what is found needs no ear
    label: str | None = None  # where the model has several wake labels


@dataclass(frozen=True)
class Mined:
    """All recordings of a folder, those of earlier runs too. heard_s, wall_s: of this run."""

    folder: Path
    label: str
    threshold: int
    rows: tuple[Row, ...]
    recordings: tuple[dict[str, Any], ...]
    heard_s: float
    wall_s: float

    @property
    def hits(self) -> int:
        """How often the model fired."""
        return sum(each["hits"] for each in self.recordings)

    @property
    def hours(self) -> float:
        """Of sound."""
        return float(sum(each["seconds"] for each in self.recordings)) / 3600

    def facts(self) -> dict[str, object]:
        """As JSON-able values."""
        return {
            "folder": str(self.folder),
            "label": self.label,
            "threshold": self.threshold,
            "hours": self.hours,
            "hits": self.hits,
            "finds": len(self.rows),
            "labelled": sum(bool(row.label) for row in self.rows),
            "clusters": [
                {"cluster": number, "clips": len(rows), "fired": sum(row.hit for row in rows), "first": rows[0].file}
                for number, rows in self._clusters()
            ],
            "recordings": list(self.recordings),
            "heard_s": self.heard_s,
            "wall_s": self.wall_s,
        }

    def lines(self) -> list[str]:
        """For people."""
        low, high = poisson_bounds(self.hits, max(self.hours, 1e-9))
        fast = f", {self.heard_s / self.wall_s:,.0f} times real time" if self.heard_s and self.wall_s else ""
        left = sum(each["left_out"] for each in self.recordings)
        labelled = sum(bool(row.label) for row in self.rows)
        groups = self._clusters()
        table = [["cluster", "clips", "fired", "highest mean", "listen to"]]
        for number, rows in groups[:_SHOWN]:
            best = max(row.score for row in rows)
            fired = sum(row.hit for row in rows)
            table.append([str(number), str(len(rows)), str(fired), str(best), str(self.folder / rows[0].file)])
        return [
            f"{self.label!r} in {len(self.recordings)} recordings, {self.hours:.2f} h{fast}",
            f"fired {self.hits} times ({low:.2g} to {high:.2g} an hour at 95 %, if nobody said it); "
            f"{len(self.rows)} clips kept, {left} less near misses left out",
            *(align(table, left=(4,)) if groups else []),
            *([f"and {len(groups) - _SHOWN} more clusters"] if len(groups) > _SHOWN else []),
            f"{self.folder}: {labelled} of {len(self.rows)} labelled and in manifest.csv, for tinywake train --data",
            *([_WAITING] if labelled < len(self.rows) else []),
        ]

    def _clusters(self) -> list[tuple[int, list[Row]]]:
        numbers = sorted({row.cluster for row in self.rows})
        return [(number, [row for row in self.rows if row.cluster == number]) for number in numbers]


def mine(
    audio: Sequence[Path], model: Path, out: Path, wanted: Wanted | None = None, progress: Progress | None = None
) -> tuple[Mined, MiningFolder]:
    """Hear every recording, or every one in a folder, and keep what is found in `out`, recording by recording.

    What an earlier run with the same model has heard is not heard again. Raises AudioError, ConfigError or ModelError.
    """
    asked, begun = wanted or Wanted(), time.monotonic()
    if not 0 < asked.near <= 1 or not 1 <= asked.most <= 5000:
        raise ConfigError(
            f"--near {asked.near:g} --most {asked.most}: near is a share of the threshold, most 1 to 5000"
        )
    (given,) = contenders_of([model], asked.label)
    recordings = [path for each in audio for path in (list_clips(each) if each.is_dir() else [each])]
    check_writable(out / "mined.json", new_folder=True)
    key = fingerprint(_FORMAT, given.digest, given.threshold, asked.near)
    folder = MiningFolder.open(out, key, given.label)
    heard_s = 0.0
    for number, path in enumerate(recordings):
        digest = content(path)
        if digest in folder.done:
            continue
        found = find(
            given, _told(path, progress, number, len(recordings)), round(asked.near * given.threshold), asked.most
        )
        facts = {"seconds": found.seconds, "hits": found.hits, "left_out": found.left_out}
        folder.add(path, digest, found.finds, facts, "other" if asked.without_word else "")
        folder.save()
        heard_s += found.seconds
    if heard_s or not folder.compared:
        if progress:
            progress("comparing what was found", 1.0)
        folder.number(clusters(folder.clips()))
    folder.save()
    return _mined(folder, given, heard_s, time.monotonic() - begun), folder


def against(
    mined: Mined,
    models: tuple[Path, Path],
    positives: Sequence[Path],
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Two models on what was mined and on clips with the word: before and after, also as det.png in the folder.

    Recordings are read block by block. Raises AudioError where one has gone.
    """
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(["file"])
    for facts in mined.recordings:
        path = Path(facts["source"]).resolve()
        if not path.is_file():
            raise AudioError(f"{path}: was mined, and is not there any more")
        writer.writerow([path])
    listed = mined.folder / "recordings.csv"
    write_beside(listed, lambda part: part.write_text(rows.getvalue(), encoding="utf-8"))
    result = evaluate(models, positives, [listed], None, progress)
    result.plot(mined.folder / "det.png")
    return result


def _told(path: Path, progress: Progress | None, number: int, count: int) -> Iterator[Pcm]:
    """Blocks of a recording, and how far it is."""
    blocks = read_blocks(path)
    done = 0
    for pcm in blocks:
        if progress:
            total = max(1.0, _seconds(path) * RATE)
            progress(path.name, (number + min(1.0, done / total)) / count)
        done += len(pcm)
        yield pcm


def _seconds(path: Path) -> float:
    return float(soundfile.info(str(path)).duration)


def _mined(folder: MiningFolder, given: Contender, heard_s: float, wall_s: float) -> Mined:
    done = tuple(folder.done[name] for name in sorted(folder.done, key=lambda name: folder.done[name]["source"]))
    return Mined(folder.path, given.label, given.threshold, tuple(folder.rows), done, heard_s, wall_s)
