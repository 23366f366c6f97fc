"""The native module: the C core of tinywake for MicroPython and CircuitPython.

It only converts: every method checks its arguments, calls the core and raises ValueError with the core's error name
("TW_ERR_TRUNCATED"). Nothing here allocates after construction; every integer returned is a small int.
"""

from typing import final, overload

from _typeshed import ReadableBuffer, WriteableBuffer

VERSION: int  # version of models/SPEC.md that this build reads

@final
class Model:
    """A compiled network (.twm), read in place. Keeps `file` alive; allocates its arena once, here.

    `file` must be 4-byte aligned, and neither be written nor resized while the model lives: it is checked once.
    """

    arena_bytes: int  # what was allocated: activations, scratch and streaming state
    state_bytes: int  # the part of it that is streaming state
    ops: int  # number of operators
    labels: tuple[str, ...]  # one a score, background classes included
    wake: tuple[bool, ...]  # which of the labels are wake labels
    input: tuple[int, ...]  # shape, type, scale and zero point: see models/SPEC.md, IO
    output: tuple[int, ...]
    warmup: int  # invokes after reset until the output counts

    def __init__(self, file: ReadableBuffer) -> None: ...
    def verify(self) -> None:
        """Raise ValueError where the payload's checksum differs. Reads the whole file once."""

    def reset(self) -> None:
        """Fill the streaming state with its fill values."""

    def load(self, x: ReadableBuffer) -> None:
        """Copy one input: exactly as many bytes as the input tensor has."""

    def run(self, first: int, last: int) -> None:
        """Run operators first..last-1 on what load() copied."""

    def store(self, y: WriteableBuffer) -> None:
        """Copy the output: exactly as many bytes as the output tensor has."""

    def __buffer__(self, flags: int, /) -> memoryview:
        """A model reads as a buffer, memoryview(model): its arena, streaming state first, as run() has left it."""

@final
class Listener:
    """Audio in, decisions out: front end, input map, network and detector of one model file.

    It uses the model's own input and state: one listener a model.

    `gate` lets the network sleep, and with it the processor: another model with a detector of its own, or the dB
    (0..255) by which a sound must stand out of steady noise. It stays open for `hold_ms` (0..65535). In a step that the
    network slept through scores are 0; in every other they are what they would be without a gate. ValueError: see
    tw_gate_open in firmware/core/gate.h.
    """

    due: int  # what to run before feed takes more; then settle. 0 nothing is due, 1 the model, 2 the gate's, 3 none
    t_ms: int  # audio time of the last step's end since reset, milliseconds
    level: int  # peak of the last step's samples, 0..32768
    clipped: int  # samples at full scale in the last step
    ready: bool  # the network has seen its whole receptive field since reset
    awake: bool  # it has run in the last step
    step_samples: int  # new samples a step
    threshold: int  # of the first wake label, 0..255; may be set
    ram_bytes: int  # front end, detector, the gate but for its model, and this object

    @overload
    def __init__(self, model: Model) -> None: ...
    @overload
    def __init__(self, model: Model, gate: Model | int, hold_ms: int) -> None: ...
    def reset(self) -> None:
        """As new: front end, network state, gate, detector and time."""

    def feed(self, pcm: ReadableBuffer, start: int, end: int) -> int:
        """Take int16 samples pcm[start:end] until something comes due; return the index of the first sample not taken.

        While the model makes up for what it slept through behind a gate, samples are taken although due is 1.
        """

    def settle(self) -> int:
        """After what was due has run. Return the label index of a hit, -1: a step ended without one, -2: none ended."""

    def score(self, label: int) -> int:
        """Raw probability of the last step, 0..255 (times 1/256)."""

    def mean(self, label: int) -> int:
        """What the detector compares with the threshold, 0..255."""

def crc16(data: ReadableBuffer, start: int, end: int) -> int:
    """CRC-16/CCITT-FALSE of data[start:end]: the check of firmware/SERIAL.md."""
