# SPDX-License-Identifier: MIT
"""Whose recordings a model was trained on, and what their licences say: for its card, and before it is shipped."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinywake.audio.folders import recordings
from tinywake.errors import AudioError
from tinywake.evaluate.sounds.clipset import manifest_above, rows_of

__all__ = ["Credit", "credits_of", "refuse_unshippable"]

_UNKNOWN = "not named"
# A model is derived from what it was trained on: CC BY-ND, CC BY-NC-ND, and the words for it.
_NO_DERIVATIVES = re.compile(r"(?<![a-z])n\.?d(?![a-z])|no.?deriv", re.IGNORECASE)


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
    def known(self) -> bool:
        """Whether a manifest names a licence."""
        return self.licence != _UNKNOWN


def credits_of(data: Sequence[Path]) -> tuple[Credit, ...]:
    """Of folders or manifests of recordings: columns `licence` (or `license`) and `source` of the nearest manifest.

    In order of folder, source and licence. No speaker is named. Raises AudioError as `recordings` does.
    """
    found: dict[tuple[str, str, str], list[str]] = {}
    for folder in data:
        listed = folder.suffix.lower() == ".csv" and not folder.is_dir()
        root = (folder.parent if listed else folder).resolve()
        rows = {} if listed else _above(root)
        below = [path for path in root.rglob("*.csv") if path.name.lower() == "manifest.csv"]
        for manifest in [folder] if listed else sorted(below, key=lambda path: (len(path.parts), path)):
            rows.update(rows_of(manifest))  # the nearer one's word counts
        for each in recordings(folder, ()):
            row = rows.get(each.path.resolve(), {})
            licence = " ".join((row.get("licence") or row.get("license") or _UNKNOWN).split())
            source = " ".join((row.get("source") or "").split())
            name = each.path.relative_to(root).as_posix() if each.path.is_relative_to(root) else each.path.name
            found.setdefault((root.name, source, licence), []).append(name)
    return tuple(Credit(*key, tuple(files)) for key, files in sorted(found.items()))


def refuse_unshippable(data: Sequence[Path]) -> None:
    """Raise AudioError where a model trained on this must not be given to others, or nobody can say."""
    for credit in credits_of(data):
        if credit.forbids or not credit.known:
            why = (
                f"licence {credit.licence!r} forbids derivatives" if credit.forbids else "no manifest names its licence"
            )
            more = f" and {len(credit.files) - 1} more" if len(credit.files) > 1 else ""
            raise AudioError(
                f"{credit.folder}/{credit.files[0]}{more}: {why}; a shipped model is not trained on it: leave it out"
            )


def _above(root: Path) -> dict[Path, Mapping[str, str]]:
    """Rows of the nearest manifest above a folder; one that is about other things says nothing."""
    manifest = manifest_above(root)
    try:
        return {} if manifest is None else dict(rows_of(manifest))
    except AudioError:
        return {}
