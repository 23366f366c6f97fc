# SPDX-License-Identifier: MIT
"""What deploy did on a CircuitPython board, for people and for programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from tinywake.device.circuitpy.facts import Facts

__all__ = ["CircuitReport", "Heap", "Put"]


@dataclass(frozen=True)
class Heap:
    """By gc.mem_free() on the board. Bytes."""

    free: int  # after a reset
    app: int  # what module and app take
    model: int  # file, arena, objects

    @property
    def left(self) -> int:
        """Of which listening takes front end, detector and the microphone's ring."""
        return self.free - self.app - self.model


@dataclass(frozen=True)
class Put:
    """A model that the board has."""

    role: str  # "model" hears the word, "gate" tells when to look for it
    name: str
    path: str
    bytes: int
    sha256: str
    sent: bool  # it was not there
    second: str | None  # what the board listens with if this one does not open


@dataclass(frozen=True)
class CircuitReport:
    """What deploy did."""

    where: str  # drive or port
    facts_of: Facts
    copied: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]  # code of another version
    bytes_copied: int
    models: tuple[Put, ...]  # the one that hears first, then its gate
    verified: str  # by whom, in words
    heap: Heap | None  # None: the board was not asked
    kept_as: str | None  # what became of a code.py that was there
    notes: tuple[str, ...]
    listening: bool | None  # None: the board was not asked
    trouble: str

    def facts(self) -> dict[str, object]:
        """As JSON-able values."""
        first = self.models[0]
        same = {"name": first.name, "bytes": first.bytes, "sha256": first.sha256}
        said = {key: value for key, value in asdict(self).items() if key != "facts_of"}
        return {**said, **same, "firmware": str(self.facts_of), "uid": self.facts_of.uid}

    def lines(self) -> list[str]:
        """For people."""
        count = len(self.copied)
        said = [
            f"{self.where}: {self.facts_of}; copied {count} file{'' if count == 1 else 's'} "
            f"({self.bytes_copied:,} bytes), {len(self.unchanged)} unchanged; {self.verified}"
        ]
        said += [
            f"{each.role} {each.name}: {each.path}, {each.bytes:,} bytes, read to the heap" for each in self.models
        ]
        if self.heap is not None:
            said.append(
                f"heap: {self.heap.free:,} free after a reset, module and app {self.heap.app:,}, model "
                f"{self.heap.model:,}; {self.heap.left:,} left for listening"
            )
        if self.listening:
            said.append("the board listens, and will whenever it is powered: tinywake monitor")
        elif self.trouble:
            said.append(f"the board does not listen yet: {self.trouble}")
        if self.kept_as:
            said.append(f"your code.py is kept as {self.kept_as}")
        said += self.notes
        if self.removed:
            said.append(f"removed, of another version: {', '.join(self.removed)}")
        said += [f"second choice for the {each.role}: {each.second}" for each in self.models if each.second]
        return said
