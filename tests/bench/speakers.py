# SPDX-License-Identifier: MIT
"""Recordings -> folds of speakers: for each fold a manifest to train on, and two to be measured with.

    python tests/bench/speakers.py ../shared computer -o build/study --folds 2
    python tests/bench/speakers.py ../shared yes no stop -o build/study --folds 4 --clean
    python tests/bench/speakers.py ../shared voyager -o build/voyager --clean --met build/recordings/others.csv

../shared holds speech/, speech-more/ and speech-voices/, each with a MANIFEST.csv. A speaker is in one fold alone, with
every clip of every word. Nobody is measured with a voice from a synthesiser, nor with one of two copies of a sound.
`clean` leaves out of training what a shipped model must not be made of: voices whose licence forbids derivatives, the
GPL, and share-alike unless the word itself is said there. Who is in a manifest of `--met`, which a base network has
been trained on, is judged in no fold and trains in all.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections import Counter
from pathlib import Path

from tinywake.audio.folders import plain
from tinywake.audio.survey.survey import survey
from tinywake.audio.survey.twins import twins
from tinywake.evaluate.det.crossfit import folds_of

_SETS = ("speech", "speech-more", "speech-voices")
_NO_DERIVATIVES = ("mary_dfki", "mary_bits", "rhvoice_spomenka")  # CC BY-ND, GPL: speech-voices/README.md
# Who speaks in an engine that a recipe uses, on the side that the recipe says, and one person in two engines: ibid.
_IN_ENGINES = ("rhvoice_alan", "rhvoice_slt", "mary_cmu-rms")
_SAME = {"mary_cmu-bdl": "rhvoice_bdl"}
# What the manifest of speech-voices says of a whole engine, for each voice: ibid., and the licences of the sources.
_LICENCES = {"rhvoice_natalia": "LGPL-2.1", "rhvoice_spomenka": "GPL-3", "rhvoice": "CMU ARCTIC, any use",
             "mary_cmu": "CMU, any use", "mary": "CC BY-ND 3.0"}  # fmt: skip
_README = {"see LICENSES.md (speechocean762)": "free of charge for commercial and non-commercial purposes (its README)"}
_SOURCES = {"rhvoice": "RHVoice", "mary": "MaryTTS HSMM voices", "pico": "SVOX Pico"}
_SHARE_ALIKE = re.compile(r"BY-SA", re.IGNORECASE)
ENOUGH = 40  # people who say the word: then some of them choose the checkpoint
Row = dict[str, str]


def rows_of(shared: Path) -> list[Row]:
    """Every clip: file, transcript, speaker, seconds, synthetic ("1" or ""), licence, source."""
    found = []
    for name in _SETS:
        with (shared / name / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["speaker"] in _IN_ENGINES:
                    continue
                text = said(row.get("keyword") or row.get("transcript") or "")
                if text is None:
                    continue
                who = _SAME.get(row["speaker"], row["speaker"])
                where = (shared / name / row["file"]).resolve()
                voice = "1" if name == "speech-voices" else ""
                noise = "noise" if text in ("noise", "_silence_", "noise_eltocino", "bg_noise") else text
                found.append(
                    {"file": str(where), "transcript": noise.replace("_", " "), "speaker": who or where.stem,
                     "seconds": row["seconds"], "synthetic": voice,
                     "licence": _README.get(row["licence"]) or _first(_LICENCES, who, row["licence"]),
                     "source": _first(_SOURCES, who, row.get("source", "").split("@")[0])}
                )  # fmt: skip
    for manifest in shared.glob("speech-more/noise/MANIFEST.csv"):
        for row in csv.DictReader(manifest.read_text(encoding="utf-8").splitlines()):
            where = (manifest.parent / row["file"]).resolve()
            found.append(
                {"file": str(where), "transcript": "noise", "speaker": f"noise-{where.stem}", "seconds": "0",
                 "synthetic": "", "licence": row["licence"], "source": row["source"]}
            )  # fmt: skip
    return found


def said(text: str) -> str | None:
    """A transcript without what is no speech ([click]); None where its words are unsure, or those of a longer clip."""
    return None if "((" in text or "[cut" in text else re.sub(r"[\[{][^\]}]*[\]}]", " ", text)


def _first(table: dict[str, str], voice: str, otherwise: str) -> str:
    """What the first key says that a voice's name begins with."""
    return next((said for name, said in table.items() if voice.startswith(name)), otherwise)


def without_copies(rows: list[Row], words: list[str], folder: Path) -> set[str]:
    """Files of the words that are the same sound as one before them."""
    listed = folder / "word.csv"
    write(listed, [row for row in rows if plain(row["transcript"]) in words and not row["synthetic"]])
    pairs = twins(survey([listed], words)).pairs
    return {str(max(a.recording.path, b.recording.path)) for a, b in pairs}


def write(path: Path, rows: list[Row]) -> None:
    """As a manifest."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(
            file,
            ["file", "transcript", "speaker", "synthetic", "split", "kind", "licence", "source"],
            extrasaction="ignore",
        )
        writer.writeheader()
        writer.writerows(rows)


def shippable(rows: list[Row], words: list[str]) -> list[Row]:
    """Those that a model for everybody may be made of."""
    own = any(_SHARE_ALIKE.search(row["licence"]) and plain(row["transcript"]) in words for row in rows)
    return [
        row for row in rows
        if not row["speaker"].startswith(_NO_DERIVATIVES) and (own or not _SHARE_ALIKE.search(row["licence"]))
    ]  # fmt: skip


def deal(
    shared: Path, words: list[str], folder: Path, count: int, *, clean: bool, met: frozenset[str] = frozenset()
) -> None:
    """Write FOLD/train.csv, positives.csv, negatives.csv and noise.csv for each fold, and all.csv to ship a model.

    met: speakers who are in no fold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = [plain(word) for word in words]
    rows = rows_of(shared)
    dropped = without_copies(rows, words, folder)
    rows = [row for row in rows if row["file"] not in dropped]
    real = [row for row in rows if not row["synthetic"] and row["transcript"] != "noise"]
    says, lasts = Counter[str](), Counter[str]()
    for row in real:
        if plain(row["transcript"]) in words:
            says[row["speaker"]] += 1
        else:
            lasts[row["speaker"]] += float(row["seconds"])  # type: ignore[assignment]
    fold = folds_of(
        {name: clips for name, clips in says.items() if name not in met},
        {name: seconds for name, seconds in lasts.items() if name not in says and name not in met},
        count,
    )
    for row in rows:  # few people say the word: none of them is spared, others and synthetic voices choose
        row["split"] = "train" if row["speaker"] in says and len(says) < ENOUGH else ""
    training = shippable(rows, words) if clean else rows
    write(folder / "all.csv", training)
    noises = sorted({row["speaker"] for row in rows if row["transcript"] == "noise"})
    fold.update({name: index % count for index, name in enumerate(noises)})
    for k in range(count):
        here = folder / str(k)
        here.mkdir(exist_ok=True)
        judged = [row for row in rows if fold.get(row["speaker"]) == k]
        write(here / "train.csv", [row for row in training if fold.get(row["speaker"]) != k])
        write(here / "positives.csv", [row for row in judged if plain(row["transcript"]) in words])
        talk = [row for row in judged if row["transcript"] != "noise"]
        write(here / "negatives.csv", [row for row in talk if not any_in(words, row["transcript"])])
        household = [{**row, "kind": "household"} for row in judged if "/noise/" in row["file"]]
        write(here / "noise.csv", household)


def speakers_in(manifest: Path | None) -> frozenset[str]:
    """Everybody in a manifest."""
    if manifest is None:
        return frozenset()
    with manifest.open(newline="", encoding="utf-8") as file:
        return frozenset(row["speaker"] for row in csv.DictReader(file))


def any_in(words: list[str], text: str) -> bool:
    """Whether one of the words, as `plain` writes them, is in a transcript."""
    return any(f" {word} " in f" {plain(text)} " for word in words)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("words", nargs="+")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--clean", action="store_true")
    parser.add_argument("--met", type=Path, help="a manifest; its speakers are judged in no fold")
    asked = parser.parse_args()
    deal(asked.shared, asked.words, asked.out, asked.folds, clean=asked.clean, met=speakers_in(asked.met))
