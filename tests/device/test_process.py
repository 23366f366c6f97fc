# SPDX-License-Identifier: MIT
"""An emulator that ends while a host talks to it: noticed at once, with its own last line. A small program is one."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

import pytest
import serial

from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.process import ProcessTarget
from tinywake.errors import DeviceError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a Unix")

# A prompt that never comes back from what it is given, as with `while True: pass`; on `die` it ends as it is told.
PROMPT = """
import os, socket, sys, time
line = socket.socket(fileno=int(sys.argv[1]))
line.sendall(b"a banner")
heard, banner = b"", b"raw REPL; CTRL-B to exit\\r\\n>"
while True:
    heard += line.recv(4096)
    if heard.endswith(b"\\r\\x01"):
        line.sendall(banner)
    elif heard.endswith(b"m.stop()\\n\\x04"):
        line.sendall(b"OK\\x04\\x04>")
    elif heard.endswith(b"\\x05A\\x01"):
        line.sendall(b"R\\x01\\x00\\x10\\x01")
    elif heard.endswith(b"\\x04"):
        line.sendall(b"\\x04")
        DIE
        continue
    else:
        continue
    heard = b""
"""


class Small(ProcessTarget):
    board = "UNIX"

    def __init__(self, program: str) -> None:
        super().__init__()
        self.program = program

    @classmethod
    def available(cls) -> str | None:
        return None

    def _command(self, line: int) -> list[str]:
        return [sys.executable, "-c", self.program, str(line)]


def lost(board: Small) -> tuple[DeviceError, float]:
    """What `while True: pass` gives, and the seconds that it takes from the board's start on."""
    began = time.monotonic()
    with pytest.raises(DeviceError) as told, board, RawRepl(board.port, timeout=5) as repl:
        repl.exec("while True: pass")
    return told.value, time.monotonic() - began


def test_an_emulator_that_ends_is_noticed_and_its_last_line_told() -> None:
    # Bug: the shell that watches kept the line open, so that only the host's patience ended it, without a reason.
    error, seconds = lost(Small(PROMPT.replace("DIE", "sys.exit('a warning\\nthe processor is locked up')")))
    assert seconds < 2
    assert str(error) == f"{sys.executable} ended: the processor is locked up"
    assert str(error.__cause__).endswith("the board is gone; plug it in again")


def test_an_emulator_that_is_killed_is_noticed() -> None:
    error, seconds = lost(Small(PROMPT.replace("DIE", f"os.kill(os.getpid(), {int(signal.SIGKILL)})")))
    assert seconds < 2
    assert str(error) == f"{sys.executable} ended: no message, exit status -9"


def test_one_that_ends_before_it_says_anything_did_not_start() -> None:
    began = time.monotonic()
    with pytest.raises(DeviceError, match=r"did not start: no firmware$"):
        Small("import sys; sys.exit('no firmware\\nand more')").start()
    with pytest.raises(DeviceError, match=r"did not start: no message, it let go of its line$"):
        Small("import os, sys, time; os.close(int(sys.argv[1])); time.sleep(60)").start()
    assert time.monotonic() - began < 5


def test_errors_of_a_board_that_still_runs_stay_what_they_are() -> None:
    board = Small(PROMPT.replace("DIE", "pass"))
    with pytest.raises(DeviceError, match=r"no answer for 0\.3 s"), board, RawRepl(board.port, timeout=0.3) as repl:
        repl.exec("while True: pass")


# A second after the host's first byte it says 140,000, more than the ways to a slow host hold, and ends.
FAREWELL = """
import socket, sys, time
line = socket.socket(fileno=int(sys.argv[1]))
line.sendall(b"a banner")
line.recv(1)
time.sleep(1)
line.sendall(b"".join(b"%06d " % i for i in range(20000)) + b"farewell")
"""


@pytest.mark.parametrize("types_on", [False, True])
def test_a_slow_host_has_all_that_came_before_the_end(types_on: bool) -> None:
    # Bug: with bytes for the host and for the board both waiting, the end of the board overwrote those for the host.
    with Small(FAREWELL) as board, serial.Serial(board.port, timeout=2, write_timeout=0.5) as port:
        with contextlib.suppress(serial.SerialTimeoutException):
            port.write(b"x" * (1_000_000 if types_on else 1))  # more than the ways to the board hold
        time.sleep(1.5)
        said = bytearray()
        with contextlib.suppress(OSError):  # the end of the port
            while piece := port.read(min(1000, max(1, port.in_waiting))):
                said += piece
                time.sleep(0.001)
    text = bytes(said).removeprefix(b"a banner")
    assert text == b"".join(b"%06d " % i for i in range(20000)) + b"farewell"
