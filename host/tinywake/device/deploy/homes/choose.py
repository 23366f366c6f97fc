# SPDX-License-Identifier: MIT
"""Which home a board's models get: the best that it has, or the one that was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinywake.coded import is_coded
from tinywake.device.deploy.homes.romfs import image_bytes
from tinywake.device.deploy.homes.xip import Space
from tinywake.device.deploy.probe import Probe
from tinywake.errors import DeviceError

__all__ = ["Home", "beside_gate", "beside_strangers", "choose_home"]


@dataclass(frozen=True)
class Home:
    """Where models lie when they run."""

    name: str  # one of HOMES
    why: str  # in a few words


def choose_home(port: str, asked: str | None, probe: Probe, space: Space | None, models: Mapping[str, bytes]) -> Home:
    """The home for models, file name -> content. Raises DeviceError where the one asked for is not to be had.

    space: the flash in front of the board's file system; None: no RP2. A gate that stays on the board is not counted
    yet: see beside_gate().
    """
    if asked == "heap":
        return Home("heap", "as asked")
    small = next((name for name, data in models.items() if is_coded(data)), None)
    if small is not None:
        if asked is not None:
            raise DeviceError(f"{port}: {small} is coded, so no board reads it in place: leave --home out, or compile "
                              "it with --no-huffman")  # fmt: skip
        return Home("heap", "a coded model is decoded there")
    if asked == "xip":
        if space is None or probe.firmware.arch != "armv6m":
            raise DeviceError(f"{port}: only an RP2040 reads a model from its flash in place so far: leave --home out")
        return Home("xip", "as asked")
    if space is not None and asked is None and all(space.find(name, data) for name, data in models.items()):
        return Home("xip", "it lies there already")
    lacking = _romfs_lacks(probe, image_bytes({name: len(data) for name, data in models.items()}))
    if lacking is None:
        return Home("romfs", "as asked" if asked else "the firmware has one, and reads it in place")
    if asked == "romfs":
        raise DeviceError(f"{port}: the model cannot go into ROMFS: {lacking}; leave --home out")
    if space is not None and probe.firmware.arch == "armv6m":
        return Home("heap", "--home xip would read it in place, and sends the board into BOOTSEL for that")
    return Home("heap", "the firmware has no ROMFS" if probe.romfs is None else lacking)


def beside_gate(
    port: str, asked: str | None, home: Home, probe: Probe, models: Mapping[str, bytes], gate: tuple[str, int] | None
) -> Home:
    """The home where a gate, its name and bytes, lies in ROMFS and stays there: the models must have room beside it."""
    if home.name != "romfs" or gate is None:
        return home
    lacking = _romfs_lacks(probe, image_bytes({**{name: len(data) for name, data in models.items()}, gate[0]: gate[1]}))
    if lacking is None:
        return home
    if asked == "romfs":
        raise DeviceError(
            f"{port}: the model cannot go into ROMFS beside the gate {gate[0]}: {lacking}; leave --home out, "
            "or take the gate away with --no-gate"
        )
    return Home("heap", f"beside the gate {gate[0]} there is no room: {lacking}")


def beside_strangers(home: Home, probe: Probe, recorded: Sequence[str]) -> Home:
    """The home of a model that is there for a while alone: not ROMFS, where that has models that no record names.

    recorded: paths. Such models have no copy, and would not come back.
    """
    names = probe.romfs.names if probe.romfs else ()
    strange = [name for name in names if f"/rom/{name}" not in recorded]
    return Home("heap", f"ROMFS keeps {strange[0]}, which no deploy put there") if strange else home


def _romfs_lacks(probe: Probe, size: int) -> str | None:
    """What keeps an image of that size out of the firmware's ROMFS; None: nothing."""
    rom = probe.romfs
    if rom is None:
        return "the firmware has none"
    own = [name for name in rom.names if not name.endswith(".twm")]
    if own:
        return f"its ROMFS holds files of yours ({', '.join(own)})"
    if size > rom.bytes:
        return f"its ROMFS has {rom.bytes:,} bytes, the image {size:,}"
    return None
