# SPDX-License-Identifier: MIT
"""`tinywake base`: phonemes of all transcribed speech at hand -> weights.npz, its card, base.json."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tinywake import __version__
from tinywake.audio import transcribed
from tinywake.audio.folders import recordings
from tinywake.audio.sources import identity
from tinywake.audio.voices.census import Census
from tinywake.config import Recipe, fingerprint, load_recipe
from tinywake.errors import ToolError
from tinywake.files import cache_folder, check_writable, write_beside
from tinywake.learn.diary import diary_in
from tinywake.pipeline.base.card import base_card
from tinywake.pipeline.training.streams import Progress, extractor

__all__ = ["BaseResult", "train_base"]

_FORMAT = 1  # change it when the same inputs give another base
_STREAMS_A_STEP = 2.5  # of [train] steps: so many streams are mixed


@dataclass(frozen=True)
class BaseResult:
    """A base network. base.json holds the same, apart from the path."""

    weights: Path
    error: float  # of the phonemes, on voices that trained nothing, 0..1
    streams: int  # of 4.5 s
    seconds: float  # that the last run took
    sha256: str  # of weights.npz
    key: str  # of everything it depends on
    voices: tuple[Census, Census]  # that trained it, that judged it
    reused: bool = False

    def facts(self) -> dict[str, object]:
        """As JSON-able values."""
        return {**asdict(self), "weights": str(self.weights)}

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"{self.weights}: {self.weights.stat().st_size:,} bytes{' (up to date)' if self.reused else ''}",
            f"trained on {self.voices[0]}",
            f"judged on {self.voices[1]}",
            f"{100 * self.error:.1f} % of the phonemes wrong there, without any language",
            f'begin with it: [train] base = "{self.weights.name}", relative to the recipe',
        ]


def train_base(
    recipe_path: Path, out_dir: Path, data: Sequence[Path] = (), progress: Progress | None = None
) -> BaseResult:
    """Train the recipe's [network] on phonemes; write weights.npz, CARD.md and base.json into `out_dir`.

    [train] has the steps, [counts] what synthetic voices say besides the recordings. When nothing changed since
    base.json was written, nothing is done. Raises ConfigError, AudioError, ToolError.
    """
    recipe = load_recipe(recipe_path)
    if importlib.util.find_spec("tensorflow") is None:
        raise ToolError("training needs TensorFlow: pip install 'tinywake[train]'")
    begun = time.monotonic()
    sound = identity(recipe, data)
    key = fingerprint(
        _FORMAT,
        __version__,
        importlib.metadata.version("tensorflow"),
        recipe.network,
        recipe.train.told(),
        sound,
        _said(recipe, data),
    )
    finished = _finished(out_dir, key)
    if finished:
        return finished
    check_writable(out_dir / "weights.npz", new_folder=True)
    streams = transcribed.build(
        transcribed.gather(recipe, data, progress), recipe, round(_STREAMS_A_STEP * recipe.train.steps), extractor(),
        progress,
    )  # fmt: skip
    kept = cache_folder() / "training" / f"base-{key[:40]}"
    with diary_in(cache_folder() / "tensorflow.log"):
        from tinywake.learn.base import fit as learning  # tensorflow takes seconds to import
        from tinywake.learn.saved import save_weights
        from tinywake.learn.train import set_threads

        set_threads()
        learnt = learning.fit(streams, recipe, progress, kept=kept / "state.npz")
        save_weights(out_dir / "weights.npz", learnt.model)
    digest = hashlib.sha256((out_dir / "weights.npz").read_bytes()).hexdigest()
    seconds = round(time.monotonic() - begun, 1)
    result = BaseResult(out_dir / "weights.npz", learnt.error, streams.training, seconds, digest, key, streams.voices)
    text = base_card(recipe, data, result.error, result.streams, result.voices)
    write_beside(out_dir / "CARD.md", lambda part: part.write_text(text, encoding="utf-8"))
    record = json.dumps({name: value for name, value in asdict(result).items() if name not in ("weights", "reused")})
    write_beside(out_dir / "base.json", lambda part: part.write_text(record + "\n", encoding="utf-8"))
    shutil.rmtree(kept, ignore_errors=True)
    return result


def _said(recipe: Recipe, data: Sequence[Path]) -> list[str]:
    """What was said in the recordings: a transcript changes what is learnt, and not the sound."""
    return [clip.text for folder in data for clip in recordings(folder, recipe.spoken, recipe.labels)]


def _finished(folder: Path, key: str) -> BaseResult | None:
    """What an earlier run left, if it is whole and made from the same inputs."""
    weights = folder / "weights.npz"
    try:
        record = json.loads((folder / "base.json").read_text())
        if record["key"] != key or record["sha256"] != hashlib.sha256(weights.read_bytes()).hexdigest():
            return None
        trained, judged = (Census.of(facts) for facts in record.pop("voices"))
        return BaseResult(weights, **record, voices=(trained, judged), reused=True)
    except (OSError, ValueError, KeyError, TypeError):
        return None
