# SPDX-License-Identifier: MIT
"""The first bytes of a .mpy, and whether a firmware loads such a file: MicroPython's docs/reference/mpyfiles.rst."""

from __future__ import annotations

from tinywake.device.firmware import Firmware, read_mpy

__all__ = ["HEAD_BYTES", "built_for", "why_refused"]

HEAD_BYTES = 4  # magic, version, architecture and sub-version, bits of a small integer
_MAGIC = {"M": "MicroPython", "C": "CircuitPython"}
_THUMB = ("armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp")  # each runs what stands before it


def built_for(head: bytes) -> str:
    """What a file that begins so is for, in words: "armv6m, .mpy 6.3"; what it is, where it is no .mpy."""
    maker = _maker(head)
    if maker is None:
        return "no .mpy file" if head else "an empty file"
    arch, (version, sub) = _decoded(head)
    whose = "" if maker == "MicroPython" else f"{maker}, "
    return f"{whose}bytecode, .mpy {version}" if arch == "none" else f"{whose}{arch}, .mpy {version}.{sub}"


def why_refused(head: bytes, firmware: Firmware, *, native: bool) -> str | None:
    """Why the firmware does not load a file that begins so, or what of ours it cannot be; None: no reason.

    native: it should hold machine code.
    """
    maker = _maker(head)
    if maker is None:
        return f"is {built_for(head)}"
    if maker.lower() != firmware.name:
        return f"is for {maker} ({built_for(head).removeprefix(f'{maker}, ')}); {firmware.name} answers"
    arch, abi = _decoded(head)
    if native and arch == "none":
        return "is bytecode, and no machine code: that is another module"
    if firmware.abi is None:
        return None
    loads = f"{firmware.abi[0]}.{firmware.abi[1]}"
    if abi[0] != firmware.abi[0] or (arch != "none" and abi != firmware.abi):
        return f"is for another ABI ({built_for(head)}); the board loads .mpy {loads}"
    if arch != "none" and not _runs(firmware.arch, arch):
        return f"is for another architecture ({built_for(head)}); the board loads {firmware.arch}, .mpy {loads}"
    return None


def _maker(head: bytes) -> str | None:
    return _MAGIC.get(chr(head[0])) if len(head) == HEAD_BYTES else None


def _decoded(head: bytes) -> tuple[str, tuple[int, int]]:
    return read_mpy(head[1] | head[2] << 8)  # a file's second and third byte are what _mpy holds


def _runs(board: str, arch: str) -> bool:
    """As MPY_FEATURE_ARCH_TEST in MicroPython's py/persistentcode.h."""
    if board in _THUMB and arch in _THUMB:
        return _THUMB.index(arch) <= _THUMB.index(board)
    return board == arch
