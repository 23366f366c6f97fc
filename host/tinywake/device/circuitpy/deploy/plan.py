# SPDX-License-Identifier: MIT
"""What a CircuitPython board should hold besides its models, what of that has to be written, what stands in the way."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from tinywake.device.boards import Board, board_names, load_board
from tinywake.device.circuitpy.app import (
    APART,
    APP,
    KINDS,
    PINS,
    app_for_circuitpython,
    kinds_for,
    module_path,
    modules_for,
)  # fmt: skip
from tinywake.device.circuitpy.facts import Facts, why_no_modules
from tinywake.device.circuitpy.files import Files
from tinywake.device.circuitpy.hearing import why_deaf
from tinywake.device.deploy.copy import sha256
from tinywake.device.mpy import HEAD_BYTES, built_for
from tinywake.errors import DeviceError, ToolError

__all__ = ["MAIN", "Plan", "board_of", "check_board", "hiding", "make_plan", "stale", "wanted_files"]

MAIN = "code.py"
_MAIN_TEXT = b"# Written by tinywake deploy --main\nimport tinywake.main\n\ntinywake.main.run()\n"
_FIRST = "code.txt"  # runs in place of code.py
_LAST = "main.py"  # runs where there is none
_PDM = b'"pdm"'  # in a pins.py


@dataclass(frozen=True)
class Plan:
    """Of app, module, pins and code.py: what to write and what is there."""

    copies: Mapping[str, bytes]  # path -> content; code.py is none of them
    unchanged: tuple[str, ...]
    main: bytes | None  # code.py, where it is to be written
    kept_as: str | None  # the name that the code.py which is there gets; None: there is none, or it is ours
    notes: tuple[str, ...]  # of what runs at start, for people


def check_board(where: str, facts: Facts) -> None:
    """Raises DeviceError for a board that cannot load our module, or does not run what is put there."""
    why = why_no_modules(facts)
    if why:
        raise DeviceError(f"{where}: CircuitPython {facts.version} {why}")
    if facts.safe_mode:
        raise DeviceError(
            f"{where}: the board is in safe mode ({facts.safe_mode}) and runs no {MAIN}: press its reset button, then "
            "run this again; if it comes back to it, docs/circuitpython.md"
        )


def board_of(where: str, facts: Facts, name: str | None) -> Board | None:
    """The board under boards/: as it is named, else by its id; None: none there has that id. Raises DeviceError."""
    if name is not None:
        board = load_board(name)
        if board.chip != facts.chip:
            raise DeviceError(
                f"{where}: is no {name} ({board.chip}): {facts.machine} answers; leave --board out, or name another"
            )
        return board
    known = [load_board(each) for each in board_names()]
    return next((board for board in known if facts.board_id and board.circuitpython == facts.board_id), None)


def wanted_files(
    where: str, facts: Facts, board: Board | None, files: Files, also: Collection[str] = ()
) -> dict[str, bytes]:
    """Path -> content. Without a board the pins that are there stay. Raises DeviceError or ToolError.

    also: of KINDS those that pins do not ask for.
    """
    wanted = app_for_circuitpython()
    if board is not None:
        wanted[PINS] = board.pins.read_bytes()
    pins = wanted.get(PINS) or files.read(PINS)
    if pins is None:
        raise DeviceError(
            f"{where}: no board under boards/ is a {facts.board_id or facts.machine}: name one that is wired alike "
            "with --board, or add it (docs/adding-a-board.md)"
        )
    built = modules_for(facts.arch)
    for kind in kinds_for(pins, built, [*also, *_there(files, facts.arch, built)]):
        if kind not in built:
            raise ToolError(f"no _tinywake{kind}.mpy for CircuitPython on {facts.arch}: make modules ARCH={facts.arch}")
        wanted[module_path(facts.arch, kind)] = built[kind]
    deaf = why_deaf(facts, "pdm" if _PDM in pins else "i2s")
    if deaf:
        raise DeviceError(f"{where}: {deaf}: tinywake doctor says who can hear")
    return wanted


def _there(files: Files, arch: str, built: Collection[str]) -> list[str]:
    """Of the modules that only some need those that the board has: they are to be of one version with the others."""
    paths = {module_path(arch, kind): kind for kind in APART if kind in built}
    return [paths[path] for path, digest in files.digests(paths).items() if digest is not None]


def make_plan(files: Files, wanted: Mapping[str, bytes], *, main: bool) -> Plan:
    """Compare with what is there. Raises DeviceError where something of another's would be imported or run."""
    _check_hidden(files)
    top = files.names("")
    if main and _FIRST in top:
        raise DeviceError(
            f"{files.where}: {_FIRST} is run in place of {MAIN}: rename it, or leave --main out; nothing was changed"
        )
    there = files.digests(wanted)
    copies = {path: data for path, data in wanted.items() if there[path] != sha256(data)}
    own = files.read(MAIN) if MAIN in top else None
    text = _MAIN_TEXT if main and own != _MAIN_TEXT else None
    return Plan(
        copies=copies,
        unchanged=tuple(path for path in wanted if path not in copies),
        main=text,
        kept_as=_name_to_keep(files, top, own) if text and own is not None else None,
        notes=tuple(_at_start(top, main=main, ours=own == _MAIN_TEXT)),
    )


def stale(files: Files, wanted: Mapping[str, bytes]) -> list[str]:
    """Code under our folder that is of another version, and what an earlier run that was cut left there."""
    kept = {*wanted, PINS}
    return [path for path in _walk(files, APP) if path not in kept and path.rstrip("~").endswith((".py", ".mpy"))]


def hiding(files: Files) -> Iterator[tuple[str, str]]:
    """What is imported in place of ours: its path, and what it is."""
    top, lib = files.names(""), files.names("lib")
    for name in ("_tinywake", *(f"_tinywake{kind}" for kind in KINDS if kind), "tinywake"):
        for each in (f"{name}/", f"{name}.py", f"{name}.mpy"):
            if each in top:
                yield each.rstrip("/"), _what(files, each)
            # A folder comes first, and lib/_tinywake_rec.mpy is ours.
            if each in lib and (name == "_tinywake" or (name != "tinywake" and not each.endswith(".mpy"))):
                yield f"lib/{each.rstrip('/')}", _what(files, f"lib/{each}")


def _check_hidden(files: Files) -> None:
    for path, what in hiding(files):
        raise DeviceError(
            f"{files.where}: {path} ({what}) is imported in place of ours: if you do not need it, remove it; "
            "nothing was changed"
        )


def _what(files: Files, path: str) -> str:
    data = files.read(path) if path.endswith((".py", ".mpy")) else None
    if data is None:
        return "a folder"
    if path.endswith(".py"):
        return "a program"
    said = built_for(data[:HEAD_BYTES])
    return said if data.startswith(b"C") or "no .mpy" in said else f"MicroPython's: {said}"


def _walk(files: Files, folder: str) -> Iterator[str]:
    for name in files.names(folder):
        if name.endswith("/"):
            yield from _walk(files, f"{folder}/{name[:-1]}")
        else:
            yield f"{folder}/{name}"


def _name_to_keep(files: Files, top: list[str], own: bytes) -> str:
    """code.py.bak, code.py.bak2, ...: the first that is free, or is what an earlier run kept of the same program."""
    names = (f"{MAIN}.bak{number or ''}" for number in (0, *range(2, 1000)))
    return next(name for name in names if name not in top or files.read(name) == own)


def _at_start(top: list[str], *, main: bool, ours: bool) -> Iterator[str]:
    if main:
        if _LAST in top:
            yield f"{_LAST} is not run while there is a {MAIN}"
    elif _FIRST in top:
        yield f"{_FIRST} is your own, and is run in place of {MAIN}: let it call tinywake.main.run()"
    elif MAIN in top:
        if not ours:
            yield f"{MAIN} is your own and was kept: let it call tinywake.main.run(), or deploy with --main"
    elif _LAST in top:
        yield f"{_LAST} is your own and was kept: let it call tinywake.main.run(), or deploy with --main"
    else:
        yield f"there is no {MAIN}, so nothing listens by itself: deploy with --main, or write one"
