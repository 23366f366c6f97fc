# SPDX-License-Identifier: MIT
"""A coded model to the ordinary one that is opened: models/SPEC.md, Coded files. Imported only where there is one.

It is read in pieces and decoded as they come, so the coded bytes never lie beside the others. SHA-256 is the file's.
"""

from binascii import hexlify

from .port import port

try:
    import _tinywake_huf
except ImportError:
    raise ValueError("a coded model needs _tinywake_huf: tinywake deploy puts it there") from None

__all__ = ("from_buffer", "from_file")

_HEAD = 16  # bytes
_PIECE = 512


def from_buffer(data):
    """The ordinary file, and the coded one's SHA-256 in hex."""
    state = bytearray(_tinywake_huf.STATE)
    image = bytearray(_tinywake_huf.begin(state, data, len(data)))
    at = _HEAD
    while not _tinywake_huf.done(state):
        at += _tinywake_huf.push(state, data, at, len(data), image)
    return image, port.digest(data)


def from_file(file):
    """The same of an open file, from its beginning."""
    size = file.seek(0, 2)
    file.seek(0)
    buf = bytearray(_PIECE)
    view = memoryview(buf)
    have = file.readinto(buf)
    taken = port.sha256()
    taken.update(view[:have])
    state = bytearray(_tinywake_huf.STATE)
    image = bytearray(_tinywake_huf.begin(state, view[:have], size))
    at = _HEAD
    while True:
        at += _tinywake_huf.push(state, buf, at, have, image)
        if _tinywake_huf.done(state):
            return image, hexlify(taken.digest())
        left = have - at
        view[:left] = view[at:have]
        count = file.readinto(view[left:])
        if not count:
            raise OSError("read short")
        have = left + count
        taken.update(view[left:have])
        at = 0
