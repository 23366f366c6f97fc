# SPDX-License-Identifier: MIT
"""The models on a board: whole, where they lie, and whether the heap has room for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tinywake.device.deploy.report import measure
from tinywake.device.deploy.slots import heap_after_app
from tinywake.device.doctor.files import DEPLOY
from tinywake.device.doctor.findings import Finding, fault, fine, note
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError

__all__ = ["look_at_models"]

_FLASH = "/flash/"  # of the app's paths of what lies in the RP2's flash: /flash/ADDRESS/NAME.twm

# Each file is read once, in small pieces, and needs no heap: the checksums of models/SPEC.md. What lies in
# the RP2's flash is no file: the app finds it, and it is read where it lies.
_MODELS = """
import hashlib, os
from binascii import crc32, hexlify
from tinywake import slots
from tinywake.port import port
def look(role, path):
    h = hashlib.sha256()
    said = wrong(path, h)
    return [role, path, said, hexlify(h.digest()).decode()]
def wrong(path, h):
    try:
        f = InPlace(path) if path.startswith("/flash/") else open(path, "rb")
    except OSError:
        return "is missing"
    head = f.read(32)
    h.update(head)
    if len(head) < 32 or bytes(head[:4]) != b"TWM\\x1a":
        return "is no model"
    number = lambda at: int.from_bytes(head[at : at + 4], "little")
    table = f.read(12 * int.from_bytes(head[6:8], "little"))
    if crc32(table, crc32(head[:28])) != number(28):
        return "has a damaged header"
    h.update(table)
    left = number(8) - 32 - len(table)
    crc = 0
    while left > 0:
        piece = f.read(min(512, left))
        if not piece:
            return "is cut short"
        crc = crc32(piece, crc)
        h.update(piece)
        left -= len(piece)
    return "" if crc == number(20) else "is damaged"
class InPlace:
    def __init__(self, path):
        self.left = memoryview(port.read_file(path))
    def read(self, count):
        piece, self.left = self.left[:count], self.left[count:]
        return piece
answer([look(role, path) for role in ("model", "gate") for path in slots.paths(role) or port.find_models(role)
        if slots.level(path) is None])
"""


def look_at_models(repl: RawRepl) -> Iterator[Finding]:
    """Of a board that has module and app, both whole: they are imported. Those that are selected, or lie in flash."""
    checked: list[list[Any]] = repl.ask(_MODELS)
    if not checked:
        yield note("model", "none is selected", DEPLOY.replace("PORT", repl.port))
    usable: dict[str, str] = {}
    for role, path, wrong, digest in checked:
        if not wrong:
            usable.setdefault(role, path)
            yield fine(role, f"{_where(path)} is whole, SHA-256 {digest[:16]}...")
        else:
            yield fault(role, f"{_where(path)} {wrong}", DEPLOY.replace("PORT", repl.port))
    if "model" in usable:
        yield _fits(repl, list(usable.values()))


def _where(path: str) -> str:
    if not path.startswith(_FLASH):
        return path
    address, _, name = path.removeprefix(_FLASH).partition("/")
    return f"{name} in flash at 0x{address}, read in place (from tinywake image, or deploy --home xip),"


def _fits(repl: RawRepl, paths: list[str]) -> Finding:
    repl.reset()
    try:
        ram = measure(repl, paths)
    except DeviceError as error:
        what = str(error).removeprefix(f"{repl.port}: ")
        if "MemoryError" in what:
            return fault(
                "model",
                f"does not fit the heap: {what}; {heap_after_app(repl).words()}",
                "tinywake inspect MODEL.twm --board NAME says what takes how much",
            )
        return fault("model", f"does not open: {what}", DEPLOY.replace("PORT", repl.port))
    return fine("model", f"opens; {ram.left:,} bytes of heap left with it, without the microphone")
