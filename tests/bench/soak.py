# SPDX-License-Identifier: MIT
"""A board listens for long while its line is noisy and models are swapped: it hears what it should hear.

    .venv/bin/python tests/bench/soak.py --target unix --hours 24 [--model M.twm] [--paced] [--drop] [--json FILE]

The board plays a clip in a circle as its microphone, in run(), faster than real time unless --paced. Of each stretch
from one start to the next the host computes what must be heard, sample for sample, with the C core; every hit must be
there, at its time. The microphone waits for the line, unless --drop: then, as with a real one, lines are dropped, and
what is missing must stand among those that the board counts. Damaged commands and garbage go to the
board all the time; models take over and the board is reset again and again. Ends with 2 where anything differs.
"""

from __future__ import annotations

import argparse
import json
import runpy
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinywake.core import Listener, Model
from tinywake.device.command.channel import Channel
from tinywake.device.deploy import deploy
from tinywake.device.line.events import Event, Heap, Hit, Lost, State
from tinywake.device.line.files import BoardFiles
from tinywake.device.line.hear import wav_bytes
from tinywake.device.line.lines import encode_command
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.swap.transfer import HEAD, digest, transfer
from tinywake.device.targets.registry import open_target
from tinywake.device.targets.target import Target

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/bench"))
from stretches import Stretch, compared  # noqa: E402

RATE = 16000
LATE_S = 60.0
NOISE_H = 2 / 3600  # of audio between two pieces of noise: run() takes 32 bytes a buffer, and noise is not to pile up

# The clip ends with a buffer, so that the circle has no seam: each buffer is whole.
LOOP = """
import tinywake.main as m
from tinywake.port import port
from tinywake.port.wav import WavMicrophone
class Circle(WavMicrophone):
    def readinto(self, buf):
        m.link.wait_ms = WAIT_MS
        count = super().readinto(buf)
        if not count:
            self._file.seek(44)
            self._left = SIZE
            count = super().readinto(buf)
        return count
port.microphone = lambda path=None, paced=None: Circle(port, "soak.wav", PACED)
m.load(score="off")
m.run()
"""


@dataclass
class Result:
    """What a soak found."""

    target: str
    hours: float = 0.0  # of audio
    seconds: float = 0.0
    stretches: int = 0
    swaps: int = 0
    resets: int = 0
    hits: int = 0
    hits_dropped: int = 0  # by the board, which counted the lines
    lines_dropped: int = 0
    samples_lost: int = 0
    noise_bytes: int = 0
    damaged: int = 0  # commands that the board counted as such
    heap: list[int] = field(default_factory=list)  # free after collecting, a figure a swap; each boot ends with a 0
    faults: list[str] = field(default_factory=list)


class Soak:
    """One board, two models, one clip."""

    def __init__(
        self, board: Target, models: dict[str, bytes], clip: npt.NDArray[np.int16], how: dict[str, Any]
    ) -> None:
        """Put everything on the board and begin to listen with the first model."""
        self.board, self.models, self.clip = board, models, clip
        self.drop = bool(how.get("drop"))
        self.how = f"PACED = {how.get('paced', False)}\nWAIT_MS = {0 if self.drop else -1}\n"
        self.result = Result(type(board).__name__)
        self.stretches: list[Stretch] = []
        self.rng = np.random.default_rng(1)
        self._fresh = True
        self._heap = self._damaged = 0
        self._listen()

    def _listen(self) -> None:
        with RawRepl(self.board.port, timeout=60) as repl:
            BoardFiles(repl, self.board.directory).put("soak.wav", wav_bytes(self.clip))
            text = f"SIZE = {2 * len(self.clip)}\n{self.how}{LOOP}"
            BoardFiles(repl, self.board.directory).put("soak.py", text.encode())
        self.channel = Channel(self.board.port)
        self._run()

    def _run(self) -> None:
        self._fresh = True
        self.channel._device.write(b"import soak\r")
        end = time.monotonic() + 60
        before = len(self.stretches)
        while len(self.stretches) == before:
            self.hear(0.1)
            if time.monotonic() > end:
                raise AssertionError(self.channel._orders._said[-300:])

    def hear(self, seconds: float) -> None:
        """Take what the board says for so long."""
        end = time.monotonic() + seconds
        while True:
            self.channel._read()
            self._take()
            if time.monotonic() >= end:
                return

    def _take(self) -> None:
        events, self.channel.events = self.channel.events, []
        for event in events:
            self._one(event)

    def _one(self, event: Event) -> None:
        if isinstance(event, State) and event.state == "listening" and event.steps == 0:
            self._begin(event.model)
        elif self.stretches and self._is_of_the_next(event):
            self._begin("")
        now = self.stretches[-1] if self.stretches else None
        if now:
            now.t = getattr(event, "t", now.t)
        if isinstance(event, State) and now:
            now.model, now.last = event.model, event
            now.ended = event.state == "stopped"
        elif isinstance(event, Hit) and now:
            now.hits.append((event.t, event.score, event.mean))
        elif isinstance(event, Lost):
            self.result.samples_lost += event.samples
            self.result.lines_dropped += event.lines
        elif isinstance(event, Heap):
            self._heap = event.free

    def _is_of_the_next(self, event: Event) -> bool:
        """Whether the line that began another stretch has been dropped."""
        now = self.stretches[-1]
        other = isinstance(event, State) and now.model not in ("", event.model)
        return self.drop and (other or getattr(event, "t", now.t) < now.t)

    def _begin(self, model: str) -> None:
        before = self.stretches[-1] if self.stretches else None
        start: int | None = 0
        if before and not self._fresh:
            if not before.ended and not self.drop:
                self.fault(f"no end of {before.model} at {before.t}")
            start = before.start + self._samples(before) if before.ended and before.start is not None else None
        self._fresh = False
        self.stretches.append(Stretch(model, start))

    def _samples(self, stretch: Stretch) -> int:
        """How many samples it has taken: buffers are as long as steps, and the window is longer than a hop."""
        assert stretch.last
        return (stretch.last.steps + 1) * self._step(stretch.model)

    def _step(self, name: str) -> int:
        return Listener(Model(self.models[name], name)).step_samples

    def fault(self, what: str) -> None:
        """Something differs."""
        self.result.faults.append(what)

    def noise(self) -> None:
        """Garbage, damaged and half commands."""
        raw = self.rng.integers(0, 256, int(self.rng.integers(1, 400))).astype(np.uint8).tobytes().replace(b"\x03", b"")
        command = bytearray(encode_command("stop", [("id", 77)]))
        command[-12] ^= 4
        data = (raw, bytes(command), bytes(command[:60]) + b"\n", b"@" * 300, b"x" * 2000)[int(self.rng.integers(5))]
        self.result.noise_bytes += len(data)
        self.channel._device.write(data + b"\r")

    def swap(self, name: str) -> None:
        """The other model, by the protocol, noise between the pieces."""
        data = self.models[name]
        sent = 0

        def progress(fraction: float) -> None:
            nonlocal sent
            sent += 1
            if sent % 7 == 0:
                self.noise()
            self._take()

        transfer(self.channel, f"{name}.twm", data, progress)
        self._take()
        self.channel.order("swap", seconds=20, tries=3, sha=digest(data)[:HEAD])
        self._take()
        end = time.monotonic() + LATE_S  # where the line that says so was dropped, the next one comes
        while self.drop and self.stretches[-1].model != name and time.monotonic() < end:
            self.hear(0.1)
        if self.stretches[-1].model != name:
            self.fault(f"{self.stretches[-1].model} listens, not {name}")
        self.result.swaps += 1
        self._damaged = self.channel.order("heap", seconds=20)
        self._take()
        self.result.heap.append(self._heap)

    def reset(self) -> None:
        """As Ctrl-C and Ctrl-D do it, or whoever pulls the plug."""
        self.result.resets += 1
        self.result.heap.append(0)
        self.result.damaged += self._damaged
        self._damaged = 0
        self.channel._device.write(b"\r\x03\x03")
        self.hear(1.0)
        self.stretches[-1].cut = True
        self.channel._device.write(b"\x04")
        self.hear(1.0)
        self._run()

    def hours(self) -> float:
        """Of audio so far."""
        return sum(each.last.t for each in self.stretches if each.last) / 3.6e6

    def check(self, stretch: Stretch) -> None:
        """That what was heard is what is to be heard."""
        if stretch.last is None:
            return
        found = compared(stretch, Model(self.models[stretch.model], stretch.model), self.clip)
        for fault in found.faults:
            self.fault(f"{stretch.model} at {stretch.start}: {fault}")
        self.result.hits += found.hits
        self.result.hits_dropped += found.missing
        stretch.hits.clear()


def soak(board: Target, models: dict[str, bytes], clip: npt.NDArray[np.int16], hours: float, **how: Any) -> Result:
    """`how`: paced, drop; swap_h, reset_h: hours of audio between two; look_s; say, called with a line."""
    say = how.get("say", lambda line: None)
    began = time.monotonic()
    it = Soak(board, models, clip, how)
    names = list(models)
    swap_h, reset_h = how.get("swap_h", 0.5), how.get("reset_h", 6.0)
    swaps = resets = 1
    checked, noisy = 0, 0.0
    try:
        # A board much faster than real time may be through while one model is on its way.
        while it.hours() < hours or (hours > reset_h and not it.result.resets):
            if it.hours() >= noisy:
                it.noise()
                noisy = it.hours() + NOISE_H
            it.hear(how.get("look_s", 0.5))
            if it.hours() >= resets * reset_h:
                it.reset()
                resets = int(it.hours() / reset_h) + 1
            if it.hours() >= swaps * swap_h and it.stretches[-1].model:
                it.swap(names[(names.index(it.stretches[-1].model) + 1) % len(names)])
                swaps = int(it.hours() / swap_h) + 1
                found = f"heap {it.result.heap[-1]:,}, {it.result.hits:,} hits, {len(it.result.faults)} faults"
                say(f"{it.hours():.2f} h in {time.monotonic() - began:.0f} s, {found}")
            while checked < len(it.stretches) - 1:
                it.check(it.stretches[checked])
                checked += 1
        it.channel.order("stop", seconds=20)
        it._take()
        for stretch in it.stretches[checked:]:
            it.check(stretch)
    finally:
        it.channel.close()
    it.result.damaged += it._damaged
    it.result.hours, it.result.seconds = it.hours(), time.monotonic() - began
    it.result.stretches = len(it.stretches)
    return it.result


def grown(heap: list[int]) -> int:
    """The most that the free heap sank within one boot, from the second figure on: the first swaps load what swaps."""
    worst, boot = 0, []
    for free in [*heap, 0]:
        if free:
            boot.append(free)
        else:
            worst = max(worst, boot[2] - boot[-1] if len(boot) > 3 else 0)
            boot = []
    return worst


def bursts(seconds: int, step: int) -> npt.NDArray[np.int16]:
    """Noise that comes and goes, for the small network that hears loud changes."""
    rng = np.random.default_rng(3)
    samples = seconds * RATE // step * step
    noise = rng.integers(-30000, 30000, samples)
    quiet = rng.integers(0, 2, samples // 4000 + 1)[np.arange(samples) // 4000] == 0
    noise[quiet] //= 64
    return noise.astype(np.int16)


def small_models() -> dict[str, bytes]:
    """Two of them that differ in their threshold."""
    make = runpy.run_path(str(ROOT / "tests/core/tiny.py"))["listening_model"]
    return {"one": make(threshold=130, window=1), "two": make(threshold=160, window=1)}


def main() -> int:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="unix")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--model", type=Path, help="a .twm; default: a small network that hears loud changes")
    parser.add_argument("--clip", type=Path, help="16 kHz mono, with --model")
    parser.add_argument("--swap-hours", type=float, default=0.5)
    parser.add_argument("--reset-hours", type=float, default=6.0)
    parser.add_argument("--paced", action="store_true")
    parser.add_argument("--drop", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    models = small_models()
    if args.model:
        data = args.model.read_bytes()
        models = {"one": data, "two": data + bytes(16)}
    step = Listener(Model(models["one"], "one")).step_samples
    clip = bursts(6, step)  # which every file system has room for
    if args.clip:
        from tinywake.audio.clips import read_clip

        pcm = read_clip(args.clip)
        clip = pcm[: len(pcm) // step * step]
    with open_target(args.target) as board:
        folder = board.directory
        path = (folder or Path("/tmp")) / "one.twm"
        path.write_bytes(models["one"])
        deploy(board.port, path, board=board.board, start=False)
        result = soak(
            board, models, clip, args.hours, paced=args.paced, drop=args.drop,
            swap_h=args.swap_hours, reset_h=args.reset_hours, say=lambda line: print(line, flush=True),
        )  # fmt: skip
    sank = grown(result.heap)
    facts = {**asdict(result), "heap_sank": sank}
    if args.json:
        args.json.write_text(json.dumps(facts, indent=1) + "\n")
    print(json.dumps(facts))
    return 2 if result.faults else 0


if __name__ == "__main__":
    sys.exit(main())
