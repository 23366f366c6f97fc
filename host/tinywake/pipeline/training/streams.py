# SPDX-License-Identifier: MIT
"""The streams of a recipe and its recordings: from the cache, or spoken, read, looked through and mixed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinywake.audio import dataset, sources
from tinywake.audio.clips import Pcm
from tinywake.audio.features import Extract
from tinywake.config import Recipe, fingerprint
from tinywake.core import Frontend
from tinywake.files import cache_folder, forget_oldest
from tinywake.pipeline.datareport.report import refuse_faults

if TYPE_CHECKING:
    from tinywake.learn.teacher.embedding import Embedding

__all__ = ["Progress", "extractor", "streams_of"]

Progress = Callable[[str, float], None]  # stage, fraction 0..1
_KEPT = 4  # sets of streams that stay in the cache


def streams_of(
    recipe: Recipe,
    data_dirs: Sequence[Path],
    sound: str,
    progress: Progress | None,
    warn: Callable[[str], None] | None,
    ear: Callable[[], Embedding | None] = lambda: None,
) -> dataset.Dataset:
    """The recipe's streams, from the cache where they are.

    sound: what ``sources.identity`` says. ear: gives the teacher's, where the streams are to be mixed.
    """
    folder = cache_folder() / "streams"
    path = folder / f"{fingerprint(dataset.FORMAT, sound, recipe.network.window, recipe.network.stride)[:40]}.npz"
    found = dataset.load(path)
    if found is None:
        listen = ear()  # before anything is spoken: it may have to be fetched, or be another network
        if data_dirs:
            refuse_faults(data_dirs, recipe, progress, warn)
        found = dataset.build(sources.gather(recipe, data_dirs, progress), recipe, extractor(), progress, listen=listen)
        dataset.save(path, found)
    path.touch()
    forget_oldest(folder, _KEPT, "*.npz")
    return found


def extractor() -> Extract:
    """The front end, for any number of threads. Raises ToolError where the C core is missing."""
    Frontend()  # fails at once, with one line, where the C core is missing
    local = threading.local()  # one for each thread: making its tables takes longer than a clip

    def extract(pcm: Pcm) -> Any:
        if not hasattr(local, "frontend"):
            local.frontend = Frontend()
        return local.frontend.features(pcm)

    return extract
