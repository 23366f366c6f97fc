# SPDX-License-Identifier: MIT
"""The three ways to record: one prompted take after another, all there is, or what surrounds each hit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tinywake.device.line.lines import encode_command
from tinywake.device.record.board import Board
from tinywake.device.record.folder import Folder, Recorded
from tinywake.device.record.pieces import Pieces
from tinywake.device.record.wav import RATE
from tinywake.errors import ConfigError, DeviceError, TinywakeError

__all__ = ["Wanted", "fault", "record"]

_QUIET_DB = -40.0
_CLIPPED = 16  # samples
_TRIES = 5
_ID = 999_999  # more digits than commands get
_PATIENCE = 8  # an emulated board's second may take so many, and 20 more

Say = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """What to record. `way`: "prompt" (takes), "all" or "hit" (what surrounds the words that the board hears)."""

    label: str
    speaker: str = ""
    way: str = "prompt"
    count: int | None = None  # takes, or pieces around hits; None: 10 takes, or until Ctrl-C
    seconds: float | None = None  # of a take, or in all; None: 2, or until Ctrl-C
    before: float = 2.0  # seconds before a hit
    after: float = 1.0
    countdown: int = 3  # seconds before a take


def record(port: str, folder: Path, wanted: Wanted, say: Say) -> Iterator[Recorded]:
    """Yield each file when it is done. `say` is told what there is to say to people.

    Ctrl-C ends it: what was heard until then is kept, a take that is half spoken is not. Raises DeviceError or
    ToolError with one line; what was written before that is whole and listed.
    """
    _check(wanted)
    place = Folder(folder, wanted.label, wanted.speaker)
    with Board(port) as board:
        try:
            if wanted.way == "prompt":
                yield from _takes(board, place, wanted, say)
            else:
                yield from _pieces(board, place, wanted, say)
        finally:
            if board.recording:
                with suppress(DeviceError):
                    board.stop()


def _check(wanted: Wanted) -> None:
    """Raise ConfigError where label or speaker is no text, or the board's line has no room for the label."""
    try:
        f"{wanted.label}{wanted.speaker}".encode()
        encode_command("label", [("id", _ID), ("text", wanted.label)])
    except UnicodeEncodeError as error:
        raise ConfigError("--label or --speaker is no UTF-8: type it in the terminal's own encoding") from error
    except ValueError as error:
        raise ConfigError(f"--label {wanted.label!r} is too long for a board's line: shorten it") from error


def fault(take: Recorded) -> str:
    """Why a prompted take is to be spoken again; nothing where it is good."""
    if take.lost:
        return f"{take.lost} samples were lost on the way"
    if take.level_db < _QUIET_DB:
        return f"too quiet ({take.level_db:.0f} dB): come nearer, or speak louder"
    if take.clipped >= _CLIPPED:
        return f"clipped ({take.clipped} samples at the limit): go farther away, or raise `shift` in the board's pins"
    return ""


def _takes(board: Board, folder: Folder, wanted: Wanted, say: Say) -> Iterator[Recorded]:
    count, seconds = wanted.count or 10, wanted.seconds or 2.0
    samples = round(1000 * seconds) * RATE // 1000
    done = tries = 0
    while done < count:
        for left in range(wanted.countdown, 0, -1):
            say(f"{done + 1} of {count}: {left} ...")
            time.sleep(1)
        pieces = Pieces(folder, way="prompt", samples=samples)
        try:
            board.record(wanted.label, mode="stream", ms=round(1000 * seconds))
            say(f'{done + 1} of {count}: say it now: "{wanted.label}"')
            for event in board.listen(_PATIENCE * seconds + 20):
                pieces.take(event)
            take = pieces.end()
        except BaseException:  # Ctrl-C too: half a word is of no use
            _remove(pieces.cut())
            raise
        wrong = fault(take) if take else "nothing came"
        if take and not wrong:
            folder.add(take)
            done, tries = done + 1, 0
            yield take
        else:
            _remove(take)
            tries += 1
            if tries == _TRIES:
                raise DeviceError(f"{board.port}: {tries} times in a row: {wrong}; tinywake doctor --mic looks at that")
            say(f"again: {wrong}")


def _pieces(board: Board, folder: Folder, wanted: Wanted, say: Say) -> Iterator[Recorded]:
    samples = None if wanted.seconds is None else round(1000 * wanted.seconds) * RATE // 1000
    pieces = Pieces(folder, way=wanted.way)  # how many samples there are, the board says where nothing ends it before
    if wanted.way == "all":
        board.record(wanted.label, mode="stream", ms=0 if samples is None else samples * 1000 // RATE)
        say("recording; Ctrl-C ends it")
    else:
        kept = board.record(wanted.label, mode="hit", pre=round(1000 * wanted.before), post=round(1000 * wanted.after))
        say(f"listening; the board keeps {kept / 1000:.1f} s before a hit; Ctrl-C ends it")
        if kept < 1000 * wanted.before:
            say(f"its heap has no room for the {wanted.before:g} s that were asked for")
    done = 0
    try:
        with suppress(KeyboardInterrupt):
            for event in board.listen(wanted.seconds if wanted.seconds and wanted.way == "hit" else math.inf):
                take = pieces.take(event)
                if take:
                    folder.add(take)
                    yield take
                    done += 1
                    if done == wanted.count:
                        break
        if rest := pieces.end():
            folder.add(rest)
            yield rest
    except TinywakeError as error:
        if rest := pieces.cut():
            folder.add(rest)
            raise type(error)(f"{error}; {rest.path} is whole up to there, {rest.seconds:.2f} s") from error
        raise
    finally:
        if rest := pieces.cut():  # whoever reads what is yielded has enough
            folder.add(rest)


def _remove(take: Recorded | None) -> None:
    if take:
        take.path.unlink(missing_ok=True)
