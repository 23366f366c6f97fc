# SPDX-License-Identifier: MIT
"""An emulator as a board: a child of this process that ends with it, its serial line behind a pty of ours.

The pty is ours and not the emulator's: QEMU's notices a host only after a second, and others have none.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import tempfile
import threading
import time
from abc import abstractmethod
from pathlib import Path
from types import TracebackType
from typing import IO

from tinywake.device.targets.target import Target
from tinywake.errors import DeviceError

if os.name == "posix":
    import pty
    import tty

__all__ = ["Bridge", "ProcessTarget"]

_CHUNK = 4096  # bytes in flight in each direction
_WATCH_MS = 5  # how soon an arriving host is noticed
_BOOT_S = 10.0  # a board has said something by then
_LOOK_S = 0.05  # how soon an emulator that cannot start is noticed
_END_S = 1.0  # its end of the line closes a moment before it is over
_LINGER_S = 0.2  # a host that reads has the last words by then; what it has not read goes with the port
_LINE = 4  # the emulator's descriptor of the line; shells take one digit
# The shell becomes the emulator, in a process group of its own, so that Ctrl-C in this terminal is not for it. A second
# shell waits for the end of this process, however that comes, and then ends the group, itself included. It lets go of
# the line, which comes as stdout: held there too, it would not close when the emulator ends.
_SHELL = (
    f"exec 3<&0 {_LINE}<&1 </dev/null >/dev/null; "
    f'{{ read -r _ <&3; kill -9 0; }} 2>/dev/null {_LINE}<&- & exec "$@" 3<&-'
)


class Bridge:
    """A pty that programs open as a port, and a socket for whatever stands for the board: bytes go between the two.

    As on a USB port, what the board says is dropped while nobody has the port open, and waits while a host is slow.
    Where the board closes its end, the port vanishes, as one does that is unplugged.
    """

    def __init__(self) -> None:
        """Open both; nothing moves before start()."""
        self._pty, slave = pty.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        os.close(slave)  # kept open it would be a host that never reads
        os.set_blocking(self._pty, False)
        self._line, self.board = socket.socketpair()
        self._line.setblocking(False)
        self.spoke = threading.Event()  # the board has said something, or its end of the line is closed
        self.over = threading.Event()  # its end of the line is closed
        self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run, name=f"bridge {self.port}", daemon=True)

    def start(self) -> None:
        """Move bytes from now on. `board` is the other process's now."""
        self.board.close()
        self._thread.start()

    def close(self) -> None:
        """End: the port vanishes."""
        os.close(self._wake[1])
        if self._thread.is_alive():
            self._thread.join()
        os.close(self._wake[0])
        if not self.over.is_set():
            os.close(self._pty)
        self._line.close()
        self.board.close()

    def _run(self) -> None:
        if self._move():
            select.select([self._wake[0]], [], [], _LINGER_S)
            self.over.set()
            self.spoke.set()
            os.close(self._pty)

    def _move(self) -> bool:
        """Until close(): False. Until the board closes its end and all that came before is in the pty: True."""
        line = self._line.fileno()
        to_host, to_board, host = b"", b"", False
        while True:
            poll = select.poll()
            poll.register(self._wake[0], select.POLLIN)
            events = (0 if to_host else select.POLLIN) | (select.POLLOUT if to_board else 0)
            if events:
                poll.register(line, events)
            if host:  # without one a pty is always "ready" to hang up
                poll.register(self._pty, (0 if to_board else select.POLLIN) | (select.POLLOUT if to_host else 0))
            ready = dict(poll.poll(None if host else _WATCH_MS))
            if self._wake[0] in ready:
                return False
            said = ready.get(line, 0)
            if not to_host and said & (select.POLLIN | select.POLLHUP):
                to_host = _read(line)
                if not to_host:
                    return True
                self.spoke.set()
            if said & select.POLLHUP:
                to_board = b""  # nobody takes it any more
            if ready.get(self._pty, 0) & select.POLLIN:
                to_board = _read(self._pty)
            if to_board:
                to_board = to_board[_write(line, to_board) :]
            host = self._has_host()
            to_host = to_host[_write(self._pty, to_host) :] if host else b""

    def _has_host(self) -> bool:
        poll = select.poll()
        poll.register(self._pty, select.POLLIN)
        return not any(events & select.POLLHUP for _, events in poll.poll(0))


def _read(fd: int) -> bytes:
    with contextlib.suppress(OSError):
        return os.read(fd, _CHUNK)
    return b""


def _write(fd: int, data: bytes) -> int:
    with contextlib.suppress(OSError):
        return os.write(fd, data) if data else 0
    return 0


class ProcessTarget(Target):
    """A board that another program emulates. A subclass says how that is called."""

    directory: Path | None = None

    def __init__(self) -> None:
        """A board, not booted yet."""
        self._bridge: Bridge | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: int | None = None
        self._errors: IO[bytes] | None = None
        self._program = ""

    @abstractmethod
    def _command(self, line: int) -> list[str]:
        """What to run. `line`: the descriptor of a connected socket that is the board's serial line."""

    def start(self) -> None:
        """Boot: from here on the board answers on `port`."""
        if self._process is not None:
            return
        bridge = self._bridge = Bridge()
        self.port = bridge.port
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        watched, self._lifeline = os.pipe()
        try:
            self._process = self._spawn(watched, bridge.board.fileno())
        except BaseException:
            self.stop()
            raise
        finally:
            os.close(watched)
        bridge.start()
        # The first thing that a board says is its banner or its program's; nobody is there to read it.
        end = time.monotonic() + _BOOT_S
        while self.running and not bridge.spoke.wait(_LOOK_S) and time.monotonic() < end:
            pass
        said = self._last_words()
        if said is not None:
            self.stop()
            raise DeviceError(f"{self._program} did not start: {said[0]}")

    def _spawn(self, watched: int, line: int) -> subprocess.Popen[bytes]:
        command = self._command(_LINE)
        self._program = command[0]
        return subprocess.Popen(
            ["/bin/sh", "-c", _SHELL, "sh", *command],
            stdin=watched,
            stdout=line,
            stderr=self._errors,
            start_new_session=True,
        )

    def _last_words(self) -> list[str] | None:
        """The lines of an emulator that has ended, one at least. None: it runs, or was never started."""
        if self._process is None or self._bridge is None or self._errors is None:
            return None
        if self._bridge.over.is_set():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_S)
        elif self.running:
            return None
        self._errors.seek(0)
        status = self._process.poll()
        how = "it let go of its line" if status is None else f"exit status {status}"
        return self._errors.read().decode(errors="replace").strip().splitlines() or [f"no message, {how}"]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End it. Where a host lost it because the emulator ended, that is what is raised, with its last line."""
        said = self._last_words() if isinstance(error, DeviceError) else None
        self.stop()
        if said is not None:
            raise DeviceError(f"{self._program} ended: {said[-1]}") from error

    @property
    def running(self) -> bool:
        """Whether the emulator still runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End the board."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # the watching shell with it: it keeps the group's number
            self._process.wait()
            self._process = None
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        if self._bridge is not None:
            self._bridge.close()
            self._bridge = None
        if self._errors is not None:
            self._errors.close()
            self._errors = None
