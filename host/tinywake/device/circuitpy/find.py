# SPDX-License-Identifier: MIT
"""Where a CircuitPython board is: its CIRCUITPY drive, known by its boot_out.txt whatever its label, and its port.

The chip's id is in that file, and is the serial number of the USB port: so the two are told to be one board's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports

from tinywake.device.circuitpy.facts import BOOT_OUT, Facts, answers, read_boot_out
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.usb.find import list_boards
from tinywake.device.usb.volumes import Volume, volumes
from tinywake.errors import DeviceError

__all__ = ["Drive", "Found", "answers_at", "circuitpy_drives", "find"]

_LABEL = "CIRCUITPY"
_MOST = 4096  # bytes of boot_out.txt that count
_ADAFRUIT = 0x239A  # whose USB ids most boards with CircuitPython have


@dataclass(frozen=True)
class Drive:
    """The drive of a board."""

    path: Path
    facts: Facts
    read_only: bool = False  # mounted so


@dataclass(frozen=True)
class Found:
    """A board that runs CircuitPython, or may: at least one of both is there."""

    drive: Drive | None
    port: str | None

    @property
    def where(self) -> str:
        """To begin a line with."""
        return str(self.port or (self.drive and self.drive.path))


def circuitpy_drives() -> list[Drive]:
    """Every mounted drive of a board that runs CircuitPython."""
    return [drive for volume in volumes() for drive in _drive(volume)]


def find(port: str | None, drive: Path | None) -> Found | None:
    """The board that is named, else the only one; None where no CircuitPython is seen: it may yet answer at a port.

    Raises DeviceError where there are several, or what is named is none.
    """
    if drive is not None:
        named = _named(drive)
        return Found(named, port or _port_of(named))
    drives = circuitpy_drives()
    if port is not None:
        number = _serial_numbers().get(port)
        own = [each for each in drives if number and each.facts.uid == number]
        return Found(own[0] if own else None, port) if own or _is_adafruits(port) else None
    if not drives:
        return None
    if len(drives) > 1:
        names = ", ".join(f"--drive {each.path} ({each.facts.machine}, UID {each.facts.uid})" for each in drives)
        raise DeviceError(f"several CircuitPython boards are connected; name one: {names}")
    numbers = _serial_numbers()
    others = [each for each in list_boards() if each.is_micropython and numbers.get(each.device) != drives[0].facts.uid]
    if others:
        names = ", ".join(f"{each.device}: {each.what}" for each in others)
        raise DeviceError(f"several boards are connected; name one: --drive {drives[0].path}, or a port ({names})")
    return Found(drives[0], _port_of(drives[0]))


def answers_at(port: str) -> bool:
    """Whether CircuitPython is at a port's prompt, as of a board without a drive; what runs there is interrupted."""
    with RawRepl(port) as repl:
        return answers(repl)


def _named(path: Path) -> Drive:
    if not path.is_dir():
        raise DeviceError(f"{path}: there is no such drive: plug the board in and mount it")
    volume = next((each for each in volumes() if each.path == path.resolve()), Volume(path))
    found = list(_drive(volume))
    if found:
        return found[0]
    if path.name == _LABEL:
        raise DeviceError(f"{path}: has no {BOOT_OUT}, which says which board it is: press the board's reset button")
    raise DeviceError(f"{path}: is not the drive of a board with CircuitPython (it has no {BOOT_OUT} of it)")


def _drive(volume: Volume) -> Iterator[Drive]:
    try:
        with (volume.path / BOOT_OUT).open("rb") as file:
            facts = read_boot_out(file.read(_MOST).decode("utf-8", "replace"))
    except OSError:  # not there, or not ours to look into
        return
    if facts is not None:
        yield Drive(volume.path, facts, volume.read_only)


def _serial_numbers() -> dict[str, str]:
    return {each.device: (each.serial_number or "").upper() for each in list_ports.comports()}


def _port_of(drive: Drive) -> str | None:
    """Of the ports that have its chip's id the first, which is the console; None where there is none."""
    same = sorted(port for port, number in _serial_numbers().items() if number and number == drive.facts.uid)
    return same[0] if same else None


def _is_adafruits(port: str) -> bool:
    return any(each.device == port and each.vid == _ADAFRUIT for each in list_boards())
