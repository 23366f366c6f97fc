# SPDX-License-Identifier: MIT
"""Every clip through every model, in quiet and in noise: scores, on two threads, or known from the cache."""

from __future__ import annotations

import hashlib
import os
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import soundfile

from tinywake.audio.clips import RATE, Pcm, read_blocks, read_clip
from tinywake.core import Listener
from tinywake.errors import AudioError
from tinywake.evaluate.det.latency import end_of_word
from tinywake.evaluate.sounds.clipset import EvalClip
from tinywake.evaluate.sounds.noise import Condition, mix
from tinywake.evaluate.sounds.quiet import framed, framed_blocks
from tinywake.files import cache_folder, why_unread
from tinywake.pipeline.evaluation.contenders import Contender
from tinywake.pipeline.evaluation.store import Kept, ScoreStore

__all__ = ["ClipScores", "Ears", "Effort"]

_FORMAT = 1  # change it when the same clips give other sound
_LONG_S = 300  # of a recording, from which on it is heard in blocks
_THREADS = 2  # the core and the decoder let go of Python's lock


@dataclass
class Effort:
    """What it took. seconds: of sound that went through a network."""

    seconds: float = 0.0
    wall_s: float = 0.0
    heard: int = 0
    known: int = 0  # clips, in a condition, whose scores were in the cache

    def facts(self) -> dict[str, object]:
        """As JSON-able values."""
        return {
            "hours_heard": self.seconds / 3600,
            "wall_s": self.wall_s,
            "times_real_time": self.seconds / self.wall_s if self.wall_s else None,
            "from_cache": self.known,
            "scored": self.heard,
        }

    def line(self) -> str:
        """For people."""
        done = f"{self.seconds / 3600:.2f} h of sound in {self.wall_s:.1f} s"
        fast = f" ({self.seconds / self.wall_s:,.0f} times real time)" if self.heard and self.wall_s else ""
        return f"heard {done}{fast}; {self.known} of {self.heard + self.known} scores were known"


@dataclass(frozen=True)
class ClipScores:
    """scores: of each condition (None: quiet) and contender. seconds: of the clip alone. end_ms: of its word."""

    scores: Mapping[tuple[int, int], Kept]  # number of the condition (0: quiet), number of the contender
    seconds: float
    end_ms: int


@dataclass
class Ears:
    """Contenders, what they hear clips in besides quiet, and how much quiet stands before a clip at least."""

    contenders: Sequence[Contender]
    conditions: Sequence[Condition] = ()
    least_lead_ms: int = 0
    effort: Effort = field(default_factory=Effort)

    def hear(
        self, wanted: Sequence[EvalClip], unwanted: Sequence[EvalClip], on_clip: Callable[[int], None] | None = None
    ) -> list[ClipScores]:
        """Scores of all clips, those with the word first. on_clip: called with clips done. Raises AudioError."""
        begun, lock, local = time.monotonic(), threading.Lock(), threading.local()
        digests = [each.digest for each in self.contenders]
        store = ScoreStore(cache_folder() / "eval" / "scores.sqlite")

        def work(clip: EvalClip, word: bool) -> ClipScores:
            if not hasattr(local, "listeners"):
                local.listeners = [each.listener() for each in self.contenders]
            found, effort = self._clip(_Sound(clip, word=word), local.listeners, digests, store)
            with lock:
                self.effort.seconds += effort.seconds
                self.effort.heard += effort.heard
                self.effort.known += effort.known
            return found

        results = []
        pool = ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1))
        try:
            for result in pool.map(work, [*wanted, *unwanted], [True] * len(wanted) + [False] * len(unwanted)):
                results.append(result)
                if on_clip is not None:
                    on_clip(len(results))
        finally:
            pool.shutdown(cancel_futures=True)
            store.close()
        self.effort.wall_s += time.monotonic() - begun
        return results

    def lead_ms(self, contender: Contender) -> int:
        """Quiet before a clip."""
        return max(contender.lead_ms, self.least_lead_ms)

    def _clip(
        self, sound: _Sound, listeners: Sequence[Listener], digests: Sequence[str], store: ScoreStore
    ) -> tuple[ClipScores, Effort]:
        clip, content = sound.clip, _content(sound.clip.path)
        seconds, end_ms = sound.facts(content, store)
        scores, effort = {}, Effort()
        for k, condition in enumerate((None, *self.conditions)):
            told = "" if condition is None else f"{condition.digest} {condition.snr_db} {clip.speaker}"
            for n, contender in enumerate(self.contenders):
                lead = self.lead_ms(contender)
                key = hashlib.sha256(f"{_FORMAT} {content} {digests[n]} {lead} {told}".encode()).digest()
                kept = store.get(key)
                if kept is None:
                    if condition is None and sound.long:
                        blocks = framed_blocks(clip.path, lead)
                    elif condition is None:
                        blocks = iter([sound.framed(lead)])
                    else:
                        blocks = iter([mix(sound.framed(lead), sound.pcm, clip.speaker, condition)])
                    kept, heard_s = _listened(listeners[n], contender.label, blocks)
                    store.put(key, kept)
                    effort.seconds += heard_s
                    effort.heard += 1
                else:
                    effort.known += 1
                scores[k, n] = Kept(kept.start - lead, kept.values)
        return ClipScores(scores, seconds, clip.end_ms if clip.end_ms is not None else end_ms), effort


class _Sound:
    """A clip that is read when it is first needed. word: it holds one."""

    def __init__(self, clip: EvalClip, *, word: bool) -> None:
        self.clip = clip
        self._word = word
        self._pcm: Pcm | None = None
        self._framed: dict[int, Pcm] = {}

    @cached_property
    def long(self) -> bool:
        """Without a word, and too long to be held in memory for each thread."""
        try:
            return not self._word and soundfile.info(str(self.clip.path)).duration > _LONG_S
        except (soundfile.LibsndfileError, RuntimeError, OSError):
            return False  # reading it says why

    @property
    def pcm(self) -> Pcm:
        """int16 at 16 kHz."""
        if self._pcm is None:
            self._pcm = read_clip(self.clip.path, silent_ok=True)
        return self._pcm

    def framed(self, lead_ms: int) -> Pcm:
        """With quiet around it."""
        if lead_ms not in self._framed:
            self._framed[lead_ms] = framed(self.pcm, lead_ms).sound
        return self._framed[lead_ms]

    def facts(self, content: str, store: ScoreStore) -> tuple[float, int]:
        """Seconds, and ms to the end of its word (0 where there is none)."""
        key = hashlib.sha256(f"{_FORMAT} length {'and end' if self._word else ''} {content}".encode()).digest()
        kept = store.get(key)
        if kept is None:
            samples = sum(map(len, read_blocks(self.clip.path))) if self.long else len(self.pcm)
            values = struct.pack("<dq", samples / RATE, end_of_word(self.pcm, None) if self._word else 0)
            kept = Kept(0, np.frombuffer(values, np.uint8))
            store.put(key, kept)
        seconds, end_ms = struct.unpack("<dq", kept.values.tobytes())
        return seconds, end_ms


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            found = hashlib.sha256()
            while block := file.read(1 << 20):
                found.update(block)
            return found.hexdigest()
    except OSError as e:
        raise AudioError(f"{path}: {why_unread(e)}") from e


def _listened(listener: Listener, label: str, blocks: Iterable[Pcm]) -> tuple[Kept, float]:
    """Scores of the steps that count, and the time at which the first of them ends; and seconds of sound."""
    listener.reset()
    samples, start, scores = 0, 0, [np.zeros(0, np.uint8)]
    column = listener.labels.index(label)
    for pcm in blocks:
        samples += len(pcm)
        heard = listener.push(pcm)
        if heard.ready.any() and not any(map(len, scores)):
            start = int(heard.t_ms[heard.ready][0])
        scores.append(heard.scores[heard.ready, column])
    return Kept(start, np.concatenate(scores)), samples / RATE
