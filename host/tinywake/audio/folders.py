# SPDX-License-Identifier: MIT
"""Recordings (--data DIR or CSV): which clip is the word, which is other speech, which is noise, and who speaks.

They are one of

* a manifest, ``NAME.csv`` with a header and the columns ``file`` (relative to it), ``keyword`` or ``label`` or
  ``transcript``, and optionally ``speaker``, ``synthetic`` (not empty: a synthesiser spoke, and no
  more than that) and ``split`` (``train`` or ``validation``; else the speaker's name decides, a fifth validates);
  a speaker that begins with ``?`` is nobody known: a name for clips that belong together;
* a folder with ``manifest.csv`` in it (any case, also in sub-folders; a clip in two of them is the nearer one's); or
* a folder ``LABEL/[SPEAKER/]clip.wav``: the sub-folder says what is spoken.

A label or transcript that equals one of the word's texts, or its label, is the word; one that contains a text is the
word inside speech;
``noise``, ``silence`` and ``background`` (also as a folder on the way) are noise; all else is other speech.
"""

from __future__ import annotations

import csv
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinywake.audio.clips import SUFFIXES, check_folder, list_clips
from tinywake.errors import AudioError
from tinywake.files import why_unread

__all__ = ["IN_VALIDATION", "Recording", "in_validation", "plain", "recordings"]

IN_VALIDATION = 0.2  # share of the speakers
_NOISE = {"noise", "bg noise", "background noise", "silence", "background"}
_Row = tuple[Path, str, str, bool, str]  # clip, text, speaker or "", whether a synthesiser spoke, split or ""
_TEXT = ("keyword", "label", "keyword_or_transcript", "transcript", "text")


@dataclass(frozen=True)
class Recording:
    """A clip of a folder. `kind` is "word", "phrase" (the word inside speech), "other" or "noise".

    `text` is its label or transcript; `named` says that somebody named the speaker: else each clip is its own;
    `synthetic`: no person, so the clip counts as one that a recipe's engine spoke.
    """

    path: Path
    kind: str
    speaker: str
    text: str
    named: bool
    synthetic: bool = False
    split: str = ""

    @property
    def known(self) -> bool:
        """Whether the speaker is a person as far as anybody can tell."""
        return not self.speaker.startswith("?")

    @property
    def validates(self) -> bool:
        """Chooses checkpoint and threshold, and trains nothing."""
        return self.split == "validation" if self.split else in_validation(self.speaker)


def recordings(folder: Path, texts: Sequence[str], labels: Sequence[str] = ()) -> list[Recording]:
    """What `folder`, which may be a manifest, holds for a word that is spoken as `texts`, in order of path.

    labels: what the word is called besides; a clip with one of them, and no more, is the word.

    Raises AudioError when the folder is missing, holds no sound, or a manifest names a file that is not there, or
    puts a speaker on both sides of the split.
    """
    if folder.suffix.lower() == ".csv" and not folder.is_dir():
        manifests, folder = [folder.resolve()], folder.resolve().parent
    else:
        check_folder(folder)
        folder = folder.resolve()  # "." has a name then, which says what is spoken in it
        listed = (p for p in folder.rglob("*.csv") if p.name.lower() == "manifest.csv")
        manifests = sorted(listed, key=lambda p: (len(p.parts), p))
    rows = [row for manifest in manifests for row in _manifest(manifest)] if manifests else list(_folders(folder))
    if not rows:
        raise AudioError(f"{manifests[0] if manifests else folder}: the manifest lists no clips")
    found = {
        path: Recording(path, _kind(text, Path(os.path.relpath(path, folder)), texts, labels), who or _speaker(path),
                        text, bool(who) or "_nohash_" in path.stem, synthetic, split)
        for path, text, who, synthetic, split in rows
    }  # fmt: skip
    clips = sorted(found.values(), key=lambda recording: recording.path)
    _refuse_both_sides(clips, manifests[0] if manifests else folder)
    return clips


def _refuse_both_sides(listed: Sequence[Recording], where: Path) -> None:
    sides: dict[str, bool] = {}
    for clip in listed:
        if clip.named and clip.kind != "noise" and sides.setdefault(clip.speaker, clip.validates) != clip.validates:
            raise AudioError(
                f"{where}: speaker {clip.speaker!r} would train and validate ({clip.path.name} and others): give all "
                "clips of a speaker the same split, or none"
            )


def in_validation(speaker: str) -> bool:
    """Whether a speaker validates; the same ones do in every run."""
    return zlib.crc32(speaker.encode()) % 1000 < 1000 * IN_VALIDATION


def _manifest(path: Path) -> Iterator[_Row]:
    try:
        yield from _rows(path)
    except OSError as error:
        raise AudioError(f"{path}: {why_unread(error)}") from error
    except (ValueError, csv.Error) as error:
        raise AudioError(f"{path}: cannot be read as CSV in UTF-8 ({error})") from error


def _rows(path: Path) -> Iterator[_Row]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        text = next((name for name in _TEXT if name in columns), None)
        if "file" not in columns or text is None:
            raise AudioError(
                f"{path}: needs a column file and one of {', '.join(_TEXT)}; it has {', '.join(columns) or 'none'}"
            )
        for line, row in enumerate(reader, 2):
            clip = Path(os.path.normpath(path.parent / (row["file"] or "")))
            if clip.suffix.lower() not in SUFFIXES or not clip.is_file():
                raise AudioError(f"{path}:{line}: {row['file']!r} is not a sound file that is there")
            synthetic = bool((row.get("synthetic") or "").strip())
            split = (row.get("split") or "").strip()
            if split not in ("", "train", "validation"):
                raise AudioError(f"{path}:{line}: split = {split!r} must be train, validation or empty")
            yield clip, row[text] or "", (row.get("speaker") or "").strip(), synthetic, split


def _folders(folder: Path) -> Iterator[_Row]:
    for clip in list_clips(folder):
        parts = clip.relative_to(folder).parts
        label = parts[0] if len(parts) > 1 else folder.name
        yield clip, label, parts[1] if len(parts) > 2 else "", False, ""


def _speaker(clip: Path) -> str:
    """Speech Commands names its speakers before "_nohash_"; without a name, every clip is its own speaker."""
    return clip.stem.split("_nohash_")[0]


def plain(text: str) -> str:
    """A label or transcript for comparison: lower case, words alone."""
    return " ".join(re.sub(r"[\W_]+", " ", text.lower()).split())


def _kind(text: str, path: Path, texts: Sequence[str], labels: Sequence[str]) -> str:
    said, spoken = plain(text), [plain(word) for word in texts]
    if said in spoken or said in map(plain, labels):
        return "word"
    if any(f" {word} " in f" {said} " for word in spoken):
        return "phrase"
    noise = said in _NOISE or any(plain(part) in _NOISE for part in path.parts[:-1])
    return "noise" if noise else "other"
