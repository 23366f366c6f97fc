"""A Pico as this computer sees it: a drive while it is in BOOTSEL, else a port with a MicroPython prompt.

The drive is a folder, the port a pty behind a link. As the boot ROM does it: a file is taken when all of its blocks are
there, then the drive goes away and the program starts.
"""

from __future__ import annotations

import os
import select
import struct
import threading
import time
import tty
from pathlib import Path

_INFO = "UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: {}\r\n"


class FakePico:
    def __init__(
        self,
        folder: Path,
        *,
        board_id: str = "RPI-RP2",
        family: int = 0xE48BFF56,
        says: str = "",
        build: str = "RPI_PICO",
    ) -> None:
        self.drive, self.port = folder / "RPI-RP2", folder / "ttyACM0"
        self.drive.mkdir(parents=True)
        self.family, self.board_id, self.build = family, board_id, build
        self.version = says or "MicroPython v1.20.0 on 2023-04-26"  # before it is flashed
        self.becomes: str | None = None  # what it says after; None: what the file holds
        self.taken = b""
        self._stop = False
        self._lock = threading.RLock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._prompt: tuple[int, int] | None = None

    def __enter__(self) -> FakePico:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop = True
        self._thread.join()
        self._close()

    # states

    def bootsel(self) -> None:
        with self._lock:
            self._close()
            (self.drive / "INFO_UF2.TXT").write_text(_INFO.format(self.board_id))

    def start(self) -> None:
        with self._lock:
            for path in self.drive.iterdir():
                path.unlink()
            master, slave = os.openpty()
            tty.setraw(slave)
            self._prompt = master, slave
            self.port.symlink_to(os.ttyname(slave))

    def _close(self) -> None:
        self.port.unlink(missing_ok=True)
        for handle in self._prompt or ():
            os.close(handle)
        self._prompt = None

    def _run(self) -> None:
        heard = bytearray()
        while not self._stop:
            with self._lock:
                if self._prompt is None:
                    self._take()
                elif select.select([self._prompt[0]], [], [], 0)[0]:
                    heard += os.read(self._prompt[0], 4096)
                    self._talk(heard)
            time.sleep(0.002)

    def _take(self) -> None:
        path = self.drive / "firmware.uf2"
        if path.is_symlink() or not path.exists():
            return
        data = path.read_bytes()
        blocks = {}
        for at in range(0, len(data) - 511, 512):
            words = struct.unpack_from("<8I", data, at)
            if words[7] == self.family:
                blocks[words[5]] = data[at + 32 : at + 32 + words[4]]
                if len(blocks) == words[6]:
                    self.taken = b"".join(blocks[i] for i in range(len(blocks)))
        if self.taken:
            at = max(self.taken.find(name) for name in (b"MicroPython v", b"CircuitPython "))
            self.version = self.becomes or self.taken[at:].split(b";")[0].decode()
            self.start()

    # the raw REPL, as far as it is used

    def _say(self, data: bytes) -> None:
        assert self._prompt is not None
        os.write(self._prompt[0], data)

    def _talk(self, heard: bytearray) -> None:
        if heard.endswith(b"\r\x01"):
            heard.clear()
            self._say(b"raw REPL; CTRL-B to exit\r\n>")
        elif heard.endswith(b"\x05A\x01"):
            heard.clear()
            self._say(b"R\x01\x00\x10\x01")
        elif heard.endswith(b"\x04"):
            code = bytes(heard[:-1]).decode()
            heard.clear()
            if "bootloader" in code:
                self.bootsel()
            elif "sys.platform" in code:
                machine = "Raspberry Pi Pico with RP2040"
                facts = ["rp2", machine, self.build, f"3.4.0; {self.version}"]
                if self.version.startswith("CircuitPython"):
                    facts = ["RP2040", machine.lower(), "", f"3.4.0; Adafruit {self.version}"]
                self._say(b"\x04" + repr(facts).encode() + b"\r\n\x04\x04>")
            else:
                self._say(b"OK\x04\x04>")
