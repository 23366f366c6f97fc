# SPDX-License-Identifier: MIT
"""The features that a board's own front end computes, taken from where a network finds them: its input.

A board's module hands out no features, and needs not: the input of a network is features through an integer map
(models/SPEC.md, INPUT_MAP). A model whose map keeps them as they are, 255 values at a time, is listened with several
times, and the passes are added up: clamp(u, 0, 255) + clamp(u - 255, 0, 255) + ... is u.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinywake.compiler.graph import Copy, Graph, Tensor
from tinywake.compiler.memory.plan import plan
from tinywake.compiler.twm.listening import Detector, InputMap, Label, Listening
from tinywake.compiler.twm.pack import pack
from tinywake.compiler.twm.unpack import parse
from tinywake.device.line.files import BoardFiles
from tinywake.device.line.rawrepl import RawRepl
from tinywake.errors import DeviceError
from tinywake.frontend import FrontendParams

__all__ = ["features_on", "probe"]

_CLIP, _FRAMES = "features.pcm", "features.bin"  # on the board, in its working directory
_SPAN = 255  # values that a byte tells apart, besides "above"
_KEEP = InputMap(multiply=1, add=0, divide=1, offset=-128)
_OFFSET = 12  # where in an INPUT_MAP that field stands

# The file is read into memory and its map moved there: the checksum over all of it is not asked for.
_LISTEN = """
import gc, _tinywake
from tinywake.port import port
def features(path, field, window, first, count, chunk):
    model = bytearray(port.read_file(path))
    model[field:field + 4] = (-128 - {span} * window & 0xffffffff).to_bytes(4, "little")
    model = _tinywake.Model(model)
    listener = _tinywake.Listener(model)
    frame = memoryview(model)[first:first + count]
    pcm = bytearray(2 * chunk)
    with open({clip!r}, "rb") as audio, open({frames!r}, "wb") as out:
        while True:
            got = audio.readinto(pcm) // 2
            if not got:
                break
            at = 0
            while at < got:
                at = listener.feed(pcm, at, got)
                if listener.due:
                    out.write(frame)
                    listener.settle()
gc.collect()
"""


def probe(params: FrontendParams | None = None) -> bytes:
    """A model that takes a frame a step, and whose input holds clamp(feature, 0, 255) - 128."""
    params = params or FrontendParams()
    tensors = {
        0: Tensor("features", (1, 1, params.channels), "int8", 1.0, -128, storage=0),
        1: Tensor("first feature", (1, 1), "int8", 1 / 256, -128, storage=1),
    }
    graph = Graph(tensors, (Copy.in_one_run(0, 0, 1, count=1),), 0, 1)
    return pack(graph, plan(graph), Listening(Detector((Label("feature", 255),), window=1), params, _KEEP))


def features_on(
    port: str,
    clips: Iterable[NDArray[np.int16]],
    model: str,
    *,
    directory: Path | None = None,
    chunk: int = 480,
    params: FrontendParams | None = None,
    timeout: float = 60.0,
) -> Generator[NDArray[np.uint16], None, None]:
    """Yield uint16 [frames, channels] of each clip (int16 [samples]) from a fresh start.

    model: name on the board of a file that holds `probe(params)`. chunk: samples given to the front end at a time.
    directory: the board's file system, where it is a folder of this computer. Raises DeviceError.
    """
    params = params or FrontendParams()
    file = probe(params)
    field = file.index(_KEEP.section()) + _OFFSET
    first = parse(file).tensors[parse(file).input].offset
    with RawRepl(port, timeout) as board:
        files = BoardFiles(board, directory)
        board.exec(_LISTEN.format(span=_SPAN, clip=_CLIP, frames=_FRAMES))
        try:
            for clip in clips:
                files.put(_CLIP, clip.astype("<i2").tobytes())
                frames, window, above = np.zeros(0, np.int64), 0, True
                while above:
                    board.exec(f"features({model!r}, {field}, {window}, {first}, {params.channels}, {chunk})")
                    part = np.frombuffer(files.get(_FRAMES), np.int8).astype(np.int64) + 128
                    frames = part if window == 0 else frames + part
                    above, window = bool((part == _SPAN).any()), window + 1
                yield frames.astype(np.uint16).reshape(-1, params.channels)
        finally:
            with suppress(DeviceError):
                files.remove(_CLIP, _FRAMES)
