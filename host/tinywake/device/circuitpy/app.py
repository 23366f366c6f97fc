# SPDX-License-Identifier: MIT
"""Our files as CircuitPython wants them: its bytecode, its native modules, one package with all of it.

lib/tinywake/ is the app without the other interpreters' ports, pins.py, and the native module under the name of its
architecture (_armv6m.mpy), so that one folder may serve all boards: firmware/app/native.py takes the one that fits.
What only some need, for PDM microphones, to record, for coded models, lies in lib/ under its own name.
"""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from tinywake.device import places
from tinywake.device.firmware import ABI, app_files
from tinywake.errors import ToolError

__all__ = [
    "APART", "APP", "KINDS", "PINS", "app_for_circuitpython", "built_modules", "kinds_for", "module_path",
    "modules_for",
]  # fmt: skip

APP = "lib/tinywake"
PINS = f"{APP}/pins.py"
# Of native modules: what hears, what a microphone needs, what recording needs, what coded models need.
KINDS = ("", "_i2s", "_pdm", "_rec", "_huf")
APART = ("_pdm", "_rec", "_huf")  # in lib/, not beside the app
_PORT = "circuitpython"  # in port/: of the others' files only what this one imports is of use here
_KIND = re.compile(rb'"kind": *"([a-z0-9]+)"')  # in a pins.py
_MICROPYTHON, _CIRCUITPYTHON = b"M", b"C"  # how their .mpy files begin


def app_for_circuitpython() -> dict[str, bytes]:
    """The app, path on the board -> content. Raises ToolError.

    Bytecode as MicroPython's compiler makes it, under CircuitPython's magic byte, but for what has coroutines: those
    would be plain generators there, which cannot be awaited.
    """
    root = places.app()
    text = {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*.py"))}
    used = _used(text)
    files: dict[str, bytes] = {}
    for name, data in app_files(whole=True).items():
        source = name.removesuffix(".mpy") + ".py" if name.endswith(".mpy") else name
        if source not in used:
            continue
        if name == source or _has_coroutines(text[source]):
            files[f"{APP}/{source}"] = text[source]
        else:
            files[f"{APP}/{name}"] = _CIRCUITPYTHON + data.removeprefix(_MICROPYTHON)
    return files


def kinds_for(pins: bytes, built: Collection[str], also: Iterable[str] = ()) -> list[str]:
    """Of KINDS those that a board with these pins wants, and `also` those that something else does.

    One that is wanted and not built is named all the same.
    """
    kind = _KIND.search(pins)
    mic = {"i2s": ["_i2s"] if "_i2s" in built else [], "pdm": ["_pdm"]}.get(kind[1].decode() if kind else "", [])
    return list(dict.fromkeys(["", *mic, *also]))


def module_path(arch: str, kind: str = "") -> str:
    """Where a native module lies on a board."""
    return f"lib/_tinywake{kind}.mpy" if kind in APART else f"{APP}/_{arch}{kind}.mpy"


def modules_for(arch: str) -> dict[str, bytes]:
    """Kind -> content of the native modules that a board of an architecture loads. Raises ToolError."""
    try:
        return built_modules(arch)
    except ToolError:
        if arch.startswith("armv7"):
            with contextlib.suppress(ToolError):
                return built_modules("armv6m")  # which every Thumb core above it runs, and its loader accepts
        raise


def built_modules(arch: str) -> dict[str, bytes]:
    """Kind -> content of the native modules for an architecture. Raises ToolError where there are none."""
    folder = places.modules() / f"circuitpython_{arch}_{ABI[0]}.{ABI[1]}"
    found = {kind: folder / f"_tinywake{kind}.mpy" for kind in KINDS}
    built = {kind: path.read_bytes() for kind, path in found.items() if path.is_file()}
    if "" not in built:
        make = f"make modules ARCH={arch}"
        how = make if places.checkout() else f"this tinywake came without it: install a wheel, or {make} in a checkout"
        raise ToolError(f"no native module of CircuitPython for {arch}: {how}")
    return {kind: _checked(data, found[kind]) for kind, data in built.items()}


def _checked(data: bytes, path: Path) -> bytes:
    if not data.startswith(_CIRCUITPYTHON):
        raise ToolError(f"{path}: is not for CircuitPython: make modules")
    return data


def _used(text: dict[str, bytes]) -> set[str]:
    """Of the app's files all but those of port/ that neither CircuitPython's port nor the rest imports."""
    used: set[str] = set()
    todo = [
        name for name in text if name.split("/")[0] != "port" or name.startswith(("port/__init__", f"port/{_PORT}"))
    ]
    while todo:
        name = todo.pop()
        if name in text and name not in used:
            used.add(name)
            todo += _imported(name, text[name])
    return used


def _imported(name: str, text: bytes) -> Iterator[str]:
    """The files that a file of the app may mean by its relative imports, there or not, and their packages'."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = name.split("/")[:-1]
            start = above[: len(above) - node.level + 1] + (node.module.split(".") if node.module else [])
            for parts in (start, *([*start, alias.name] for alias in node.names)):
                yield "/".join(parts) + ".py"
                yield from ("/".join([*parts[:count], "__init__.py"]) for count in range(1, len(parts) + 1))


def _has_coroutines(text: bytes) -> bool:
    return any(
        isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith)
        for node in ast.walk(ast.parse(text))
    )
