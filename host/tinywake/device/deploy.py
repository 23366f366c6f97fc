# SPDX-License-Identifier: MIT
"""Put module, app, pins and model onto a board that runs MicroPython.

Only what differs is sent; each file goes to a temporary name, is hashed on the board, and takes its name when
all have arrived whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinywake.device import places
from tinywake.device.boards import load_board
from tinywake.device.line.remote import ask, execute
from tinywake.errors import DeviceError, ToolError

__all__ = ["DeployReport", "Firmware", "deploy", "module_for"]

ABI = (6, 3)  # of our native modules: MicroPython 1.23 and later

# Of sys.implementation._mpy, bits 10 to 13.
_ARCHES = ("none", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa",
           "xtensawin", "rv32imc", "rv64imc")  # fmt: skip
_LIB = "lib"  # on sys.path of every board, and where MicroPython's own tools install
_PINS = f"{_LIB}/tinywake/pins.py"
_MODULE = f"{_LIB}/_tinywake.mpy"
_TIMEOUT = 60.0  # for one question
_BYTES_PER_S = 1000  # no link is slower

_HASH = """
import hashlib, os
def digest(path):
    try:
        f = open(path, "rb")
    except OSError:
        return None
    h = hashlib.sha256()
    b = bytearray(512)
    while True:
        n = f.readinto(b)
        if not n:
            break
        h.update(memoryview(b)[:n])
    f.close()
    return "".join("%02x" % x for x in h.digest())
"""

# A module in the firmware is found without any path; one in a file would be loaded, cut short or not.
_PROBE = """
import gc, sys
gc.collect()
free = gc.mem_free()
path = sys.path[:]
sys.path.clear()
try:
    import _tinywake
    builtin = True
except ImportError:
    builtin = False
sys.path.extend(path)
i = sys.implementation
answer({"name": i[0], "version": list(i[1][:3]), "mpy": getattr(i, "_mpy", 0), "builtin": builtin,
        "free": free, "files": {p: digest(p) for p in PATHS}})
"""

_MAKE_DIRECTORIES = """
import os
for d in PATHS:
    try:
        os.mkdir(d)
    except OSError:
        os.stat(d)
"""

_RENAME = """
bad = [p for p in FILES if digest(p + "~") != FILES[p]]
for p in () if bad else FILES:
    try:
        os.rename(p + "~", p)
    except OSError:
        os.remove(p)
        os.rename(p + "~", p)
answer(bad)
"""

_REMOVE = """
import os
for p in PATHS:
    try:
        os.remove(p + "~")
    except OSError:
        pass
"""

_LOAD = """
import gc
import tinywake
gc.collect()
answer(gc.mem_free())
"""


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


@dataclass(frozen=True)
class DeployReport:
    """What deploy did."""

    port: str
    firmware: Firmware
    copied: tuple[str, ...]  # paths on the board
    unchanged: tuple[str, ...]
    bytes_copied: int
    module_bytes: int  # size of _tinywake.mpy; 0: compiled into the firmware
    model_bytes: int
    heap_before: int  # free, after a reset
    heap_loaded: int  # free, with module and app imported and no model open


def deploy(port: str, model: Path, *, board: str | None = None) -> DeployReport:
    """Make the board on `port` listen for `model`. `board`: a name under boards/, needed the first time only.

    Raises DeviceError, ToolError or ConfigError with one line; the board then has all of its old files.
    """
    if not model.is_file():
        raise DeviceError(f"{model}: no such model")
    with tempfile.TemporaryDirectory(prefix="tinywake-") as staging:
        files = _files(model, board, Path(staging))
        firmware, free, there = _probe(port, [*files, _PINS, _MODULE])
        if board is None and there.get(_PINS) is None:
            raise DeviceError(f"{port}: the board does not know its pins yet: name it, as in --board UNIX")
        module = module_for(firmware, port)
        if module:
            files = {_MODULE: module, **files}
        wanted = {path: hashlib.sha256(source.read_bytes()).hexdigest() for path, source in files.items()}
        changed = [path for path in files if there.get(path) != wanted[path]]
        if changed:
            _copy(port, {path: files[path] for path in changed}, {path: wanted[path] for path in changed})
        return DeployReport(
            port=port,
            firmware=firmware,
            copied=tuple(changed),
            unchanged=tuple(path for path in files if path not in changed),
            bytes_copied=sum(files[path].stat().st_size for path in changed),
            module_bytes=module.stat().st_size if module else 0,
            model_bytes=model.stat().st_size,
            heap_before=free,
            heap_loaded=int(ask(port, _LOAD, timeout=_TIMEOUT)),
        )


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


def _files(model: Path, board: str | None, staging: Path) -> dict[str, Path]:
    """Path on the board -> file here, of everything but the module."""
    app = places.app()
    files = {f"{_LIB}/tinywake/{p.relative_to(app).as_posix()}": p for p in sorted(app.rglob("*.py"))}
    if not files:
        raise ToolError(f"{app}: the MicroPython app is missing: install tinywake again")
    if board is not None:
        files[_PINS] = load_board(board).pins
    chosen = staging / "model.txt"
    chosen.write_text(model.name + "\n", encoding="utf-8")
    return {**files, model.name: model, "model.txt": chosen}


def _probe(port: str, paths: list[str]) -> tuple[Firmware, int, dict[str, str | None]]:
    said: dict[str, Any] = ask(port, _HASH + f"PATHS = {paths!r}\n" + _PROBE, timeout=_TIMEOUT)
    mpy = int(said["mpy"])
    number = mpy >> 10 & 0x0F
    firmware = Firmware(
        name=str(said["name"]),
        version=tuple(said["version"]),
        abi=(mpy & 0xFF, mpy >> 8 & 3) if mpy else None,
        arch=_ARCHES[number] if number < len(_ARCHES) else f"architecture {number}",
        builtin=bool(said["builtin"]),
    )
    return firmware, int(said["free"]), said["files"]


def _copy(port: str, sources: dict[str, Path], digests: dict[str, str]) -> None:
    directories = sorted({parent.as_posix() for path in sources for parent in Path(path).parents} - {"."})
    copies = [("cp", str(source.resolve()), f":{path}~") for path, source in sources.items()]
    timeout = _TIMEOUT + sum(source.stat().st_size for source in sources.values()) / _BYTES_PER_S
    rename = _HASH + f"FILES = {digests!r}\n" + _RENAME
    directories_first = ("exec", f"PATHS = {directories!r}\n" + _MAKE_DIRECTORIES)
    try:
        bad = ask(port, rename, directories_first, *copies, timeout=timeout)
    except DeviceError:
        _remove_temporary(port, list(sources))
        raise
    if bad:
        _remove_temporary(port, list(sources))
        raise DeviceError(f"{port}: {bad[0]} arrived damaged; nothing was changed: try again")


def _remove_temporary(port: str, paths: list[str]) -> None:
    with contextlib.suppress(DeviceError, ToolError):
        execute(port, f"PATHS = {paths!r}\n" + _REMOVE, timeout=_TIMEOUT)
