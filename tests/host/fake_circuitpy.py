# SPDX-License-Identifier: MIT
# ruff: noqa: E501, N805, PTH116, PTH208
"""A board with CircuitPython as this computer sees it: a folder that plays its CIRCUITPY drive, a pty with its prompt.

The prompt keeps to what CircuitPython 10 does: raw REPL and raw paste, no auto-reload while it is held, code.txt before
code.py before main.py, "any key" after a program, title sequences around it. What is sent there runs in this Python with
the modules that a board has and no others: no os.ilistdir, hashlib.new alone, read-only files where a computer has the
drive. `tinywake` there reads the record with firmware/app/slots.py.
"""

from __future__ import annotations

import binascii
import builtins
import contextlib
import hashlib
import io
import json
import os
import select
import threading
import tty
import types
from pathlib import Path
from typing import Any

from tinywake.device.line.lines import encode_line

REPO = Path(__file__).resolve().parents[2]
UID = "E66164084367732A"
_WINDOW = 128
_TITLE = b"\x1b]0;\xf0\x9f\x90\x8dcode.py | Done | 10.3.1\x1b\\"
_ARCHES = {"rp2040": 4, "rp2350a": 7, "ESP32S3": 10, "ESP32C3": 11}


def boot_out(version: str = "10.3.1", machine: str = "Raspberry Pi Pico with rp2040", board: str = "raspberry_pi_pico",
             uid: str = UID) -> str:  # fmt: skip
    return (
        f"Adafruit CircuitPython {version} on 2026-07-15; {machine}\r\nBoard ID:{board}\r\nUID:{uid}\r\n"
        "boot.py output:\r\n"
    )


class FakeCircuitPython:
    def __init__(
        self,
        drive: Path,
        *,
        version: str = "10.3.1",
        machine: str = "Raspberry Pi Pico with rp2040",
        board: str = "raspberry_pi_pico",
        uid: str = UID,
        read_only: bool = True,
        safe_mode: str = "NONE",
        modules: tuple[str, ...] = ("audioi2sin", "audiobusio", "rp2pio"),
    ) -> None:
        self.drive, self.version, self.machine, self.board, self.uid = drive, version, machine, board, uid
        self.read_only, self.safe_mode, self.extra = read_only, safe_mode, modules
        self.damages: set[str] = set()  # paths that the board reads otherwise than they were written
        self.runs = 0  # programs started
        drive.mkdir(parents=True, exist_ok=True)
        if read_only:
            (drive / "boot_out.txt").write_text(boot_out(version, machine, board, uid), newline="")
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._mode = "friendly"
        self._stop = threading.Event()
        self._names: dict[str, Any] = {}
        self._loaded: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> FakeCircuitPython:
        self._reset()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)

    # the line

    def _say(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._master, data) :]

    def _hear(self, wait: float | None = None) -> int:
        while not self._stop.is_set():
            if select.select([self._master], [], [], 0.02)[0]:
                return os.read(self._master, 1)[0]
            if wait is not None:
                return -1
        raise SystemExit

    def _serve(self) -> None:
        line = bytearray()
        with contextlib.suppress(SystemExit, OSError):
            while True:
                byte = self._hear()
                if self._mode == "raw":
                    self._raw(byte, line)
                elif self._mode == "done":
                    self._run() if byte == 4 else self._friendly()
                elif self._mode == "running":
                    if byte == 3:
                        self._say(b"Traceback (most recent call last):\r\nKeyboardInterrupt: \r\n" + _TITLE)
                        self._done()
                elif byte == 1:
                    self._mode = "raw"
                    self._say(b"raw REPL; CTRL-B to exit\r\n>")
                elif byte == 4:
                    self._say(b"\r\n" + _TITLE + b"\r\nsoft reboot\r\n")
                    self._run()
                elif byte in (2, 3, 13):
                    self._say(b"\r\n>>> ")

    def _friendly(self) -> None:
        self._mode = "friendly"
        self._say(b"\r\nAdafruit CircuitPython " + self.version.encode() + b"\r\n>>> ")

    def _raw(self, byte: int, line: bytearray) -> None:
        if byte == 1 and bytes(line) == b"\x05A":
            line.clear()
            self._paste()
        elif byte == 1:
            line.clear()
            self._say(b"raw REPL; CTRL-B to exit\r\n>")
        elif byte == 2:
            line.clear()
            self._friendly()
        elif byte == 3:
            line.clear()
        elif byte != 4:
            line.append(byte)
        elif line:
            self._say(b"OK")
            self._exec(bytes(line))
            line.clear()
        else:
            self._reset()
            self._say(b"OK\r\n\r\nsoft reboot\r\nraw REPL; CTRL-B to exit\r\n>")

    def _paste(self) -> None:
        self._say(b"R\x01" + _WINDOW.to_bytes(2, "little") + b"\x01")
        code, left = bytearray(), _WINDOW
        while (byte := self._hear()) != 4:
            code.append(byte)
            left -= 1
            if not left:
                self._say(b"\x01")
                left = _WINDOW
        self._say(b"\x04")
        self._exec(bytes(code))

    def _exec(self, code: bytes) -> None:
        out = io.StringIO()
        error = b""
        self._names["__builtins__"]["print"] = lambda *what: print(*what, file=out)
        try:
            exec(compile(code, "<stdin>", "exec"), self._names)
        except Exception as raised:
            error = f"Traceback (most recent call last):\r\n{type(raised).__name__}: {raised}\r\n".encode()
        self._say(out.getvalue().replace("\n", "\r\n").encode() + b"\x04" + error + b"\x04>")

    # what runs there

    def _reset(self) -> None:
        self._loaded = {}
        names = {**vars(builtins), "__import__": self._import, "open": self._open}
        self._names = {"__builtins__": names, "__name__": "__main__"}

    def _at(self, path: str) -> Path:
        return self.drive / path.lstrip("/")

    def _open(self, path: str, mode: str = "r") -> Any:
        if "w" in mode and self.read_only:
            raise OSError(30)
        file = self._at(path).open(mode)
        if path.lstrip("/") in self.damages:
            return io.BytesIO(b"damaged")
        return file

    def _import(self, name: str, *_: object) -> Any:
        if name not in self._loaded:
            self._loaded[name] = self._module(name)
        return self._loaded[name.partition(".")[0]]

    def _module(self, name: str) -> Any:
        def holding(**names: Any) -> Any:
            return types.SimpleNamespace(**names)

        whole = {"binascii": binascii, "json": json, "struct": __import__("struct")}
        if name in whole:
            return whole[name]
        if name == "sys":
            mpy = 6 | 3 << 8 | _ARCHES.get(self.machine.rpartition(" ")[2], 0) << 10
            numbers = tuple(int(each) for each in self.version.partition("-")[0].split("."))

            class Implementation(tuple[Any, ...]):
                _mpy = mpy

            return holding(
                implementation=Implementation(("circuitpython", numbers)), modules=self._loaded, path=["", "/"]
            )
        if name == "os":
            return self._os()
        if name in ("tinywake", "tinywake.main"):
            return self._tinywake()
        simple: dict[str, Any] = {
            "gc": holding(
                collect=lambda: None, mem_free=lambda: 186_000 - 20_000 * len(self._loaded), mem_alloc=lambda: 9
            ),
            "hashlib": holding(new=hashlib.new),
            "storage": holding(getmount=lambda path: holding(readonly=self.read_only)),
            "supervisor": holding(runtime=holding(safe_mode_reason=f"supervisor.SafeModeReason.{self.safe_mode}")),
            "microcontroller": holding(cpu=holding(uid=bytes.fromhex(self.uid))),
            "board": holding(board_id=self.board),
            **{each: holding() for each in self.extra},
        }
        if name not in simple:
            raise ImportError(f"no module named {name!r}")
        return simple[name]

    def _os(self) -> Any:
        def writing(do: Any) -> Any:
            def checked(*paths: str) -> None:
                if self.read_only:
                    raise OSError(30)
                do(*map(self._at, paths))

            return checked

        def rename(old: Path, new: Path) -> None:
            if new.exists():
                raise OSError(17)  # as FAT does
            old.rename(new)

        return types.SimpleNamespace(
            listdir=lambda path: os.listdir(self._at(path)),
            stat=lambda path: tuple(os.stat(self._at(path))),
            mkdir=writing(os.mkdir),
            remove=writing(os.remove),
            rename=writing(rename),
            statvfs=lambda path: (512, 512, 2000, 2000, 2000, 0, 0, 0, 0, 255),
            sync=lambda: None,
            uname=lambda: ("rp2040", "rp2040", self.version, f"{self.version} on 2026-07-15", self.machine),
        )

    def _tinywake(self) -> Any:
        if not (self.drive / "lib/tinywake/main.mpy").exists() and not (self.drive / "lib/tinywake/main.py").exists():
            raise ImportError("no module named 'tinywake'")

        class Model:
            def __init__(model, path: str) -> None:
                model.data = self._at(path).read_bytes()

            def verify(model) -> None:
                if b"CORRUPT" in model.data:
                    raise ValueError("TW_ERR_PAYLOAD")

        return types.SimpleNamespace(Model=Model, stop=lambda: None)

    def _run(self) -> None:
        """What a start does: the first program that there is."""
        self._mode = "running"
        self.runs += 1
        program = next((each for each in ("code.txt", "code.py", "main.py") if (self.drive / each).exists()), None)
        self._say(
            b"\r\nAuto-reload is on. Simply save files over USB to run them or enter REPL to disable.\r\n" + _TITLE
        )
        text = (self.drive / program).read_text() if program else ""
        if "tinywake.main.run()" in text:
            model = selected(self.drive)
            if model is not None:
                sha = hashlib.sha256(self._at(model).read_bytes()).hexdigest()[:16]
                self._say(
                    encode_line("model", [("name", "x"), ("sha", sha), ("arena", 1), ("step", 320), ("threshold", 9)])
                )
                self._say(encode_line("state", [("v", 1), ("state", "listening"), ("model", "x"), ("t", 0), ("steps", 0),
                                                ("hits", 0), ("dropped", 0), ("lost", 0)]))  # fmt: skip
                return
        if "raise" in text:
            self._say(
                b'Traceback (most recent call last):\r\n  File "code.py", line 1, in <module>\r\nValueError: mine\r\n'
            )
        self._done()

    def _done(self) -> None:
        self._mode = "done"
        self._say(b"\r\nCode done running.\r\n\r\nPress any key to enter the REPL. Use CTRL-D to reload.\r\n")


def selected(drive: Path, role: str = "model") -> str | None:
    """What the app takes for a role: by its own slots.py, run here on the folder; of its paths the first that is there."""

    def crc16(data: bytes, start: int, end: int) -> int:
        return binascii.crc_hqx(bytes(data[start:end]), 0xFFFF)

    text = (REPO / "firmware/app/slots.py").read_text().replace("import _tinywake\n", "")
    names: dict[str, Any] = {
        "_tinywake": types.SimpleNamespace(crc16=crc16),
        "open": lambda path, mode: (drive / path).open(mode),
    }
    exec(compile(text, "slots.py", "exec"), names)
    for path in names["paths"](role):
        if (drive / path).is_file():
            digest = hashlib.sha256((drive / path).read_bytes()).hexdigest()[:16]
            assert names["digest"](path) in ("", digest), "the record has another content in mind"
            return str(path)
    return None
