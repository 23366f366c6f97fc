# SPDX-License-Identifier: MIT
"""Which serial ports may be boards, and the one that is meant where none is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from serial.tools import list_ports

from tinywake.device.boards import board_names, load_board
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError

__all__ = ["Port", "find_board", "list_boards"]

_ANY = -1
# USB vendor and product -> what it is, the chips it may be of, whether MicroPython or CircuitPython itself answers.
_KNOWN: dict[tuple[int, int], tuple[str, tuple[str, ...], bool]] = {
    (0x2E8A, 0x0005): ("MicroPython on an RP2", ("RP2040", "RP2350"), True),
    (0x2E8A, _ANY): ("Raspberry Pi", ("RP2040", "RP2350"), False),
    (0x2341, 0x025E): ("Arduino Nano RP2040 Connect", ("RP2040",), True),
    (0x303A, 0x4001): ("MicroPython on an ESP32-S2 or S3", ("ESP32-S2", "ESP32-S3"), True),
    (0x303A, 0x1001): ("ESP32 with its own USB", ("ESP32-C3", "ESP32-S3"), False),
    (0x303A, _ANY): ("Espressif", ("ESP32-S2", "ESP32-S3"), False),
    (0x10C4, 0xEA60): ("CP210x bridge, as on ESP32 boards", ("ESP32", "ESP32-S3", "ESP32-C3"), False),
    (0x1A86, _ANY): ("CH34x or CH9102 bridge, as on ESP32 boards", ("ESP32", "ESP32-S3", "ESP32-C3"), False),
    (0x0403, _ANY): ("FTDI bridge", ("ESP32",), False),
    (0x239A, _ANY): ("CircuitPython, or a board of Adafruit's", ("RP2040", "RP2350", "ESP32-S2", "ESP32-S3"), True),
    (0xF055, _ANY): ("MicroPython", (), True),
}


@dataclass(frozen=True)
class Port:
    """A USB serial port."""

    device: str
    vid: int
    pid: int
    product: str  # as it calls itself; may be empty

    @property
    def what(self) -> str:
        """For people."""
        return f"{self.product or self._known[0] or 'unknown'} ({self.vid:04x}:{self.pid:04x})"

    @property
    def boards(self) -> list[str]:
        """Names under boards/ that may be on it."""
        return [name for name in board_names() if load_board(name).chip in self._known[1]]

    @property
    def is_micropython(self) -> bool:
        """Whether these are the ids of MicroPython or CircuitPython itself. Behind a bridge it may be too."""
        return self._known[2]

    @property
    def _known(self) -> tuple[str, tuple[str, ...], bool]:
        return _KNOWN.get((self.vid, self.pid)) or _KNOWN.get((self.vid, _ANY)) or ("", (), False)


def list_boards() -> list[Port]:
    """Every USB serial port, by name."""
    ports = [
        Port(each.device, each.vid, each.pid, each.product or "")
        for each in list_ports.comports()
        if each.vid is not None and each.pid is not None
    ]
    return sorted(ports, key=lambda port: port.device)


def find_board(answers: Callable[[str], bool] | None = None) -> str:
    """The port of the only board that there is. Raises DeviceError where there is none, or more than one.

    answers: whether MicroPython is at a port's prompt; only asked where USB ids do not decide.
    """
    ports = list_boards()
    if not ports:
        raise DeviceError(
            "no board is connected by USB: plug it in with a cable that carries data, or name its port; "
            "tinywake doctor says more"
        )
    sure = [port for port in ports if port.is_micropython]
    if len(sure) == 1 or len(ports) == 1:
        return (sure or ports)[0].device
    said = [port for port in sure or ports if (answers or _answers)(port.device)]
    if len(said) == 1:
        return said[0].device
    names = ", ".join(f"{port.device}: {port.what}" for port in said or ports)
    raise DeviceError(f"several boards are connected, name one ({names})")


def _answers(device: str) -> bool:
    try:
        with RawRepl(device, timeout=2):
            return True
    except DeviceError:
        return False
