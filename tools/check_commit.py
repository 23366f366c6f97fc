#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check a commit message: `path: Sentence ending in a full stop.`, 72 characters at most; why in the body."""

import re
import sys
from pathlib import Path

__all__ = ["faults", "main"]

_SUBJECT = re.compile(r"[\w./+-]+(, ?[\w./+-]+)*: [A-Z0-9`_\"'].*[^.]\.")


def faults(message: str) -> list[str]:
    """What is wrong with a commit message; nothing for one of git's own (merge, revert, fixup)."""
    lines = [line for line in message.splitlines() if not line.startswith("#")]
    subject = lines[0] if lines else ""
    if re.match(r"(Merge|Revert|fixup!|squash!|amend!) ?", subject):
        return []
    found = []
    if not _SUBJECT.fullmatch(subject):
        found.append(f"subject {subject!r} is not `path: Sentence ending in a full stop.`")
    if len(subject) > 72:
        found.append(f"subject has {len(subject)} characters, at most 72 are allowed")
    if len(lines) > 1 and lines[1].strip():
        found.append("the line after the subject must be empty")
    return found


def main(path: str) -> int:
    """Print the faults of the message in the file; 1 where there are any."""
    found = faults(Path(path).read_text(encoding="utf-8"))
    for fault in found:
        print(f"commit message: {fault}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
