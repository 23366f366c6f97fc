# SPDX-License-Identifier: MIT
"""The events of firmware/SERIAL.md as objects, and how the fields of a line become one."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, ClassVar, get_args, get_type_hints

from tinywake.device.firmware import read_mpy

__all__ = [
    "PROTOCOL",
    "Boot",
    "End",
    "Error",
    "Event",
    "File",
    "Heap",
    "Hit",
    "Label",
    "Level",
    "Lost",
    "Model",
    "Ok",
    "Pcm",
    "Profile",
    "Rec",
    "Score",
    "State",
    "Swap",
    "Unknown",
    "as_json",
    "build",
    "escape",
    "unescape",
]

PROTOCOL = 1  # highest `v` that this reader knows

_NUMBER = re.compile(rb"[0-9]{1,10}", re.ASCII)
_HIGHEST = (1 << 31) - 1  # number, where the event gives no other
_Byte = Annotated[int, 255]  # the highest that is believed
_Flag = Annotated[int, 1]
_ESCAPE = re.compile(rb"%([0-9a-f]{2})", re.ASCII)


@dataclass(frozen=True)
class Boot:
    """A board's app says who it is, before it loads a model."""

    name: ClassVar[str] = "boot"
    v: int  # protocol version
    app: str
    board: str
    fw: str  # interpreter and version
    mpy: int  # sys.implementation._mpy
    twm: int  # version of models/SPEC.md

    @property
    def abi(self) -> str:
        """Architecture and native ABI, for instance "armv6m 6.3"."""
        arch, version = read_mpy(self.mpy)
        return f"{arch} {version[0]}.{version[1]}"


@dataclass(frozen=True)
class Model:
    """A model is loaded."""

    name: ClassVar[str] = "model"
    model: str  # `name` on the line
    sha: str  # first 16 hex digits of the file's SHA-256
    arena: int  # bytes
    step: int  # new samples a step
    threshold: _Byte


@dataclass(frozen=True)
class Label:
    """One label of the model."""

    name: ClassVar[str] = "label"
    i: int
    label: str  # `name` on the line
    wake: _Flag  # 1: wake label, 0: background class


@dataclass(frozen=True)
class State:
    """Listening or not, and the counts so far."""

    name: ClassVar[str] = "state"
    v: int
    state: str  # listening, stopped
    model: str
    t: int  # ms of audio
    steps: int
    hits: int
    dropped: int  # lines
    lost: int  # samples


@dataclass(frozen=True)
class Score:
    """One wake label in one step."""

    name: ClassVar[str] = "score"
    label: str
    t: int  # ms of audio
    score: _Byte  # raw probability times 256
    mean: _Byte  # what the detector compares
    ready: _Flag = 1  # 0: the network has not seen its whole receptive field
    awake: _Flag = 1  # 0: a gate let it sleep


@dataclass(frozen=True)
class Level:
    """Loudness since the last level."""

    name: ClassVar[str] = "level"
    t: int  # ms of audio
    peak: Annotated[int, 32768]
    clipped: int  # samples


@dataclass(frozen=True)
class Hit:
    """A word was heard."""

    name: ClassVar[str] = "hit"
    label: str
    t: int  # ms of audio
    score: _Byte
    mean: _Byte


@dataclass(frozen=True)
class Lost:
    """Audio or lines that did not make it, since the last one."""

    name: ClassVar[str] = "lost"
    t: int  # ms of audio
    samples: int
    lines: int


@dataclass(frozen=True)
class Heap:
    """The board's memory, in bytes."""

    name: ClassVar[str] = "heap"
    free: int
    low: int  # the least that was free since the model was loaded
    stack: int  # the most in use that the app has seen


@dataclass(frozen=True)
class Ok:
    """A command has been carried out."""

    name: ClassVar[str] = "ok"
    id: int
    value: int = 0  # see firmware/SERIAL.md, "Commands"


@dataclass(frozen=True)
class File:
    """A model that lies on the board."""

    name: ClassVar[str] = "file"
    role: str  # model, gate
    path: str
    sha: str = ""  # first 16 hex digits of the SHA-256 in the board's record, where it is there


@dataclass(frozen=True)
class Profile:
    """Time that a part of a step takes."""

    name: ClassVar[str] = "profile"
    part: str  # front, op, network, gate, settle; last of all step
    us: int  # microseconds a step, the mean
    i: int = 0  # of an operator
    lines: int = 0  # of a step: how many profile lines stand before this one


@dataclass(frozen=True)
class Rec:
    """The board sends what its microphone hears, or no longer does; the counts are since that began."""

    name: ClassVar[str] = "rec"
    state: str  # on, off
    mode: str  # stream, hit
    label: str
    at: int  # samples, lost ones included
    frames: int  # sent
    lost: int  # samples, by the microphone
    dropped: int  # frames that the output had no room for
    ring: int  # ms that the board keeps
    cuts: int  # pieces around hits that are complete


@dataclass(frozen=True)
class Pcm:
    """A frame of recorded audio."""

    name: ClassVar[str] = "pcm"
    n: int  # its number
    d: str  # firmware/SERIAL.md, "Recording"


@dataclass(frozen=True)
class Swap:
    """A model that came over the line while the board listened."""

    name: ClassVar[str] = "swap"
    state: str  # trial, kept, undone
    path: str
    sha: str  # first 16 hex digits of the file's SHA-256


@dataclass(frozen=True)
class Error:
    """What the board cannot mend, or a command that it refuses."""

    name: ClassVar[str] = "error"
    where: str
    what: str
    id: int = 0  # of the command; 0: no command


@dataclass(frozen=True)
class End:
    """The file that plays the microphone has ended."""

    name: ClassVar[str] = "end"
    t: int  # ms of audio
    steps: int
    hits: int
    lost: int  # samples


@dataclass(frozen=True)
class Unknown:
    """A line with a right check that this version cannot read: an event or a field of a later one."""

    name: str
    fields: tuple[tuple[str, str], ...]


Event = (
    Boot
    | Model
    | Label
    | State
    | Score
    | Level
    | Hit
    | Lost
    | Heap
    | Ok
    | File
    | Profile
    | Rec
    | Pcm
    | Swap
    | Error
    | End
    | Unknown
)

_KINDS: dict[str, type[Any]] = {kind.name: kind for kind in get_args(Event) if kind is not Unknown}
_KEYS = {("model", "model"): "name", ("label", "label"): "name"}  # where attribute and key differ


def _shape(kind: type[Any]) -> list[tuple[str, str, int | None, bool]]:
    """Of each field: attribute, key on the line, highest number (None: a text), whether a line must have it."""
    types = get_type_hints(kind, include_extras=True)
    shape = []
    for f in fields(kind):
        hint = types[f.name]
        high = _HIGHEST if hint is int else getattr(hint, "__metadata__", (None,))[0]
        shape.append((f.name, _KEYS.get((kind.name, f.name), f.name), high, f.default is MISSING))
    return shape


_SHAPES = {name: _shape(kind) for name, kind in _KINDS.items()}


def escape(text: str) -> str:
    """Write a text as a field's value."""
    safe = (chr(b) if 0x21 <= b <= 0x7E and chr(b) not in "%*=@~" else f"%{b:02x}" for b in text.encode())
    return "".join(safe)


def unescape(value: bytes) -> str:
    """Read a field's value as a text."""
    return _ESCAPE.sub(lambda m: bytes([int(m[1], 16)]), value).decode("utf-8", "replace")


def build(name: str, values: Mapping[str, bytes]) -> Event:
    """Return the event of that name with those fields as on the line; Unknown where it cannot be one."""
    arguments: dict[str, int | str] = {}
    for attribute, key, high, needed in _SHAPES.get(name, ()):
        value = values.get(key)
        if value is None:
            if needed:
                break
        elif high is None:
            arguments[attribute] = unescape(value)
        elif _NUMBER.fullmatch(value) and int(value) <= high:
            arguments[attribute] = int(value)
        else:
            break
    else:
        if name in _KINDS:
            event: Event = _KINDS[name](**arguments)
            return event
    return Unknown(name, tuple((key, unescape(value)) for key, value in values.items()))


def as_json(event: Event) -> dict[str, Any]:
    """Return the event as an object of a log: its name under "event", its fields as on the line.

    Those of an unknown one stand apart, under "fields": a later version may call a field "event".
    """
    if isinstance(event, Unknown):
        return {"event": event.name, "fields": dict(event.fields)}
    keys = _SHAPES[event.name]
    return {"event": event.name, **{key: getattr(event, attribute) for attribute, key, _, _ in keys}}
