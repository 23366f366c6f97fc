# SPDX-License-Identifier: MIT
"""What is wrong with recordings taken together: too few, the same twice, or a class that its channel gives away.

The numbers come from trials with real speakers: 165 clips of ten people cut the misses of a model made of synthetic
voices from 73 % to a fifth; two people of twelve made 31 of its 34 misses; false accepts are running speech, of which
sixteen minutes do not become more by being cropped again.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tinywake.audio.folders import plain
from tinywake.audio.survey.measure import Measures
from tinywake.audio.survey.survey import Surveyed
from tinywake.audio.survey.twins import Twins, copies
from tinywake.pipeline.datareport.findings import Finding, some

__all__ = ["amount_findings", "channel_findings", "speaker_findings", "twin_findings"]

_SPEAKERS, _CLIPS, _MINUTES = 10, 100, 30.0  # below them, a warning
_TELLS = 0.9  # share of the pairs that one number puts into order
_ENOUGH = 10  # clips of a class for a comparison
_LOSSY = re.compile("VORBIS|OPUS|MPEG|ULAW|ALAW|ADPCM|GSM")


def amount_findings(clips: Sequence[Surveyed], texts: Sequence[str]) -> Iterator[Finding]:
    """Too few clips, speakers or hours, for a word that is spoken as `texts`."""
    if not texts:
        return
    word = [clip for clip in clips if clip.group == "word"]
    other = [clip for clip in clips if clip.group == "other"]
    labels = Counter(plain(clip.recording.text) for clip in other)
    close = [name for name in labels if any(_like(name, plain(text)) for text in texts)]
    if close:
        yield Finding("labels", False, f"counted as other speech, though nearly the word's name: {some(close)}")
    if not word and not any(clip.group == "phrase" for clip in clips):
        common = ", ".join(repr(name[:30]) for name, _ in labels.most_common(5))
        named = f"labelled {texts[0]!r}" if len(texts) == 1 else f"labelled as one of {', '.join(map(repr, texts))}"
        yield Finding("no word", False, f"no recording is {named}; labels: {common or 'none but noise'}")
    elif len(word) < _CLIPS:
        why = "(165 of ten people cut the misses from 73 % to a fifth)"
        text = f"{len(word)} clips of the word; some {_CLIPS} are needed to change what it hears {why}"
        yield Finding("few clips", False, text)
    people = {clip.recording.speaker for clip in word if clip.recording.named}
    if people and len(people) < _SPEAKERS:
        why = "rather than a few often (two of twelve people made 31 of 34 misses)"
        text = f"{len(people)} speakers of the word: ask {_SPEAKERS} or more, once or twice each, {why}"
        yield Finding("few speakers", False, text)
    for side, name in ((False, "trains"), (True, "validates")):
        if people and not any(clip.validates == side for clip in word):
            what = "the threshold is chosen on synthetic voices" if side else "the network learns from synthetic ones"
            yield Finding("one side", False, f"no speaker of the word {name}: {what} alone; more speakers mend it")
    minutes = sum(clip.measures.seconds for clip in other if clip.measures) / 60
    if word and not other:
        why = "real microphones would mean yes, synthetic voices no"
        text = f"only the word is recorded: {why}; add recordings of other speech from the same microphones"
        yield Finding("one class", False, text)
    elif other and minutes < _MINUTES:
        why = f"false accepts come from running speech, and {_MINUTES:.0f} minutes or more, in many voices, teach it"
        yield Finding("little speech", False, f"{minutes:.0f} minutes of other speech: {why}")


def _like(name: str, word: str) -> bool:
    return name != word and len(name) < 2 * len(word) and difflib.SequenceMatcher(None, name, word).ratio() > 0.85


def speaker_findings(clips: Sequence[Surveyed]) -> Iterator[Finding]:
    """Speakers that are not known, or known under two names."""
    speech = [clip for clip in clips if clip.recording.kind != "noise"]
    unnamed = [clip for clip in speech if not clip.recording.named]
    if len(unnamed) > 1:
        stems = Counter(re.sub(r"[-_ .]*\d+$", "", clip.recording.path.stem) for clip in unnamed)
        likely = [stem for stem, count in stems.items() if stem and count > 1]
        hint = f" (their names look like those of {some(sorted(likely))}: a guess)" if len(likely) > 1 else ""
        what = f"{len(unnamed)} clips name no speaker, so each counts as one of its own{hint}"
        why = "a person may train and validate, and figures will be too good"
        cure = "use LABEL/SPEAKER/ folders, or a manifest.csv with the columns file, label, speaker"
        yield Finding("no speakers", False, f"{what}: {why}; {cure}", tuple(clip.name for clip in unnamed))
    spelled: dict[str, dict[str, bool]] = defaultdict(dict)
    for clip in speech:
        if clip.recording.named:
            spelled[re.sub(r"[\W_]+", "", clip.recording.speaker.casefold())][clip.recording.speaker] = clip.validates
    for names in spelled.values():
        if len(set(names.values())) > 1:
            both = " and ".join(repr(name) for name in sorted(names))
            yield Finding(
                "two names", False, f"speakers {both} are on both sides of the split: one person, spelled twice?"
            )


def twin_findings(clips: Sequence[Surveyed], found: Twins) -> Iterator[Finding]:
    """The same sound twice. Copies with two labels or on both sides of the split are faults."""
    repeated: list[str] = []
    for same in copies([clip for clip in clips if clip.recording.kind != "noise"]):
        names = tuple(clip.name for clip in same)
        groups, speakers = {clip.group for clip in same}, {clip.recording.speaker for clip in same}
        if len(groups) > 1:
            labels = " and ".join(repr(name) for name in sorted({clip.recording.text for clip in same})[:3])
            yield Finding("two labels", True, f"one recording is labelled {labels}: {some(names)}; keep one", names)
        elif len({clip.validates for clip in same}) > 1:
            yield Finding("both sides", True, f"one recording trains and validates: {some(names)}; keep one", names)
        elif len(speakers) > 1:
            who = " and ".join(repr(name) for name in sorted(speakers)[:3])
            yield Finding("two speakers", False, f"one recording is said to be {who}: {some(names)}; keep one", names)
        else:
            repeated += names[1:]
    if repeated:
        text = f"{len(repeated)} clips are copies of others of the same speaker: {some(repeated)}"
        yield Finding("copies", False, text, tuple(repeated))
    kinds: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for one, other in found.pairs:
        what = "are one recording of one speaker, and count twice"
        if one.group != other.group:
            what = "are one recording under two labels"
        elif one.validates != other.validates:
            what = "are one recording that trains and validates"
        elif one.recording.speaker != other.recording.speaker:
            what = "are one recording under two speakers"
        kinds[what].append((one.name, other.name))
    for what, pairs in sorted(kinds.items()):
        how = "at another level, offset or codec"
        text = f"{len(pairs)} pairs of clips {what}, {how}: {some([' = '.join(pair) for pair in pairs])}"
        yield Finding("twins", False, text, tuple(dict.fromkeys(name for pair in pairs for name in pair)))
    if found.left:
        yield Finding("twins", False, f"{found.left} more pairs of clips look alike and were not compared")


_TELLTALES: tuple[tuple[str, Callable[[Measures], float], str], ...] = (
    ("band", lambda m: m.band_hz / 1000, "kHz"),
    ("level", lambda m: m.level_db, "dB"),
    ("noise behind the speech", lambda m: -m.snr_db, "dB"),
)


def channel_findings(clips: Sequence[Surveyed], texts: Sequence[str]) -> Iterator[Finding]:
    """A class that one could tell without listening: by band, level, noise or codec."""
    speech = [clip for clip in clips if clip.measures and clip.measures.level_db > -100 and clip.group != "noise"]
    if texts:
        classes = {"the word": [clip for clip in speech if clip.group in ("word", "phrase")]}
    else:
        classes = {repr(name): [c for c in speech if c.group == name] for name in sorted({c.group for c in speech})}
    if len(classes) > 20:
        return
    for name, mine in classes.items():
        own = {clip.group for clip in mine}
        rest = [clip for clip in speech if clip.group not in own]
        if min(len(mine), len(rest)) < _ENOUGH:
            continue
        sides = [[clip.measures for clip in side if clip.measures] for side in (mine, rest)]
        for what, of, unit in _TELLTALES:
            values = [np.array([of(m) for m in side]) for side in sides]
            share = _in_order(*values)
            if max(share, 1 - share) >= _TELLS:
                medians = " and ".join(f"{abs(float(np.median(v))):.3g}" for v in values)
                text = (
                    f"{what} alone tells {name} from other speech in {100 * max(share, 1 - share):.0f} % of the pairs"
                )
                why = f"medians {medians} {unit}: the network may learn that instead"
                yield Finding("channel", False, f"{text}, {why}; {_CURE}")
        codings = [Counter(m.coding if _LOSSY.search(m.coding) else "none" for m in side) for side in sides]
        for coding in sorted(set(codings[0]) | set(codings[1])):
            shares = [count[coding] / count.total() for count in codings]
            if coding != "none" and abs(shares[0] - shares[1]) > 0.8:
                text = f"codec {coding}: {100 * shares[0]:.0f} % of {name}, {100 * shares[1]:.0f} % of other speech"
                yield Finding("channel", False, f"{text}: it may become the sign of one; {_CURE}")
        if not texts and len(classes) == 2:
            return  # the second comparison would be the first again


_CURE = "record both with the same microphones, or treat both alike"


def _in_order(one: np.ndarray, other: np.ndarray) -> float:
    """Share of the pairs (a of `one`, b of `other`) with a > b, ties counting half."""
    ranked = np.sort(other)
    below = np.searchsorted(ranked, one, "left")
    return float((below + np.searchsorted(ranked, one, "right")).mean() / (2 * len(other)))
