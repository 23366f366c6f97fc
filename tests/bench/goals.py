# SPDX-License-Identifier: MIT
"""docs/BENCHMARKS.md's table of goals: each beside the figure reached, and where the cycles of the network go."""

from __future__ import annotations

from collections import Counter
from typing import Any

__all__ = ["goals"]

_HEAD = """## Goals

What this project set out to reach, and what it reaches. Cycles are those of the Cortex-M0+ below, instructions QEMU's.
What is named in the last column is not measured by `make bench`. TensorFlow Lite Micro (TFLM: its reference kernels, or
CMSIS-NN's, which give the same bytes) and micro-frontend were counted once for this project: gcc 12.2 -O2, Arm's timing
table applied to the instructions that QEMU 7.2 executed, no wait states; on x86-64 it is the wheel of PyPI, of which
those before August 2026 were not optimised. *Published*: MLPerf Tiny v1.2 (474.6 ms at 64 MHz) and v1.3.

"""


def goals(figures: dict[str, Any]) -> str:
    """The section; empty where nothing of it was measured."""
    m0, m4 = figures["targets"].get("rp2040", {}), figures["targets"].get("qemu-armv7em", {})
    alone, module = figures.get("alone", {}), figures["modules"].get("armv6m", {})
    stream, whole = m0.get("computer (demo)", {}), m0.get("computer, whole window", {})
    ratio = whole["cycles"] / stream["cycles"] if stream and whole else None
    rows = [
        _row("keyword spotting, Cortex-M0+, cycles", 11_000_000, m0.get("keyword spotting", {}).get("cycles"),
             "TFLM 97.3 M, CMSIS-NN 39.8 M, published 30.4 M"),
        _row("okay_nabu's network, a step, cycles", 130_000, m0.get("okay_nabu", {}).get("cycles"),
             "TFLM 804,000, CMSIS-NN 814,000"),
        _row("front end, a frame of 10 ms, cycles", 120_000, m0.get("okay_nabu", {}).get("frontend_cycles"),
             "micro-frontend 248,000"),
        _row("opening okay_nabu, by C, cycles", 100_000, alone.get("open_cycles"), "TFLM 2.5 M (AllocateTensors)"),
        _row("native module, armv6m, all in it, bytes", 20_000, module.get("file"), "TFLM 70,000 (text)"),
        _row("streaming: times fewer cycles than the window at each step, at least", 10, ratio, "", least=True),
        _row("our own word, front end and all native, of 125 MHz, %", 12, _share(stream, "second_cycles"),
             "TFLM and micro-frontend 41 (okay_nabu)"),
        _row("okay_nabu with MicroPython, microphone and lines, of 125 MHz, %", 50,
             _share(m0.get("okay_nabu", {}), "second_listening_cycles"), ""),
        _row("keyword spotting, x86-64, one core, ns", 150_000, alone.get("host_ns"), "TFLM 2,200,000"),
        _row("keyword spotting, Cortex-M4, instructions", 3_500_000, m4.get("keyword spotting", {}).get("instructions"),
             "published 4.64 M cycles (Cortex-M33)"),
    ]  # fmt: skip
    rows = [row for row in rows if row]
    if not rows:
        return ""
    text = _HEAD + "| | goal | reached | | against |\n|---|--:|--:|---|---|\n" + "".join(rows) + "\n"
    for name in ("okay_nabu", "keyword spotting"):
        if m0.get(name, {}).get("layers"):
            text += f"Where {name}'s cycles go on a Cortex-M0+: {_shares(m0[name])}.\n"
    if "open_cycles" in alone:
        text += (
            "Memory beside TFLM's arenas: docs/networks.md. Opening by C checks structure and the header's checksum;\n"
            "the columns below have Python's objects and the arena's allocation with it. The file's checksum is\n"
            "apart: docs/energy.md.\n"
        )
    return text + "\n"


def _share(row: dict[str, Any], key: str) -> float | None:
    """Of an RP2040, in percent."""
    return row[key] / 1.25e6 if key in row else None


def _row(what: str, goal: int, reached: float | None, against: str, *, least: bool = False) -> str:
    if reached is None:
        return ""
    met = reached >= goal if least else reached <= goal
    said = "reached" if met else f"missed by {abs(reached / goal - 1):.0%}"
    shown = f"{reached:,.1f}" if isinstance(reached, float) else f"{reached:,}"
    return f"| {what} | {goal:,} | {shown} | {said} | {against} |\n"


def _shares(row: dict[str, Any]) -> str:
    """By kind of operator, with cycles a multiplication where it has some."""
    cycles: Counter[str] = Counter()
    macs: Counter[str] = Counter()
    for layer in row["layers"]:
        cycles[layer["kind"]] += layer["cycles"]
        macs[layer["kind"]] += layer["macs"]
    total = cycles.total()
    return ", ".join(
        f"{kind} {count:,} ({count / total:.0%}{f', {count / macs[kind]:.2f} a MAC' if macs[kind] else ''})"
        for kind, count in cycles.most_common()
    )
