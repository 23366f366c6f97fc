"""The native module that records: see firmware/core/adpcm.h and pcmline.h. Nothing here allocates."""

from _typeshed import ReadableBuffer, WriteableBuffer

def encode(state: WriteableBuffer, pcm: ReadableBuffer, start: int, end: int, out: WriteableBuffer, at: int) -> None:
    """Encode int16 samples start..end-1 of `pcm` into halves of bytes of `out`, from half `at` on, the lower one first.

    state: 4 bytes, aligned to 2, of which the first three are what a reader must know before the next sample: the
    expected value (int16) and the index of the step size; all zero is the beginning.
    """

def line(number: int, data: ReadableBuffer, start: int, end: int, out: WriteableBuffer) -> int:
    r"""Write bytes start..end-1 of `data` into `out` as a line @pcm of firmware/SERIAL.md, with "\r\n".

    Returns its length. `out` must have room for 27 bytes and five for each four of `data`.
    """
