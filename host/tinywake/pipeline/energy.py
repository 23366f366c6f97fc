# SPDX-License-Identifier: MIT
"""`tinywake energy`: what listening costs a board, from cycles that were measured or are given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinywake.device.boards import load_board
from tinywake.device.energy import Energy, Supply, battery_named, estimate
from tinywake.errors import ConfigError
from tinywake.pipeline.benching import bench

__all__ = ["energy"]


def energy(
    model: Path | None,
    board: str,
    batteries: Sequence[str],
    *,
    cycles: int | None = None,
    mhz: float | None = None,
    supply: Supply | None = None,
) -> Energy:
    """Energy of a model that is measured here, or of `cycles` a second at `mhz`.

    Raises ConfigError, FormatError, DeviceError or ToolError.
    """
    found = load_board(board)
    cells = [battery_named(name) for name in dict.fromkeys(batteries)]
    if (model is None) == (cycles is None):
        raise ConfigError("energy: give a model to measure or --cycles, one of them")
    if cycles is not None:
        if mhz is None:
            raise ConfigError("energy: --cycles needs --mhz, the clock that the board runs at")
        return estimate("what is given", found, cycles, mhz, cells, supply)
    assert model is not None
    if found.target != "rp2040":
        raise ConfigError(f"energy: no target counts cycles for {board}; give --cycles and --mhz, as measured on it")
    listening = bench(model, "rp2040").listening
    if listening is None:
        raise ConfigError(f"{model}: does not listen, so nothing says how often it runs; give --cycles and --mhz")
    return estimate(model.name, found, listening.awake, mhz or listening.hz / 1e6, cells, supply)
