"""The models of models/: what their cards say of the files is so, and they hear the word."""

from __future__ import annotations

import csv
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from tinywake.audio.clips import read_clip
from tinywake.audio.folders import in_validation
from tinywake.compiler.report import file_report
from tinywake.compiler.twm.unpack import unpack
from tinywake.config import load_recipe
from tinywake.core import Listener, Model
from tinywake.evaluate.sounds.quiet import framed

MODELS = Path(__file__).resolve().parents[2] / "models"
SHARED = Path(__file__).resolve().parents[3] / "shared"
SHIPPED = ("alexa", "commands", "computer", "computer-small", "voyager")
MOST = {"computer-small": 6_000}  # bytes; of others:
_MOST = 14_000
_LEAD_MS = 2000

# A synthetic voice that no recipe trains with, nor chooses by ([voices] held_out).
_ALAN = "speech-voices/rhvoice_alan"
HEARD = (
    ("commands", f"{_ALAN}/yes", "yes"),
    ("commands", f"{_ALAN}/left", "left"),
    ("alexa", f"{_ALAN}/alexa", "alexa"),
    ("computer", f"{_ALAN}/computer", "computer"),
    ("computer-small", f"{_ALAN}/computer", "computer"),
)


def folder(name: str) -> Path:
    return MODELS / name


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_is_what_its_card_and_its_recipe_say(name: str) -> None:
    path, text = folder(name) / "model.twm", (folder(name) / "CARD.md").read_text(encoding="utf-8")
    data, file = path.read_bytes(), unpack(path)
    report = file_report(file)
    assert len(data) <= MOST.get(name, _MOST)
    Model.open(path).verify()
    assert f"| file | {len(data):,} bytes" in text
    assert f"`{hashlib.sha256(data).hexdigest()}`" in text
    memory = report.arena_bytes + report.state_bytes
    assert f"| memory | {memory:,} bytes of arena, of which {report.state_bytes:,} are streaming state |" in text
    assert f"| work | {report.macs:,} multiply-accumulates" in text
    recipe, detector = load_recipe(folder(name) / "recipe.toml"), file.detector
    assert detector is not None
    assert tuple(label.name for label in detector.labels) == recipe.labels
    assert {label.threshold for label in detector.labels} == {
        int(found) for found in re.findall(r"over (\d+)/256", text)
    }


@pytest.mark.parametrize("name", SHIPPED)
def test_a_card_says_whose_recordings_on_whom_it_was_measured_and_what_it_costs(name: str) -> None:
    text = (folder(name) / "CARD.md").read_text(encoding="utf-8")
    assert "forbids derivatives" not in text
    assert "no manifest names the licence" not in text
    assert re.search(r"^## Measured on people it has not met", text, re.MULTILINE)
    assert "Who it hears badly" in text
    assert re.search(r"^On (rp2040|qemu-armv6m), counted: [\d,]+ \w+ a step", text, re.MULTILINE)
    assert ("share-alike: pass this model on under CC BY-SA" in text) == (name == "voyager")


@pytest.mark.parametrize("name", ["computer", "voyager", "alexa"])
def test_words_can_begin_with_the_base_network(name: str) -> None:
    weights, card = folder("base") / "weights.npz", (folder("base") / "CARD.md").read_text(encoding="utf-8")
    net, before = load_recipe(folder(name) / "recipe.toml").network, 0
    with np.load(weights) as arrays:
        assert arrays["first.0"].shape == (net.first_kernel, 40, before := net.first_filters)
        for n, (filters, kernel) in enumerate(zip(net.filters, net.kernels, strict=True)):
            assert arrays[f"time_{n}.0"].shape == (kernel, before)
            assert arrays[f"mix_{n}.0"].shape == (1, before, filters)
            before = filters
    assert f"`{hashlib.sha256(weights.read_bytes()).hexdigest()}`" in card
    assert "no manifest names the licence" not in card
    assert "forbids derivatives" not in card
    assert re.search(r"^## What it gains a word", card, re.MULTILINE)


@pytest.mark.parametrize("name", SHIPPED)
def test_quiet_and_noise_are_not_the_word(name: str) -> None:
    heard = Listener(Model.open(folder(name) / "model.twm"))
    rng = np.random.default_rng(1)
    for level in (0, 6, 300, 8000):
        sound = np.rint(rng.normal(0, level, 5 * 16_000) if level else np.zeros(80_000)).clip(-32768, 32767)
        assert (heard.listen(sound.astype(np.int16)).events < 0).all(), level


@pytest.mark.parametrize(("name", "clips", "word"), HEARD)
def test_it_hears_a_voice_that_it_has_not_met(name: str, clips: str, word: str) -> None:
    if not (SHARED / clips).is_dir():
        pytest.skip(f"there is no {SHARED / clips}")
    labels = [heard_in(name, path) for path in sorted((SHARED / clips).glob("*.flac"))]
    assert sum(found == [word] for found in labels) > len(labels) / 2, labels


def test_voyager_hears_callers_who_only_chose_its_threshold() -> None:
    manifest = SHARED / "speech-more/MANIFEST.csv"
    if not manifest.is_file():
        pytest.skip(f"there is no {manifest}")
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["transcript"] == "Voyager" and in_validation(row["speaker"])]
    heard = [heard_in("voyager", manifest.parent / row["file"]) for row in rows]
    assert len(rows) > 10
    assert sum(found == ["voyager"] for found in heard) > 0.6 * len(rows), heard


@pytest.mark.parametrize("name", SHIPPED)
def test_it_does_not_hear_others(name: str) -> None:
    if not (SHARED / _ALAN).is_dir():
        pytest.skip(f"there is no {SHARED / _ALAN}")
    said = {"commands": ("computer", "alexa")}.get(name, ("yes", "stop", "down", "alexa", "computer"))
    own = load_recipe(folder(name) / "recipe.toml").labels
    clips = [path for word in said if word not in own for path in sorted((SHARED / _ALAN / word).glob("*.flac"))[:3]]
    assert [path.name for path in clips if heard_in(name, path)] == []


def heard_in(name: str, clip: Path) -> list[str]:
    """Labels of the events in a clip, behind quiet."""
    listener = Listener(Model.open(folder(name) / "model.twm"))
    events = listener.listen(framed(read_clip(clip), _LEAD_MS).sound).events
    return [listener.labels[event] for event in events if event >= 0]
