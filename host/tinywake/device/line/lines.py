# SPDX-License-Identifier: MIT
"""The reading end of firmware/SERIAL.md: bytes from a port in, checked events out.

Nothing here raises on what a port delivers: noise and damaged lines are counted, unknown events are kept
apart.
"""

import binascii
import errno
import os
import re
from collections.abc import Iterable, Iterator

from tinywake.device.line.events import Event, Unknown, build, escape

__all__ = ["LIMIT", "LineReader", "encode_command", "encode_line", "named", "parse_line", "printable"]

LIMIT = 160  # bytes of an event, check included
_PCM_LIMIT = 840  # of one that carries audio
_KEPT = 900  # bytes of a line that count: its last ones
_HELD = 1024  # of a line that has not ended

# Ctrl-U: what somebody had half typed goes.
_CALL = b"\x15__import__('tinywake.commands').commands.do(\""

_EVENT = re.compile(rb"@([a-z][a-z0-9_]*)((?: [a-z][a-z0-9_]*=[!-)+-<>?A-~]*)*)\*([0-9a-f]{4})", re.ASCII)
_PROMPTS = re.compile(rb"(?:>>> |=== |\.\.\. |OK)*@")
_OS_ERROR = re.compile(r"\[Errno (\d+)\](?: (E[A-Z0-9]+))?|\bOSError: (\d+)$")
# MicroPython's numbers on every board, which are Linux' and not this computer's.
_NUMBERS = {
    1: "EPERM", 2: "ENOENT", 5: "EIO", 9: "EBADF", 11: "EAGAIN", 12: "ENOMEM", 13: "EACCES", 16: "EBUSY", 17: "EEXIST",
    19: "ENODEV", 20: "ENOTDIR", 21: "EISDIR", 22: "EINVAL", 24: "EMFILE", 27: "EFBIG", 28: "ENOSPC", 30: "EROFS",
    39: "ENOTEMPTY", 84: "EILSEQ", 95: "EOPNOTSUPP", 110: "ETIMEDOUT",
}  # fmt: skip
_WORDS = {
    "ENOENT": "there is no such file",
    "ENOSPC": "the file system is full: remove something, as with python -m mpremote fs rm",
    "EROFS": "the file system can only be read: a USB drive that is mounted, or boot.py, may hold it",
    "EIO": "what it lies on cannot be read or written",
    "ENODEV": "it is not there",
}
_TEXT = re.compile(rb"(?:[^%]|%[0-9a-f]{2})*", re.ASCII)


def printable(text: str) -> str:
    """Return what a board said with all that would steer a terminal made visible."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def named(text: str) -> str:
    """Return what a board said of an OSError with a name and words for its number: not all have a name there."""

    def words(found: re.Match[str]) -> str:
        number = found[1] or found[3]
        name = found[2] or _NUMBERS.get(int(number), f"error {number}, which has no name")
        about = _WORDS.get(name) or (os.strerror(getattr(errno, name)) if hasattr(errno, name) else "")
        return ("OSError: " if found[3] else "") + (f"{name}, {about}" if about else name)

    return _OS_ERROR.sub(words, text)


def encode_line(name: str, values: Iterable[tuple[str, int | str]]) -> bytes:
    r"""Return a line as the board writes it, "\r\n" included."""
    return _checked(f"@{name}{''.join(_pairs(values))}") + b"\r\n"


def encode_command(name: str, values: Iterable[tuple[str, int | str]]) -> bytes:
    r"""Return a command as firmware/SERIAL.md wants it typed: a call at the prompt, a line for a loop that reads.

    Raises ValueError where it would be longer than a line may be.
    """
    body = "".join(_pairs(values)).replace('"', "%22").replace("\\", "%5c")
    line = _checked(f"@{name}{body}")
    if len(line) > LIMIT:
        raise ValueError(f"{name}: longer than a command may be ({LIMIT} bytes)")
    return _CALL + line + b'")\r'


def _pairs(values: Iterable[tuple[str, int | str]]) -> Iterator[str]:
    return (f" {key}={value if isinstance(value, int) else escape(value)}" for key, value in values)


def _checked(body: str) -> bytes:
    line = body.encode("ascii")
    return line + b"*%04x" % binascii.crc_hqx(line, 0xFFFF)


def parse_line(line: bytes) -> Event | None:
    r"""Return the event at the end of a line that is given without its "\n", or None where there is none."""
    line = line.rstrip(b"\r")[-_KEPT:]
    start = line.rfind(b"@")
    if start < 0 or len(line) - start > (_PCM_LIMIT if line.startswith(b"@pcm ", start) else LIMIT):
        return None
    match = _EVENT.fullmatch(line, start)
    if not match or binascii.crc_hqx(line[start:-5], 0xFFFF) != int(match[3], 16):
        return None
    pairs = [pair.split(b"=") for pair in match[2].split()]
    values = {key.decode(): value for key, value in pairs}
    if len(values) < len(pairs) or not all(_TEXT.fullmatch(value) for value in values.values()):
        return None
    return build(match[1].decode(), values)


class LineReader:
    """Cuts a stream of bytes into lines and events. Holds at most one line's last KiB."""

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
        self._cut = self._cut or len(line) > _HELD
        self._tail = line[-_HELD:]

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
