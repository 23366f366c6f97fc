# SPDX-License-Identifier: MIT
"""`tinywake energy`: cycles a second and a datasheet's currents -> milliwatts, and days on a battery.

The cycles are measured, or given. Every assumption is said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tinywake.compiler.report import align
from tinywake.device.boards import Board, Current, load_board
from tinywake.errors import ConfigError
from tinywake.pipeline.benching import XIP_MISS_CYCLES, bench

__all__ = ["BATTERIES", "Battery", "Energy", "Point", "Supply", "battery_named", "energy", "estimate"]


@dataclass(frozen=True)
class Battery:
    """A kind of cell: typical figures of fresh ones at room temperature, of no maker in particular."""

    name: str
    title: str
    volts: float  # mean, while it is used up
    mah: int  # at some tens of mA
    max_ma: int  # for hours


BATTERIES = (
    Battery("AA", "two alkaline AA in series", 2.4, 2600, 500),
    Battery("AAA", "two alkaline AAA in series", 2.4, 1000, 250),
    Battery("18650", "a Li-ion 18650", 3.6, 2600, 2600),
    Battery("CR2032", "a lithium CR2032", 3.0, 225, 3),
)


@dataclass(frozen=True)
class Supply:
    """What else takes current at the chip's voltage, mA, and how much of a battery's energy a converter passes on."""

    also_ma: float = 0.0
    efficiency: float = 0.85


@dataclass(frozen=True)
class Point:
    """A clock, and what follows from it. share: of the processor, 0..1. days: by battery."""

    mhz: float
    share: float
    ma: float
    mw: float
    days: dict[str, float]


@dataclass(frozen=True)
class Energy:
    """Listening on one board, at its own clock and at the lowest that keeps up. cycles: a second, not slept through."""

    what: str
    board: str
    cycles: int
    points: tuple[Point, ...]
    assumptions: tuple[str, ...]

    def facts(self) -> dict[str, object]:
        """As JSON-able values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For people."""
        batteries = list(self.points[0].days)
        rows: list[tuple[str, ...]] = [("", "clock", "busy", "mA", "mW", *(f"days on {name}" for name in batteries))]
        for title, point in zip(("as it runs", "lowest clock"), self.points, strict=True):
            days = (f"{point.days[name]:.1f}" for name in batteries)
            cells = (f"{point.mhz:g} MHz", f"{point.share:.1%}", f"{point.ma:.1f}", f"{point.mw:.1f}", *days)
            rows.append((title, *cells))
        head = f"{self.what} on {self.board}: {self.cycles:,} cycles a second of sound"
        return [head, *align(rows, left=(0,)), *(f"assumed: {text}" for text in self.assumptions)]


def battery_named(name: str) -> Battery:
    """Raises ConfigError for one that is not known."""
    for battery in BATTERIES:
        if battery.name.lower() == name.lower():
            return battery
    raise ConfigError(f"no battery {name!r}; known: {', '.join(battery.name for battery in BATTERIES)}")


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
    waiting = listening.misses * XIP_MISS_CYCLES[1]
    result = estimate(model.name, found, listening.awake + waiting, mhz or listening.hz / 1e6, cells, supply)
    note = (
        f"{waiting:,} of the cycles wait for flash, at the most: {listening.misses:,} misses of its cache, in a model"
    )
    return replace(result, assumptions=(note, *result.assumptions))


def estimate(
    what: str, board: Board, cycles: int, mhz: float, batteries: Sequence[Battery], supply: Supply | None = None
) -> Energy:
    """Energy of `cycles` a second on a board that runs at `mhz`.

    Raises ConfigError where the board has no currents, where it does not keep up, and where a battery cannot deliver
    what it takes at that clock.
    """
    supply = supply or Supply()
    if not 0 < supply.efficiency <= 1 or supply.also_ma < 0:
        raise ConfigError("the converter's efficiency is above 0 and at most 1, and no current is below 0")
    if cycles <= 0 or mhz <= 0:
        raise ConfigError("cycles a second and clock must be more than 0")
    if cycles > mhz * 1e6:
        raise ConfigError(f"{what} on {board.name}: {cycles:,} cycles a second of sound are more than {mhz:g} MHz give")
    busy = _row(board, "busy")
    toml = f"boards/{board.name}/board.toml"
    if busy is None:
        raise ConfigError(
            f"{board.name}: no datasheet's current of a busy {board.chip} is known here: add one to {toml} as "
            '[[power]] with state = "busy" and mhz: docs/energy.md'
        )
    if busy.mhz is None:
        raise ConfigError(f'{toml}: [[power]] with state = "busy" lacks mhz, the clock that its current is at')
    idle = _row(board, "idle")
    rest = _row(board, "deep sleep")
    static = rest.milliamps if rest else 0.0
    points = tuple(
        _point(clock, cycles, (busy, idle or busy), static, supply, batteries)
        for clock in (mhz, _lowest(board, cycles, mhz))
    )
    _check(what, board, _at(busy, mhz, static) + supply.also_ma, busy.volts, batteries, supply)
    return Energy(what, board.name, cycles, points, _assumptions(board, busy, idle, static, supply, batteries))


def _row(board: Board, state: str) -> Current | None:
    return next((row for row in board.power if row.state == state), None)


def _lowest(board: Board, cycles: int, mhz: float) -> float:
    """The lowest clock that keeps up and that the board can be set to, at most the one that it runs at."""
    enough = cycles / 1e6
    known = [float(clock) for clock in board.clocks] or [float(math.ceil(enough))]
    return min((clock for clock in known if enough <= clock <= mhz), default=mhz)


def _at(row: Current, mhz: float, static: float) -> float:
    """mA at another clock: all above `static` goes with it."""
    return row.milliamps if row.mhz is None else static + (row.milliamps - static) * mhz / row.mhz


def _point(
    mhz: float, cycles: int, rows: tuple[Current, Current], static: float, supply: Supply, batteries: Sequence[Battery]
) -> Point:
    share = cycles / (mhz * 1e6)
    busy, idle = (_at(row, mhz, static) for row in rows)
    ma = share * busy + (1 - share) * idle + supply.also_ma
    mw = ma * rows[0].volts
    days = {each.name: each.mah / (mw / supply.efficiency / each.volts) / 24 for each in batteries}
    return Point(mhz, share, ma, mw, days)


def _check(what: str, board: Board, ma: float, volts: float, batteries: Sequence[Battery], supply: Supply) -> None:
    for battery in batteries:
        drawn = ma * volts / supply.efficiency / battery.volts
        if drawn > battery.max_ma:
            raise ConfigError(
                f"{battery.name} cannot feed {what} on {board.name}: a busy processor draws {drawn:.1f} mA from it, "
                f"and it delivers {battery.max_ma} mA for hours"
            )


def _assumptions(
    board: Board, busy: Current, idle: Current | None, static: float, supply: Supply, batteries: Sequence[Battery]
) -> tuple[str, ...]:
    texts = [f"busy {busy.milliamps:g} mA at {busy.volts:g} V and {busy.mhz:g} MHz: {busy.at} ({busy.source})"]
    if idle is None:
        texts.append("idle as busy, for lack of a figure: an upper bound")
    else:
        texts.append(f"idle {idle.milliamps:g} mA: {idle.at} ({idle.source})")
    texts.append(f"at another clock all but {static:g} mA (deep sleep's) changes in proportion to it")
    few = f", of which machine.freq takes {', '.join(map(str, board.clocks))} MHz" if board.clocks else ""
    texts.append(f"cycles a second are the same at any clock{few}; at the lowest one little is left for other programs")
    if supply.also_ma:
        texts.append(f"{supply.also_ma:g} mA more for microphone and the rest of the board, as given")
    else:
        texts.append(
            f"{board.chip} alone: microphone, flash, LED and what a regulator uses itself come on top (--also)"
        )
    for each in batteries:
        texts.append(f"{each.name}: {each.title}, {each.mah:,} mAh at {each.volts:g} V, at most {each.max_ma:,} mA")
    if batteries:
        texts.append(
            f"{supply.efficiency:.0%} of a battery's energy comes through the converter; it ages not by itself"
        )
    return tuple(texts)
