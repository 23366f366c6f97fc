# SPDX-License-Identifier: MIT
"""A small client of MicroPython's raw REPL: run code on a board, see its output as it comes, put files there.

Why not mpremote: a clip takes several commands, each a process that enters the REPL anew; its Python
interface is not a documented one; and its file commands need os.ilistdir, which CircuitPython lacks. Code
goes over in raw-paste mode, whose flow control keeps any UART from overrunning.
"""

import binascii
import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from tinywake.device.line.lines import named, printable
from tinywake.device.line.port import GONE, UNPLUGGED, open_port
from tinywake.errors import DeviceError

__all__ = ["RawRepl"]

_BANNER = b"raw REPL; CTRL-B to exit\r\n>"
_ENTER_S = 8.0  # a board that has a prompt gives it by then
_PIECE = 768  # bytes of a file in one statement
_MARK = "\x02tinywake "  # before the JSON that ask() reads
_STOP = b"import sys\nm = sys.modules.get('tinywake.main')\nif m: m.stop()\n"


class RawRepl:
    """A board whose prompt we hold. What it did is interrupted; leaving gives the ordinary prompt back."""

    def __init__(self, port: str, timeout: float = 10.0) -> None:
        """`timeout`: seconds without a byte after which the board counts as dead.

        Raises DeviceError within 10 s where no MicroPython answers.
        """
        self.port = port
        self.timeout = timeout
        self._deadline = math.inf  # however much comes until then
        self._midway = False  # in a conversation that was broken off
        self._serial = open_port(port)
        self._buffer = bytearray()
        try:
            self._enter()
        except BaseException:
            self._serial.close()
            raise

    def __enter__(self) -> "RawRepl":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop what runs, go back to the ordinary prompt and close the port."""
        with contextlib.suppress(*GONE):
            self._serial.write(b"\r\x03\x02")
            self._serial.flush()
        self._serial.close()

    def _enter(self) -> None:
        self._deadline = time.monotonic() + _ENTER_S
        self._write(b"\r\x03\x03")
        self._write(b"\r\x01")
        self._until(_BANNER)
        # A listener in the background writes between our bytes: plain raw mode bears that, raw paste not.
        self._write(_STOP + b"\x04")
        self._until(b"OK")
        self._until(b"\x04")
        self._until(b"\x04>")
        self._deadline, self._midway = math.inf, False

    def exec(self, code: str, on_output: Callable[[bytes], None] | None = None) -> bytes:
        """Run code to its end. Its output goes to `on_output` as it comes, or is returned.

        Raises DeviceError with the last line of the board's traceback where the code raises. After a Ctrl-C in here the
        prompt is taken anew.
        """
        if self._midway:
            self._enter()
        self._midway = True
        self._send(code.encode())
        output = bytearray()
        self._until(b"\x04", on_output or output.extend)
        error = self._until(b"\x04")
        self._until(b">")
        self._midway = False
        if error:
            last = error.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise DeviceError(f"{self.port}: {named(printable(*last)) if last else 'an error without a message'}")
        return bytes(output)

    @contextlib.contextmanager
    def patient(self, seconds: float) -> Iterator[None]:
        """Give a board so long for each answer, where one computes before it says anything."""
        before, self.timeout = self.timeout, max(self.timeout, seconds)
        try:
            yield
        finally:
            self.timeout = before

    def ask(self, code: str) -> Any:
        """Run code and return the value that it gives to answer(). Whatever else it prints is noise."""
        said = self.exec(f"import json\ndef answer(x): print({_MARK!r} + json.dumps(x))\n" + code)
        for line in reversed(said.decode("utf-8", "replace").replace("\r", "").split("\n")):
            if line.startswith(_MARK):
                with contextlib.suppress(ValueError):
                    return json.loads(line.removeprefix(_MARK))
                break
        raise DeviceError(f"{self.port}: the board's answer was cut short; reset it and try again")

    def reset(self) -> None:
        """Soft-reset the board and stay at its raw prompt: a fresh heap, nothing imported, main.py not run."""
        if self._midway:
            self._enter()
        self._midway = True
        self._write(b"\x04")
        self._until(b"OK")
        self._until(_BANNER)
        self._midway = False

    def put(self, path: str, data: bytes) -> None:
        """Write a file on the board. Where that fails, it is closed: what is open keeps its room when it is removed."""
        self.exec(f"from binascii import a2b_base64 as d\nf = open({path!r}, 'wb')")
        try:
            for at in range(0, len(data), _PIECE):
                text = binascii.b2a_base64(data[at : at + _PIECE], newline=False)
                self.exec(f"f.write(d({text!r})) and None")
        except BaseException:
            with contextlib.suppress(DeviceError):
                self.exec("f.close()")
            raise
        self.exec("f.close()")

    def get(self, path: str) -> bytes:
        """Read a file on the board."""
        self.exec(f"from binascii import b2a_base64 as e\nf = open({path!r}, 'rb')")
        data = bytearray()
        while piece := self.exec(f"b = f.read({_PIECE})\nif b: print(e(b).decode())").strip():
            data += binascii.a2b_base64(piece)
        self.exec("f.close()")
        return bytes(data)

    def _send(self, code: bytes) -> None:
        self._write(b"\x05A\x01")
        if self._take(2) != b"R\x01":
            raise DeviceError(f"{self.port}: no raw-paste mode: MicroPython 1.23 or later is needed")
        window = int.from_bytes(self._take(2), "little")
        room = window
        while code:
            while room == 0 or self._buffer or self._waiting():
                sign = self._take(1)
                if sign != b"\x01":
                    self._write(b"\x04")
                    raise DeviceError(f"{self.port}: the board stopped reading our code")
                room += window
            self._write(code[:room])
            sent, code = min(room, len(code)), code[room:]
            room -= sent
        self._write(b"\x04")
        self._until(b"\x04")

    def _write(self, data: bytes) -> None:
        try:
            self._serial.write(data)
        except GONE as error:
            raise self._gone() from error

    def _waiting(self) -> int:
        try:
            return int(self._serial.in_waiting)
        except GONE as error:
            raise self._gone() from error

    def _gone(self) -> DeviceError:
        return DeviceError(f"{self.port}: {UNPLUGGED}")

    def _more(self) -> None:
        end = time.monotonic() + self.timeout
        while True:
            try:
                data = self._serial.read(max(1, self._waiting()))
            except GONE as error:
                raise self._gone() from error
            if time.monotonic() > self._deadline:
                raise DeviceError(f"{self.port}: no MicroPython answers there; install it on the board, or reset it")
            if data:
                self._buffer += data
                return
            if time.monotonic() > end:
                raise DeviceError(f"{self.port}: no answer for {self.timeout:g} s; reset the board and try again")

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._more()
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _until(self, end: bytes, on_data: Callable[[bytes], object] | None = None) -> bytes:
        """Take all up to `end` and return it without that; or hand it on as it comes (`end`: one byte)."""
        at = self._buffer.find(end)
        while at < 0:
            if on_data and self._buffer:
                on_data(bytes(self._buffer))
                self._buffer.clear()
            self._more()
            at = self._buffer.find(end)
        data = self._take(at)
        self._take(len(end))
        if on_data:
            on_data(data)
            return b""
        return data
