# SPDX-License-Identifier: MIT
"""What the app takes of a Pico's heap, step by step: the table in docs/memory.md and the constants in device/bill.py.

    .venv/bin/python tests/bench/app_heap.py MODEL.twm

MODEL: a network that listens. It is deployed to the emulated Pico, whose firmware is the one that boards have.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from tinywake.core import Listener, Model
from tinywake.device.deploy import Choices, deploy
from tinywake.device.firmware import built_module, read_native
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.rp2040 import RP2040Board

_STEPS = """
import gc
said = []
def free(what):
    gc.collect()
    said.append([what, gc.mem_free()])
free("boot")
import _tinywake
free("import _tinywake")
import tinywake
free("import tinywake")
import tinywake.main
free("import tinywake.main")
tinywake.main.load() and None
free("load()")
tinywake.main.start()
free("start()")
tinywake.main.stop()
answer(said)
"""
_RING, _SAMPLE = 128 * 64, 2  # device/bill.py: _RING_RP2, _SAMPLE_RP2


def main(model: Path) -> None:
    """Print table and constants."""
    with RP2040Board() as board:
        deploy(board.port, model, board=board.board, start=False, choices=Choices(home="heap"))
        with RawRepl(board.port, timeout=60) as repl:
            repl.reset()
            said = [(str(what), int(free)) for what, free in repl.ask(_STEPS)]
    taken = [0, *(before - after for (_, before), (_, after) in itertools.pairwise(said))]
    for (what, free), bytes_ in zip(said, taken, strict=True):
        print(f"| `{what}` | {free:,} | {bytes_:,} |")
    path = built_module("armv6m")
    assert path is not None
    native = read_native(path).ram
    network = Model.open(model)
    listener = Listener(network)
    app = sum(taken[1:3]) - native
    known = model.stat().st_size + network.arena_bytes + listener.ram_bytes + _SAMPLE * listener.step_samples + _RING
    running = sum(taken[4:]) - known
    print(f"module {native:,}; file, arena, listener, buffers and ring {known:,}; {sum(taken):,} in all")
    print(f"_APP, _APP_LISTENER, _RUNNING = {app:_}, {app + taken[3]:_}, {running:_}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
