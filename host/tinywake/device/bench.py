# SPDX-License-Identifier: MIT
"""What a model costs on a board, counted by the board itself around calls of the native module.

Emulated boards count exactly: instructions (QEMU) or cycles (rp2040js), the same in every run. On silicon and on the
unix board there is only a clock of microseconds. What a call costs by itself is counted in the same way and taken off.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass

from tinywake.device.line.lines import printable
from tinywake.device.line.port import GONE, open_port
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError

__all__ = ["COUNTER", "Counts", "Listening", "counts_on", "listening_on"]

_PASSES = 4  # invokes; the least is taken: an interpreter looks at its serial port now and then
_STEPS = 8  # of a listener; the mean is taken

# SysTick counts cycles, but only 24 bits of them; the microseconds say how often it went round.
COUNTER = """
import gc, sys
if sys.platform == "qemu":
    from qemu import instructions as now
    unit = "instructions"
    def elapsed():
        return now() - began & 0x3fffffff
elif sys.platform == "rp2":
    import machine
    from time import ticks_diff, ticks_us
    unit = "cycles"
    systick = 0xe000e018
    machine.mem32[systick - 4] = 0xffffff
    machine.mem32[systick] = 0
    machine.mem32[systick - 8] = 5
    def now():
        global began_us
        began_us = ticks_us()
        return machine.mem32[systick]
    def elapsed():
        fine = began - machine.mem32[systick] & 0xffffff
        coarse = ticks_diff(ticks_us(), began_us) * (machine.freq() // 1000000)
        return fine + ((coarse - fine + (1 << 23)) >> 24 << 24)
else:
    from time import ticks_diff, ticks_us as now
    unit = "microseconds"
    def elapsed():
        return ticks_diff(now(), began)
def cost(call, *args):
    global began
    gc.collect()
    began = now()
    call(*args)
    return elapsed()
def noise(data):
    seed = 1
    for i in range(len(data)):
        seed = (seed * 75 + 74) % 65537
        data[i] = seed & 255
    return data
"""

_NETWORK = """
import _tinywake, tinywake
network = tinywake.Model({model!r})
opened = cost(_tinywake.Model, network.file)
model = network.native
verified = cost(model.verify)
h, w, c = model.input[:3]
x = noise(bytearray(h * w * c))
run, ops = model.run, model.ops
for _ in range(2):
    model.load(x)
    run(0, ops)
def least(old, new):
    return new if old is None else min(old, new)
def passes(ranges):
    costs = [None] * len(ranges)
    for _ in range({passes}):
        model.load(x)
        for i, part in enumerate(ranges):
            costs[i] = least(costs[i], cost(run, *part))
    return costs
empty, invoke = passes([(0, 0), (0, ops)])
invoke -= empty
"""

_LISTENER = """
step = {{}}
if model.labels:
    from tinywake.engine import Engine
    listener = _tinywake.Listener(model)
    samples = listener.step_samples
    pcm = noise(bytearray(2 * samples))
    def hear():
        at = 0
        while at < samples:
            at = listener.feed(pcm, at, samples)
            if listener.due:
                return
    feeding, settling = cost(listener.feed, pcm, 0, 0), cost(listener.settle)  # the calls by themselves
    sums = [0, 0, 0]
    for i in range({steps} + 2):
        if i > 1:
            sums[0] += cost(listener.feed, pcm, 0, samples)
        else:
            hear()  # the first window takes more than a step, and then one ends where the next begins
        run(0, ops)
        settle = cost(listener.settle)
        if i > 1:
            sums[1] += settle
    del listener
    engine = Engine(network)
    for i in range({steps} + 2):
        app = cost(engine.feed, pcm)
        if i > 1:
            sums[2] += app
    step = {{"front": sums[0] // {steps} - feeding, "settle": sums[1] // {steps} - settling, "app": sums[2] // {steps}}}
    del engine
"""

# The last of all: what lies on the heap decides how long an allocation looks for room.
_LAYERS = """
layers = []
if wanted:
    costs = passes([(i // 2, (i + 1) // 2) for i in range(2 * ops)])
    layers = [costs[i + 1] - costs[i] for i in range(0, 2 * ops, 2)]
answer({"unit": unit, "network": invoke, "open": opened, "verify": verified, "layers": layers, "step": step})
"""

# As tinywake.main listens: 100 steps of 30 ms are 3 s, with some 60 lines of text among them. It runs as main.py, from
# power-on and with nobody at the port: whenever a host says something, interrupts and waits come at other times, and
# even to divide the time since power-on takes more or fewer cycles by its digits. How long the boot takes hangs on the
# times that the file system keeps of its files, so listening begins at a cycle that is the same, with the same in
# flash's cache: at_cycle() reads twice as much flash as that holds, looks every few cycles, and jumps over as many nops
# as it is late.
_LISTENING = """
import os
os.remove("main.py")
import json, machine
from tinywake import main
@micropython.asm_thumb
def at_cycle(r0, r1, r2, r3):
    label(fill)
    ldr(r4, [r2, 0])
    add(r2, 8)
    cmp(r2, r3)
    blt(fill)
    label(early)
    ldr(r2, [r0, 0])
    sub(r2, r2, r1)
    bmi(early)
    cmp(r2, 7)
    bhi(late)
    lsl(r2, r2, 1)
    data(2, 0x4497, 0x46c0)  # add pc, r2; a nop that is never reached
    data(2, 0x46c0, 0x46c0, 0x46c0, 0x46c0, 0x46c0, 0x46c0, 0x46c0)
    mov(r2, 0)
    label(late)
    mov(r0, r2)
listener = main.load({model!r})
mem = machine.mem32
def look():
    return [mem[each] & 0xffffffff for each in (0xe0001004, 0xe0001010, 0x14000010, 0x1400000c)]
def hear(steps):
    for _ in range(steps):
        listener._fill()
        listener.drain()
begin = (look()[0] | 0x3ffffff) + 1
assert at_cycle(0xe0001004, begin, 0x10000000, 0x10008000) == 0
listener._open()
hear({warm})
before = look()
hear({steps})
after = look()
listener.stop()
total, asleep, accesses, hits = [b - a & 0xffffffff for a, b in zip(before, after)]
print({mark!r} + json.dumps({{"cycles": total, "asleep": asleep, "accesses": accesses, "misses": accesses - hits,
    "lost": listener.lost, "samples": {steps} * listener.native.step_samples, "hz": machine.freq()}}))
"""
_MARK = "listened "
_POWER_ON = b"\r\x03\x03\x02import machine; machine.reset()\r"
_WARM_STEPS, _HEARD_STEPS = 20, 100


@dataclass(frozen=True)
class Listening:
    """Cycles a second of sound with all that belongs to it: I2S, its interrupts and copies, app, serial lines.

    awake: not slept through, of `hz` cycles a second. accesses and misses: of flash, through its cache. lost: samples,
    in all of it.
    """

    awake: int
    accesses: int
    misses: int
    hz: int
    lost: int


@dataclass(frozen=True)
class Counts:
    """In `unit`: "cycles", "instructions" or "microseconds".

    network: one invoke in the steady state, on noise, front end not included. layers: each operator of another one;
    empty where not asked for. open: from the file's bytes to a model with its arena, Python's objects included. verify:
    the payload's checksum. Of a listener, a step of new audio: front (front end, input map, level; on the host all but
    the network), settle (scores and detector), app (all of it driven by the app's Python: front, network, settle and
    the interpreter between them).
    """

    unit: str
    network: int
    layers: tuple[int, ...]
    open: int
    verify: int
    front: int | None
    settle: int | None
    app: int | None


def listening_on(port: str, model: str, *, timeout: float = 600.0) -> Listening:
    """Let the emulated Pico listen to its microphone, see Target.counting, and count. Raises DeviceError.

    The same in every run. `timeout`: seconds.
    """
    with RawRepl(port, timeout) as board:
        code = _LISTENING.format(model=model, warm=_WARM_STEPS, steps=_HEARD_STEPS, mark=_MARK)
        board.put("main.py", code.encode())
    said = _from_power_on(port, timeout)
    seconds = said["samples"] / 16000
    return Listening(
        awake=round((said["cycles"] - said["asleep"]) / seconds),
        accesses=round(said["accesses"] / seconds),
        misses=round(said["misses"] / seconds),
        hz=said["hz"],
        lost=said["lost"],
    )


def _from_power_on(port: str, timeout: float) -> dict[str, int]:
    """What main.py prints behind _MARK. Not a byte goes to the board while it runs."""
    text = ""
    end = time.monotonic() + timeout
    with open_port(port) as device:
        try:
            device.write(_POWER_ON)
            while time.monotonic() < end:
                text += device.read(max(1, device.in_waiting)).decode("utf-8", "replace").replace("\r", "")
                line, ended, _ = text.rpartition("\n" + _MARK)[2].partition("\n")
                if "\n" + _MARK in text and ended:
                    said: dict[str, int] = json.loads(line)
                    return said
                if "Traceback" in text and text.endswith("\n>>> "):
                    raise DeviceError(f"{port}: {printable(text.splitlines()[-2])}")
        except GONE as error:
            raise DeviceError(f"{port}: the board is gone") from error
    raise DeviceError(f"{port}: the board did not listen within {timeout:g} s")


def counts_on(port: str, model: str, *, layers: bool = False, timeout: float = 600.0) -> Counts:
    """Count on the board, which holds module, app and `model` (its name there). Raises DeviceError.

    `timeout`: seconds; a board at its work gives no sign of life.
    """
    with RawRepl(port, timeout) as board:
        board.reset()
        # A name of its own: behind a constant the compiler leaves code out, and the heap would be another one.
        code = f"wanted = {int(layers)}\n" + COUNTER
        code += (_NETWORK + _LISTENER).format(model=model, passes=_PASSES, steps=_STEPS) + _LAYERS
        said = board.ask(code)
    step = said["step"]
    # A clock may find a call that does something quicker than the empty one that is taken off; a counter never does.
    low = 0 if said["unit"] == "microseconds" else -math.inf
    return Counts(
        unit=str(said["unit"]),
        network=int(max(low, said["network"])),
        layers=tuple(int(max(low, layer)) for layer in said["layers"]),
        open=int(said["open"]),
        verify=int(said["verify"]),
        front=step.get("front"),
        settle=step.get("settle"),
        app=step.get("app"),
    )
