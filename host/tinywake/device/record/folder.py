# SPDX-License-Identifier: MIT
"""Where recordings lie, as docs/recordings.md has it: LABEL/SPEAKER/0001.wav, and manifest.csv with a line for each."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from tinywake.device.record.take import Gap, Take
from tinywake.device.record.wav import RATE
from tinywake.errors import ToolError
from tinywake.files import why_unread, write_beside

__all__ = ["Folder", "Recorded"]

_MANIFEST = "manifest.csv"
_COLUMNS = ("file", "label", "speaker", "seconds", "level_db", "clipped", "gaps", "heard")


@dataclass(frozen=True)
class Recorded:
    """A file that is done."""

    path: Path
    seconds: float
    level_db: float  # of the loudest 20 ms
    clipped: int  # samples
    gaps: tuple[str, ...]  # "FIRST+COUNT WHY", in samples
    lost: int  # samples in them
    heard: str  # hits: label and mean score

    @classmethod
    def of(cls, take: Take, heard: str = "") -> Recorded:
        """A take that is over."""
        gaps = [Gap(g.start, min(g.length, take.samples - g.start), g.why) for g in take.gaps if g.start < take.samples]
        return cls(
            take.path,
            round(take.samples / RATE, 3),
            round(take.level_db, 1),
            take.clipped,
            tuple(map(str, gaps)),
            sum(gap.length for gap in gaps),
            heard,
        )

    def lines(self) -> list[str]:
        """For people."""
        said = f"{self.path}: {self.seconds:.2f} s, {self.level_db:.0f} dB"
        said += f", {self.clipped} samples at the limit" if self.clipped else ""
        said += f", heard {self.heard}" if self.heard else ""
        return [said + (f", {self.lost} samples lost ({', '.join(self.gaps)})" if self.gaps else "")]

    def facts(self) -> dict[str, object]:
        """For programs."""
        return {"file": str(self.path), "seconds": self.seconds, "level_db": self.level_db, "clipped": self.clipped,
                "gaps": list(self.gaps), "heard": self.heard}  # fmt: skip


class Folder:
    """Recordings of one label by one speaker, in a folder that may hold others. Raises ToolError."""

    def __init__(self, path: Path, label: str, speaker: str) -> None:
        self._manifest = path / _MANIFEST
        self._label, self._speaker = label, speaker
        self._columns: list[str] = list(_COLUMNS)
        self._rows = self._read()
        self._place = path / _name(label, "unnamed") / _name(speaker, "")

    def next_path(self) -> Path:
        """A name that no file has."""
        used = [int(path.stem) for path in self._place.glob("*.wav") if path.stem.isdecimal()]
        return self._place / f"{max(used, default=0) + 1:04}.wav"

    def add(self, done: Recorded) -> None:
        """List a file."""
        row = {
            "file": done.path.relative_to(self._manifest.parent).as_posix(),
            "label": self._label,
            "speaker": self._speaker,
            "seconds": f"{done.seconds:g}",
            "level_db": f"{done.level_db:g}",
            "clipped": str(done.clipped),
            "gaps": "; ".join(done.gaps),
            "heard": done.heard,
        }
        self._rows = [each for each in self._rows if each["file"] != row["file"]] + [row]
        write_beside(self._manifest, self._write)

    def _read(self) -> list[dict[str, str]]:
        """The lines that are there, whoever wrote them."""
        try:
            with self._manifest.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file, restval="")
                rows = list(reader)
                columns = list(reader.fieldnames or [])
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ToolError(f"{self._manifest}: {why_unread(error)}") from error
        except (ValueError, csv.Error) as error:
            raise ToolError(f"{self._manifest}: cannot be read as CSV in UTF-8 ({error})") from error
        if "file" not in columns or "label" not in columns or any(None in row for row in rows):
            raise ToolError(f"{self._manifest}: is no list with the columns file and label; record into another folder")
        self._columns = columns + [name for name in _COLUMNS if name not in columns]
        return rows

    def _write(self, path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(self._rows)


def _name(text: str, instead: str) -> str:
    """A folder's name that every file system takes, and that docs/recordings.md reads as the text."""
    return re.sub(r"\W+", "_", text).strip("_").lower()[:60] or instead
