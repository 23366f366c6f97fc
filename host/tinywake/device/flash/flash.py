# SPDX-License-Identifier: MIT
"""tinywake flash: MicroPython onto a board, checked before anything is erased and verified after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from tinywake.device.boards import Board, Memory, board_names, load_board
from tinywake.device.flash import rp2
from tinywake.device.flash.files.fetch import pinned_firmware
from tinywake.device.flash.files.image import Image, read_image
from tinywake.device.flash.files.uf2_image import TINYUF2, check_range
from tinywake.device.flash.find import Found, find, ports, wait_for_drive, wait_for_port
from tinywake.device.flash.prompt import Prompt, ask_prompt, enter_bootsel, wait_for_prompt
from tinywake.device.flash.rp2 import Drive, copy_to, drives, find_picotool, picotool_load
from tinywake.errors import DeviceError, ToolError

__all__ = ["Flashed", "Order", "flash"]

Progress = Callable[[str, float], None]  # stage, fraction 0..1

_BOOT_S = 15.0


@dataclass(frozen=True)
class Order:
    """What the user asks for. None: to be found out."""

    port: str | None = None
    board: str | None = None  # a directory under boards/
    firmware: Path | None = None
    drive: Path | None = None  # of an RP2 in BOOTSEL
    erase: bool = False
    stub: bool = True  # esptool's helper
    baud: int = 460800


@dataclass(frozen=True)
class Flashed:
    """What was done."""

    chip: str
    board: str | None
    port: str | None
    firmware: str
    version: str | None
    bytes: int
    verified: str
    model: str | None  # of a ready image, which hears it by itself

    @property
    def next(self) -> str:
        """The command that follows."""
        if self.model is not None:
            return f"tinywake monitor {self.port or 'PORT'}"
        if (self.version or "").startswith("CircuitPython"):
            return "tinywake deploy --model MODEL.twm --main"
        return f"tinywake deploy {self.port or 'PORT'} --board {self.board or 'NAME'} --model MODEL.twm"

    def facts(self) -> dict[str, object]:
        """As JSON-able values."""
        return {**asdict(self), "next": self.next}

    def lines(self) -> list[str]:
        """For people."""
        where = f"{self.port}: " if self.port else ""
        what = self.version or self.firmware
        ready = f"it is a ready image: unplug the board and plug it in, and it listens with {self.model}"
        return [
            f"{where}{self.board or 'a board'} with {self.chip} has {what} ({self.bytes:,} bytes, {self.verified})",
            *([] if self.model is None else [ready]),
            f"next: {self.next}",
        ]


def flash(order: Order, on_progress: Progress) -> Flashed:
    """Put firmware on a board. Raises DeviceError or ToolError; nothing is written where the firmware does not fit."""
    board = load_board(order.board) if order.board else None
    if board is not None and board.flash == "none":
        raise DeviceError(f"{board.name}: is no board that can be flashed")
    image = _image(order, board, on_progress) if order.firmware or board else None
    if board is not None and image is not None:
        _fits(image, board.chip, board.name, board.memory)
    found = find(order.port, order.drive, image.flash if image else None)
    if found.flash == "esptool":
        return _esp32(order, found.port or "", board, image, on_progress)
    return _rp2(order, found, board, image, on_progress)


def _image(order: Order, board: Board | None, on_progress: Progress) -> Image:
    if order.firmware is not None:
        return read_image(order.firmware)
    assert board is not None
    return read_image(pinned_firmware(board, lambda fraction: on_progress("downloading", fraction)))


def _fits(image: Image, chip: str, where: str, memory: Memory | None) -> None:
    if image.chip.removesuffix(TINYUF2) != chip.removesuffix(TINYUF2):
        raise DeviceError(f"{image.path}: is for {image.chip}, but {where} has {chip}; nothing was written")
    if image.addresses is not None:
        room = memory.flash - memory.storage if memory and not image.circuitpython else None
        try:
            check_range(image.addresses, chip, room)
        except ValueError as error:
            raise DeviceError(f"{image.path}: {error}; nothing was written") from error


def _board_with(chip: str) -> Board:
    """The board, where only one of those that are known has this chip."""
    known = [board for board in map(load_board, board_names()) if board.chip == chip and board.firmware]
    if len(known) == 1:
        return known[0]
    if known:
        names = ", ".join(board.name for board in known)
        raise DeviceError(f"several boards have an {chip}; name yours with --board: {names}")
    raise DeviceError(f"no board with {chip} is known to tinywake: give --firmware FILE")


def _esp32(order: Order, port: str, board: Board | None, image: Image | None, on_progress: Progress) -> Flashed:
    try:
        from tinywake.device.flash import esp
    except ModuleNotFoundError as error:
        raise ToolError("esptool is missing, which ESP32 boards need: pip install 'tinywake[flash]'") from error
    if order.erase and not order.stub:
        raise DeviceError("--erase needs the helper that --no-stub leaves out")
    on_progress("connecting", 0.0)
    with esp.esp_board(port) as chip:
        if image is None:
            board = _board_with(chip.chip)
            image = _image(order, board, on_progress)
        _fits(image, chip.chip, f"the board on {port}", None)
        needs = board.memory.flash if board and board.memory else image.offset + len(image.data)
        how = esp.How(order.erase, order.stub, order.baud, needs)
        chip.write(image.data, image.offset, how, lambda fraction: on_progress("writing", fraction))
    return _report(image, board, port, "verified by MD5")


def _rp2(order: Order, found: Found, board: Board | None, image: Image | None, on_progress: Progress) -> Flashed:
    on_progress("connecting", 0.0)
    prompt = None
    if found.drive is None:
        try:
            prompt = ask_prompt(found.port or "")
        except DeviceError as error:
            raise DeviceError(f"{error}; or {rp2.BY_HAND}, then run this again") from error
        if board is None and prompt.build in board_names():
            board = load_board(prompt.build)
    chip = found.drive.chip if found.drive else _chip_of(prompt, found.port or "")
    if image is None:
        board = board or _board_with(chip)
        image = _image(order, board, on_progress)
    _fits(image, chip, "the board", board.memory if board else None)
    if order.erase:
        _can_erase(order, found.drive)
    drive = found.drive or _bootsel(found.port or "", chip)
    before = ports()
    verified = _write_rp2(order, drive, image, lambda fraction: on_progress("writing", fraction))
    if image.version is None:
        return _report(
            image,
            board,
            found.port,
            verified or "not verified: it is not MicroPython or CircuitPython, which would say so",
        )
    on_progress("starting", 1.0)
    port = found.port or wait_for_port(before)
    running = wait_for_prompt(port, _BOOT_S).version
    if not running.endswith(image.version):
        raise DeviceError(f"{port}: runs {running}, not the {image.version} of {image.path}")
    return _report(image, board, port, verified or "verified by the version that it runs")


def _chip_of(prompt: Prompt | None, port: str) -> str:
    if prompt is None or not prompt.is_rp2:
        machine = prompt.machine if prompt else "nothing"
        raise DeviceError(f"{port}: {machine} answers there, which is no RP2040 or RP2350")
    return prompt.chip


def _bootsel(port: str, chip: str) -> Drive:
    before = [drive.path for drive in drives()]
    enter_bootsel(port)
    return wait_for_drive(before, chip)


def _alone(order: Order, drive: Drive | None) -> bool:
    """Whether no other board is in BOOTSEL: picotool cannot be told which drive is meant."""
    return order.drive is None and not [other for other in drives() if drive is None or other.path != drive.path]


def _can_erase(order: Order, drive: Drive | None) -> None:
    """Asked before the board leaves its program (drive: None) as well as after: it would stay in BOOTSEL."""
    if not _alone(order, drive):
        raise DeviceError("--erase needs picotool and one board only in BOOTSEL, its drive not named")
    find_picotool(erase=True)


def _write_rp2(order: Order, drive: Drive, image: Image, on_progress: Callable[[float], None]) -> str | None:
    if order.erase:
        _can_erase(order, drive)
    if _alone(order, drive) and picotool_load(image.path, order.erase):
        return "read back by picotool"
    copy_to(drive, image.data, on_progress)
    return None


def _report(image: Image, board: Board | None, port: str | None, verified: str) -> Flashed:
    return Flashed(
        chip=image.chip,
        board=board.name if board else None,
        port=port,
        firmware=str(image.path),
        version=image.version,
        bytes=len(image.data),
        verified=verified,
        model=image.model,
    )
