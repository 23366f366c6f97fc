# SPDX-License-Identifier: MIT
"""micro-wake-word's manifest, versions 1 and 2: a network, and how ESPHome listens with it.

What a key means is what ESPHome's micro_wake_word component makes of it. It decides by integers and by the rule of
models/SPEC.md, so an imported model has an event where ESPHome's would. Keys that are not known here are passed over:
trainers add their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, TypeVar

import numpy as np

from tinywake.compiler.tflite.read import read_tflite
from tinywake.compiler.twm.listening import ESPHOME_MAP, Detector, InputMap, Label, Listening
from tinywake.errors import CompileError, ConfigError
from tinywake.files import why_unread
from tinywake.frontend import FrontendParams

__all__ = ["SCALINGS", "Manifest", "pymicro_map", "read_manifest"]

SCALINGS = ("esphome", "pymicro")  # who maps features to the network's input; the first is the default
_WINDOW_KEYS = {1: "sliding_window_average_size", 2: "sliding_window_size"}  # of the manifest versions that are known
_V1_STEP_MS = 20  # ESPHome's, for a manifest that does not say
_QUIET_STEPS = 100  # feature steps for which ESPHome hears nothing once a word was heard
_FEATURE = Fraction(10, 256)  # what a unit of the front end's uint16 is worth to the networks
_FAR = 4  # levels of the input
_MOST_FACTS = 32

_T = TypeVar("_T")


@dataclass(frozen=True)
class Manifest:
    """What a manifest says. step_ms: from one feature frame to the next; window: scores in the sliding mean."""

    path: Path
    network: Path
    label: str
    cutoff: float
    window: int
    step_ms: int
    tensor_arena: int | None  # what TensorFlow Lite Micro is to be given; the compiler knows its own need exactly
    about: Mapping[str, str]  # author and the like, for PROVENANCE

    @property
    def threshold(self) -> int:
        """ESPHome's own integer. Outputs are 0..255 in either, so the rule fires at the very sums of ESPHome's.

        pymicro-wakeword compares the mean / 256 with the cutoff instead: at most two levels of 256 above this.
        """
        return int(self.cutoff * 255)

    def listening(self, scaling: str = SCALINGS[0]) -> Listening:
        """Front end, input map and detector; reads the network for the quantisation of its input."""
        if scaling not in SCALINGS:
            raise ConfigError(f"input scaling {scaling!r} is unknown; known: {', '.join(SCALINGS)}")
        graph = read_tflite(self.network)
        x = graph.tensors[graph.input]
        try:
            input_map = replace(ESPHOME_MAP, slack=_FAR) if scaling == "esphome" else pymicro_map(x.scale, x.zero_point)
        except CompileError as e:
            raise CompileError(f"{self.network}: {e}") from e
        detector = Detector((Label(self.label, self.threshold),), self.window, _QUIET_STEPS * self.step_ms)
        return Listening(detector, FrontendParams(hop_ms=self.step_ms), input_map)

    def provenance(self, scaling: str = SCALINGS[0]) -> dict[str, str]:
        """Lines of the PROVENANCE section."""
        arena = {} if self.tensor_arena is None else {"tensor_arena_size": str(self.tensor_arena)}
        cutoff = {"probability_cutoff": f"{self.cutoff:g}", "input_scaling": scaling}
        return {"manifest": self.path.name, **self.about, **cutoff, **arena}


_FEATURES = np.arange(65536, dtype=np.uint16)


def _expected(scale: float, zero_point: int) -> Any:
    """pymicro-wakeword's float64 arithmetic over all features; it does not clamp, but means to."""
    return np.clip(np.round(_FEATURES * float(_FEATURE) / scale + zero_point), -128, 127).astype(int)


def pymicro_map(scale: float, zero_point: int) -> InputMap:
    """round(feature / scale + zero point), as pymicro-wakeword computes it, in integers: equal for all 65,536.

    Raises CompileError where no integers of an INPUT_MAP do that.
    """
    if not 1e-6 < scale < 1e6:
        raise CompileError(f"the input's scale {scale:g} is not that of features")
    expected = _expected(scale, zero_point)
    inside = (expected > -128) & (expected < 127)
    low = np.append(_FEATURES[inside], _FEATURES[expected == 127][:1]).astype(int)  # where it must have come so far
    high = np.append(_FEATURES[inside], _FEATURES[expected == -128][-1:]).astype(int)  # and where no further
    ratio = _FEATURE / Fraction(scale)
    for divide in range(2, 1 << 14):
        multiply = round(ratio * divide)
        # floor((feature * multiply + add) / divide) + zero point is as expected for these values of add
        least = int(((expected[low] - zero_point) * divide - low * multiply).max(initial=0))
        most = int(((expected[high] - zero_point + 1) * divide - high * multiply - 1).min(initial=divide))
        if not 0 < multiply < 1 << 16 or least > most:
            continue
        found = InputMap(multiply, min(max(divide // 2, least), most), divide, zero_point)
        if np.array_equal(found.apply(_FEATURES), expected):
            return found
    raise CompileError(f"an input of scale {scale:g} and zero point {zero_point} is not made of features by integers")


def read_manifest(path: Path) -> Manifest:
    """Read and check a manifest. Raises ConfigError with one line that names file and key."""
    keys = _Keys(path, "", _load(path))
    if keys.take("type", _text) != "micro":
        raise keys.wrong("type", 'must be "micro", the type of micro-wake-word\'s networks')
    version = keys.take("version", _whole)
    if version not in _WINDOW_KEYS:
        raise keys.wrong("version", "is not known; known: 1 and 2")
    micro = _Keys(path, "micro.", keys.take("micro", _object))
    network = _network(keys)
    label = keys.take("wake_word", _text)
    if len(label.encode()) > 255:
        raise keys.wrong("wake_word", "is longer than 255 bytes")
    cutoff = micro.take("probability_cutoff", _number)
    if not 0 <= cutoff < 1:
        raise micro.wrong("probability_cutoff", "is impossible: a mean probability can be above 0 up to below 1")
    window = micro.take(_WINDOW_KEYS[version], _whole)
    if not 1 <= window <= 64:
        raise micro.wrong(_WINDOW_KEYS[version], "is impossible here; allowed: 1 to 64")
    step_ms = _V1_STEP_MS if version == 1 else micro.take("feature_step_size", _whole)
    if not 8 <= step_ms <= 30:
        raise micro.wrong("feature_step_size", "is impossible here; allowed: 8 to 30 ms")
    arena = micro.take("tensor_arena_size", _whole) if "tensor_arena_size" in micro.values else None
    return Manifest(path, network, label, cutoff, window, step_ms, arena, _about(keys, version))


def _load(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as e:
        raise ConfigError(f"{path}: cannot be read: {why_unread(e)}") from e
    except (ValueError, RecursionError) as e:
        raise ConfigError(f"{path}: not valid JSON: {e}") from e
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: not a manifest: it must be a JSON object")
    return value


@dataclass(frozen=True)
class _Keys:
    """An object of the file. where: the keys that lead to it, each with a dot."""

    path: Path
    where: str
    values: Mapping[str, Any]

    def take(self, key: str, kind: Callable[[Any], tuple[_T | None, str]]) -> _T:
        """The value of a key that must be there."""
        if key not in self.values:
            raise ConfigError(f"{self.path}: {self.where}{key} is missing")
        value, must = kind(self.values[key])
        if value is None:
            raise self.wrong(key, must)
        return value

    def wrong(self, key: str, why: str) -> ConfigError:
        """What is the matter with a key that is there."""
        return ConfigError(f"{self.path}: {self.where}{key} = {_short(self.values[key])} {why}")


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _text(value: Any) -> tuple[str | None, str]:
    good = isinstance(value, str) and value.strip() and value.isprintable()
    return value if good else None, "must be a text that can be printed"


def _whole(value: Any) -> tuple[int | None, str]:
    return value if type(value) is int else None, "must be a whole number"


def _number(value: Any) -> tuple[float | None, str]:
    good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
    return float(value) if good else None, "must be a number"


def _object(value: Any) -> tuple[dict[str, Any] | None, str]:
    return value if isinstance(value, dict) else None, "must be an object"


def _network(keys: _Keys) -> Path:
    """The network's file, which lies beside the manifest."""
    name = keys.take("model", _text)
    if "://" in name:
        raise keys.wrong("model", "is an address: download the .tflite, put it beside the manifest, write its name")
    if PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or "\\" in name:
        raise keys.wrong("model", "must be relative to the manifest, with / between folders")
    network = keys.path.parent / name
    if not network.is_file():
        raise keys.wrong("model", f"is missing: there is no file {network}")
    return network


def _about(keys: _Keys, version: int) -> dict[str, str]:
    """What else is worth keeping: who made it, and what the trainer measured."""
    about = {"manifest_version": str(version)}
    for key in ("author", "website"):
        if key in keys.values:
            about[key] = keys.take(key, _text)
    languages = keys.values.get("trained_languages", [])
    if not isinstance(languages, list) or not all(_text(language)[0] for language in languages):
        raise keys.wrong("trained_languages", "must be a list of texts")
    if languages:
        about["trained_languages"] = " ".join(languages)
    calibration = keys.values.get("calibration")
    if isinstance(calibration, dict):  # Tater's trainers; not ESPHome's, so it may be anything
        facts = [(key, value) for key, value in calibration.items() if isinstance(value, int | float)]
        about |= {f"calibration.{key}": f"{value:g}" for key, value in facts[:_MOST_FACTS] if key.isidentifier()}
    return about
