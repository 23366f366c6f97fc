"""The native module for PDM microphones on RP2040 and RP2350: see firmware/core/pdm.h. Nothing here allocates."""

from _typeshed import ReadableBuffer, WriteableBuffer

def decimate(
    state: WriteableBuffer, ring: ReadableBuffer, start: int, count: int, shift: int, out: WriteableBuffer
) -> int:
    """Make int16 samples of `count` bytes of the ring, from `start` on, round its end; return where it ended.

    state: 128 bytes, aligned to 4; all zero is a microphone that has just been switched on. Every 16 bytes of bits,
    2.048 MHz, the first in the lowest place, are one sample, 16 kHz. shift: 8..16; full scale is 2^31 >> shift.
    """
