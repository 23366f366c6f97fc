# SPDX-License-Identifier: MIT
"""The clips of an evaluation: a folder, or a CSV with a column `file`; who speaks, and where the word ends."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinywake.audio.clips import list_clips
from tinywake.errors import AudioError
from tinywake.files import why_unread

__all__ = ["EvalClip", "clip_set", "manifest_above", "rows_of"]


@dataclass(frozen=True)
class EvalClip:
    """A clip and who speaks in it. end_ms: where its word ends, if a manifest says so."""

    path: Path
    speaker: str
    end_ms: int | None = None


def clip_set(sources: Sequence[Path]) -> list[EvalClip]:
    """All clips of some folders and CSV files, each once, in order. Raises AudioError where there are none.

    A CSV has a header with `file` (relative to it) and optionally `speaker` and `end_ms`. For a folder, these come
    from the nearest manifest.csv in it or above it. Who is not named there: the first sub-folder on the way to the
    clip, else what is before "_nohash_" in its name (Speech Commands), else the clip is a speaker of its own.
    """
    found: dict[Path, EvalClip] = {}
    for source in sources:
        clips = _from_csv(source) if source.suffix.lower() == ".csv" else _from_folder(source)
        found.update((clip.path, clip) for clip in clips)
    return list(found.values())


def rows_of(path: Path) -> dict[Path, Mapping[str, str]]:
    """File -> row of a CSV with a column `file`. Raises AudioError."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if "file" not in (reader.fieldnames or []):
                raise AudioError(f"{path}: needs a header with a column `file`; it has {reader.fieldnames}")
            return {(path.parent / row["file"]).resolve(): row for row in reader if row["file"]}
    except OSError as e:
        raise AudioError(f"{path}: {why_unread(e)}") from e
    except (ValueError, csv.Error) as e:
        raise AudioError(f"{path}: cannot be read as CSV ({e})") from e


def manifest_above(folder: Path) -> Path | None:
    """The nearest manifest.csv (any case) in a folder or above it."""
    for above in (folder.resolve(), *folder.resolve().parents):
        manifest = next((p for p in sorted(above.glob("*.csv")) if p.name.lower() == "manifest.csv"), None)
        if manifest is not None:
            return manifest
    return None


def _from_csv(path: Path) -> list[EvalClip]:
    rows = rows_of(path)
    if not rows:
        raise AudioError(f"{path}: lists no clips")
    for clip in rows:
        if not clip.is_file():
            raise AudioError(f"{path}: {clip} is not there")
    return [_clip(clip, row, path, _by_name(clip)) for clip, row in rows.items()]


def _from_folder(folder: Path) -> list[EvalClip]:
    clips = [clip.resolve() for clip in list_clips(folder)]
    manifest = manifest_above(folder)
    rows = {} if manifest is None else rows_of(manifest)
    root, found = folder.resolve(), []
    for clip in clips:
        on_the_way = clip.relative_to(root).parts if clip.is_relative_to(root) else (clip.name,)
        speaker = on_the_way[0] if len(on_the_way) > 1 else _by_name(clip)
        found.append(_clip(clip, rows.get(clip, {}), manifest or folder, speaker))
    return found


def _by_name(clip: Path) -> str:
    return clip.stem.split("_nohash_")[0]


def _clip(clip: Path, row: Mapping[str, str], manifest: Path, speaker: str) -> EvalClip:
    end = row.get("end_ms") or ""
    if end and not end.isdecimal():
        raise AudioError(f"{manifest}: end_ms = {end!r} of {clip.name} is no number of milliseconds")
    return EvalClip(clip, row.get("speaker") or speaker, int(end) if end else None)
