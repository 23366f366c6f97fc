# SPDX-License-Identifier: MIT
"""Utterances -> clips, through a cache named by content: what was spoken once is never spoken again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, replace
from pathlib import Path

from tinywake.audio.clips import RATE, read_clip, speech_span, stretch, write_clip
from tinywake.audio.voices.engines import engines
from tinywake.audio.voices.voice import Engine, Utterance
from tinywake.config import fingerprint
from tinywake.errors import AudioError, ToolError
from tinywake.files import cache_folder

__all__ = ["Progress", "speak_all"]

Progress = Callable[[str, float], None]  # stage, fraction 0..1

_FORMAT = 3  # change it when the clip made from the same speech changes
_BATCH = 24  # utterances a job: festival starts once for each
_MARGIN = RATE // 50  # 20 ms of silence stay on both sides


def speak_all(
    utterances: Sequence[Utterance], progress: Progress | None = None, *, cache: Path | None = None, workers: int = 2
) -> list[Path | None]:
    """A clip for each utterance, trimmed to its speech (20 ms margins): FLAC files below the cache.

    Speaks what is missing, `workers` programs at a time; an interrupted run goes on where it stopped. None stands for
    an utterance that its engine could not say. Raises ToolError when an engine is missing or says hardly anything.
    """
    ready = engines(sorted({said.voice.engine for said in utterances}))
    root = (cache or cache_folder()) / "speech"
    paths = [_place(root, said, ready[said.voice.engine].version()) for said in utterances]
    missing = {path: said for path, said in zip(paths, utterances, strict=True) if not path.exists()}
    jobs = sorted(missing.items(), key=lambda item: (item[1].voice.engine, item[0]))
    batches: list[list[tuple[Path, Utterance]]] = []
    for job in jobs:
        if not batches or len(batches[-1]) == _BATCH or batches[-1][0][1].voice.engine != job[1].voice.engine:
            batches.append([])
        batches[-1].append(job)
    done = 0
    with ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(_speak_batch, ready[batch[0][1].voice.engine], batch) for batch in batches]
        try:
            for future in as_completed(running):
                future.result()
                done += 1
                if progress:
                    progress("speaking", done / len(batches))
        except BaseException:  # Ctrl-C too: what has begun is finished, the rest is not begun
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    found = {path for path in set(paths) if path.exists()}
    failed = [said for path, said in missing.items() if path not in found]
    if missing and len(failed) > max(2, len(set(paths)) // 5):  # of all: a second run misses only what failed before
        said = failed[0]
        text = f"{said.text!r} in {said.voice.name}"
        why = getattr(ready[said.voice.engine], "trouble", "")  # programs of one's own say why
        text += f": {why}" if why else ""
        raise ToolError(f"{said.voice.engine}: could not say {len(failed)} of {len(missing)} texts, as {text}")
    return [path if path in found else None for path in paths]


def _place(root: Path, said: Utterance, version: str) -> Path:
    plain = asdict(said)
    del plain["voice"]["source"], plain["voice"]["language"]  # where a voice lies and what it is called change no sound
    for later, usual in ((plain, ("range", 1.0)), (plain["voice"], ("content", ""))):
        if later[usual[0]] == usual[1]:
            del later[usual[0]]  # so that a new choice leaves the names of what was spoken without it
    name = fingerprint(_FORMAT, version, plain)[:40]
    return root / name[:2] / f"{name}.flac"


def _speak_batch(engine: Engine, batch: Sequence[tuple[Path, Utterance]]) -> None:
    with tempfile.TemporaryDirectory(prefix="tinywake-") as folder:
        wavs = [Path(folder) / f"{index}.wav" for index in range(len(batch))]
        # Resampling moves pace, pitch and formants together: ask the engine for what is then right.
        plain = [replace(said, speed=said.speed / said.formant, pitch=said.pitch / said.formant) for _, said in batch]
        engine.speak(list(zip(plain, wavs, strict=True)))
        for (path, said), wav in zip(batch, wavs, strict=True):
            try:
                pcm = stretch(read_clip(wav), said.formant)
            except AudioError:
                continue  # counted by the caller
            first, last = speech_span(pcm, 45.0)
            write_clip(path, pcm[max(0, first - _MARGIN) : last + _MARGIN])
