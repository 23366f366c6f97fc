# SPDX-License-Identifier: MIT
"""Models that a board shall have and has, and what becomes of the gate that it has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinywake import core
from tinywake.coded import decoded, is_coded
from tinywake.device.deploy.homes.choose import Home
from tinywake.device.deploy.slots import Slot
from tinywake.errors import DeviceError

__all__ = ["ANY", "FITS", "NONE", "Placed", "Slots", "Wanted", "by_sound", "gate_stays", "opened", "read_model"]

# What happens to a gate that the board has, where no other is among the models. Any other word is a gate that is no
# file, as the record names it: "energy", or dB (gate.py).
FITS = "fits"  # it must open together with the model
ANY = "any"  # it stays and is not looked at
NONE = "none"  # it goes: it need not fit


@dataclass(frozen=True)
class Wanted:
    """A model that a board shall have."""

    role: str  # "model" hears the word, "gate" tells when to look for it
    name: str  # of the file, here and there
    data: bytes

    @property
    def arena(self) -> int:
        """Bytes of heap for intermediate results and state."""
        image = decoded(self.data) if is_coded(self.data) else self.data
        return int.from_bytes(bytes(image[12:16]), "little")  # models/SPEC.md, Header


@dataclass(frozen=True)
class Placed:
    """A model that a board has."""

    role: str
    name: str
    path: str  # on the board
    bytes: int
    sha256: str
    home: Home
    sent: bool  # it was not there
    second: str | None  # what the board listens with if this one does not open; None: nothing
    before: str | None  # the path that was selected until now; None: there was none


Slots = dict[Wanted, Slot]  # in the order of opening: the model that hears is the last


def by_sound(gate: str) -> bool:
    """Whether it is a gate that is no file."""
    return gate not in (FITS, ANY, NONE)


def gate_stays(gate: str) -> bool:
    """Whether the board keeps the gate that it has."""
    return gate in (FITS, ANY)


def read_model(role: str, path: Path) -> Wanted:
    """Read a .twm for a role. Raises DeviceError for a file that cannot be a model on a board."""
    if not path.is_file():
        raise DeviceError(f"{path}: no such model")
    if path.suffix != ".twm" or not path.name.isprintable():
        raise DeviceError(f"{path}: not a name for a model on a board: compile or rename it to NAME.twm")
    return Wanted(role, path.name, path.read_bytes())


def opened(name: str, data: bytes) -> core.Model:
    """Open and verify it here. Raises FormatError."""
    model = core.Model(data, Path(name).stem)
    model.verify()
    return model
