# SPDX-License-Identifier: MIT
"""What every emulated board is: something that gives a port like any other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar

from tinywake.device.line.hear import Wired

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Setup", "Target"]


@dataclass(frozen=True)
class Setup:
    """What may be asked of an emulated board before it starts. Not every one can."""

    firmware: Path | None = None  # to run in place of its own
    through: str | None = None  # the microphone on its pins by which it hears: one of Target.microphones
    clip: Path | None = None  # what that says: a wav file, which may come later, or another instead
    flash: Path | None = None  # a file that keeps its flash, and may have something there; else it ends with the board


class Target(ABC):
    """An emulated board: start it, use its port, stop it. It ends with this process, however that ends."""

    board: str  # the directory under boards/ that describes it
    port: str  # what to give to mpremote; valid while it runs
    directory: Path | None  # its file system, where that is a folder of this computer
    mic: Wired | None = None  # on its pins
    microphones: ClassVar[tuple[str, ...]] = ()  # kinds of those; none: its microphone is a file in its file system
    runs_any: ClassVar[bool] = False  # any firmware for its chip

    @classmethod
    @abstractmethod
    def available(cls) -> str | None:
        """None where it can run, else one line: what is missing and how to get it."""

    @classmethod
    def counting(cls) -> Self:
        """A board for measuring: where it can, its clock goes by what the processor does, the same in every run."""
        return cls()

    @classmethod
    def set_up(cls, setup: Setup) -> Self:
        """A board as asked for, which is for those that have microphones or run any firmware: see registry.check."""
        return cls()

    @abstractmethod
    def start(self) -> None:
        """Boot the board."""

    @property
    @abstractmethod
    def running(self) -> bool:
        """Whether it runs: a program on the board can end it only by a crash."""

    @abstractmethod
    def stop(self) -> None:
        """End it. Does nothing where it does not run."""

    def __enter__(self) -> Self:
        """Boot the board."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End it."""
        self.stop()
