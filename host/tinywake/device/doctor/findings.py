# SPDX-License-Identifier: MIT
"""What doctor says: findings, each with what is wrong and what to do about it, in a line each."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from tinywake.errors import TinywakeError

__all__ = ["Diagnosis", "Finding", "fault", "fine", "from_error", "note"]

_MARKS = {"fine": "ok", "note": "note", "fault": "FAULT"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    level: str  # "fine"; "note": good to know; "fault": keeps something from working
    topic: str  # a word or two: "port", "heap"
    what: str
    remedy: str = ""  # what to do; faults have one


@dataclass(frozen=True)
class Diagnosis:
    """All findings, in the order in which they were made."""

    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """No fault."""
        return all(each.level != "fault" for each in self.findings)

    def facts(self) -> dict[str, object]:
        """As JSON-able values."""
        return {"healthy": self.healthy, "findings": [asdict(each) for each in self.findings]}

    def lines(self) -> list[str]:
        """For people."""
        width = max((len(each.topic) for each in self.findings), default=0)
        said = []
        for each in self.findings:
            said.append(f"{_MARKS[each.level]:5} {each.topic:{width}}  {each.what}")
            if each.remedy:
                said.append(f"{'':5} {'':{width}}  -> {each.remedy}")
        return said


def fine(topic: str, what: str) -> Finding:
    """Nothing to do."""
    return Finding("fine", topic, what)


def note(topic: str, what: str, remedy: str = "") -> Finding:
    """Good to know."""
    return Finding("note", topic, what, remedy)


def fault(topic: str, what: str, remedy: str) -> Finding:
    """Keeps something from working."""
    return Finding("fault", topic, what, remedy)


def from_error(topic: str, error: TinywakeError, port: str) -> Finding:
    """An error's line without its port: what is wrong, and after the last colon or semicolon what to do."""
    text = str(error).removeprefix(f"{port}: ")
    at = max(text.rfind(": "), text.rfind("; "))
    return fault(topic, text[:at], text[at + 2 :]) if at > 0 else fault(topic, text, "see docs/deploy.md")
