# SPDX-License-Identifier: MIT
"""The clips of an evaluation: a folder, or a CSV with a `file` column; speakers where a manifest names them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinywake.audio.clips import list_clips
from tinywake.errors import AudioError
from tinywake.files import why_unread

__all__ = ["EvalClip", "clip_set"]


@dataclass(frozen=True)
class EvalClip:
    """A clip and who speaks in it: the manifest's speaker, else the clip's own name."""

    path: Path
    speaker: str


def clip_set(sources: Sequence[Path]) -> list[EvalClip]:
    """All clips of some folders and CSV files, each once, in order. Raises AudioError where there are none.

    A CSV has a header with `file` (relative to it) and optionally `speaker`. For a folder, speakers come from the
    nearest manifest.csv in it or above it.
    """
    found: dict[Path, EvalClip] = {}
    for source in sources:
        rows = _from_csv(source) if source.suffix.lower() == ".csv" else _from_folder(source)
        found.update((clip.path, clip) for clip in rows)
    return list(found.values())


def _rows(path: Path) -> dict[Path, str]:
    """File -> speaker ("" where unknown)."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if "file" not in (reader.fieldnames or []):
                raise AudioError(f"{path}: needs a header with a column `file`; it has {reader.fieldnames}")
            return {(path.parent / row["file"]).resolve(): row.get("speaker") or "" for row in reader if row["file"]}
    except OSError as e:
        raise AudioError(f"{path}: {why_unread(e)}") from e
    except (ValueError, csv.Error) as e:
        raise AudioError(f"{path}: cannot be read as CSV ({e})") from e


def _from_csv(path: Path) -> list[EvalClip]:
    rows = _rows(path)
    if not rows:
        raise AudioError(f"{path}: lists no clips")
    for clip in rows:
        if not clip.is_file():
            raise AudioError(f"{path}: {clip} is not there")
    return [EvalClip(clip, speaker or clip.stem) for clip, speaker in rows.items()]


def _from_folder(folder: Path) -> list[EvalClip]:
    clips = list_clips(folder)
    for above in (folder.resolve(), *folder.resolve().parents):
        manifest = next((p for p in sorted(above.glob("*.csv")) if p.name.lower() == "manifest.csv"), None)
        if manifest is not None:
            speakers = _rows(manifest)
            break
    else:
        speakers = {}
    return [EvalClip(clip.resolve(), speakers.get(clip.resolve()) or clip.stem) for clip in clips]
