# SPDX-License-Identifier: MIT
"""The folder of a mining: clips, found.csv with a column to fill in, manifest.csv of what is labelled, what was heard.

manifest.csv is what `train --data` takes as it is. Only labelled finds are in it: a near miss may be the word itself.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from tinywake.audio.clips import RATE, Pcm, read_clip, write_clip
from tinywake.errors import AudioError, ConfigError
from tinywake.files import why_unread, write_beside
from tinywake.pipeline.mining.find import BEFORE_MS, Find

__all__ = ["LABELS", "MiningFolder", "Row", "content"]

LABELS = ("word", "other", "noise")  # and "" for what nobody has listened to
_NONE = -1  # cluster of what has not been compared yet
_WORD_MS = 1500, 200  # before and behind the peak, of a clip that is the word: train wants little else in it


@dataclass(frozen=True)
class Row:
    """A find in found.csv. file: of the clip, relative to the folder; end_ms: of the peak in it; score: 0..255."""

    file: str
    label: str
    cluster: int
    hit: bool
    score: int
    source: str
    t_ms: int
    end_ms: int


@dataclass
class MiningFolder:
    """What is known so far. key: of model and settings; done: content of a recording -> facts about it."""

    path: Path
    key: str
    word: str
    rows: list[Row]
    done: dict[str, dict[str, Any]]

    @classmethod
    def open(cls, path: Path, key: str, word: str) -> MiningFolder:
        """A new one, or the one that is there. Raises ConfigError where it is of another model or cannot be read."""
        state = path / "mined.json"
        if not state.exists():
            return cls(path, key, word, [], {})
        try:
            known = json.loads(state.read_text(encoding="utf-8"))
            done = {str(name): dict(facts) for name, facts in known["done"].items()}
            same = known["key"] == key
        except OSError as error:
            raise ConfigError(f"{state}: {why_unread(error)}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"{state}: cannot be read; name another folder with -o, or remove this one") from error
        if not same:
            raise ConfigError(f"{path}: holds what another model, or another --near, has found; name another folder")
        return cls(path, key, word, _read_rows(path / "found.csv"), done)

    def add(self, source: Path, digest: str, finds: Sequence[Find], facts: Mapping[str, Any], label: str) -> None:
        """Write the clips of a recording, and that it is done."""
        labels = {row.file: row.label for row in self.rows}  # of a run that ended in the middle of this
        fresh = []
        for each in finds:
            name = f"clips/{source.stem}-{digest[:6]}-{each.t_ms}ms.wav"
            write_clip(self.path / name, each.pcm)
            end_ms = min(each.t_ms, BEFORE_MS)
            known = labels.get(name) or label
            fresh.append(Row(name, known, _NONE, each.hit, each.score, str(source), each.t_ms, end_ms))
        names = {row.file for row in fresh}
        self.rows = [row for row in self.rows if row.file not in names] + fresh
        self.done[digest] = {"source": str(source), **facts}

    @property
    def compared(self) -> bool:
        """Whether every row has its cluster: a run that was interrupted had no time for it."""
        return all(row.cluster != _NONE for row in self.rows)

    def clips(self) -> Iterator[Pcm]:
        """The sound of every row, one after the other; the highest come first from here on."""
        self.rows.sort(key=lambda row: (not row.hit, -row.score, row.file))
        return (read_clip(self.path / row.file, silent_ok=True) for row in self.rows)

    def number(self, clusters: Sequence[int]) -> None:
        """Give every row its cluster."""
        self.rows = [replace(row, cluster=cluster) for row, cluster in zip(self.rows, clusters, strict=True)]
        self.rows.sort(key=lambda row: (row.cluster, -row.score, row.file))

    def save(self) -> None:
        """found.csv, manifest.csv and mined.json, the last one last."""
        names = [field.name for field in fields(Row)]
        _write_csv(self.path / "found.csv", names, [{**asdict(row), "hit": int(row.hit)} for row in self.rows])
        labels = {"word": self.word, "other": "other speech", "noise": "noise"}
        listed = []
        for row in self.rows:
            file = self._word_clip(row) if row.label == "word" else row.file
            if row.label:
                # Nobody known; and one person is in several clusters, so none of them may choose the threshold.
                named = {"speaker": f"?mined-{row.cluster}", "split": "train"}
                listed.append({"file": file, "label": labels[row.label], **named})
        _write_csv(self.path / "manifest.csv", ["file", "label", "speaker", "split"], listed)
        text = json.dumps({"key": self.key, "done": self.done}, indent=1, ensure_ascii=False) + "\n"
        write_beside(self.path / "mined.json", lambda part: part.write_text(text, encoding="utf-8"))

    def _word_clip(self, row: Row) -> str:
        """The same sound, cut to the word."""
        name = f"words/{Path(row.file).name}"
        if not (self.path / name).is_file():
            pcm = read_clip(self.path / row.file, silent_ok=True)
            first, last = (row.end_ms - _WORD_MS[0]) * RATE // 1000, (row.end_ms + _WORD_MS[1]) * RATE // 1000
            write_clip(self.path / name, pcm[max(0, first) : last])
        return name


def content(path: Path) -> str:
    """Of a recording's bytes. Raises AudioError."""
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                found.update(block)
    except OSError as error:
        raise AudioError(f"{path}: {why_unread(error)}") from error
    return found.hexdigest()


def _write_csv(path: Path, names: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_beside(path, lambda part: part.write_text(text.getvalue(), encoding="utf-8", newline=""))


def _read_rows(path: Path) -> list[Row]:
    """People edit this file, some with a spreadsheet. Raises ConfigError, which names the line."""
    rows = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for line, row in enumerate(csv.DictReader(file), 2):
                try:
                    label = row["label"].strip().lower()
                    numbers = (int(row[name]) for name in ("cluster", "hit", "score"))
                    cluster, hit, score = numbers
                    found = Row(
                        row["file"], label, cluster, bool(hit), score, row["source"], int(row["t_ms"]),
                        int(row["end_ms"]),
                    )  # fmt: skip
                except (KeyError, ValueError, TypeError, AttributeError) as error:
                    raise ConfigError(f"{path}:{line}: not a line that tinywake mine wrote; put it back") from error
                if label and label not in LABELS:
                    raise ConfigError(f"{path}:{line}: label = {label!r} must be {', '.join(LABELS)}, or empty")
                if Path(found.file).is_absolute() or not (path.parent / found.file).is_file():
                    raise ConfigError(f"{path}:{line}: {found.file!r} is not a clip that is there; remove the line")
                rows.append(found)
    except OSError as error:
        raise ConfigError(f"{path}: {why_unread(error)}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: cannot be read as CSV in UTF-8 ({error})") from error
    return rows
