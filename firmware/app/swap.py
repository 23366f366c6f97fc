# SPDX-License-Identifier: MIT
"""Put another model in a role's place: docs/slots.md. The record is two files, written in turn.

So one of them is whole whatever happens, and no file system has to rename or overwrite in one piece for that.
"""

import os
from binascii import hexlify

import _tinywake

from .link import escape
from .port import port
from .slots import HEAD, MOST, ROOT, chosen, newest, paths, record, sum_key

__all__ = ("clean", "forget", "say_swap", "select", "spare", "try_out", "undo")

_ENOSPC = 28  # which MicroPython's errno does not have


def spare(role="model", keep=None):
    """The directory of the slot that may be written: not that of `keep`, nor, where that is in none, the next best."""
    for path in [keep or ""] + paths(role):
        for letter, other in ("ab", "ba"):
            if path.startswith(_slot(role, letter) + "/"):
                return _slot(role, other)
    return _slot(role, "a")


def select(role, path, sha=None):
    """From now on `path` is the model of a role; None: it has none. The one in the other slot stays second choice.

    `sha`: its SHA-256 in hex, where it has just been taken.
    """
    which, sequence, entries = newest()
    before = [entries.pop(key, None) for key in (role, role + ".was")]
    tried = [entries.pop(role + key, None) for key in (".trial", ".undone")]
    if before[0] == path and not any(tried) and (not path or sum_key(path) in entries):
        return
    if path:
        entries[role] = path
        sha = sha or _digest(path)
        if sha:
            entries[sum_key(path)] = sha[:16]
        other = [old for old in before if old and old != path and not _in_one_slot(role, old, path)]
        if other:
            entries[role + ".was"] = other[0]
    _write(record(1 - which), sequence + 1, entries)


def try_out(role, path, sha):
    """A model runs that is not selected yet: where the board is reset now, what was selected is what it has."""
    which, sequence, entries = newest()
    entries.pop(role + ".undone", None)
    entries[role + ".trial"] = path
    entries[sum_key(path)] = sha[:16]
    _write(record(1 - which), sequence + 1, entries)


def undo(role):
    """The board was reset before the model on trial was kept. Its file stays: it need not be sent again."""
    which, sequence, entries = newest()
    entries[role + ".undone"] = entries.pop(role + ".trial")
    _write(record(1 - which), sequence + 1, entries)


def forget(directory):
    """Before what lies in a directory is written over: take it out of the record; a second choice moves up."""
    which, sequence, entries = newest()
    kept = {key: entries[key] for key in entries if not entries[key].startswith(directory + "/")}
    if len(kept) == len(entries):
        return
    for key in entries:
        if key.endswith(".was") and key in kept and key[:-4] not in kept:
            kept[key[:-4]] = kept.pop(key)
    # Where no block is left for that, what will be written over gives its own. Until the record is there, the old one
    # names files that are gone, which a board that boots now passes over.
    _write(record(1 - which), sequence + 1, kept, [directory + "/" + name for name in _listed(directory)])


def clean(role="model"):
    """Remove what lies in a role's slots and is neither selected nor second choice. Returns the paths."""
    used = chosen().values()
    gone = []
    for letter in "ab":
        slot = _slot(role, letter)
        for name in _listed(slot):
            path = slot + "/" + name
            if path not in used:
                os.remove(path)
                gone.append(path)
    return gone


def say_swap(link, state, path, sha):
    """A model that came while the app listens: on "trial", "kept" after a minute, "undone" by a reset before that."""
    link.begin(b"@swap state=" + state.encode())
    link.text(b" path=", escape(path, 80))
    link.text(b" sha=", sha[:16].encode())
    link.end()


def _slot(role, letter):
    return ROOT + "/" + role + "." + letter


def _in_one_slot(role, one, other):
    for letter in "ab":
        slot = _slot(role, letter) + "/"
        if one.startswith(slot) and other.startswith(slot):
            return True
    return False


def _listed(directory):
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _digest(path):
    """SHA-256 in hex, of a file or of what lies in flash; None where it cannot be read."""
    taken = port.sha256()
    if path.startswith("/flash/"):
        taken.update(port.read_file(path))
    else:
        buf = bytearray(512)
        try:
            with open(path, "rb") as file:
                count = file.readinto(buf)
                while count:
                    taken.update(memoryview(buf)[:count])
                    count = file.readinto(buf)
        except OSError:
            return None
    return hexlify(taken.digest()).decode()


def _write(path, sequence, entries, doomed=()):
    """A record. `doomed`: files that may go where the file system is full."""
    sums = [sum_key(path) for key, path in entries.items() if not key.startswith("sha.")]
    entries = {key: entries[key] for key in entries if not key.startswith("sha.") or key in sums}
    entries["sequence"] = entries["sums"] = str(sequence)
    data = HEAD + "".join("%s=%s\n" % (key, entries[key]) for key in sorted(entries)).encode()
    data += b"check=%04x" % _tinywake.crc16(data, 0, len(data))
    if len(data) > MOST:
        raise ValueError("names too long")
    try:
        os.mkdir(ROOT)
    except OSError:
        pass  # it is there, or open() says why not
    # The record that is written over does not count; but a file system that copies on writing keeps it until then.
    for frees in ((path,), doomed, ()):
        try:
            with open(path, "wb") as file:
                file.write(data)
            return
        except OSError as error:
            if error.errno != _ENOSPC:
                raise
        for each in frees:
            try:
                os.remove(each)
            except OSError:
                pass  # there was none
    raise OSError(path + ": the file system is full: remove something")
