# SPDX-License-Identifier: MIT
"""Frames as they come, into a wav file: in their order, each once, with silence and a mark where some are missing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinywake.device.record.frames import WRAP, Frame
from tinywake.device.record.wav import RATE, WavFile

__all__ = ["LINE", "MICROPHONE", "Gap", "Take"]

LINE, MICROPHONE = "line", "microphone"  # where a gap's samples were lost
_SURE = 2 * RATE  # samples: a longer gap is believed when the frame after it agrees
_WINDOW = 320  # samples: the loudest 20 ms
_FULL = 32000  # a sample at the limit, which ADPCM may leave a little below it


@dataclass(frozen=True)
class Gap:
    """Silence in the place of samples that were lost."""

    start: int  # samples
    length: int
    why: str  # LINE: lines that were damaged, or that the board had no room for; MICROPHONE: the board was too slow

    def __str__(self) -> str:
        """As in the manifest."""
        return f"{self.start}+{self.length} {self.why}"


class Take:
    """One wav file. It begins at a count of samples, `origin`, with frame `number`; None: with the first that comes."""

    def __init__(self, path: Path, origin: int = 0, number: int | None = 0) -> None:
        """Raise ToolError where the file cannot be made."""
        self.gaps: list[Gap] = []
        self.doubled = 0  # frames that were there already
        self.refused = 0  # and those that cannot be true
        self.peak = 0
        self.clipped = 0  # samples
        self._loudest = 0.0  # mean square of 20 ms
        self._wav = WavFile(path)
        self.next = number  # of the frame that follows
        self._origin = origin
        self._held: Frame | None = None

    @property
    def path(self) -> Path:
        """The wav file."""
        return self._wav.path

    @property
    def over(self) -> int:
        """The count of samples at its end."""
        return (self._origin + self.samples) % WRAP

    @property
    def samples(self) -> int:
        """How many there are, lost ones included."""
        return self._wav.samples

    @property
    def level_db(self) -> float:
        """Of the loudest 20 ms, below a square wave of full scale."""
        return 10 * math.log10(self._loudest / 32768**2) if self._loudest else -120.0

    def put(self, frame: Frame) -> None:
        """Write a frame. Raises ToolError where the disk is full."""
        if self.next is None:
            self.next = frame.number
            self._origin = frame.at
        held, self._held = self._held, None
        if held is not None and (frame.number, frame.at) == (held.number + 1, (held.at + len(held.samples)) % WRAP):
            self._append(held, self._ahead(held))
        elif held is not None:
            self.refused += 1
        ahead = self._ahead(frame)
        if frame.number < self.next:
            self._fill(frame, self.samples + ahead)
        elif ahead < 0 or (ahead == 0 and frame.number > self.next):
            self.refused += 1
        elif ahead > _SURE:
            self._held = frame
        else:
            self._append(frame, ahead)

    def end(self, samples: int | None = None) -> None:
        """Complete the file. `samples`: how many there should be: those missing at the end are a gap."""
        if samples is not None and samples > self.samples:
            self._mark(samples, LINE)
            self._wav.put(samples, np.zeros(0, np.int16))
        self.close()

    def close(self) -> None:
        """As it is."""
        self._wav.close()

    def _ahead(self, frame: Frame) -> int:
        """Samples between the end and there; less than 0: it begins before the end."""
        return (frame.at - self._origin - self.samples + WRAP // 2) % WRAP - WRAP // 2

    def _append(self, frame: Frame, ahead: int) -> None:
        if ahead:
            self._mark(self.samples + ahead, MICROPHONE if frame.number == self.next else LINE)
        self.next = frame.number + 1
        self._write(self.samples + ahead, frame.samples)

    def _mark(self, end: int, why: str) -> None:
        self.gaps.append(Gap(self.samples, end - self.samples, why))

    def _fill(self, frame: Frame, at: int) -> None:
        """A frame that comes late has its place in a gap; one that is there already has none."""
        end = at + len(frame.samples)
        for i, gap in enumerate(self.gaps):
            if gap.why == LINE and gap.start <= at and end <= gap.start + gap.length:
                rest = (Gap(gap.start, at - gap.start, LINE), Gap(end, gap.start + gap.length - end, LINE))
                self.gaps[i : i + 1] = [each for each in rest if each.length]
                self._write(at, frame.samples)
                return
        self.doubled += 1

    def _write(self, at: int, samples: npt.NDArray[np.int16]) -> None:
        self._wav.put(at, samples)
        wide = samples.astype(np.int32)
        self.peak = max(self.peak, int(np.abs(wide).max(initial=0)))
        self.clipped += int((np.abs(wide) >= _FULL).sum())
        for start in range(0, len(wide), _WINDOW):
            self._loudest = max(self._loudest, float(np.square(wide[start : start + _WINDOW]).mean()))
