# SPDX-License-Identifier: MIT
"""The models of an evaluation: compiled ones, and micro-wake-word's manifests, which are compiled on the way."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tinywake.coded import decoded, is_coded
from tinywake.compiler.build import compile_tflite
from tinywake.compiler.twm import layout
from tinywake.compiler.twm.layout import Section
from tinywake.compiler.twm.unpack import TwmFile, parse, unpack
from tinywake.core import Listener, Model
from tinywake.errors import ModelError
from tinywake.evaluate.metrics import Rule
from tinywake.native import fingerprint
from tinywake.pipeline.listening import source_of

__all__ = ["Contender", "contenders_of"]

_SAYS_NOTHING_OF_SCORES = (Section.DETECTOR, Section.PROVENANCE, Section.ORIGINS)


@dataclass(frozen=True)
class Contender:
    """One wake label of a model. threshold: the file's own, 0..255."""

    name: str  # of its file; with its folder, or its whole path, where two have the same
    path: Path
    data: bytes  # the .twm, not coded
    file: TwmFile
    label: str
    threshold: int
    rule: Rule

    @property
    def lead_ms(self) -> int:
        """Of quiet before a clip: the network's receptive field, and half a second."""
        return (self.file.warmup + 1) * self.file.step_ms + 500

    @property
    def digest(self) -> str:
        """Of all that decides its scores: the core, the file but for threshold and notes, and which label is meant."""
        found = hashlib.sha256(f"{fingerprint()} {self.label}".encode())
        count = layout.HEADER.unpack_from(self.data)[3]
        for i in range(count):
            place = layout.HEADER.size + i * layout.SECTION.size
            kind, _, offset, length = layout.SECTION.unpack_from(self.data, place)
            if kind not in _SAYS_NOTHING_OF_SCORES:
                found.update(f"{kind} {length} ".encode() + self.data[offset : offset + length])
        return found.hexdigest()

    def listener(self) -> Listener:
        """A new one, for one thread."""
        return Listener(Model(self.data, self.name))


def contenders_of(models: Sequence[Path], label: str | None = None) -> list[Contender]:
    """Open or compile every model. label: which wake label, for those that have several.

    Raises ConfigError, ModelError, CompileError or FormatError.
    """
    if len({path.resolve() for path in models}) < len(models):
        raise ModelError(f"{models[0]}: a model is named twice")
    found = [_contender(path, label if len(models) == 1 else None, label) for path in models]
    for longer in (_with_folder, str):
        names = Counter(each.name for each in found)
        found = [replace(each, name=longer(each.path)) if names[each.name] > 1 else each for each in found]
    return found


def _with_folder(path: Path) -> str:
    return f"{path.resolve().parent.name}/{path.name}"


def _contender(path: Path, must: str | None, label: str | None) -> Contender:
    """must: the label that it has to have; label: the one that is meant where it has several."""
    if path.suffix.lower() == ".json":
        given = source_of(path)
        data = compile_tflite(given.network, listening=given.listening(), provenance=given.provenance).blob
        file = parse(data)
    else:
        file, data = unpack(path), path.read_bytes()
        data = bytes(decoded(data)) if is_coded(data) else data
    if file.detector is None:
        raise ModelError(f"{path}: has no detector, so it cannot be evaluated")
    names = [entry.name for entry in file.detector.labels if entry.wake]
    if label is None and len(names) > 1:
        raise ModelError(f"{path}: has {len(names)} wake labels; name one of {', '.join(names)}")
    wanted = must or (label if label is not None and len(names) > 1 else names[0])
    if wanted not in names:
        raise ModelError(f"{path}: has no wake label {wanted!r}; it has {', '.join(names)}")
    threshold = next(entry.threshold for entry in file.detector.labels if entry.name == wanted)
    rule = Rule(file.detector.window, file.detector.refractory_ms, file.step_ms)
    return Contender(path.name, path, data, file, wanted, threshold, rule)
