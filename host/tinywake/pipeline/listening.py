# SPDX-License-Identifier: MIT
"""What a compiled model carries besides its network, from a recipe or from micro-wake-word's manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tinywake.compiler.manifest import SCALINGS, read_manifest
from tinywake.compiler.twm.listening import Detector, Label, Listening
from tinywake.config import Recipe, load_recipe
from tinywake.errors import ConfigError

__all__ = ["Source", "listening_of", "source_of"]


@dataclass(frozen=True)
class Source:
    """What to compile. listening: makes what a listener carries; None where it is none. note: a line for people."""

    network: Path
    listening: Callable[[], Listening | None]
    provenance: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


def source_of(path: Path, recipe: Path | None = None, scaling: str | None = None) -> Source:
    """A .tflite, with a recipe where it listens, or a manifest (.json), which says that itself.

    scaling: of a manifest's input, ESPHome's by default. Raises ConfigError, ModelError or CompileError.
    """
    if path.suffix.lower() != ".json":
        if scaling is not None:
            raise ConfigError(f"{path}: an input scaling is for micro-wake-word's manifests (.json)")
        listening = None if recipe is None else listening_of(load_recipe(recipe))
        return Source(path, lambda: listening)
    if recipe is not None:
        raise ConfigError(f"{path}: a manifest says itself how its network listens; leave {recipe} out")
    manifest = read_manifest(path)
    scaling = scaling or SCALINGS[0]
    note = f"{manifest.label!r}: a hit where the mean of {manifest.window} scores is above {manifest.threshold} of 256"
    if manifest.tensor_arena is not None:
        note += f"; arena and state are exact, TensorFlow Lite Micro is to be given {manifest.tensor_arena:,}"
    return Source(manifest.network, lambda: manifest.listening(scaling), manifest.provenance(scaling), note)


def listening_of(recipe: Recipe, threshold: int | None = None) -> Listening:
    """Front end, input map and detector of a recipe.

    threshold: 0..255, as training chose it; None: the recipe's own, or one half.
    """
    rule = recipe.detector
    if threshold is None:
        threshold = 128 if rule.threshold is None else round(rule.threshold * 256)
    labels = tuple(Label(word.label, threshold) for word in recipe.words)
    return Listening(Detector(labels, rule.window, rule.refractory_ms, rule.ignore_ms))
