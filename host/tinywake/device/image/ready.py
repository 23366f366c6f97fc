# SPDX-License-Identifier: MIT
"""One UF2 file that makes a Pico listen: firmware with module and app in it, and a model that it reads in place."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from tinywake.coded import decoded, is_coded
from tinywake.core import Model
from tinywake.device import places
from tinywake.device.boards import load_board
from tinywake.device.image.record import XIP_BASE, find_records, pack_record, place
from tinywake.device.image.uf2 import RP2040, Uf2, join, pages_of, read_uf2, write_uf2
from tinywake.errors import ConfigError, DeviceError, ToolError
from tinywake.files import why_unread, write_beside

__all__ = ["ReadyImage", "built_firmware", "make_image"]

_BOARD = "RPI_PICO"


@dataclass(frozen=True)
class ReadyImage:
    """What was made."""

    path: Path
    board: str
    model: str
    model_bytes: int
    model_address: int
    firmware_bytes: int
    free_bytes: int  # between firmware and model

    def facts(self) -> dict[str, object]:
        """As JSON-able values."""
        return {**asdict(self), "path": str(self.path)}

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"{self.path}: {self.board} with {self.model}",
            f"firmware {self.firmware_bytes:,} bytes; model {self.model_bytes:,} bytes at {self.model_address:#x}, "
            f"read in place; {self.free_bytes:,} bytes free between them",
            "hold BOOTSEL while you plug the board in, and copy the file to the drive that appears",
        ]


def built_firmware() -> Path:
    """The firmware for ready images that was built here. Raises ToolError where there is none."""
    root = places.checkout()
    path = (root or Path()) / "build" / "targets" / "rp2040" / "image.uf2"
    if root is None or not path.is_file():
        raise ToolError("no firmware for a ready image is built here: make targets-all, or name one with --firmware")
    return path


def make_image(model: Path, output: Path, firmware: Path | None = None, board: str = _BOARD) -> ReadyImage:
    """Write the file. Raises DeviceError or ConfigError with one line.

    firmware: a .uf2 with _tinywake and the app in it; default: the one built here. Nothing is written to the file
    system: a board keeps its files.
    """
    known = load_board(board)
    memory = known.memory
    if memory is None or memory.home != "xip" or known.chip != "RP2040":
        raise ConfigError(f"{board}: images can be made for an RP2040 with flash between firmware and file system")
    storage = XIP_BASE + memory.flash - memory.storage
    blob = _model(model)
    base = _read(firmware or built_firmware(), storage)
    end = max(base.pages) + 256
    try:
        record = pack_record(model.name, blob)
        address = place(end, storage, len(record))
        whole = join(base, pages_of(address, record))
    except ValueError as error:
        raise DeviceError(f"{model}: {error}") from error
    write_beside(output, lambda path: path.write_bytes(write_uf2(whole)))
    return ReadyImage(
        path=output,
        board=board,
        model=model.name,
        model_bytes=len(blob),
        model_address=address + 256,
        firmware_bytes=end - XIP_BASE,
        free_bytes=address - end,
    )


def _model(path: Path) -> bytes:
    try:
        blob = path.read_bytes()
    except OSError as error:
        raise DeviceError(f"{path}: cannot be read: {why_unread(error)}") from error
    if not Model.open(path).listens:
        raise DeviceError(f"{path}: not a model that listens")
    return bytes(decoded(blob)) if is_coded(blob) else blob  # it is read in place


def _read(path: Path, storage: int) -> Uf2:
    try:
        image = read_uf2(path.read_bytes())
    except OSError as error:
        raise DeviceError(f"{path}: cannot be read: {why_unread(error)}") from error
    except ValueError as error:
        raise DeviceError(f"{path}: {error}") from error
    if image.family != RP2040:
        raise DeviceError(f"{path}: is not for the RP2040, but for UF2 family {image.family:#x}")
    start, end = min(image.pages), max(image.pages) + 256
    if start != XIP_BASE or end > storage:
        raise DeviceError(f"{path}: is not firmware with a file system behind it: {start:#x} to {end:#x}")
    content = image.bytes_at(start, end)
    models = find_records(content, start)
    if models:
        raise DeviceError(
            f"{path}: is a ready image already, with {models[0].name} in it: name the firmware that it was made of"
        )
    for part in (b"_tinywake", b"tinywake/main.py"):
        if part not in content:
            raise DeviceError(f"{path}: lacks {part.decode()}: module and app must be in it, see docs/flash-layout.md")
    return image
