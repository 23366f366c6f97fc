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
# The shell becomes the emulator, in a process group of its own, so that Ctrl-C in this terminal is not for it. A second
# shell waits for the end of this process, however that comes, and then ends the group, itself included.
_SHELL = 'exec 3<&0 </dev/null; { read -r _ <&3; kill -9 0; } >/dev/null 2>&1 & exec "$@" 3<&-'


class Bridge:
    """A pty that programs open as a port, and a socket for whatever stands for the board: bytes go between the two.

    As on a USB port, what the board says is dropped while nobody has the port open, and waits while a host is slow.
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
        os.close(self._pty)
        self._line.close()
        self.board.close()

    def _run(self) -> None:
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
                return
            if ready.get(line, 0) & (select.POLLIN | select.POLLHUP):
                to_host = _read(line)
                self.spoke.set()
                if not to_host:
                    return
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

    directory = None

    def __init__(self) -> None:
        """A board, not booted yet."""
        self._bridge: Bridge | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: int | None = None
        self._errors: IO[bytes] | None = None

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
        if not self.running:
            said = self._said() or f"no message, exit status {self._process.returncode}"
            self.stop()
            raise DeviceError(f"{self._command(0)[0]} did not start: {said.splitlines()[0]}")

    def _spawn(self, watched: int, line: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["/bin/sh", "-c", _SHELL, "sh", *self._command(line)],
            stdin=watched,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            pass_fds=(line,),
            start_new_session=True,
        )

    def _said(self) -> str:
        assert self._errors is not None
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace").strip()

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
