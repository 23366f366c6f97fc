# SPDX-License-Identifier: MIT
"""`tinywake doctor --mic`: what a board's microphone says, as firmware/app/miccheck.py measures it there, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError

__all__ = ["Channel", "MicReport", "check_microphone", "interpret"]

_FULL = 1 << 23  # what firmware/app/miccheck.py counts in
_BITS = 24
_SILENT_DB = -85.0  # RMS: below the noise of the microphones in docs/microphones.md
_FAINT_DB = -70.0
_CONSTANT = 0.1  # of full scale: more than any of them has
_CLIPPED = 0.001  # of the samples
_TORN = 0.05


@dataclass(frozen=True)
class Channel:
    """One channel, in people's units."""

    name: str
    used: bool  # it is the one that board.py names
    samples: int
    rms_dbfs: float | None  # without the constant part; None: there is nothing
    peak_dbfs: float | None
    constant: float  # of full scale
    clipped: float  # of the samples
    stuck: tuple[int, ...]  # bits of 24 that never change, between bits that do
    fault: str | None  # why it carries no sound


@dataclass(frozen=True)
class MicReport:
    """What was measured and what it means. `faults` need mending; `notes` are good to know."""

    board: str
    kind: str
    channels: tuple[Channel, ...]
    faults: tuple[str, ...]
    notes: tuple[str, ...]

    def facts(self) -> dict[str, object]:
        """As JSON-able values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For people."""
        said = [f"{self.board}: {self.kind} microphone"]
        for each in self.channels:
            mark = "*" if each.used else " "
            if each.fault:
                said.append(f"{mark} {each.name:5}  {each.fault}")
            else:
                said.append(
                    f"{mark} {each.name:5}  RMS {each.rms_dbfs:6.1f} dBFS  peak {each.peak_dbfs:6.1f} dBFS  "
                    f"constant part {100 * each.constant:+.2f} %  at full scale {100 * each.clipped:.2f} %"
                )
        said += [f"fault: {fault}" for fault in self.faults]
        said += [f"note: {note}" for note in self.notes]
        if not self.faults:
            said.append("the microphone works")
        return said


def check_microphone(port: str, ms: int = 500, wav: str | None = None) -> MicReport:
    """Measure on the board at `port` for so long. `wav`: a file on the board instead of its microphone.

    Raises DeviceError where the app is not on the board, or its microphone cannot be opened.
    """
    with RawRepl(port, timeout=60.0) as repl:
        try:
            said = repl.ask(f"from tinywake import miccheck\nanswer(miccheck.measure({ms}, {wav!r}))")
        except DeviceError as error:
            if "no module named" in str(error):
                raise DeviceError(
                    f"{port}: the app is not there, or is older than this tool; put it there with tinywake deploy"
                ) from error
            raise
    return interpret(said)


def interpret(said: Mapping[str, Any]) -> MicReport:
    """What firmware/app/miccheck.py measured, with its meaning."""
    mic, kind = said["mic"], str(said["kind"])
    used = str(mic.get("channel", "left"))
    channels = tuple(_channel(name, facts, name == used) for name, facts in sorted(said["channels"].items()))
    judge = {"i2s": _judge_i2s, "pdm": _judge_pdm}.get(kind)
    faults = list(judge(said, channels)) if judge else []
    notes: list[str] = []
    heard = next((each for each in channels if each.used), None)
    if heard is None:
        faults.append(f"board.py says channel = {used!r}, which must be left or right")
    elif not faults:
        faults += _judge_sound(heard)
    if heard and not faults:
        notes += _remarks(heard, mic)
    return MicReport(str(said["board"]), kind, channels, tuple(faults), tuple(notes))


def _channel(name: str, facts: Mapping[str, int], used: bool) -> Channel:
    count = facts["count"]
    mean = facts["sum"] / count if count else 0.0
    power = facts["squares"] / count - mean * mean if count else 0.0
    peak = max(facts["high"] - mean, mean - facts["low"])
    fault = None
    if not count:
        fault = "no samples came"
    elif facts["any"] == 0:
        fault = "every bit is 0"
    elif facts["all"] == (1 << _BITS) - 1:
        fault = "every bit is 1"
    elif facts["low"] == facts["high"]:
        fault = f"always the same value, {facts['low']}"
    return Channel(
        name=name,
        used=used,
        samples=count,
        rms_dbfs=None if fault else _decibels(math.sqrt(max(power, 0.0))),
        peak_dbfs=None if fault else _decibels(peak),
        constant=mean / _FULL,
        clipped=facts["full"] / max(1, count),
        stuck=() if fault else _stuck(facts["any"] & ~facts["all"]),
        fault=fault,
    )


def _stuck(changing: int) -> tuple[int, ...]:
    """Bits that do not change although ones below and above them do: of a wire or a register, not of sound."""
    moving = [bit for bit in range(_BITS) if changing >> bit & 1]
    return tuple(bit for bit in range(moving[0], moving[-1]) if bit not in moving)


def _judge_i2s(said: Mapping[str, Any], channels: tuple[Channel, ...]) -> Iterator[str]:
    mic, facts = said["mic"], said["channels"]
    wires = f"SCK on GPIO {mic.get('sck')}, WS on {mic.get('ws')}, SD on {mic.get('sd')}"
    dead = [each for each in channels if each.fault]
    if len(dead) == len(channels):
        everything = {each.fault for each in dead}
        if everything == {"every bit is 0"}:
            yield f"SD stays low: the microphone has no power (3.3 V and GND), or a wire is off ({wires})"
        elif everything == {"every bit is 1"}:
            yield f"SD stays high: it touches 3.3 V, or floats because the microphone is not connected ({wires})"
        else:
            yield f"neither channel carries sound: check SCK and WS, they may be swapped ({wires})"
        return
    for each in channels:
        other = next((one for one in channels if one is not each and not one.fault), None)
        if each.used and each.fault and other:
            level = "GND" if each.name == "left" else "3.3 V"
            yield (
                f"the sound is on the {other.name} channel, and board.py says {each.name}: connect L/R (SEL) to "
                f'{level}, or set "channel": "{other.name}" in board.py'
            )
        if each.used and not each.fault:
            seen = facts[each.name]
            torn = seen["torn"] / each.samples > _TORN and not seen["any"] >> (_BITS - 1)
            if torn and not mic.get("late"):
                yield 'the data comes one bit late, as from an SPH0645: set "late": 1 in board.py'


def _judge_pdm(said: Mapping[str, Any], channels: tuple[Channel, ...]) -> Iterator[str]:
    mic, bits = said["mic"], said["bits"]
    wires = f"CLK on GPIO {mic.get('clk')}, DATA on {mic.get('data')}"
    ones = bits["ones"] / max(1, bits["count"])
    if bits["any"] == 0:
        yield f"DATA stays low: the microphone has no power or no clock, or is set to the other channel ({wires})"
    elif bits["all"] == 255:
        yield f"DATA stays high: it touches 3.3 V, or the microphone is not connected ({wires})"
    elif not 0.2 < ones < 0.8:
        yield f'{100 * ones:.0f} % of the bits are 1, about 50 are right: try the other "channel" in board.py ({wires})'


def _judge_sound(heard: Channel) -> Iterator[str]:
    if heard.fault:
        yield heard.fault
        return
    assert heard.rms_dbfs is not None
    if heard.stuck:
        yield f"bits {', '.join(map(str, heard.stuck))} of {_BITS} never change: is a wire loose?"
    if heard.rms_dbfs < _SILENT_DB:
        yield f"no sound: {heard.rms_dbfs:.0f} dBFS is less than a microphone's own noise; is its hole covered?"
    if heard.clipped > _CLIPPED:
        yield f"{100 * heard.clipped:.1f} % of the samples are at full scale: far too loud, or a loose wire"
    if abs(heard.constant) > _CONSTANT:
        yield f"the constant part is {100 * heard.constant:+.0f} % of full scale: a loose wire, or not a microphone"


def _remarks(heard: Channel, mic: Mapping[str, Any]) -> Iterator[str]:
    assert heard.rms_dbfs is not None
    assert heard.peak_dbfs is not None
    if heard.rms_dbfs < _FAINT_DB:
        yield "very quiet: speak while it measures, and see the level rise"
    if abs(heard.constant) > 0.01:
        yield f"the constant part, {100 * heard.constant:+.1f} % of full scale, is removed before the network hears it"
    if "shift" in mic:
        gain = 16 - int(mic["shift"])
        peak = heard.peak_dbfs + 20 * math.log10(2) * gain
        yield f"with shift = {mic['shift']} (a gain of {_ratio(gain)}) the app has its peak at {peak:.1f} dBFS" + (
            ", and clips: raise shift" if peak > 0 else ""
        )


def _ratio(gain: int) -> str:
    return str(1 << gain) if gain >= 0 else f"1/{1 << -gain}"


def _decibels(value: float) -> float:
    return 20 * math.log10(max(value, 0.25) / _FULL)
