# SPDX-License-Identifier: MIT
"""`tinywake train`: speak, mix, train, convert, choose the threshold, compile, and say in a card what came of it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tinywake import __version__
from tinywake.audio import dataset, sources
from tinywake.audio.folders import IN_VALIDATION
from tinywake.audio.voices.census import Census
from tinywake.compiler.build import compile_tflite
from tinywake.config import Recipe, fingerprint, load_recipe
from tinywake.core import Model
from tinywake.errors import ConfigError, FormatError, ToolError
from tinywake.evaluate.metrics import DetCurve, poisson_bounds
from tinywake.evaluate.plots import plot_det
from tinywake.files import cache_folder, check_writable, forget_oldest, why_unread, write_beside
from tinywake.learn.diary import diary_in
from tinywake.pipeline.card import card
from tinywake.pipeline.listening import listening_of
from tinywake.pipeline.training.streams import Progress, streams_of
from tinywake.pipeline.training.teaching import digest_of, ear_of, heads_of

__all__ = ["STAGES", "TrainResult", "threshold_of", "train"]

# In this order; "checking" and "reading" only with recordings, "other voices" only with conversions, "teaching" only
# with a teacher.
STAGES = ("checking", "speaking", "reading", "other voices", "mixing", "teaching", "training", "converting")

_FORMAT = 7  # change it when the same inputs give another model
_STATES = 8  # trainings, under way or interrupted, whose state stays in the cache
_BETWEEN_SEEDS = 1000  # from one network's seed to the next one's, of [train] seeds


@dataclass(frozen=True)
class TrainResult:
    """A trained and compiled word. model.json holds the same, apart from the paths."""

    model: Path  # model.twm
    tflite: Path  # model.tflite: int8 [1, window, 1, 40] -> int8 [1, 1]
    label: str  # or several, with commas between them
    threshold: int  # of the mean score, 0..255
    miss_rate: float  # on validation voices, int8 network, this threshold
    false_accepts: int
    hours: float  # of validation speech without the word
    tflite_bytes: int
    twm_bytes: int
    sha256: str  # of model.tflite, then model.twm
    key: str  # of everything the model depends on
    voices: tuple[Census, Census]  # that trained it, that chose the threshold
    reused: bool = False  # nothing had changed, nothing was done

    def facts(self) -> dict[str, object]:
        """As JSON-able values."""
        return {**asdict(self), "model": str(self.model), "tflite": str(self.tflite)}

    def lines(self) -> list[str]:
        """For people."""
        low, high = poisson_bounds(self.false_accepts, self.hours)
        return [
            f"{self.model}: {self.twm_bytes:,} bytes{' (up to date)' if self.reused else ''}, hears {self.label!r}",
            f"{self.tflite}: {self.tflite_bytes:,} bytes",
            f"trained on {self.voices[0]}",
            f"checked on {self.voices[1]}",
            f"voices it was not trained on (synthetic; of --data, {100 * IN_VALIDATION:.0f} % of the speakers): "
            f"{100 * self.miss_rate:.1f} % missed, {self.false_accepts} false accepts in {60 * self.hours:.0f} minutes "
            f"({low:.1f} to {high:.1f} an hour) at threshold {self.threshold}, which was chosen on them",
        ]


def train(
    recipe_path: Path,
    out_dir: Path,
    data_dirs: Sequence[Path] = (),
    progress: Progress | None = None,
    warn: Callable[[str], None] | None = None,
) -> TrainResult:
    """Train the recipe's word, with any folders of recordings; write model.*, det.png, CARD.md and
    weights.npz (float, for ``train.base``) into `out_dir`.

    Recordings with a fault are refused before anything is spoken, and `warn` is told what is doubtful in them
    (``datareport``). Clips and features are kept in the cache and used again; when nothing changed since model.json was
    written, so is the model. The files are written beside and renamed, model.json last. Raises ConfigError, AudioError,
    ToolError.
    """
    recipe = load_recipe(recipe_path)
    if importlib.util.find_spec("tensorflow") is None:
        raise ToolError("training needs TensorFlow: pip install 'tinywake[train]'")
    taught = digest_of(recipe, recipe_path.parent)
    sound = sources.identity(recipe, data_dirs, taught)
    base = None if recipe.train.base is None else recipe_path.parent / recipe.train.base
    began = None if base is None else _digest(base)
    later = ("compress", "search")  # which decide nothing here
    asked = {name: table for name, table in asdict(recipe).items() if name not in later}
    asked["train"] = recipe.train.told()
    key = fingerprint(_FORMAT, __version__, importlib.metadata.version("tensorflow"), asked, sound, began)
    finished = _finished(out_dir, key)
    if finished:
        return finished
    check_writable(out_dir / "model.twm", new_folder=True)
    if base is not None:
        _check_base(recipe, base)
    with diary_in(cache_folder() / "tensorflow.log"):
        data = streams_of(recipe, data_dirs, sound, progress, warn, partial(ear_of, recipe, recipe_path.parent))
        heads = heads_of(recipe, data, sound, progress)
        kept = cache_folder() / "training" / key[:40]
        trained, content, curve = _learn(recipe, data, heads, kept, base, progress)
        from tinywake.learn.saved import save_weights

        save_weights(out_dir / "weights.npz", trained)
    threshold = threshold_of(recipe, curve)
    label = ", ".join(word.label for word in recipe.words)
    tflite, twm = out_dir / "model.tflite", out_dir / "model.twm"
    write_beside(tflite, lambda part: part.write_bytes(content))
    provenance = {"recipe": recipe_path.name, "inputs": key}
    compiled = compile_tflite(
        tflite, frames=recipe.network.stride, listening=listening_of(recipe, threshold), provenance=provenance
    )
    write_beside(twm, lambda part: part.write_bytes(compiled.blob))
    plot_det({"validation voices": curve}, out_dir / "det.png", label)
    described = card(recipe, data_dirs, compiled, curve, threshold, data.voices)
    write_beside(out_dir / "CARD.md", lambda part: part.write_text(described, encoding="utf-8"))
    result = TrainResult(
        twm,
        tflite,
        label,
        threshold,
        float(curve.miss_rate[threshold]),
        int(curve.false_accepts[threshold]),
        data.hours,
        len(content),
        len(compiled.blob),
        hashlib.sha256(content + compiled.blob).hexdigest(),
        key,
        data.voices,
    )
    record = {name: value for name, value in asdict(result).items() if name not in ("model", "tflite", "reused")}
    text = json.dumps(record, indent=1) + "\n"
    write_beside(out_dir / "model.json", lambda part: part.write_text(text, encoding="utf-8"))
    shutil.rmtree(kept, ignore_errors=True)  # not before: what fails after the training must not cost it
    return result


def threshold_of(recipe: Recipe, curve: DetCurve) -> int:
    """Return the threshold in the file, 0..255: the recipe's, else one that the validation voices choose."""
    # Midway between what they allow: voices not heard yet are less sure in either direction.
    low, high = curve.room(recipe.detector.false_accepts_per_hour)
    chosen = recipe.detector.threshold
    return (low + high) // 2 if chosen is None else min(255, round(chosen * 256))


def _finished(folder: Path, key: str) -> TrainResult | None:
    """What an earlier run left, if it is whole and made from the same inputs."""
    tflite, twm = folder / "model.tflite", folder / "model.twm"
    try:
        record: dict[str, Any] = json.loads((folder / "model.json").read_text())
        content = tflite.read_bytes() + twm.read_bytes()
        if record["key"] != key or record["sha256"] != hashlib.sha256(content).hexdigest():
            return None
        Model.open(twm)  # an earlier version may have written another format
        train, validation = (Census.of(facts) for facts in record.pop("voices"))
        return TrainResult(twm, tflite, **record, voices=(train, validation), reused=True)
    except (OSError, ValueError, KeyError, TypeError, FormatError):
        return None


def _share(progress: Progress | None, number: int, count: int) -> Progress | None:
    """Progress of one of `count` runs, as a part of all."""
    if progress is None or count == 1:
        return progress
    return lambda stage, fraction: progress(stage, (number + fraction) / count)


def _digest(base: Path) -> str:
    try:
        return hashlib.sha256(base.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"train.base: {base}: {why_unread(error)}") from error


def _check_base(recipe: Recipe, base: Path) -> None:
    """Raise ConfigError before anything is spoken where the network cannot begin with it."""
    with diary_in(cache_folder() / "tensorflow.log"):
        from tinywake.learn import networks, saved
        from tinywake.learn import train as training

        training.set_threads()
        saved.begin_with(networks.training_network(recipe.network, len(recipe.words), 0.0, recipe.train.seed), base)


def _learn(
    recipe: Recipe, data: dataset.Dataset, heads: Any, kept: Path, base: Path | None, progress: Progress | None
) -> tuple[Any, bytes, DetCurve]:
    """The float network, the int8 one as .tflite, and the curve of that."""
    from tinywake.learn import convert, judge, networks  # tensorflow takes seconds to import
    from tinywake.learn import train as training
    from tinywake.learn.teacher.heads import lessons_of

    training.set_threads()
    forget_oldest(kept.parent, _STATES)
    parts = [kept / f"{n}.npz" for n in range(recipe.train.seeds)]
    lessons = None if heads is None else lessons_of(data, recipe, heads)
    runs = []
    for n, part in enumerate(parts):
        seed = recipe.train.seed + _BETWEEN_SEEDS * n
        told = _share(progress, n, len(parts))
        runs.append(training.fit(data, recipe, told, seed=seed, kept=part, base=base, lessons=lessons))
    trained = min(runs, key=lambda run: run.judgement.order)
    if progress:
        progress("converting", 0.0)
    net = recipe.network
    deployed = networks.deployed_network(net, data.outputs, trained.model, trained.calibration)
    content = convert.convert(deployed, convert.windows_of(data, net.window, net.stride))
    scores = [convert.score_streams(content, part, net.stride) for part in (data.positives, data.negatives)]
    if progress:
        progress("converting", 1.0)
    return trained.model, content, judge.curve_of(scores[0], scores[1], data, judge.rule_of(recipe))
