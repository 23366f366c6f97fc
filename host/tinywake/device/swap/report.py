# SPDX-License-Identifier: MIT
"""What a hot swap did, for people and for programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass

__all__ = ["SwapReport"]


@dataclass(frozen=True)
class SwapReport:
    """A model that took over on a board that listens."""

    port: str
    name: str  # of the model's file
    bytes: int
    sha256: str
    before: str  # first 16 hex digits of the SHA-256 of the model that listened before
    there: int  # bytes that were on the board when we began
    seconds: float  # that the transfer took
    breaks: int  # of the line, meanwhile
    lost: int  # samples that the board missed while it wrote its flash and opened the model
    beside: bool  # opened beside the old one; else the old one had to go first, and listening began anew
    home_before: str  # of what the board booted with: romfs and xip cannot be written while it listens
    changed: bool  # it did not listen with this model already

    def facts(self) -> dict[str, object]:
        """As JSON-able values; a DeployReport has some of them: name, bytes, sha256, listening."""
        return {**asdict(self), "bytes_copied": self.bytes - self.there, "listening": True}

    def lines(self) -> list[str]:
        """For people."""
        if not self.changed:
            return [f"{self.port}: listens with {self.name} already ({self.sha256[:16]})"]
        sent = self.bytes - self.there
        how = "between two steps" if self.beside else "after the old one had gone, for want of heap"
        said = [
            f"{self.port}: {self.name} ({self.bytes:,} bytes, SHA-256 {self.sha256[:16]}) took over {how}; "
            + (f"sent {sent:,} bytes in {self.seconds:.1f} s" if sent else "it was on the board already"),
            f"audio lost meanwhile: {self.lost:,} samples ({self.lost / 16:.0f} ms)",
            "on trial for a minute of listening: a reset before that brings the model before it back",
        ]
        if self.home_before != "heap":
            said.append(
                "it is a file now, and a copy on the heap: what is read in place cannot be written while it listens; "
                f"tinywake deploy --home {self.home_before} moves it there, with a reset"
            )
        if self.there and sent:
            said.append(f"went on at {self.there:,} bytes, where an earlier transfer had ended")
        if self.breaks:
            said.append(f"the line broke {self.breaks} time(s)")
        return said
