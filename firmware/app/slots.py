# SPDX-License-Identifier: MIT
"""Which model a board listens with: docs/slots.md. Reading alone; swap.py writes, and is imported only for that.

A role is what a model is for: "model" hears the word, "gate" tells when to look for it.
"""

import _tinywake

__all__ = ("HEAD", "MOST", "ROOT", "chosen", "digest", "level", "newest", "paths", "record", "sum_key")

ROOT = "tinywake-models"  # no name that an import could take for a package
HEAD = b"tinywake slots 1\n"
MOST = 1000  # bytes of a record
_CHECK = 10  # bytes of the last line
_SUM = "sha."


def paths(role="model"):
    """What to open, best first: the model that was selected, then the one before it. [] without a record."""
    entries = chosen()
    return [entries[key] for key in (role, role + ".was") if key in entries]


def chosen():
    """Role -> path, role + ".was" -> the path before it, role + ".trial" -> the one that runs on trial."""
    return {key: value for key, value in newest()[2].items() if not key.startswith(_SUM)}


def digest(path):
    """First 16 hex digits of the SHA-256 that a model had when it came into the record; "" where none is known."""
    return newest()[2].get(sum_key(path), "")


def sum_key(path):
    """Of a path's SHA-256 in the record."""
    path = path.encode()
    return _SUM + "%04x" % _tinywake.crc16(path, 0, len(path))


def level(path):
    """Of a gate in the record that is no file, what main.load() takes: "energy", or dB. None: it is a path."""
    return path if path == "energy" else int(path) if path.isdigit() else None


def newest():
    """Number of its file, sequence number and entries of the newest record; (1, 0, {}) where there is none."""
    best = (1, 0, {})
    for which in (0, 1):
        entries = _read(record(which))
        sequence = int(entries.pop("sequence", "0"))
        if entries.pop("sums", "0") != str(sequence):  # written by an app that did not know them
            entries = {key: entries[key] for key in entries if not key.startswith(_SUM)}
        if sequence > best[1]:
            best = (which, sequence, entries)
    return best


def record(which):
    """Path of the one or the other file."""
    return "%s/select.%d" % (ROOT, which)


def _read(path):
    try:
        with open(path, "rb") as file:
            data = file.read(MOST + 1)
    except OSError:
        return {}
    end = len(data) - _CHECK
    if end < len(HEAD) or len(data) > MOST or data[end:] != b"check=%04x" % _tinywake.crc16(data, 0, end):
        return {}
    if data[: len(HEAD)] != HEAD:
        return {}
    lines = data[len(HEAD) : end].decode().split("\n")
    return dict(line.split("=", 1) for line in lines if line)
