# SPDX-License-Identifier: MIT
"""How long after the end of a word its line is on the host: on the unix board, in real time, with a trained model.

    .venv/bin/python tests/bench/latency.py MODEL.twm CLIPS

CLIPS: a folder as `make demo` leaves it: clips with a word each, where it lies in a playlist.json. The line's own share
is the time between its arrival and the audio time that it names, the first `state` line being time 0. Where a line
seems to come before its time, that first one came late: the computer is too busy for a figure, which is said (exit 2).
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from tinywake.audio.clips import read_clip
from tinywake.device.deploy import deploy
from tinywake.device.line.events import Hit, State
from tinywake.device.line.hear import wav_bytes
from tinywake.device.line.lines import LineReader
from tinywake.device.line.port import open_port
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.unix import UnixBoard


def main(model: Path, clips: Path) -> None:
    """Print both in milliseconds."""
    play = [entry for entry in json.loads((clips / "playlist.json").read_text()) if entry["kind"] == "word"]
    parts = [read_clip(clips / entry["file"]) for entry in play]
    starts = np.cumsum([0, *map(len, parts)])
    words = [
        (at / 16 + entry["words"][0][0], at / 16 + entry["words"][0][1])
        for at, entry in zip(starts, play, strict=False)
    ]
    detector, line = [], []
    with UnixBoard() as board:
        deploy(board.port, model, board="UNIX", start=False)
        with RawRepl(board.port):
            (board.directory / "mic.wav").write_bytes(wav_bytes(np.concatenate([*parts, np.zeros(32000, np.int16)])))
        with open_port(board.port, timeout=0.001) as port:
            port.write(b"import tinywake.main as m; m.start(paced=True)\r")
            reader, began, last = LineReader(), 0.0, 0
            while last < starts[-1] / 16:
                for event in reader.feed(port.read(max(1, port.in_waiting))):
                    now = time.monotonic()
                    last = getattr(event, "t", last)
                    if isinstance(event, State) and event.steps == 0:
                        began = now
                    elif isinstance(event, Hit):
                        line.append(1000 * (now - began) - event.t)
                        detector += [event.t - end for begin, end in words if begin < event.t < end + 1500]
    if min(line) < 0:
        late = -min(line)
        print(f"no figure: the first line came {late:.0f} ms late or more; the computer is too busy", file=sys.stderr)
        sys.exit(2)
    for name, values in (("end of the word to the step that fires", detector), ("that step to the host", line)):
        low, high = min(values), max(values)
        print(f"{name}: median {statistics.median(values):.0f} ms, {low:.0f} to {high:.0f}, {len(values)} hits")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
