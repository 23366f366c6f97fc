"""The native module that decodes: see firmware/core/coded.h and models/SPEC.md, Coded files. Nothing here allocates.

What is wrong with a file is a ValueError by the core's name, TW_ERR_OVERFULL, say.
"""

from _typeshed import ReadableBuffer, WriteableBuffer

STATE: int
"""Bytes that a decoder needs while it works."""

def begin(state: WriteableBuffer, head: ReadableBuffer, size: int) -> int:
    """Begin a file of `size` bytes, of which `head` has the first 16. Returns the bytes of the ordinary file."""

def push(state: WriteableBuffer, data: ReadableBuffer, start: int, end: int, image: WriteableBuffer) -> int:
    """Take some of bytes start..end-1 of `data`, which come next in the file, and write what they say to `image`.

    Returns how many. Up to 11 are left over before the file's end: to be given again, with more behind them.
    """

def done(state: WriteableBuffer) -> bool:
    """Whether all of `image` is written."""
