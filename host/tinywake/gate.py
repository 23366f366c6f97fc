# SPDX-License-Identifier: MIT
"""How a gate is named, for every verb and in a board's record: "energy", its dB, or a model's file. docs/gate.md."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinywake.core import Gate, Model
from tinywake.errors import ConfigError

__all__ = ["ENERGY", "GateName", "gate_named"]

ENERGY = "energy"
_MOST_DB = 255


@dataclass(frozen=True)
class GateName:
    """A gate that was named."""

    text: str  # as it was named
    file: Path | None  # of a model; None: the sound's energy
    db: int | None = None  # by which a sound must stand out; None: as many as core.Gate says

    @property
    def value(self) -> str | int:
        """As a program on a board names it: "energy", dB, or the file's name."""
        return self.db if self.db is not None else self.text if self.file is None else self.file.name

    def __str__(self) -> str:
        """For people."""
        return f"energy of {self.db} dB" if self.db is not None else str(self.value)

    def open(self) -> Gate:
        """For a Listener here. Raises FormatError."""
        if self.file is not None:
            return Gate(Model.open(self.file))
        return Gate() if self.db is None else Gate(margin_db=self.db)


def gate_named(text: str | Path) -> GateName:
    """What a name means. Raises ConfigError for one that means nothing; whether a .twm is there, open() says."""
    text = str(text)
    if text == ENERGY:
        return GateName(text, None)
    if not text.isdecimal():
        if not text.endswith(".twm") and not Path(text).is_file():
            raise ConfigError(f"--gate {text}: a gate is a model's file (.twm), energy, or dB; there is no such file")
        return GateName(text, Path(text))
    if not 1 <= int(text) <= _MOST_DB:
        raise ConfigError(f"--gate {text}: a sound stands out by 1 to {_MOST_DB} dB; energy means {Gate().margin_db}")
    return GateName(str(int(text)), None, int(text))
