# SPDX-License-Identifier: MIT
"""What runs on a board: which interpreter, which native modules it loads, our build of those and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinywake.device import places
from tinywake.errors import DeviceError, ToolError

__all__ = [
    "ABI",
    "ARCHES",
    "BUILDABLE",
    "Firmware",
    "NativeModule",
    "built_module",
    "how_to_build",
    "module_for",
    "read_mpy",
    "read_native",
]

ABI = (6, 3)  # of our native modules: MicroPython 1.23 and later

# By their number in sys.implementation._mpy and in a .mpy; firmware/module/mpy_size.py has the same.
ARCHES = ("none", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa",
          "xtensawin", "rv32imc", "rv64imc")  # fmt: skip
BUILDABLE = ("x64", "armv6m", "armv7m", "armv7emsp", "rv32imc", "xtensawin")  # firmware/module/Makefile
_VIPER = 2  # kind of code in a native .mpy
_HAS_RODATA, _HAS_BSS = 0x20, 0x40


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
    path = built_module(firmware.arch)
    if path is None:
        raise ToolError(f"no _tinywake.mpy for {firmware.arch}: {how_to_build(firmware.arch)}")
    return path


def built_module(arch: str) -> Path | None:
    """The build of _tinywake.mpy that boards of an architecture load, if there is one here."""
    # armv6m code runs on every Thumb core above it, and their loaders accept it.
    for each in [arch, *(["armv6m"] if arch.startswith("armv7") else [])]:
        path = places.modules() / f"{each}_{ABI[0]}.{ABI[1]}" / "_tinywake.mpy"
        if path.is_file():
            return path
    return None


def how_to_build(arch: str) -> str:
    """What brings the module for an architecture, or that nothing does yet."""
    if arch not in BUILDABLE:
        return "tinywake cannot build it yet"
    make = f"make modules ARCH={arch}"
    return make if places.checkout() else f"this tinywake came without it: install a wheel, or {make} in a checkout"


@dataclass(frozen=True)
class NativeModule:
    """A native .mpy. Bytes."""

    arch: str
    file_bytes: int
    code: int
    constants: int
    zeroed: int

    @property
    def ram(self) -> int:
        """What importing it takes, its Python objects aside."""
        return self.code + self.constants + self.zeroed


def read_native(path: Path) -> NativeModule:
    """Read the head of a native .mpy (MicroPython's docs/reference/mpyfiles.rst). Raises ToolError."""
    data = path.read_bytes()
    try:
        return _parse(data)
    except (IndexError, ValueError) as error:
        raise ToolError(f"{path}: not a native module: make modules") from error


def _parse(data: bytes) -> NativeModule:
    if data[:1] not in (b"M", b"C"):
        raise ValueError("magic")
    at = 4

    def number() -> int:
        nonlocal at
        value = 0
        while True:
            at += 1
            value = value << 7 | (data[at - 1] & 0x7F)
            if data[at - 1] < 0x80:
                return value

    names = number()
    number()  # objects: none
    for _ in range(names):
        length = number()
        at += 0 if length & 1 else (length >> 1) + 1
    head = number()
    if head & 3 != _VIPER:
        raise ValueError("bytecode")
    code = head >> 3
    at += code
    flags = number()
    constants = number() if flags & _HAS_RODATA else 0
    zeroed = number() if flags & _HAS_BSS else 0
    return NativeModule(ARCHES[data[2] >> 2 & 0x0F], len(data), code, constants, zeroed)
