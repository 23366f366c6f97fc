# SPDX-License-Identifier: MIT
"""What is on a board: its interpreter, its memory, what its files are, where a model could lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tinywake.device.firmware import Firmware, read_mpy
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.mpy import HEAD_BYTES

__all__ = [
    "APP", "FROZEN", "HASH", "HUF_MODULE", "LIB", "MODULE", "MODULES", "PDM_MODULE", "PINS", "REC_MODULE", "Probe",
    "Romfs", "digests_of", "look",
]  # fmt: skip

LIB = "lib"  # on sys.path of every board, and where MicroPython's own tools install
APP = f"{LIB}/tinywake"
PINS = f"{APP}/pins.py"
MODULE = f"{LIB}/_tinywake.mpy"
PDM_MODULE = f"{LIB}/_tinywake_pdm.mpy"  # for boards with a PDM microphone: the others are spared its RAM
REC_MODULE = f"{LIB}/_tinywake_rec.mpy"  # for boards that record: its RAM is taken only then
HUF_MODULE = f"{LIB}/_tinywake_huf.mpy"  # for boards with a coded model
FROZEN = ".frozen"  # MicroPython's name, on sys.path, for modules in the firmware
MODULES = {  # our native modules: name -> file
    "_tinywake": MODULE, "_tinywake_pdm": PDM_MODULE, "_tinywake_rec": REC_MODULE, "_tinywake_huf": HUF_MODULE,
}  # fmt: skip

HASH = """
import hashlib, os
def digest(path):
    try:
        f = open(path, "rb")
    except OSError:
        return None
    h = hashlib.new("sha256") if hasattr(hashlib, "new") else hashlib.sha256()  # CircuitPython's; MicroPython's
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
_INTERPRETER = """
import gc, os, sys
gc.collect()
free = gc.mem_free()
used = gc.mem_alloc()
path = sys.path[:]
sys.path.clear()
try:
    import _tinywake
    builtin = True
except ImportError:
    builtin = False
try:
    import _tinywake_rec
    recorder = True
except ImportError:
    recorder = False
sys.path.extend(path)
i = sys.implementation
try:
    s = os.statvfs(".")
    room = s[0], s[3] if s[3] <= s[2] else 0  # littlefs counts to below 0
except (OSError, AttributeError):
    room = None
answer({"name": i[0], "version": list(i[1][:3]), "mpy": getattr(i, "_mpy", 0), "builtin": builtin, "recorder": recorder,
        "machine": getattr(i, "_machine", ""), "build": getattr(i, "_build", ""),
        "free": free, "used": used, "room": room})
"""

_AT_ONCE = 16  # paths in one question: a board's heap may have no one piece for code that names them all

_FILES = """
try:
    pins = {}
    exec(open(PINS).read(), pins)
    board = pins["BOARD"]
except (OSError, SyntaxError, KeyError):
    board = None
answer({"board": board, "models": sorted(p for p in os.listdir() if p.endswith(".twm"))})
"""

# What each of our names would import, found as MicroPython finds it and without importing it; only of what is in the
# firmware does nothing but an import tell. The first bytes of .mpy files need no heap, whole ones would.
_IMPORTS = """
import os, sys
def is_a(kind, path):
    try:
        return os.stat(path)[0] & 0xc000 == kind
    except OSError:
        return False
def frozen(name):
    path = sys.path[:]
    sys.path[:] = [FROZEN]
    try:
        __import__(name)
    except ImportError as error:
        return "'" in str(error) and "'%s'" % name not in str(error)  # what it needs is missing, not itself
    except Exception:
        pass
    finally:
        sys.path[:] = path
    return True
def first(name):
    for each in sys.path:
        if each == FROZEN:
            if frozen(name):
                return each
            continue
        at = each + "/" + name if each else name
        if is_a(0x4000, at):
            return at
        for end in (".py", ".mpy"):
            if is_a(0x8000, at + end):
                return at + end
root = os.getcwd()
root += "" if root.endswith("/") else "/"
def ours(path):
    return path[len(root):] if path and path.startswith(root) else path
answer({name: ours(first(name)) for name in NAMES})
"""

_HEAD = """
from binascii import hexlify
def head(path):
    try:
        with open(path, "rb") as f:
            return hexlify(f.read(COUNT)).decode()
    except OSError:
        return None
"""

_BUILT_IN = """
import tinywake
from tinywake import pins
answer([tinywake.__version__, pins.BOARD])
"""

# What rom_ioctl(2) gives reads as memory; where it cannot, no model is read in place.
_ROMFS = """
try:
    import vfs
    rom = vfs.rom_ioctl(2, 0)
    memoryview(rom)
except (ImportError, AttributeError, OSError, TypeError):
    rom = -1
if isinstance(rom, int):
    answer(None)
else:
    try:
        names = os.listdir("/rom")
    except OSError:
        names = []
    answer({"bytes": len(memoryview(rom)), "names": names})
"""


@dataclass(frozen=True)
class Romfs:
    """The firmware's ROMFS partition. Bytes."""

    bytes: int
    names: tuple[str, ...]  # at its top


@dataclass(frozen=True)
class Probe:
    """What a board has, just after a reset. Bytes."""

    firmware: Firmware
    machine: str  # as it calls itself, "Raspberry Pi Pico with RP2040"; empty: old firmware
    build: str  # the name of its firmware, "RPI_PICO"; empty: older than 1.25
    heap_free: int
    heap_used: int
    room: int | None  # free in the file system; None: it does not say
    block: int  # of the file system
    digests: Mapping[str, str | None]  # SHA-256 of the paths asked for; None: no such file
    board: str | None  # BOARD of the pins that its app uses
    loose_models: tuple[str, ...]  # .twm at the top of its file system, in no slot
    romfs: Romfs | None
    app: str | None = None  # version of the app in the firmware, as in a ready image; it comes before one in files
    imports: Mapping[str, str] = field(default_factory=dict)  # of tinywake and its modules: where from;
    # a path as that of `digests` where it is below the working directory, or FROZEN; absent: from nowhere
    recorder: bool = False  # _tinywake_rec is compiled into the firmware
    heads: Mapping[str, bytes] = field(default_factory=dict)  # of the .mpy files asked for and found: mpy.HEAD_BYTES

    @property
    def hidden(self) -> dict[str, str]:
        """Our files -> what is imported in place of each. What lies in the firmware hides nothing: it is ours."""
        usual = {**MODULES, "tinywake": APP}
        return {usual[name]: path for name, path in self.imports.items() if path not in (usual[name], FROZEN)}


def look(repl: RawRepl, paths: Iterable[str]) -> Probe:
    """Ask a board that was reset and whose prompt we hold. `paths`: files whose hashes are wanted."""
    paths = list(paths)
    said: dict[str, Any] = repl.ask(_INTERPRETER)
    digests = digests_of(repl, paths)
    files: dict[str, Any] = repl.ask(f"import os\nPINS = {PINS!r}\n" + _FILES)
    imports, heads = _imports(repl, [path for path in paths if digests[path]], bool(said["builtin"]))
    app, board = repl.ask(_BUILT_IN) if imports.get("tinywake") == FROZEN else (None, files["board"])
    rom: dict[str, Any] | None = repl.ask(_ROMFS)
    block, blocks = said["room"] or (1, None)
    return Probe(
        firmware=_firmware(said),
        machine=str(said["machine"]).removesuffix(" version"),  # which the unix port says behind its compiler's
        build=str(said["build"]),
        heap_free=int(said["free"]),
        heap_used=int(said["used"]),
        room=None if blocks is None else int(block) * int(blocks),
        block=int(block),
        digests=digests,
        board=board,
        loose_models=tuple(files["models"]),
        romfs=None if rom is None else Romfs(int(rom["bytes"]), tuple(rom["names"])),
        app=app,
        imports=imports,
        recorder=bool(said["recorder"]),
        heads=heads,
    )


def digests_of(repl: RawRepl, paths: Iterable[str]) -> dict[str, str | None]:
    """SHA-256 of each file as the board sees it, in hex; None where there is none."""
    return _of_each(repl, HASH, "digest", list(paths))


def _of_each(repl: RawRepl, code: str, function: str, paths: list[str]) -> dict[str, str | None]:
    """What a function that `code` defines gives for each path, asked a few at a time."""
    repl.exec(code)
    found: dict[str, str | None] = {}
    for at in range(0, len(paths), _AT_ONCE):
        found.update(repl.ask(f"answer({{p: {function}(p) for p in {paths[at : at + _AT_ONCE]!r}}})"))
    return found


def _imports(repl: RawRepl, paths: list[str], builtin: bool) -> tuple[dict[str, str], dict[str, bytes]]:
    """`paths`: files that are there."""
    # What is built in comes before any path.
    names = ["tinywake", *([] if builtin else MODULES)]
    found: dict[str, str | None] = repl.ask(f"FROZEN = {FROZEN!r}\nNAMES = {names!r}\n" + _IMPORTS)
    native = [path for path in dict.fromkeys([*paths, *found.values()]) if path and path.endswith(".mpy")]
    heads = _of_each(repl, f"COUNT = {HEAD_BYTES}\n" + _HEAD, "head", native)
    return {name: path for name, path in found.items() if path}, {
        path: bytes.fromhex(head) for path, head in heads.items() if head is not None
    }


def _firmware(said: Mapping[str, Any]) -> Firmware:
    mpy = int(said["mpy"])
    arch, abi = read_mpy(mpy)
    return Firmware(
        name=str(said["name"]),
        version=tuple(said["version"]),
        abi=abi if mpy else None,
        arch=arch,
        builtin=bool(said["builtin"]),
    )
