# SPDX-License-Identifier: MIT
"""Whose recordings a model was trained on, and what their licences say: for its card, and before it is shipped."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinywake.audio.folders import recordings
from tinywake.errors import AudioError
from tinywake.evaluate.sounds.clipset import manifest_above, rows_of

__all__ = ["Credit", "credits_of", "credits_section", "refuse_unshippable"]

_UNKNOWN = "not named"
_NOBODY_SAYS = re.compile(r"\W*(not named|unknown|unclear|none|n/a|tbd)?\W*", re.IGNORECASE)
# Copyleft that a model would have to carry on (LGPL: as a library's), and no licence at all.
_OWN_TERMS = re.compile(r"(?<![a-z])a?gpl|all rights reserved|proprietary", re.IGNORECASE)
# A model is derived from what it was trained on: CC BY-ND, CC BY-NC-ND, and the words for it.
_NO_DERIVATIVES = re.compile(r"(?<![a-z])n\.?d(?![a-z])|no.?deriv", re.IGNORECASE)
_SHARE_ALIKE = re.compile(r"(?<![a-z])by[- ](nc[- ])?sa(?![a-z])|share.?alike", re.IGNORECASE)


@dataclass(frozen=True)
class Credit:
    """Clips of one source under one licence. files: all of them, relative to their folder."""

    folder: str
    source: str  # as a manifest's column says; "" where it does not
    licence: str
    files: tuple[str, ...]

    @property
    def forbids(self) -> bool:
        """Whether the licence forbids what is derived from the clips."""
        return bool(_NO_DERIVATIVES.search(self.licence))

    @property
    def shares_alike(self) -> bool:
        """Whether what is derived from the clips is to be passed on under their licence."""
        return bool(_SHARE_ALIKE.search(self.licence))

    @property
    def known(self) -> bool:
        """Whether a manifest names a licence."""
        return not _NOBODY_SAYS.fullmatch(self.licence)


def credits_of(data: Sequence[Path]) -> tuple[Credit, ...]:
    """Of folders or manifests of recordings: columns `licence` (or `license`) and `source` of the nearest manifest.

    In order of folder, source and licence. No speaker is named. Raises AudioError as `recordings` does.
    """
    found: dict[tuple[str, str, str], list[str]] = {}
    for folder in data:
        listed = folder.suffix.lower() == ".csv" and not folder.is_dir()
        root = (folder.parent if listed else folder).resolve()
        clips = recordings(folder, ())
        rows = _listed(folder, {each.path.parent for each in clips}) if listed else _below(root)
        for each in clips:
            row = rows.get(each.path.resolve(), {})
            licence = " ".join((row.get("licence") or row.get("license") or _UNKNOWN).split())
            source = " ".join((row.get("source") or "").split())
            name = each.path.relative_to(root).as_posix() if each.path.is_relative_to(root) else each.path.name
            found.setdefault((root.name, source, licence), []).append(name)
    return tuple(Credit(*key, tuple(files)) for key, files in sorted(found.items()))


def refuse_unshippable(data: Sequence[Path]) -> None:
    """Raise AudioError where a model trained on this must not be given to others, or nobody can say."""
    for credit in credits_of(data):
        named = f"licence {credit.licence!r}"
        why = f"{named} forbids derivatives" if credit.forbids else ""
        if _OWN_TERMS.search(credit.licence):
            why = f"{named} has terms that a model would not keep"
        if why or not credit.known:
            why = why or "no manifest names its licence"
            more = f" and {len(credit.files) - 1} more" if len(credit.files) > 1 else ""
            raise AudioError(
                f"{credit.folder}/{credit.files[0]}{more}: {why}; a shipped model is not trained on it: leave it out"
            )


def credits_section(credits: Sequence[Credit], others: str) -> str:
    """For a card: the recordings by source and licence, no speaker named. others: what those do who train nothing."""
    if not credits:
        return ""
    rows = "\n".join(
        f"| {_cell(each.folder)} | {_cell(each.source)} | {_cell(each.licence)} | {len(each.files):,} |"
        for each in credits
    )
    wrong = [each for each in credits if each.forbids]
    unknown = sum(len(each.files) for each in credits if not each.known)
    notes = []
    if wrong:
        clips = sum(len(each.files) for each in wrong)
        notes.append(f"The licence of {clips:,} clips forbids derivatives: this model is not to be given to others.")
    terms = sorted({each.licence for each in credits if each.shares_alike})
    if terms:
        clips = sum(len(each.files) for each in credits if each.shares_alike)
        named = " and ".join(terms)
        notes.append(f"{clips:,} clips are share-alike: pass this model on under {named}, with this card.")
    if unknown:
        notes.append(f"Of {unknown:,} clips no manifest names the licence.")
    said = "".join(f"\n{note}\n" for note in notes)
    return f"""
Recordings it was made of, with thanks to those who speak in them; one speaker in five, unless a manifest deals
otherwise, {others} instead of training:

| folder | source | licence | clips |
|---|---|---|--:|
{rows}
{said}"""


def _below(root: Path) -> dict[Path, Mapping[str, str]]:
    """Rows of all manifests in a folder, and of the nearest above it; the nearer one's word counts."""
    rows = _above(root)
    below = [path for path in root.rglob("*.csv") if path.name.lower() == "manifest.csv"]
    for manifest in sorted(below, key=lambda path: (len(path.parts), path)):
        rows.update(rows_of(manifest))
    return rows


def _listed(manifest: Path, folders: Iterable[Path]) -> dict[Path, Mapping[str, str]]:
    """Rows of one manifest; what it leaves open is taken from the manifests above its clips."""
    known: dict[Path, Mapping[str, str]] = {}
    for above in sorted({found for folder in folders if (found := manifest_above(folder))}):
        with contextlib.suppress(AudioError):  # one that is about other things says nothing
            known.update(rows_of(above))
    rows = rows_of(manifest)
    return {path: {**known.get(path, {}), **{k: v for k, v in row.items() if v}} for path, row in rows.items()}


def _above(root: Path) -> dict[Path, Mapping[str, str]]:
    """Rows of the nearest manifest above a folder; one that is about other things says nothing."""
    manifest = manifest_above(root)
    try:
        return {} if manifest is None else dict(rows_of(manifest))
    except AudioError:
        return {}


def _cell(text: str) -> str:
    return text.replace("|", "/") or "-"
