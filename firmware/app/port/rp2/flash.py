# SPDX-License-Identifier: MIT
"""Models in the RP2's flash between firmware and file system, read in place: docs/flash-layout.md."""

from binascii import crc32
from struct import unpack_from

__all__ = ("find_models", "read_file")

_ROOT = "/flash/"  # of their paths here: /flash/ADDRESS/NAME.twm
_XIP = 0x10000000
_SECTOR, _PAGE, _HEAD = 4096, 256, 64
_MAGIC = b"TWFLASH1"


def find_models(role="model"):
    """Paths, the newest first. [] where there are none, and on boards that are no RP2."""
    found = []
    try:
        import rp2
        import uctypes

        storage = uctypes.addressof(rp2.Flash())  # the file system: firmware and models are in front of it
    except (ImportError, TypeError):
        return found
    if role == "model":
        for at in range(_XIP, storage, _SECTOR):
            sequence, length, name = _head(at)
            if name and at + _PAGE + length <= storage:
                found.append((-sequence, "%s%x/%s" % (_ROOT, at, name)))
    found.sort()
    return [path for _, path in found]


def read_file(path):
    """The bytes that find_models() found, in place; None for any other path."""
    if not path.startswith(_ROOT):
        return None
    import uctypes

    at = int(path[len(_ROOT) :].split("/", 1)[0], 16)
    return uctypes.bytearray_at(at + _PAGE, _head(at)[1])


def _head(at):
    """Sequence number, bytes and name of the record at an address; no name where there is none."""
    import uctypes

    head = uctypes.bytearray_at(at, _HEAD)
    magic, sequence, length = unpack_from("<8sII", head, 0)
    if magic != _MAGIC or crc32(memoryview(head)[: _HEAD - 4]) != unpack_from("<I", head, _HEAD - 4)[0]:
        return 0, 0, ""
    return sequence, length, bytes(head[24 : _HEAD - 4]).rstrip(b"\0").decode()
