# SPDX-License-Identifier: MIT

"""Flash of an emulated chip whose firmware is CircuitPython: what deploy would write is on the drive when it boots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tinywake.device.circuitpy.deploy.run import Order, Session, models_of, put_all
from tinywake.device.circuitpy.image.fat import SECTOR, make_fat
from tinywake.device.circuitpy.image.uf2 import CircuitPythonUf2
from tinywake.device.deploy.copy import sha256
from tinywake.errors import DeviceError

__all__ = ["FLASH_BYTES", "flash_with", "put_drive"]

FLASH_BYTES = 2 << 20  # of a Pico
# The computer sees no drive, so what runs there may write: clips, and models behind a gate.
_BOOT = b"# Written by tinywake: no drive\nimport storage\n\nstorage.disable_usb_drive()\n"


def flash_with(firmware: CircuitPythonUf2, order: Order) -> bytes:
    """All of a Pico's flash but the firmware. Raises as deploy does, before anything boots."""
    files = _Made()
    put_all(Session(firmware.facts, files, None), order, models_of(order))
    return put_drive(firmware, {**files.made, "boot.py": _BOOT})


def put_drive(firmware: CircuitPythonUf2, files: Mapping[str, bytes]) -> bytes:
    """Flash with a drive of these files, up to its end. Raises DeviceError where they find no room."""
    try:
        drive = make_fat(files, (FLASH_BYTES - firmware.drive) // SECTOR)
    except ValueError as error:
        raise DeviceError(f"the drive at {firmware.drive:#x} of its flash: {error}") from error
    return b"\xff" * firmware.drive + drive


class _Made:
    """A drive that is still to be made."""

    where = "the drive"

    def __init__(self) -> None:
        self.made: dict[str, bytes] = {}

    def room(self) -> tuple[int, int] | None:
        return None

    def names(self, path: str) -> list[str]:
        start = f"{path}/" if path else ""
        below = [each.removeprefix(start) for each in self.made if each.startswith(start)]
        return sorted({name.partition("/")[0] + "/" * ("/" in name) for name in below})

    def read(self, path: str) -> bytes | None:
        return self.made.get(path)

    def digests(self, paths: Iterable[str]) -> dict[str, str | None]:
        return {path: sha256(self.made[path]) if path in self.made else None for path in paths}

    def make(self, path: str) -> None:
        pass

    def write(self, path: str, data: bytes) -> None:
        self.made[path] = data

    def rename(self, old: str, new: str) -> None:
        self.made[new] = self.made.pop(old)

    def remove(self, path: str) -> None:
        self.made.pop(path, None)
