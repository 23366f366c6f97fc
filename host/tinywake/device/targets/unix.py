# SPDX-License-Identifier: MIT
"""MicroPython's unix port as a board: a program on this computer behind a pty."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import tempfile
from pathlib import Path

from tinywake.device import places
from tinywake.device.targets.target import Target
from tinywake.errors import DeviceError, ToolError

if os.name == "posix":
    import pty
    import tty

__all__ = ["UnixBoard", "native_modules_load"]


def native_modules_load() -> bool:
    """Whether modules are built that an interpreter on this computer loads."""
    return platform.system() == "Linux" and platform.machine() == "x86_64"  # as NATIVE in the Makefile


class UnixBoard(Target):
    """MicroPython's unix port behind a pty; a private directory is its file system."""

    board = "UNIX"

    def __init__(self, directory: Path | None = None, *, usermod: bool | None = None, heap_kb: int = 512) -> None:
        """A board, not booted yet.

        `directory`: the file system, kept; else a temporary one. `usermod`: the build with _tinywake compiled
        in (default: only where native modules cannot be loaded). `heap_kb`: objects are twice a board's size.
        """
        self._usermod = not native_modules_load() if usermod is None else usermod
        self._heap = f"{heap_kb}K"
        self._temporary = None
        if directory is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="tinywake-board-", ignore_cleanup_errors=True)
        self.directory: Path = Path(self._temporary.name if self._temporary else directory or "").resolve()
        self._process: subprocess.Popen[str] | None = None
        self._lifeline: int | None = None
        self._cleaner: subprocess.Popen[bytes] | None = None

    @staticmethod
    def interpreter(usermod: bool) -> Path | None:
        """Where it lies, once it is built. None: there is no checkout."""
        root = places.checkout()
        name = "micropython-usermod" if usermod else "micropython"
        return root and root / "build" / "targets" / "unix" / name

    @classmethod
    def available(cls) -> str | None:
        """None where it can run, else one line: what is missing and how to get it."""
        if os.name != "posix":
            return "unix: needs a Unix; on Windows use WSL"
        interpreter = cls.interpreter(not native_modules_load())
        if interpreter is None:
            return "unix: needs a checkout of the project, where make targets builds it"
        return None if interpreter.exists() else "unix: the interpreter is not built: make targets"

    def start(self) -> None:
        """Boot: from here on the board answers on `port`."""
        if self._process is not None:
            return
        interpreter = self.interpreter(self._usermod)
        if interpreter is None or not interpreter.exists():
            raise ToolError(self.available() or f"{interpreter} is not built: make targets")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DeviceError(f"{self.directory} cannot be the board's file system: {error.strerror}") from error
        master, slave = pty.openpty()
        watched, self._lifeline = os.pipe()
        ended, alive = os.pipe()
        try:
            tty.setraw(slave)
            self.port = os.ttyname(slave)
            if self._temporary is not None:
                self._cleaner = self._clean_up_after(ended)
            self._process = self._spawn(interpreter, master, (watched, alive))
        finally:
            # The board holds the pty from now on; a slave kept open here would be a host that never reads.
            for fd in (master, slave, watched, ended, alive):
                os.close(fd)
        assert self._process.stderr is not None
        # This ends when the board has put its serial port in place of stderr, or has died.
        said = self._process.stderr.read().strip()
        if said or self._process.poll() is not None:
            self.stop()
            raise DeviceError(f"the unix board did not start: {(said or 'no message').splitlines()[-1]}")

    def _clean_up_after(self, ended: int) -> subprocess.Popen[bytes]:
        """A process that removes the directory when the board ends: where a signal ends us, nobody else does."""
        return subprocess.Popen(
            ["/bin/sh", "-c", 'read -r _; rm -rf -- "$0"', str(self.directory)],
            stdin=ended,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def _spawn(self, interpreter: Path, master: int, kept: tuple[int, int]) -> subprocess.Popen[str]:
        """`kept`: ends of pipes that it holds: the one tells it that we ended, the other the cleaner that it did."""
        return subprocess.Popen(
            [str(interpreter.resolve()), "-X", f"heapsize={self._heap}", "-m", "unixboot"],
            stdin=master,
            stdout=master,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.directory,
            pass_fds=kept,
            start_new_session=True,  # Ctrl-C in this terminal is not for the board
            env={
                "UNIXBOARD_ROOT": str(self.directory),
                "UNIXBOARD_HEAP": self._heap,
                "UNIXBOARD_LIFELINE": str(kept[0]),
                "MICROPYPATH": ".frozen:/lib",
            },
        )

    @property
    def running(self) -> bool:
        """Whether the board still runs: a program on it can end it only by a crash."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End the board; a temporary file system goes with it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stderr is not None:
                self._process.stderr.close()
            self._process = None
        if self._lifeline is not None:
            with contextlib.suppress(OSError):
                os.close(self._lifeline)
            self._lifeline = None
        if self._cleaner is not None:
            self._cleaner.wait()
            self._cleaner = None
        if self._temporary is not None:
            self._temporary.cleanup()
