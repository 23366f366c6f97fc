# SPDX-License-Identifier: MIT
"""What a recording board says, into files: of ten minutes each, or one for each piece around a hit."""

from __future__ import annotations

from tinywake.device.line.events import Event, Hit, Pcm, Rec
from tinywake.device.record.folder import Folder, Recorded
from tinywake.device.record.frames import Frame, read_frame
from tinywake.device.record.take import Take
from tinywake.device.record.wav import RATE

__all__ = ["Pieces"]

_ROLL = 600 * RATE  # samples of a file
_FRAME = 1280  # samples of a frame that is not cut short
_PIECES = 256


class Pieces:
    """One recording. `way`: see record.Wanted. `samples`: how many there are to be, of a prompted take."""

    def __init__(self, folder: Folder, way: str, samples: int | None = None) -> None:
        self._folder = folder
        self._on_hit = way == "hit"
        self._roll = _ROLL if way == "all" else 0
        self._samples = samples
        self._take: Take | None = None
        self._piece = -1
        self._first = 0  # number of the piece's first frame that came
        self._told = 0  # frames that the board says to have made up to the end of a piece
        self._cuts = 0  # pieces that were complete by then
        self._done = 0  # samples in files before this one
        self._heard: list[str] = []

    def take(self, event: Event) -> Recorded | None:
        """Take an event; return the file that it completes. Raises ToolError where one cannot be written."""
        if isinstance(event, Hit):
            at = "" if self._on_hit else f" at {(self._take.samples if self._take else 0) / RATE:.1f} s"
            self._heard.append(f"{event.label} {event.mean / 256:.2f}{at}")
        elif isinstance(event, Pcm):
            frame = read_frame(event)
            return self._put(frame) if frame else None
        elif isinstance(event, Rec) and self._on_hit:
            return self._piece_over(event)
        elif isinstance(event, Rec) and event.state == "off":
            self._samples = event.at
        return None

    def end(self) -> Recorded | None:
        """The recording is over: the last file, if there is one. Raises ToolError where the disk is full."""
        if self._take is None and not self._on_hit and self._samples and not self._done:
            self._take = Take(self._folder.next_path())  # nothing came of all that there was
        return self._finish(None if self._on_hit or self._samples is None else self._samples - self._done)

    def cut(self) -> Recorded | None:
        """It broke off: the last file as far as it goes, if there is one."""
        if self._take is not None:
            self._take.close()
        return self._finish(None)

    def _put(self, frame: Frame) -> Recorded | None:
        done = None
        if self._on_hit and frame.piece != self._piece:
            if self._piece >= 0 and (frame.piece - self._piece) % _PIECES > _PIECES // 2:
                return None  # of one that is over
            done = self._finish(None)
            self._piece, self._first = frame.piece, frame.number
        if self._take is None:
            self._take = Take(self._folder.next_path(), number=None if self._on_hit else 0)
        self._take.put(frame)
        if self._roll and self._take.samples >= self._roll:
            over, following = self._take.over, self._take.next
            self._done += self._take.samples
            done = self._finish(None)
            self._take = Take(self._folder.next_path(), over, following)
        return done

    def _piece_over(self, event: Rec) -> Recorded | None:
        """The board says that a piece is complete, and how many frames there were: those that came are counted."""
        made, before, known = event.frames + event.dropped, self._told, event.cuts == self._cuts + 1
        if event.cuts > self._cuts:
            self._told, self._cuts = made, event.cuts
        if self._take is None or (event.cuts - 1) % _PIECES != self._piece or self._take.next is None:
            return None
        missing = max(0, made - before - (self._take.next - self._first)) if known else 0
        return self._finish(self._take.samples + missing * _FRAME if missing < _ROLL // _FRAME else None)

    def _finish(self, samples: int | None) -> Recorded | None:
        take = self._take
        if take is None:
            return None
        take.end(samples)
        heard, self._heard = "; ".join(self._heard), []
        self._take = None
        if not take.samples:
            take.path.unlink(missing_ok=True)
            return None
        return Recorded.of(take, heard)
