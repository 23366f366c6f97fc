"""The native module for I2S microphones under CircuitPython: see firmware/core/i2s.h. Nothing here allocates."""

from _typeshed import ReadableBuffer, WriteableBuffer

def pack(
    state: WriteableBuffer, slots: ReadableBuffer, first: int, step: int, count: int, out: WriteableBuffer
) -> None:
    """Make `count` int16 samples of 32-bit slots, every `step`-th (1 or 2) from number `first` on.

    state: three int32: the constant part, 0 where a microphone has just been switched on; shift, 8..17, full scale is
    2^31 >> shift; late, 1 where the data comes a bit late. slots: aligned to 4 bytes.
    """
