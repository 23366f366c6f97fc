# SPDX-License-Identifier: MIT
"""Recordings -> folds of speakers: for each fold a manifest to train on, and two to be measured with.

    python tests/bench/speakers.py ../shared computer -o build/study --folds 2

../shared holds speech/, speech-more/ and speech-voices/, each with a MANIFEST.csv. A speaker is in one fold alone, with
every clip of every word. Nobody is measured with a voice from a synthesiser, nor with one of two copies of a sound.
`clean` leaves out of training what a shipped model must not be made of.
"""

from __future__ import annotations

import argparse
import csv
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
Row = dict[str, str]


def rows_of(shared: Path) -> list[Row]:
    """Every clip: file, transcript, speaker, seconds, synthetic ("1" or "")."""
    found = []
    for name in _SETS:
        with (shared / name / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["speaker"] in _IN_ENGINES:
                    continue
                text = row.get("keyword") or row.get("transcript") or ""
                who = _SAME.get(row["speaker"], row["speaker"])
                where = (shared / name / row["file"]).resolve()
                voice = "1" if name == "speech-voices" else ""
                noise = "noise" if text in ("noise", "_silence_", "noise_eltocino", "bg_noise") else text
                found.append(
                    {"file": str(where), "transcript": noise.replace("_", " "), "speaker": who or where.stem,
                     "seconds": row["seconds"], "synthetic": voice}
                )  # fmt: skip
    noises = sorted((shared / "speech-more/noise").rglob("*.flac"))
    found += [
        {"file": str(path.resolve()), "transcript": "noise", "speaker": f"noise-{path.stem}", "seconds": "0",
         "synthetic": ""} for path in noises
    ]  # fmt: skip
    return found


def without_copies(rows: list[Row], word: str, folder: Path) -> set[str]:
    """Files of the word that are the same sound as one before them."""
    listed = folder / "word.csv"
    write(listed, [row for row in rows if plain(row["transcript"]) == word and not row["synthetic"]])
    pairs = twins(survey([listed], [word])).pairs
    return {str(max(a.recording.path, b.recording.path)) for a, b in pairs}


def write(path: Path, rows: list[Row]) -> None:
    """As a manifest."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(
            file, ["file", "transcript", "speaker", "synthetic", "split", "kind"], extrasaction="ignore"
        )
        writer.writeheader()
        writer.writerows(rows)


def deal(shared: Path, word: str, folder: Path, count: int, *, clean: bool) -> None:
    """Write FOLD/train.csv, positives.csv, negatives.csv and noise.csv for each fold, and all.csv to ship a model."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row for row in rows_of(shared) if not (clean and row["speaker"].startswith(_NO_DERIVATIVES))]
    dropped = without_copies(rows, word, folder)
    rows = [row for row in rows if row["file"] not in dropped]
    real = [row for row in rows if not row["synthetic"] and row["transcript"] != "noise"]
    says, lasts = Counter[str](), Counter[str]()
    for row in real:
        if plain(row["transcript"]) == word:
            says[row["speaker"]] += 1
        else:
            lasts[row["speaker"]] += float(row["seconds"])  # type: ignore[assignment]
    fold = folds_of(says, {name: seconds for name, seconds in lasts.items() if name not in says}, count)
    for row in rows:  # the word has too few people to spare one: other talk and synthetic voices choose the checkpoint
        row["split"] = "train" if row["speaker"] in says else ""
    write(folder / "all.csv", rows)
    noises = sorted({row["speaker"] for row in rows if row["transcript"] == "noise"})
    fold.update({name: index % count for index, name in enumerate(noises)})
    for k in range(count):
        here = folder / str(k)
        here.mkdir(exist_ok=True)
        judged = [row for row in rows if fold.get(row["speaker"]) == k]
        write(here / "train.csv", [row for row in rows if fold.get(row["speaker"]) != k])
        write(here / "positives.csv", [row for row in judged if plain(row["transcript"]) == word])
        holds = [row for row in judged if f" {word} " in f" {plain(row['transcript'])} "]
        write(here / "negatives.csv", [row for row in judged if row not in holds and row["transcript"] != "noise"])
        household = [{**row, "kind": "household"} for row in judged if "/noise/" in row["file"]]
        write(here / "noise.csv", household)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("word")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--clean", action="store_true")
    asked = parser.parse_args()
    deal(asked.shared, asked.word, asked.out, asked.folds, clean=asked.clean)
