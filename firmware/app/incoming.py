# SPDX-License-Identifier: MIT
"""A model comes over the line in pieces while the app listens, into the free slot: docs/swap.md.

What has come lies in a file that is named after its SHA-256: its length says how far it has got, after any break.
"""

import os

from . import inbox, main, slots, swap
from .port import port

__all__ = ("Transfer", "drop", "found", "put", "under_way")

SYNC = 4096  # bytes after which the file system is told: it then has no half-filled block to copy
BUSY_MS = 10000  # a transfer whose last piece is older may be given up for another
_NAME = 40  # bytes
_PART = ".part"

transfer = None  # the one under way


class Transfer:
    """`have`: bytes that have come. `source`: where they lie; `path`: where the model will."""

    def __init__(self, name, size, sha):
        self.sha = sha
        self.size = size
        self.have = 0
        self.touch()
        self._file = None
        self.path = self.source = _known(sha)
        if self.path and _bytes(self.path) == size:
            self.have = size
            return
        running = main.opened[0]
        self._slot = swap.spare("model", running if running in slots.paths() else None)
        self.path = self._slot + "/" + name
        self.source = self._slot + "/" + sha[:16] + _PART
        self._begin()

    def busy(self):
        """Whether its host may still be there."""
        return 0 <= port.ticks_diff(port.ticks_ms(), self.touched) < BUSY_MS  # below 0: days later

    def touch(self):
        """It is, and more will come."""
        self.touched = port.ticks_ms()
        inbox.quick = inbox.QUICK

    def take(self, at, data):
        """Write a piece, if it is the next one. Raises OSError; what has come stays."""
        self.touch()
        if at != self.have or not data:
            return
        if at + len(data) > self.size:
            raise ValueError("more than its %d bytes" % self.size)
        if self._file is None:
            self._file = open(self.source, "ab")
        self._file.write(data)
        self.have += len(data)
        if self.have == self.size:
            self.close()
        elif self.have // SYNC != at // SYNC:
            self._file.flush()

    def close(self):
        """What has come is in the file system."""
        if self._file:
            file, self._file = self._file, None
            file.close()

    def remove(self):
        """It is of no use."""
        try:
            self.close()
        except OSError:
            pass
        swap.clean()

    def _begin(self):
        for directory in (slots.ROOT, self._slot):
            try:
                os.mkdir(directory)
            except OSError:
                os.stat(directory)
        have = _bytes(self.source)
        if have > self.size:
            have = 0
        gone = [self._slot + "/" + name for name in os.listdir(self._slot)]
        try:
            block, _, _, free = os.statvfs(self._slot)[:4]
            room = block * free + sum([_bytes(path) for path in gone if path != self.source or not have])
        except (AttributeError, OSError):
            room = self.size  # it does not say
        if self.size - have > room:
            raise ValueError("%d bytes do not fit: there is room for %d" % (self.size, have + room))
        if main.listener:
            main.listener.task = None  # one on trial is not kept: its file may be among these
        swap.forget(self._slot)
        if (main.opened[0] or "").startswith(self._slot + "/"):  # it goes on, from the heap
            main.options["model"] = None
        for name in os.listdir(self._slot):
            path = self._slot + "/" + name
            if path != self.source or not have:
                os.remove(path)
        self.have = _bytes(self.source)


def put(name, size, sha):
    """Begin a transfer, or go on with one; how much of it is here. `sha`: SHA-256 in hex."""
    global transfer
    if "/" in name or not name.endswith(".twm") or len(name.encode()) > _NAME:
        raise ValueError("name: one ending in .twm, of at most %d bytes" % _NAME)
    if len(sha) != 64 or size < 1:
        raise ValueError("size and sha, please")
    if transfer and transfer.sha == sha and transfer.size == size:
        transfer.touch()
        return transfer.have
    if transfer and transfer.busy():
        raise ValueError("busy: another model has come to %d of %d bytes" % (transfer.have, transfer.size))
    if transfer:
        transfer.close()
    transfer = None
    transfer = Transfer(name, size, sha)
    return transfer.have


def found(head):
    """The transfer whose SHA-256 begins so. Raises ValueError where it is not under way: a host then begins again."""
    if not transfer or not head or not transfer.sha.startswith(head):
        raise ValueError("put first")
    return transfer


def under_way():
    """Whether there is one."""
    return transfer is not None


def drop(remove):
    """The transfer is over; `remove`: so is what has come."""
    global transfer
    ended, transfer = transfer, None
    inbox.quick = 0
    if ended and remove:
        ended.remove()


def _known(sha):
    """The path of a model in the record, be it only on trial, that has this SHA-256; None where there is none."""
    for path in slots.chosen().values():
        if slots.digest(path) == sha[:16] and path.startswith(slots.ROOT + "/model."):
            return path
    return None


def _bytes(path):
    try:
        return os.stat(path)[6]
    except OSError:
        return 0
