# SPDX-License-Identifier: MIT
"""The ESP32 family: esptool as a library, its errors as one line that says how to go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from esp_pylib.logger import EspLog, EspLogBase
from esptool import cmds
from esptool.reset import ResetStrategy
from esptool.util import FatalError, flash_size_bytes

from tinywake.device.line.port import GONE, open_port
from tinywake.errors import DeviceError

__all__ = ["BY_HAND", "EspBoard", "How", "esp_board"]

BY_HAND = "hold BOOT, press EN (or RESET) and let go of it, let go of BOOT"

_ERRORS = (FatalError, *GONE)


class _Listener(EspLogBase):
    """Instead of esptool's own output: only how far it has come."""

    def __init__(self, on_progress: Callable[[float], None]) -> None:
        self._on_progress = on_progress

    def progress_bar(
        self, cur_iter: int, total_iters: int, prefix: str = "", suffix: str = "", bar_length: int = 30
    ) -> None:
        self._on_progress(cur_iter / total_iters if total_iters else 0.0)

    def print(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: what matters comes as an exception."""

    err = warn = note = hint = debug = set_verbosity = print


@dataclass(frozen=True)
class How:
    """What is done beside writing."""

    erase: bool = False  # all of the flash, files included
    stub: bool = True  # load esptool's helper: fast, and needed to erase
    baud: int = 460800  # with the helper
    flash: int = 0  # bytes of it that the firmware needs


class EspBoard:
    """A chip whose loader has answered."""

    def __init__(self, port: str, loader: Any) -> None:
        self.port = port
        self.chip: str = loader.CHIP_NAME
        self._loader = loader

    def write(self, data: bytes, offset: int, how: How, on_progress: Callable[[float], None]) -> None:
        """Write a firmware, compare its MD5 with that of the flash, and start it."""
        done: float | None = None  # nothing is written yet

        def advance(fraction: float) -> None:
            nonlocal done
            done = fraction
            on_progress(fraction)

        EspLog.set_logger(_Listener(advance))
        try:
            loader = self._prepared(how)
            size = flash_size_bytes(cmds.detect_flash_size(loader))
            if size is not None and size < how.flash:
                raise DeviceError(
                    f"{self.port}: this {self.chip} has {size:,} bytes of flash, the firmware needs {how.flash:,}: "
                    "name another --board, or another file"
                )
            loader.WRITE_FLASH_ATTEMPTS = 1  # what the cable interrupts, the next run does again from the start
            advance(0.0)
            cmds.write_flash(loader, [(offset, data)], erase_all=how.erase)
            loader.hard_reset()
        except _ERRORS as error:
            raise DeviceError(f"{self.port}: {_interrupted(error, done)}") from error

    def _prepared(self, how: How) -> Any:
        if self._loader.secure_download_mode:
            raise DeviceError(
                f"{self.port}: this {self.chip} is in secure download mode, in which nothing can be "
                "verified: use esptool"
            )
        loader = self._loader
        if how.stub:
            loader = cmds.run_stub(loader)
            loader.change_baud(how.baud)
        cmds.attach_flash(loader)
        return loader


@contextmanager
def esp_board(port: str) -> Iterator[EspBoard]:
    """Bring the chip on a port into its loader and ask which it is. Raises DeviceError with one line."""
    listener = _Listener(lambda fraction: None)
    EspLog.set_logger(listener)
    ResetStrategy.print_once = listener.warn  # which keeps the logger that there was when esptool was imported
    with open_port(port) as device:
        try:
            loader = cmds.detect_chip(device)
        except _ERRORS as error:
            raise DeviceError(f"{port}: {_unreached(error)}") from error
        yield EspBoard(port, loader)


def _unreached(error: BaseException) -> str:
    text = str(error)
    if not isinstance(error, FatalError):
        return f"the board is gone; plug it in again, {BY_HAND}, then run this again"
    if "chip ID" in text or "magic value" in text:
        return f"a chip that esptool does not know ({_first(text)})"
    if "Wrong boot mode" in text:
        return f"the board starts its program instead of its loader: {BY_HAND}, then run this again"
    if "TX path" in text:
        return "the board's loader runs, but hears nothing from here: check the cable and what else is wired to RX"
    return f"no ESP32 answers there: {BY_HAND}, then run this again"


def _interrupted(error: BaseException, done: float | None) -> str:
    text = str(error)
    if "MD5" in text or "region is empty" in text:
        return "what is in flash is not what was sent: run this again, with --baud 115200 if it stays so"
    if "start stub" in text:
        return f"the helper that esptool loads does not start: {BY_HAND}, then run this again with --no-stub"
    if isinstance(error, FatalError) and not _silent(text):
        return _first(text)
    if done is None:
        return f"the board fell silent before anything was written: {BY_HAND}, then run this again"
    return (
        f"the board was lost at {100 * done:.0f} %: its firmware is not whole, so it will not start; plug it in, "
        f"{BY_HAND}, then run this again"
    )


def _silent(text: str) -> bool:
    return any(sign in text for sign in ("No serial data", "stream stopped", "transfer stopped", "No more data"))


def _first(text: str) -> str:
    """The first sentence of esptool's, on one line."""
    return " ".join(text.split("\n")[0].split()).rstrip(".")
