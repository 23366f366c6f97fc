# SPDX-License-Identifier: MIT
"""Put module, app, pins and model onto a board that runs MicroPython, and start it.

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
from tinywake.device.firmware import Firmware, module_for, read_mpy
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.line.remote import ask, execute
from tinywake.device.line.restart import restart
from tinywake.errors import DeviceError, ToolError

__all__ = ["DeployReport", "deploy"]

_LIB = "lib"  # on sys.path of every board, and where MicroPython's own tools install
_PINS = f"{_LIB}/tinywake/pins.py"
_MODULE = f"{_LIB}/_tinywake.mpy"
_MAIN = "main.py"
_MAIN_TEXT = "import tinywake.main\ntinywake.main.start()\n"
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
        "free": free, "files": {p: digest(p) for p in PATHS},
        "models": sorted(p for p in os.listdir() if p.endswith(".twm"))})
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
    other_models: tuple[str, ...]  # on the board beside this one, which model.txt names
    own_main: bool  # the board has a main.py that is the user's: it was left as it is
    listening: bool  # the app said so after the reset at the end
    trouble: str  # what the board did instead, in a line; empty where it listens or was not started

    def notes(self) -> list[str]:
        """What a person should know beside the numbers, a line each."""
        said = []
        if self.listening:
            said.append("the board listens, and will whenever it is powered: tinywake monitor " + self.port)
        elif self.trouble:
            said.append(f"the board does not listen yet: {self.trouble}")
        if self.own_main:
            does = "kept" if self.listening else "kept: let it import tinywake.main and call tinywake.main.start()"
            said.append(f"{_MAIN} on the board is your own and was {does}")
        if self.other_models:
            said.append(f"other models on the board, not in use: {', '.join(self.other_models)}")
        return said


def deploy(port: str, model: Path, *, board: str | None = None, start: bool = True) -> DeployReport:
    """Make the board on `port` listen for `model`, now and whenever it is powered.

    `board`: a name under boards/, needed the first time only. `start`: give the board a main.py that listens, where
    it has none, and reset it at the end; otherwise it is left at its prompt.

    Raises DeviceError, ToolError or ConfigError with one line. Until all has arrived the board has its old files;
    then the new ones take their names one after another, and what breaks that off is mended by another deploy.
    """
    if not model.is_file():
        raise DeviceError(f"{model}: no such model")
    if model.suffix != ".twm" or not model.name.isprintable():
        raise DeviceError(f"{model}: not a name for a model on a board: compile or rename it to NAME.twm")
    with RawRepl(port):
        pass  # quick to say that nothing answers, and it stops a listener that would talk into what follows
    with tempfile.TemporaryDirectory(prefix="tinywake-") as staging:
        files = _files(model, board, start, Path(staging))
        firmware, free, there, models = _probe(port, [*files, _PINS, _MODULE])
        if board is None and there.get(_PINS) is None:
            raise DeviceError(f"{port}: the board does not know its pins yet: name it, as in --board UNIX")
        module = module_for(firmware, port)
        if module:
            files = {_MODULE: module, **files}
        wanted = {path: hashlib.sha256(source.read_bytes()).hexdigest() for path, source in files.items()}
        own_main = start and there.get(_MAIN) not in (None, wanted[_MAIN])
        if own_main:
            del files[_MAIN]
        changed = [path for path in files if there.get(path) != wanted[path]]
        if changed:
            _copy(port, {path: files[path] for path in changed}, {path: wanted[path] for path in changed})
        loaded = int(ask(port, _LOAD, timeout=_TIMEOUT))
        trouble = restart(port) if start else ""
        return DeployReport(
            port=port,
            firmware=firmware,
            copied=tuple(changed),
            unchanged=tuple(path for path in files if path not in changed),
            bytes_copied=sum(files[path].stat().st_size for path in changed),
            module_bytes=module.stat().st_size if module else 0,
            model_bytes=model.stat().st_size,
            heap_before=free,
            heap_loaded=loaded,
            other_models=tuple(name for name in models if name != model.name),
            own_main=own_main,
            listening=trouble is None,
            trouble=trouble or "",
        )


def _files(model: Path, board: str | None, start: bool, staging: Path) -> dict[str, Path]:
    """Path on the board -> file here, of everything but the module."""
    app = places.app()
    files = {f"{_LIB}/tinywake/{p.relative_to(app).as_posix()}": p for p in sorted(app.rglob("*.py"))}
    if not files:
        raise ToolError(f"{app}: the MicroPython app is missing: install tinywake again")
    if board is not None:
        files[_PINS] = load_board(board).pins
    chosen = staging / "model.txt"
    chosen.write_text(model.name + "\n", encoding="utf-8")
    files |= {model.name: model, "model.txt": chosen}
    if start:
        files[_MAIN] = staging / _MAIN
        files[_MAIN].write_text(_MAIN_TEXT, encoding="utf-8")
    return files


def _probe(port: str, paths: list[str]) -> tuple[Firmware, int, dict[str, str | None], list[str]]:
    said: dict[str, Any] = ask(port, _HASH + f"PATHS = {paths!r}\n" + _PROBE, timeout=_TIMEOUT)
    mpy = int(said["mpy"])
    arch, abi = read_mpy(mpy)
    firmware = Firmware(
        name=str(said["name"]),
        version=tuple(said["version"]),
        abi=abi if mpy else None,
        arch=arch,
        builtin=bool(said["builtin"]),
    )
    return firmware, int(said["free"]), said["files"], said["models"]


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
