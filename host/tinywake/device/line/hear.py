# SPDX-License-Identifier: MIT
"""Let a board listen to clips, and bring back every score of its own front end and network, bit for bit.

The clip becomes the board's wav microphone and is played as fast as the board can listen, in report mode
`all` (firmware/SERIAL.md), where the app waits for the line instead of dropping one. What is missing or
damaged all the same is an error here, never a gap.
"""

import io
import wave
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tinywake.device.line.events import End, Error, Event, Hit, Label, Score
from tinywake.device.line.files import BoardFiles
from tinywake.device.line.lines import LineReader, named, printable
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError
from tinywake.gate import gate_named

__all__ = ["Heard", "Wired", "listen_on", "play_on", "wav_bytes"]

_CLIP = "listen.wav"  # on the board, in its working directory
_GATE = "listen-gate.twm"
# The board's own microphone, as far as the clip goes. What it gives before is dropped: times are the clip's.
_THROUGH = """
import tinywake.main as m
from tinywake.port import port
class Clip:
    def __init__(self, early, samples):
        self.mic = port.microphone()
        self.early = bytearray(2 * early)
        self.size = 2 * samples
    def open(self):
        self.mic.open()
        self.mic.readinto(self.early)
        self.lost = 0
        self.left = self.size
    def close(self):
        self.mic.close()
    def due_ms(self, count):
        return self.mic.due_ms(min(count, self.left))
    def readinto(self, buf):
        count = min(len(buf), self.left)
        if count:
            self.mic.readinto(buf if count == len(buf) else memoryview(buf)[:count])
            self.lost = self.mic.lost
            self.left -= count
        return count
"""


class Wired(Protocol):
    """A microphone on the pins of an emulated board."""

    def say(self, clip: npt.NDArray[np.int16]) -> int:
        """Have it say a clip (int16 [samples], 16 kHz) whenever the board begins to listen, from the next time on.

        Returns the samples that the board hears before it.
        """


@dataclass(frozen=True)
class Heard:
    """What a board made of one clip. Columns are the wake labels, in the model's order."""

    labels: tuple[str, ...]
    t_ms: npt.NDArray[np.int32]  # [steps] audio time at the step's end, milliseconds
    scores: npt.NDArray[np.uint8]  # [steps, labels] raw probability, times 256
    means: npt.NDArray[np.uint8]  # [steps, labels] what the detector compared with the threshold
    ready: npt.NDArray[np.bool_]  # [steps] the network had seen its whole receptive field
    awake: npt.NDArray[np.bool_]  # [steps] it had run: no gate let it sleep
    hits: tuple[Hit, ...]


def listen_on(
    port: str,
    clips: Iterable[npt.NDArray[np.int16]],
    *,
    model: str | None = None,
    gate: str | None = None,
    directory: Path | None = None,
    mic: Wired | None = None,
    timeout: float = 30.0,
) -> Generator[Heard, None, None]:
    """Yield what the board at `port` hears in each clip (int16 [samples], 16 kHz mono), each from a fresh
    start.

    `model`: path on the board; default: the one it boots with. `gate`: see gate.gate_named; a model's file here is
    there for as long as the clips are. `directory`: the board's file system, where it is a directory of this computer
    (the unix board): files are written there instead of sent over the line. `mic`: what says the clips, in the board's
    time. `timeout`: seconds of silence after which the board counts as dead.
    """
    with RawRepl(port, timeout) as board:
        files = BoardFiles(board, directory)
        try:
            name = _put_gate(files, gate)
            board.reset()  # what was left on the heap by then goes
            labels = _load(board, model, name)
            if mic:
                board.exec(_THROUGH)
            for clip in clips:
                if mic:
                    early = mic.say(clip)
                    play = f"m.listener.mic = Clip({early}, {len(clip)})\nm.listener.run()"
                else:
                    files.put(_CLIP, wav_bytes(clip))
                    play = f"m.run(mic={_CLIP!r}, paced=False)"
                yield _listen(board, labels, play)
        finally:
            files.remove(_CLIP, _GATE)


def play_on(
    port: str,
    clip: npt.NDArray[np.int16],
    on_event: Callable[[Event], None],
    *,
    directory: Path | None = None,
    paced: bool = False,
    timeout: float = 30.0,
) -> None:
    """Play one clip to the board as a microphone would, in report mode `live`.

    `on_event` gets what it says, as it says it. `paced`: in real time, else as fast as the board
    listens. The rest as in listen_on.
    """
    with RawRepl(port, timeout) as board:
        files = BoardFiles(board, directory)
        files.put(_CLIP, wav_bytes(clip))
        reader = LineReader()

        def take(data: bytes) -> None:
            for event in reader.feed(data):
                on_event(event)

        try:
            board.exec(f"import tinywake.main as m\nm.load() and None\nm.run(mic={_CLIP!r}, paced={paced})", take)
        finally:
            files.remove(_CLIP)


def _load(board: RawRepl, model: str | None, gate: str | int | None) -> tuple[str, ...]:
    behind = "" if gate is None else f", gate={gate!r}"
    events = _run(board, f"import tinywake.main as m\nm.load({model!r}, 'all'{behind}) and None")
    labels = sorted((event for event in events if isinstance(event, Label)), key=lambda label: label.i)
    if not labels:
        raise DeviceError(f"{board.port}: the board did not say what its labels are: is the app the same version?")
    return tuple(label.label for label in labels if label.wake)


def wav_bytes(clip: npt.NDArray[np.int16], rate: int = 16000) -> bytes:
    """A clip (int16 [samples], mono) as the file that plays a board's microphone."""
    if clip.dtype != np.int16 or clip.ndim != 1:
        raise TypeError(f"a clip is int16 [samples], not {clip.dtype} {list(clip.shape)}")
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(clip.astype("<i2").tobytes())
    return data.getvalue()


def _put_gate(files: BoardFiles, gate: str | None) -> str | int | None:
    """What the gate is on the board."""
    named = None if gate is None else gate_named(gate)
    if named is None:
        return None
    if named.file is None:
        return named.value
    files.put(_GATE, named.file.read_bytes())
    return _GATE


def _run(board: RawRepl, code: str) -> list[Event]:
    reader = LineReader()
    events: list[Event] = []
    try:
        board.exec(code, lambda data: events.extend(reader.feed(data)))
    except DeviceError as error:
        said = [event.what for event in events if isinstance(event, Error)]
        raise DeviceError(f"{board.port}: {named(printable(said[-1]))}") if said else error from None
    if reader.bad:
        raise DeviceError(
            f"{board.port}: {reader.bad} damaged line(s) from the board: a bad cable, or two programs on it"
        )
    return events


def _listen(board: RawRepl, labels: tuple[str, ...], play: str) -> Heard:
    events = _run(board, play)
    scores = [event for event in events if isinstance(event, Score)]
    ends = [event for event in events if isinstance(event, End)]
    if ends and ends[0].lost:
        raise DeviceError(f"{board.port}: {ends[0].lost} samples were lost: the board is too slow for this model")
    width = len(labels)
    if len(ends) != 1 or len(scores) != ends[0].steps * width:
        want = f"{ends[0].steps} steps" if ends else "an end"
        raise DeviceError(f"{board.port}: {len(scores)} scores of {want} with {width} labels: the run was disturbed")
    table = np.array([(s.t, s.score, s.mean, s.ready, s.awake) for s in scores], np.int64).reshape(-1, width, 5)
    if (table[:, :, 0] != table[:, :1, 0]).any():
        raise DeviceError(f"{board.port}: the scores of a step do not belong together: the run was disturbed")
    return Heard(
        labels,
        table[:, 0, 0].astype(np.int32),
        table[:, :, 1].astype(np.uint8),
        table[:, :, 2].astype(np.uint8),
        table[:, 0, 3].astype(np.bool_),
        table[:, 0, 4].astype(np.bool_),
        tuple(event for event in events if isinstance(event, Hit)),
    )
