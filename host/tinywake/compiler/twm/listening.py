# SPDX-License-Identifier: MIT
"""What a network that listens carries besides its graph: front end, input map, labels and detector."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tinywake.errors import CompileError
from tinywake.frontend import FrontendParams

__all__ = ["ESPHOME_MAP", "Detector", "InputMap", "Label", "Listening"]


@dataclass(frozen=True)
class InputMap:
    """x = clamp(((u * multiply + add) >> shift) // divide + offset, low, high): feature (uint16) to input (int8)."""

    multiply: int
    add: int
    divide: int
    offset: int
    shift: int = 0
    low: int = -128
    high: int = 127
    slack: int = 1  # levels between it and the network's own quantisation; not in the file

    def apply(self, features: NDArray[np.uint16]) -> NDArray[np.int8]:
        """Map features of any shape; the same integers as the core's input_map.c."""
        u = features.astype(np.int64)
        x = ((u * self.multiply + self.add) >> self.shift) // self.divide + self.offset
        mapped: NDArray[np.int8] = np.clip(x, self.low, self.high).astype(np.int8)
        return mapped

    def check(self, scale: float, zero_point: int) -> None:
        """Compare with the network's own quantisation over all 65,536 features.

        The features' real value is u / 25.6 (micro-wake-word's convention), so the network expects
        round(u / 25.6 / scale + zero point). ESPHome's integers differ from that by at most 1 where the scale is
        26/256, and by more where networks of other scales are fed with them all the same. Raises CompileError where
        they differ by more than `slack`: the network was trained for another range.
        """
        u = np.arange(65536, dtype=np.uint16)
        expected = np.clip(np.round(u / 25.6 / scale + zero_point), -128, 127)
        worst = int(np.max(np.abs(self.apply(u) - expected)))
        if worst > self.slack:
            raise CompileError(
                f"the input map is off by up to {worst} levels from the network's input (scale {scale:g}, zero point "
                f"{zero_point}); the network must take features / 25.6, quantised to scale 26/256 and zero point -128, "
                "or be compiled from a manifest with --input-scaling pymicro, which follows its own scale"
            )

    def section(self) -> bytes:
        """The INPUT_MAP section of models/SPEC.md."""
        return struct.pack(
            "<IIIiBbbB", self.multiply, self.add, self.divide, self.offset, self.shift, self.low, self.high, 0
        )


ESPHOME_MAP = InputMap(multiply=256, add=333, divide=666, offset=-128)


@dataclass(frozen=True)
class Label:
    """One output: a wake label has events, a background class (wake=False) has none. threshold 0..255."""

    name: str
    threshold: int = 128
    wake: bool = True


@dataclass(frozen=True)
class Detector:
    """window: scores in the sliding mean, 1..64; times in ms, 0..65535."""

    labels: tuple[Label, ...]
    window: int = 5
    refractory_ms: int = 1000
    ignore_ms: int = 0

    def section(self) -> bytes:
        """The DETECTOR section of models/SPEC.md."""
        if not (1 <= len(self.labels) <= 32 and 1 <= self.window <= 64):
            raise CompileError(f"{len(self.labels)} labels, window {self.window}: at most 32 labels, window 1 to 64")
        if not all(0 <= ms <= 65535 for ms in (self.refractory_ms, self.ignore_ms)):
            raise CompileError(f"refractory {self.refractory_ms} ms, ignored {self.ignore_ms} ms: 0 to 65535")
        body = struct.pack("<BBHHBB", len(self.labels), self.window, self.refractory_ms, self.ignore_ms, 0, 0)
        for label in self.labels:
            name = label.name.encode()
            if not 1 <= len(name) <= 255 or not 0 <= label.threshold <= 255:
                raise CompileError(f"label {label.name!r}: name of 1 to 255 bytes, threshold 0 to 255")
            body += struct.pack("<BBB", label.wake, label.threshold, len(name)) + name
        return body + bytes(-len(body) % 4)


@dataclass(frozen=True)
class Listening:
    """All that turns a network into a listener."""

    detector: Detector
    frontend: FrontendParams = field(default_factory=FrontendParams)
    input_map: InputMap = ESPHOME_MAP
