# SPDX-License-Identifier: MIT
"""The reading end of firmware/SERIAL.md: bytes from a port in, checked events out.

Nothing here raises on what a port delivers: noise and damaged lines are counted, unknown events are kept
apart.
"""

import binascii
import re
from collections.abc import Iterable
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, ClassVar, get_type_hints

__all__ = [
    "LIMIT",
    "PROTOCOL",
    "Boot",
    "End",
    "Error",
    "Event",
    "Hit",
    "Label",
    "Level",
    "LineReader",
    "Lost",
    "Model",
    "Score",
    "State",
    "Unknown",
    "as_json",
    "encode_line",
    "escape",
    "parse_line",
]

PROTOCOL = 1  # highest `v` that this reader knows
LIMIT = 160  # bytes of an event, check included
_KEPT = 256  # bytes of a line that count: its last ones

_EVENT = re.compile(rb"@([a-z][a-z0-9_]*)((?: [a-z][a-z0-9_]*=[!-)+-<>?A-~]*)*)\*([0-9a-f]{4})", re.ASCII)
_PROMPTS = re.compile(rb"(?:>>> |=== |\.\.\. |OK)*@")
_NUMBER = re.compile(rb"[0-9]{1,10}", re.ASCII)
_ESCAPE = re.compile(rb"%([0-9a-f]{2})", re.ASCII)
_TEXT = re.compile(rb"(?:[^%]|%[0-9a-f]{2})*", re.ASCII)

# fmt: off
_ARCHITECTURES = (
    "bytecode", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa",
    "xtensawin", "rv32imc", "rv64imc",
)
# fmt: on


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
        arch = self.mpy >> 10 & 0x3F
        known = _ARCHITECTURES[arch] if arch < len(_ARCHITECTURES) else f"architecture {arch}"
        return f"{known} {self.mpy & 0xFF}.{self.mpy >> 8 & 3}"


@dataclass(frozen=True)
class Model:
    """A model is loaded."""

    name: ClassVar[str] = "model"
    model: str  # `name` on the line
    sha: str  # first 16 hex digits of the file's SHA-256
    arena: int  # bytes
    step: int  # new samples a step
    threshold: int  # 0..255


@dataclass(frozen=True)
class Label:
    """One label of the model."""

    name: ClassVar[str] = "label"
    i: int
    label: str  # `name` on the line
    wake: int  # 1: wake label, 0: background class


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
    score: int  # 0..255, raw probability times 256
    mean: int  # 0..255, what the detector compares
    ready: int = 1  # 0: the network has not seen its whole receptive field


@dataclass(frozen=True)
class Level:
    """Loudness since the last level."""

    name: ClassVar[str] = "level"
    t: int  # ms of audio
    peak: int  # 0..32768
    clipped: int  # samples


@dataclass(frozen=True)
class Hit:
    """A word was heard."""

    name: ClassVar[str] = "hit"
    label: str
    t: int  # ms of audio
    score: int  # 0..255
    mean: int  # 0..255


@dataclass(frozen=True)
class Lost:
    """Audio or lines that did not make it, since the last one."""

    name: ClassVar[str] = "lost"
    t: int  # ms of audio
    samples: int
    lines: int


@dataclass(frozen=True)
class Error:
    """What the board cannot mend."""

    name: ClassVar[str] = "error"
    where: str
    what: str


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


Event = Boot | Model | Label | State | Score | Level | Hit | Lost | Error | End | Unknown

_KINDS: dict[str, type[Any]] = {
    kind.name: kind for kind in (Boot, Model, Label, State, Score, Level, Hit, Lost, Error, End)
}
_KEYS = {("model", "model"): "name", ("label", "label"): "name"}  # where attribute and key differ


def _shape(kind: type[Any]) -> list[tuple[str, str, type, Field[Any]]]:
    types = get_type_hints(kind)
    return [(f.name, _KEYS.get((kind.name, f.name), f.name), types[f.name], f) for f in fields(kind)]


_SHAPES = {name: _shape(kind) for name, kind in _KINDS.items()}


def escape(text: str) -> str:
    """Write a text as a field's value."""
    safe = (chr(b) if 0x21 <= b <= 0x7E and chr(b) not in "%*=@~" else f"%{b:02x}" for b in text.encode())
    return "".join(safe)


def _unescape(value: bytes) -> str:
    return _ESCAPE.sub(lambda m: bytes([int(m[1], 16)]), value).decode("utf-8", "replace")


def encode_line(name: str, values: Iterable[tuple[str, int | str]]) -> bytes:
    r"""Return a line as the board writes it, "\r\n" included. The host's side uses it in tests and, later,
    commands."""
    pairs = (f" {key}={value if isinstance(value, int) else escape(value)}" for key, value in values)
    body = f"@{name}{''.join(pairs)}".encode("ascii")
    return body + b"*%04x\r\n" % binascii.crc_hqx(body, 0xFFFF)


def parse_line(line: bytes) -> Event | None:
    r"""Return the event at the end of a line that is given without its "\n", or None where there is none."""
    line = line.rstrip(b"\r")[-_KEPT:]
    start = line.rfind(b"@")
    if start < 0 or len(line) - start > LIMIT:
        return None
    match = _EVENT.fullmatch(line, start)
    if not match or binascii.crc_hqx(line[start:-5], 0xFFFF) != int(match[3], 16):
        return None
    pairs = [pair.split(b"=") for pair in match[2].split()]
    values = {key.decode(): value for key, value in pairs}
    if len(values) < len(pairs) or not all(_TEXT.fullmatch(value) for value in values.values()):
        return None
    name = match[1].decode()
    known = _build(name, values) if name in _KINDS else None
    if known is None:
        return Unknown(name, tuple((key, _unescape(value)) for key, value in values.items()))
    return known


def _build(name: str, values: dict[str, bytes]) -> Event | None:
    arguments: dict[str, int | str] = {}
    for attribute, key, kind, field in _SHAPES[name]:
        value = values.get(key)
        if value is None:
            if field.default is MISSING:
                return None
        elif kind is not int:
            arguments[attribute] = _unescape(value)
        elif _NUMBER.fullmatch(value) and int(value) < 1 << 31:
            arguments[attribute] = int(value)
        else:
            return None
    event: Event = _KINDS[name](**arguments)
    return event


def as_json(event: Event) -> dict[str, int | str]:
    """Return the event as an object of a log: its name under "event", its fields as on the line."""
    if isinstance(event, Unknown):
        return {"event": event.name, **dict(event.fields)}
    keys = _SHAPES[event.name]
    return {"event": event.name, **{key: getattr(event, attribute) for attribute, key, _, _ in keys}}


class LineReader:
    """Cuts a stream of bytes into lines and events. Holds at most one line's last 256 bytes."""

    def __init__(self) -> None:
        self.events = 0  # lines with a right check, unknown ones included
        self.unknown = 0  # of these, those that this version cannot read
        self.bad = 0  # lines that began as an event and are none
        self.noise = 0  # other lines that are not empty
        self._tail = b""
        self._cut = False  # the line's beginning is gone

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes as they come; return the events now complete. Any split gives the same events."""
        *lines, rest = data.split(b"\n")
        found = []
        for line in lines:
            event = self._line(line)
            if event is not None:
                found.append(event)
            self._tail, self._cut = b"", False
        self._keep(rest)
        return found

    def _keep(self, part: bytes) -> None:
        line = self._tail + part
        self._cut = self._cut or len(line) > 2 * _KEPT
        self._tail = line[-2 * _KEPT :]

    def _line(self, part: bytes) -> Event | None:
        self._keep(part)
        line = self._tail.rstrip(b"\r")
        event = parse_line(line)
        if event is not None:
            self.events += 1
            self.unknown += isinstance(event, Unknown)
        elif not self._cut and _PROMPTS.match(line):
            self.bad += 1
        elif line or self._cut:
            self.noise += 1
        return event
