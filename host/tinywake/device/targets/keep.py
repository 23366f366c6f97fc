# SPDX-License-Identifier: MIT
"""An emulated board for other programs: it runs until it is told to end, whatever comes."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numpy as np

from tinywake.audio.clips import read_clip
from tinywake.device.line.files import BoardFiles
from tinywake.device.line.hear import wav_bytes
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.registry import TARGETS, open_target
from tinywake.device.targets.target import Setup, Target
from tinywake.errors import DeviceError

__all__ = ["keep"]

_MIC = "mic.wav"  # in the working directory: what boards/<NAME>/board.py of an emulated chip calls its microphone
_SOUND, _PAUSE = 600 * 16000, 16000  # samples: of all of it at least, and between two rounds
_LOOK_S = 0.2  # how soon the end of the emulator is noticed


def keep(
    name: str,
    on_start: Callable[[Target], object],
    *,
    seconds: float | None = None,
    link: Path | None = None,
    clip: Path | None = None,
    firmware: Path | None = None,
) -> None:
    """Run the emulated board of that name until Ctrl-C, SIGTERM, SIGHUP, or for so many seconds.

    on_start: called once it answers on its port. link: a symbolic link to the port that is there from then on, so that
    scripts have a name to wait for; it is removed at the end. clip: what its microphone says whenever it begins to
    listen, again and again for ten minutes; once where it has to go over the line. firmware: to run in place of its
    own, whatever that does.

    Raises ToolError where the board cannot run here, DeviceError where it ends by itself or the link cannot be made,
    and as read_clip does.
    """
    end = None if seconds is None else time.monotonic() + seconds
    try:
        with _interrupted_by_signals(), _hearing(name, clip, firmware) as board, _linked(board.port, link):
            on_start(board)
            while end is None or time.monotonic() < end:
                if not board.running:
                    raise DeviceError(f"{name}: the board has ended")  # the target says why, where it knows
                time.sleep(_LOOK_S if end is None else max(0.0, min(_LOOK_S, end - time.monotonic())))
    except KeyboardInterrupt:
        return


@contextmanager
def _hearing(name: str, clip: Path | None, firmware: Path | None) -> Iterator[Target]:
    if clip is None:
        with open_target(name, setup=Setup(firmware)) as board:
            yield board
        return
    pcm = read_clip(clip)
    with tempfile.TemporaryDirectory(prefix="tinywake-clip-") as folder:
        kind = next(iter(TARGETS[name].microphones), None) if name in TARGETS else None
        board = open_target(name, setup=Setup(firmware, kind, Path(folder) / _MIC))
        if board.mic or board.directory:
            round_ = np.concatenate([pcm, np.zeros(_PAUSE, np.int16)])
            pcm = np.tile(round_, -(-_SOUND // len(round_)))
        if board.mic:
            board.mic.say(pcm)
        with board:
            if board.mic is None:
                with RawRepl(board.port) as repl:
                    BoardFiles(repl, board.directory).put(_MIC, wav_bytes(pcm))
            yield board


@contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end a block as Ctrl-C does, and so does Ctrl-C where a shell started us in the background."""

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

    def stop(number: int, frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)  # a second one does not cut short what the first one ends
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _linked(port: str, link: Path | None) -> Iterator[None]:
    if link is None:
        yield
        return
    try:
        if link.is_symlink() and link.readlink().is_relative_to("/dev"):
            link.unlink()  # of a run that was killed; its port's name may be that of another by now
        link.symlink_to(port)
    except OSError as error:
        raise DeviceError(f"{link}: no link to the port can be made there: {error.strerror}") from error
    try:
        yield
    finally:
        if link.is_symlink() and str(link.readlink()) == port:
            link.unlink(missing_ok=True)
