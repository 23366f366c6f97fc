# SPDX-License-Identifier: MIT
"""`tinywake bench`: what a compiled network costs on a target, in cycles or instructions where they can be counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from tinywake.compiler.report import OpCost, Report, align, file_report
from tinywake.compiler.twm.unpack import TwmFile, unpack
from tinywake.core import Listener, Model
from tinywake.device.bench import Counts, Listening, counts_on, listening_on
from tinywake.device.connect import connected
from tinywake.device.firmware import built_module, read_native

__all__ = ["XIP_MISS_CYCLES", "Bench", "bench"]

# What the processor waits for flash, cycles: a word alone, or both words of a line one after the other. Per word
# 8 + 4 + 8 clocks of the QSPI at half the processor's clock (pico-sdk's boot2_w25q080), and 10 for the way there.
XIP_MISS_CYCLES = (50, 100)
_HOST_RUNS = 30  # the quickest of so many counts: what else this computer does only makes it slower


@dataclass(frozen=True)
class Bench:
    """One model on one target. Bytes; the counts' unit is `counts.unit`."""

    model: str
    target: str
    arch: str  # of the native module; empty: the core in this process
    counts: Counts
    report: Report
    scratch_bytes: int  # of the arena, the most that a kernel uses beside its tensors
    frames: int  # of the front end, a step; 0: no listener
    step_ms: int
    module_bytes: int  # _tinywake.mpy; 0: compiled in
    module_ram: int  # what importing it takes
    heap: tuple[int, int] | None  # free after a reset, and with module and app imported
    listening: Listening | None = None  # by all that belongs to it; rp2040 only

    @property
    def _step(self) -> int | None:
        front, settle = self.counts.front, self.counts.settle or 0
        return None if front is None else front + self.counts.network + settle

    @property
    def per_second(self) -> int | None:
        """Of a listener: a second of audio by the native module alone."""
        return None if self._step is None else self._step * 1000 // self.step_ms

    def facts(self) -> dict[str, object]:
        """As JSON-able values; a key that a target cannot have is absent."""
        counts, report = self.counts, self.report
        costs: dict[str, object | None] = {
            counts.unit: counts.network,
            "frontend": None if counts.front is None else counts.front // self.frames,
            "open": counts.open,
            "verify": counts.verify,
            "step": self._step,
            "step_app": counts.app,
            "second": self.per_second,
        }
        if self.listening is not None:
            costs["second_listening"] = self.listening.awake
        named = {key if key == counts.unit else f"{key}_{counts.unit}": value for key, value in costs.items()}
        layers = [
            {"index": op.index, "kind": op.kind, "macs": op.macs, counts.unit: count}
            for op, count in zip(report.ops, counts.layers, strict=False)
        ]
        return {
            "model": self.model,
            "target": self.target,
            "arch": self.arch,
            **{key: value for key, value in named.items() if value is not None},
            "macs": report.macs,
            "module_bytes": self.module_bytes,
            "module_ram_bytes": self.module_ram,
            "arena_bytes": report.arena_bytes + report.state_bytes,
            "state_bytes": report.state_bytes,
            "scratch_bytes": self.scratch_bytes,
            "weights_bytes": report.weight_bytes,
            **({"heap_free": self.heap[0], "heap_free_loaded": self.heap[1]} if self.heap else {}),
            **({"xip_misses": self.listening.misses} if self.listening else {}),
            **({"layers": layers} if layers else {}),
        }

    def lines(self) -> list[str]:
        """For people."""
        counts, report, unit = self.counts, self.report, self.counts.unit
        lines = []
        if counts.layers:
            rows: list[tuple[str, ...]] = [("", "operator", "output h w c", "MACs", unit, "each MAC", "share")]
            rows += [_row(op, count, counts.network) for op, count in zip(report.ops, counts.layers, strict=True)]
            lines += align(rows, left=(1, 2))
        each = f", {counts.network / report.macs:.2f} a MAC" if report.macs else ""
        lines.append(f"{self.model} on {self.target}: {counts.network:,} {unit} an invoke, {report.macs:,} MACs{each}")
        lines.append(f"opening it: {counts.open:,}, its checksum: {counts.verify:,}")
        if counts.front is not None and self._step is not None and self.per_second is not None:
            detector = "" if counts.settle is None else f", detector {counts.settle:,}"
            lines.append(
                f"a step of {self.step_ms} ms: front end {counts.front:,} ({self.frames} frames of "
                f"{counts.front // self.frames:,}), network {counts.network:,}{detector}; "
                f"a second of audio: {self.per_second:,}"
            )
        if counts.app is not None and self._step is not None:
            lines.append(
                f"driven by the app: {counts.app:,} a step, {counts.app / self._step - 1:.0%} above the native calls"
            )
        if self.listening is not None:
            heard = self.listening
            low, high = (heard.misses * cost / heard.hz for cost in XIP_MISS_CYCLES)
            lines.append(
                f"listening, with microphone, app and serial lines: {heard.awake:,} a second of sound, "
                f"{heard.awake / heard.hz:.1%} of {heard.hz / 1e6:g} MHz; on silicon {heard.misses:,} misses of "
                f"flash's cache more, {low:.1%} to {high:.1%} (docs/energy.md)"
            )
        memory = f"arena {report.arena_bytes + report.state_bytes:,} bytes, {report.state_bytes:,} of them state"
        if self.module_bytes:
            memory += f"; module {self.module_bytes:,} ({self.module_ram:,} of RAM)"
        if self.heap:
            memory += f"; heap free {self.heap[0]:,}, {self.heap[1]:,} with module and app"
        return [*lines, memory]


def bench(model: Path, target: str = "host", *, layers: bool = False) -> Bench:
    """Count what a model costs on "host", an emulated board or a serial port.

    layers: each operator as well. Raises FormatError, DeviceError or ToolError.
    """
    file = unpack(model)
    report, scratch = file_report(file), max((op.scratch_bytes for op in file.ops), default=0)
    frames, step_ms = (file.frames, file.step_ms) if file.detector is not None else (0, 0)
    if target == "host":
        counts = _on_host(model, file, layers)
        return Bench(model.name, target, "", counts, report, scratch, frames, step_ms, 0, 0, None)
    with connected(target, model, counting=True) as board:
        counts = counts_on(board.port, model.name, layers=layers)
        hears = target == "rp2040" and file.detector is not None
        listening = listening_on(board.port, model.name) if hears else None
        said = board.report
        assert said is not None
    native = built_module(said.firmware.arch) if said.module_bytes else None
    return Bench(
        model.name, target, said.firmware.arch, counts, report, scratch, frames, step_ms, said.module_bytes,
        read_native(native).ram if native else 0, (said.heap_before, said.heap_loaded), listening,
    )  # fmt: skip


def _row(op: OpCost, count: int, network: int) -> tuple[str, ...]:
    each = f"{count / op.macs:.2f}" if op.macs else ""
    shape = " ".join(map(str, op.output))
    return str(op.index), op.kind, shape, f"{op.macs:,}", f"{count:,}", each, f"{100 * count / max(network, 1):.1f} %"


def _on_host(model: Path, file: TwmFile, layers: bool) -> Counts:
    """Nanoseconds of the core in this process, the quickest of several runs."""
    data = model.read_bytes()
    net = Model(data, str(model))
    net.load(np.random.default_rng(0).integers(0, 256, net.input_bytes, np.uint8))
    empty = _quickest(lambda: net.run(0, 0))
    network = max(0, _quickest(lambda: net.run(0, net.ops)) - empty)
    front = None
    if file.detector is not None:
        listener = Listener(net)
        pcm = np.random.default_rng(0).integers(-30000, 30000, 100 * listener.step_samples).astype(np.int16)
        # All of it by the listener, less the network: front end, input map, level and detector.
        front = max(0, _quickest(lambda: listener.push(pcm)) // 100 - network)
    return Counts(
        unit="nanoseconds",
        network=network,
        layers=tuple(max(0, _quickest(partial(net.run, i, i + 1)) - empty) for i in range(net.ops if layers else 0)),
        open=_quickest(lambda: Model(data)),
        verify=_quickest(net.verify),
        front=front,
        settle=None,
        app=None,
    )


def _quickest(call: Callable[[], object]) -> int:
    def once() -> int:
        began = time.perf_counter_ns()
        call()
        return time.perf_counter_ns() - began

    return min(once() for _ in range(_HOST_RUNS))
