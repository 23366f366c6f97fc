# SPDX-License-Identifier: MIT
"""What runs on a board: which interpreter, which native modules it loads, and our build of those."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinywake.device import places
from tinywake.errors import DeviceError, ToolError

__all__ = ["ABI", "ARCHES", "Firmware", "module_for", "read_mpy"]

ABI = (6, 3)  # of our native modules: MicroPython 1.23 and later

# By their number in sys.implementation._mpy and in a .mpy; firmware/module/mpy_size.py has the same.
ARCHES = ("none", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa",
          "xtensawin", "rv32imc", "rv64imc")  # fmt: skip


def read_mpy(number: int) -> tuple[str, tuple[int, int]]:
    """Architecture and ABI in a sys.implementation._mpy."""
    arch = number >> 10 & 0x0F
    return ARCHES[arch] if arch < len(ARCHES) else f"architecture {arch}", (number & 0xFF, number >> 8 & 3)


@dataclass(frozen=True)
class Firmware:
    """What answers on a port."""

    name: str
    version: tuple[int, ...]
    abi: tuple[int, int] | None  # of the .mpy files it loads; None: it loads none
    arch: str  # of the native modules it loads; "none": it loads none
    builtin: bool  # _tinywake is compiled in

    def __str__(self) -> str:
        """For one line to people."""
        return f"{self.name} {'.'.join(map(str, self.version))} ({self.arch})"


def module_for(firmware: Firmware, port: str) -> Path | None:
    """The build of _tinywake.mpy that this firmware loads; None where it is compiled in."""
    if firmware.builtin:
        return None
    if firmware.abi is None or firmware.arch == "none":
        raise DeviceError(
            f"{port}: {firmware} loads no native modules: flash one that does, or one with _tinywake in it"
        )
    if firmware.abi != ABI:
        abi, ours = (".".join(map(str, each)) for each in (firmware.abi, ABI))
        advice = "install MicroPython 1.23 or later" if firmware.abi < ABI else "update tinywake"
        raise DeviceError(f"{port}: {firmware} loads .mpy files of version {abi}, tinywake's are {ours}: {advice}")
    # armv6m code runs on every Thumb core above it, and their loaders accept it.
    for arch in [firmware.arch, *(["armv6m"] if firmware.arch.startswith("armv7") else [])]:
        path = places.modules() / f"{arch}_{ABI[0]}.{ABI[1]}" / "_tinywake.mpy"
        if path.is_file():
            return path
    raise ToolError(f"no _tinywake.mpy for {firmware.arch}: make modules ARCH={firmware.arch}")
