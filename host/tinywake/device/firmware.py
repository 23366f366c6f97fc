# SPDX-License-Identifier: MIT
"""What runs on a board: which interpreter, which native modules it loads, our builds of those and of the app."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tinywake.device import places
from tinywake.errors import DeviceError, ToolError

__all__ = [
    "ABI",
    "ARCHES",
    "BUILDABLE",
    "Firmware",
    "NativeModule",
    "app_files",
    "built_module",
    "how_to_build",
    "module_for",
    "read_mpy",
    "read_native",
]

ABI = (6, 3)  # of our native modules: MicroPython 1.23 and later, CircuitPython 10.3.1 and later

# By their number in sys.implementation._mpy and in a .mpy; firmware/module/mpy_size.py has the same.
ARCHES = ("none", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa",
          "xtensawin", "rv32imc", "rv64imc")  # fmt: skip
BUILDABLE = ("x64", "armv6m", "armv7m", "armv7emsp", "rv32imc", "xtensawin")  # firmware/module/Makefile
_ANY = f"any_{ABI[0]}.{ABI[1]}"  # beside those of the architectures: bytecode, which runs on all of them
_MACHINE_CODE = b"@micropython."  # its decorators: viper, native
_CIRCUITPYTHON_ONLY = "port/circuit"  # how the app's files begin that no other interpreter imports
_VIPER = 2  # kind of code in a native .mpy
# What begins the folders of an interpreter's modules: they call their ABIs the same, and load only their own.
_FOLDERS = {"micropython": "", "circuitpython": "circuitpython_"}
# By the first byte of a native .mpy: the flags that sizes of constants and zeroed memory follow.
_FLAGS = {b"M": (0x20, 0x40), b"C": (0x40, 0x80)}


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
    path = built_module(firmware.arch, firmware.name)
    if path is None:
        whose = "" if firmware.name == "micropython" else f"{firmware.name} on "
        raise ToolError(f"no _tinywake.mpy for {whose}{firmware.arch}: {how_to_build(firmware.arch)}")
    return path


def built_module(arch: str, interpreter: str = "micropython") -> Path | None:
    """The build of _tinywake.mpy that boards of an architecture load, if there is one here.

    interpreter: its name as in sys.implementation; an unknown one counts as MicroPython.
    """
    # armv6m code runs on every Thumb core above it, and their loaders accept it.
    for each in [arch, *(["armv6m"] if arch.startswith("armv7") else [])]:
        folder = f"{_FOLDERS.get(interpreter, '')}{each}_{ABI[0]}.{ABI[1]}"
        path = places.modules() / folder / "_tinywake.mpy"
        if path.is_file():
            return path
    return None


def how_to_build(arch: str) -> str:
    """What brings the module for an architecture, or that nothing does yet."""
    if arch not in BUILDABLE:
        return "tinywake cannot build it yet"
    make = f"make modules ARCH={arch}"
    return make if places.checkout() else f"this tinywake came without it: install a wheel, or {make} in a checkout"


def app_files(*, text: bool = False, whole: bool = False) -> dict[str, bytes]:
    """The app, by the paths in its package: bytecode as far as it can be had here, or as it was written.

    whole: with what only CircuitPython's boards run, which has no place on the others.

    A board that compiles the text itself has the scraps all over its heap, and no large piece left for a model
    (docs/memory.md). What has machine code in it stays text: the board knows its own. Raises ToolError.
    """
    app = places.app()
    files: dict[str, bytes] = {}
    for path in sorted(app.rglob("*.py")):
        name, data = path.relative_to(app).as_posix(), path.read_bytes()
        if name.startswith(_CIRCUITPYTHON_ONLY) and not whole:
            continue
        code = None if text or _MACHINE_CODE in data else _bytecode(name, data)
        if code is None:
            files[name] = data
        else:
            files[name.removesuffix(".py") + ".mpy"] = code
    if not files:
        raise ToolError(f"{app}: the MicroPython app is missing: install tinywake again")
    return files


def _bytecode(name: str, text: bytes) -> bytes | None:
    """A file of the app as bytecode: in a checkout made now, else what came with the package. None: there is none."""
    root = places.checkout()
    if root is None:
        path = places.modules() / _ANY / "tinywake" / (name.removesuffix(".py") + ".mpy")
        return path.read_bytes() if path.is_file() else None
    compiler = root / "build" / "targets" / "mpy-cross"
    return _compiled(compiler, name, text) if compiler.is_file() else None


@lru_cache(maxsize=64)
def _compiled(compiler: Path, name: str, text: bytes) -> bytes:
    done = subprocess.run([compiler, "-s", f"tinywake/{name}", "-"], input=text, capture_output=True, check=False)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").split("\n")
        raise ToolError(f"firmware/app/{name}: {' '.join(line.strip() for line in said if line.strip())}")
    return done.stdout


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
    if data[:1] not in _FLAGS:
        raise ValueError("magic")
    has_constants, has_zeroed = _FLAGS[data[:1]]
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
    constants = number() if flags & has_constants else 0
    zeroed = number() if flags & has_zeroed else 0
    return NativeModule(ARCHES[data[2] >> 2 & 0x0F], len(data), code, constants, zeroed)
