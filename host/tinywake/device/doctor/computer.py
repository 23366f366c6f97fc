# SPDX-License-Identifier: MIT
"""What this computer has and lacks, and which boards hang on it. Touches no board."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

from tinywake.device import places
from tinywake.device.doctor.findings import Finding, fault, fine, note
from tinywake.device.firmware import ABI, BUILDABLE, built_module, how_to_build
from tinywake.device.targets.registry import TARGETS
from tinywake.device.usb.find import Port, list_boards
from tinywake.device.usb.holders import holders
from tinywake.errors import TinywakeError
from tinywake.files import cache_folder

__all__ = ["look_at_computer", "look_at_ports", "right_to_open"]

_CROSS = ("arm-none-eabi-gcc", "riscv64-unknown-elf-gcc", "qemu-system-arm", "qemu-system-riscv32", "node")


def look_at_computer() -> Iterator[Finding]:
    """Python, the package and what it is made of, tools."""
    yield fine("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield _package()
    yield _core()
    yield from _modules()
    for name, target in TARGETS.items():
        why = target.available()
        yield fine("targets", name) if why is None else note("targets", why)
    yield _cache()
    yield from _tools()


def look_at_ports() -> Iterator[Finding]:
    """USB serial ports, and whether this user may open them."""
    ports = list_boards()
    if not ports:
        yield note(
            "ports",
            "no board is connected by USB",
            "use a cable that carries data; a Pico in BOOTSEL is a drive, not a port: tinywake flash",
        )
    for port in ports:
        yield _port(port)


def right_to_open(device: str) -> Finding | None:
    """The fault where this user has no right to a port; None where it has, or the system does not tell."""
    path = Path(device)
    if os.name != "posix" or not path.exists() or os.access(path, os.R_OK | os.W_OK):
        return None
    return fault("port", f"{device}: no right to open it", _how_to_get_right(path))


def _how_to_get_right(path: Path) -> str:
    if platform.system() != "Linux":
        return f"ask for the right to {path}"
    try:
        group = path.group()
    except (KeyError, OSError):
        group = "dialout"
    return f"sudo usermod -a -G {group} $USER, then log out and in again"


def _port(port: Port) -> Finding:
    wrong = right_to_open(port.device)
    if wrong:
        return wrong
    held = holders(port.device)
    if held:
        return note(
            "ports",
            f"{port.device}: {port.what}, held by {_names(held[0].name, held[0].pid)}",
            "end that program before tinywake flash or deploy",
        )
    boards = f"; maybe {', '.join(port.boards)}" if port.boards else ""
    return note("ports", f"{port.device}: {port.what}{boards}", f"tinywake doctor {port.device} looks at the board")


def _modules() -> Iterator[Finding]:
    """The native modules of each interpreter; a board may still load that of a smaller core."""
    for interpreter, whose, buildable in (
        ("micropython", "", BUILDABLE),
        ("circuitpython", "CircuitPython's ", tuple(arch for arch in BUILDABLE if arch != "armv7m")),  # no board has it
    ):
        paths = {arch: built_module(arch, interpreter) for arch in buildable}
        own = [arch for arch, path in paths.items() if path and path.parent.name.endswith(f"{arch}_{ABI[0]}.{ABI[1]}")]
        if own:
            yield fine("modules", f"{whose}_tinywake.mpy for {', '.join(own)}")
        for arch in buildable:
            if arch not in own:
                yield note("modules", f"no {whose}_tinywake.mpy for {arch}", how_to_build(arch))


def _names(name: str, pid: int) -> str:
    return f"{name} (process {pid})"


def _package() -> Finding:
    root = places.checkout()
    where = f"in the checkout {root}" if root else "installed"
    try:
        version = importlib.metadata.version("tinywake")
    except importlib.metadata.PackageNotFoundError:
        return note("tinywake", f"{where}, but not installed as a package", "make setup")
    return fine("tinywake", f"{version}, {where}")


def _core() -> Finding:
    try:
        from tinywake.core import Frontend

        Frontend()
    except (ImportError, OSError, AttributeError, TinywakeError) as error:
        return fault("C core", f"does not load: {error}", "make setup, or pip install --force-reinstall tinywake")
    return fine("C core", "loads")


def _cache() -> Finding:
    folder = cache_folder()
    above = next(path for path in (folder, *folder.parents) if path.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        return fault("cache", f"{folder} cannot be written", "name another folder in TINYWAKE_CACHE")
    free = shutil.disk_usage(above).free
    if free < 1 << 30:
        return note(
            "cache",
            f"{folder}: {free >> 20:,} MiB free on its disk",
            "make room, or name another folder in TINYWAKE_CACHE; what lies in it can be deleted",
        )
    return fine("cache", f"{folder}, {free >> 30:,} GiB free")


def _tools() -> Iterator[Finding]:
    for name, need in (("pyserial", ""), ("mpremote", ""), ("esptool", "only ESP32 boards need it")):
        try:
            yield fine("tools", f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            package = "'tinywake[flash]'" if name == "esptool" else name
            yield note("tools", f"{name} is missing{'; ' + need if need else ''}", f"pip install {package}")
    if places.checkout():
        lacking = [tool for tool in _CROSS if shutil.which(tool) is None]
        if lacking:
            yield note(
                "tools",
                f"not here: {', '.join(lacking)}; needed to build modules and emulate boards",
                "tools/setup.sh cross",
            )
        else:
            yield fine("tools", ", ".join(_CROSS))
