"""DTR and RTS, which a pty has not: an RFC 2217 port in front of an EspLoader, wired to EN and IO0 as on a DevKitC.

Two transistors: DTR without RTS pulls IO0 low, RTS without DTR pulls EN low. EN rises slowly, so the strap that counts
is that of a moment later, when IO0 may just have gone low. That moment lasts here until the first byte comes.
"""

from __future__ import annotations

import os
import select
import socket
import threading

from esp_loader import EspLoader
from serial.rfc2217 import PortManager


class _Lines:
    """What PortManager takes for a serial port."""

    baudrate, bytesize, parity, stopbits = 115200, 8, "N", 1
    xonxoff = rtscts = break_condition = False
    cts = dsr = ri = cd = False

    def __init__(self, loader: EspLoader) -> None:
        self._loader = loader
        self._dtr = self._rts = False
        self.booted = True
        self.starts: list[str] = []  # what each reset led to

    def reset_input_buffer(self) -> None: ...

    def reset_output_buffer(self) -> None: ...

    def _set(self, dtr: bool, rts: bool) -> None:
        was_low = self._rts and not self._dtr
        self._dtr, self._rts = dtr, rts
        en_low, io0_low = rts and not dtr, dtr and not rts
        if was_low and not en_low:
            self.booted = False
            self.starts.append("app")
        if io0_low and not self.booted:
            self.starts[-1] = "loader"
        if self.starts:
            self._loader.boots = "nothing" if en_low else self.starts[-1]
            self._loader.stub = self._loader.stub and not en_low

    @property
    def dtr(self) -> bool:
        return self._dtr

    @dtr.setter
    def dtr(self, on: bool) -> None:
        self._set(on, self._rts)

    @property
    def rts(self) -> bool:
        return self._rts

    @rts.setter
    def rts(self, on: bool) -> None:
        self._set(self._dtr, on)


class LineServer:
    """Serves one connection after another until it is left."""

    def __init__(self, loader: EspLoader) -> None:
        loader.boots = "app"  # until the lines say otherwise
        self.lines = _Lines(loader)
        self._chip = os.open(loader.port, os.O_RDWR | os.O_NOCTTY)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = f"rfc2217://127.0.0.1:{self._server.getsockname()[1]}"
        self._stop = False
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> LineServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop = True
        self._thread.join()
        self._server.close()
        os.close(self._chip)

    def _serve(self) -> None:
        while not self._stop:
            if select.select([self._server], [], [], 0.02)[0]:
                with self._server.accept()[0] as self._socket:
                    self._connected(self._socket)

    def write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def _connected(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        manager = PortManager(self.lines, self)
        while not self._stop:
            ready = select.select([client, self._chip], [], [], 0.02)[0]
            if self._chip in ready:
                client.sendall(b"".join(manager.escape(os.read(self._chip, 4096))))
            if client in ready:
                data = client.recv(4096)
                if not data:
                    return
                plain = b"".join(manager.filter(data))
                self.lines.booted = self.lines.booted or bool(plain)
                while plain:
                    plain = plain[os.write(self._chip, plain) :]
