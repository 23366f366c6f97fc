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

import numpy as np
import numpy.typing as npt

from tinywake.device.line.events import End, Error, Event, Hit, Label, Score
from tinywake.device.line.files import BoardFiles
from tinywake.device.line.lines import LineReader, named, printable
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError
from tinywake.gate import gate_named

__all__ = ["Heard", "listen_on", "play_on", "wav_bytes"]

_CLIP = "listen.wav"  # on the board, in its working directory
_GATE = "listen-gate.twm"


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
    timeout: float = 30.0,
) -> Generator[Heard, None, None]:
    """Yield what the board at `port` hears in each clip (int16 [samples], 16 kHz mono), each from a fresh
    start.

    `model`: path on the board; default: the one it boots with. `gate`: see gate.gate_named; a model's file here is
    there for as long as the clips are. `directory`: the board's file system, where it is a directory of this computer
    (the unix board): files are written there instead of sent over the line. `timeout`: seconds of silence after which
    the board counts as dead.
    """
    with RawRepl(port, timeout) as board:
        files = BoardFiles(board, directory)
        try:
            name = _put_gate(files, gate)
            board.reset()  # what was left on the heap by then goes
            labels = _load(board, model, name)
            for clip in clips:
                files.put(_CLIP, wav_bytes(clip))
                yield _listen(board, labels)
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


def wav_bytes(clip: npt.NDArray[np.int16]) -> bytes:
    """A clip (int16 [samples], 16 kHz mono) as the file that plays a board's microphone."""
    if clip.dtype != np.int16 or clip.ndim != 1:
        raise TypeError(f"a clip is int16 [samples], not {clip.dtype} {list(clip.shape)}")
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
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


def _listen(board: RawRepl, labels: tuple[str, ...]) -> Heard:
    events = _run(board, f"m.run(mic={_CLIP!r}, paced=False)")
    scores = [event for event in events if isinstance(event, Score)]
    ends = [event for event in events if isinstance(event, End)]
    width = len(labels)
    if len(ends) != 1 or len(scores) != ends[0].steps * width or ends[0].lost:
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
