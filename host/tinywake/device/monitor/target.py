# SPDX-License-Identifier: MIT
"""An emulated board to watch: it gets a model, and a clip as its microphone, and listens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tinywake.audio.clips import read_clip
from tinywake.device.connect import connected
from tinywake.device.line.files import BoardFiles
from tinywake.device.line.hear import wav_bytes
from tinywake.device.line.rawrepl import RawRepl

__all__ = ["listening_target"]

_CLIP = "monitor.wav"  # on the board, in its working directory


@contextmanager
def listening_target(target: str, model: Path, clip: Path, *, recorder: bool = False) -> Iterator[str]:
    """The port of an emulated board that hears `clip` in real time, beside its prompt. Raises as connected() does.

    `recorder`: it can record.
    """
    pcm = read_clip(clip)  # a clip that cannot be read is told before anything starts
    with connected(target, model, recorder=recorder) as board:
        with RawRepl(board.port) as repl:
            BoardFiles(repl, board.directory).put(_CLIP, wav_bytes(pcm))
            repl.exec(f"import tinywake.main\ntinywake.main.start({_CLIP!r}, True)")
        yield board.port
