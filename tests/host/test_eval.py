"""`tinywake eval` from clips to figures: scores and their cache, noise, several models, thresholds that are stored."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tinywake.audio.clips import read_clip
from tinywake.compiler.twm.threshold import with_threshold
from tinywake.compiler.twm.unpack import unpack
from tinywake.core import Listener, Model
from tinywake.errors import ModelError
from tinywake.evaluate.det.latency import end_of_word
from tinywake.evaluate.metrics import Rule, poisson_bounds
from tinywake.evaluate.sounds.clipset import clip_set
from tinywake.evaluate.sounds.noise import Condition, mix, recorded
from tinywake.evaluate.sounds.quiet import framed
from tinywake.pipeline.evaluation.contenders import contenders_of
from tinywake.pipeline.evaluation.hear import Ears
from tinywake.pipeline.evaluation.run import Comparison, Questions, evaluate
from tinywake.pipeline.evaluation.store import Kept, ScoreStore

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "core"))
from gated import audio, streaming

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TINYWAKE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "eval" / "scores.sqlite"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two models; four speakers with two clips of the word each, and twelve of one clip without it."""
    for name, seed in (("word", 1), ("other", 3)):
        (tmp_path / f"{name}.twm").write_bytes(streaming(3, (5, 4, 9, 6), seed=seed, threshold=168, window=10))
    for number in range(8):
        path = tmp_path / "yes" / f"ann{number // 2}" / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, audio(2.0, seed=number), 16000)
    (tmp_path / "no").mkdir()
    for number in range(12):
        soundfile.write(tmp_path / "no" / f"bob{number}.wav", audio(3.0, seed=100 + number), 16000)
    (tmp_path / "hum").mkdir()
    soundfile.write(tmp_path / "hum" / "h.wav", np.random.default_rng(0).normal(0, 900, 32000).astype(np.int16), 16000)
    return tmp_path


def measured(folder: Path, questions: Questions | None = None, *names: str) -> Comparison:
    models = [folder / f"{name}.twm" for name in names or ("word",)]
    return evaluate(models, [folder / "yes"], [folder / "no"], questions)


def sets(folder: Path) -> tuple[object, ...]:
    return "--positives", folder / "yes", "--negatives", folder / "no"


def test_figures_are_those_of_the_detector(folder: Path) -> None:
    """Misses, false accepts, their times and latency, from the listener itself on the same sound."""
    (result,) = measured(folder).models
    listener = Listener(Model.open(folder / "word.twm"))
    hits = {}
    for clip in [*sorted((folder / "yes").rglob("*.wav")), *sorted((folder / "no").iterdir())]:
        heard = listener.listen(framed(read_clip(clip), result.lead_ms).sound)
        hits[clip] = [int(t) - result.lead_ms for t in heard.t_ms[heard.events >= 0]]
    missed = [clip.parent.name for clip in hits if clip.parent.name != "no" and not hits[clip]]
    assert 0 < len(missed) < 8
    assert result.misses == len(missed) / 8
    assert {share.speaker: share.missed for share in result.speakers} == {
        name: missed.count(name) for name in ("ann0", "ann1", "ann2", "ann3")
    }
    alarms = [(clip, t) for clip, times in hits.items() if clip.parent.name == "no" for t in times]
    assert alarms
    assert [(alarm.path, alarm.t_ms) for alarm in result.alarms] == alarms
    assert result.false_accepts == len(alarms)
    late = [
        times[0] - end_of_word(read_clip(clip), None) for clip, times in hits.items() if "yes" in clip.parts and times
    ]
    assert len(late) == 8 - len(missed)
    assert result.latency.ms == late
    assert result.curve.hours == pytest.approx(36 / 3600)


def test_scores_are_heard_once(folder: Path, cache: Path) -> None:
    first, again = measured(folder), measured(folder)
    assert (first.effort.heard, first.effort.known) == (20, 0)
    assert (again.effort.heard, again.effort.known) == (0, 20)
    assert first.models[0].facts() == again.models[0].facts()
    # Another threshold, window or note needs no listening; another sound does, and another network.
    word = folder / "word.twm"
    word.write_bytes(with_threshold(word.read_bytes(), "word", 40))
    assert measured(folder).effort.heard == 0
    soundfile.write(folder / "no" / "bob3.wav", audio(3.0, seed=999), 16000)
    assert measured(folder).effort.heard == 1
    assert measured(folder, None, "word", "other").effort.heard == 20
    cache.write_bytes(b"this is no database, and long enough to be taken for a damaged one" * 20)
    assert measured(folder).effort.heard == 20
    assert measured(folder).effort.heard == 0


def test_a_cache_that_cannot_be_written_is_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "file").write_text("")
    monkeypatch.setenv("TINYWAKE_CACHE", str(folder / "file"))
    assert measured(folder).effort.heard == 20


def test_the_store_is_shared(tmp_path: Path) -> None:
    one, two = (ScoreStore(tmp_path / "s.sqlite") for _ in range(2))
    one.put(b"a", Kept(30, np.array([1, 2, 3], np.uint8)))
    two.put(b"a", Kept(30, np.array([1, 2, 3], np.uint8)))
    two.put(b"b", Kept(-5, np.array([], np.uint8)))
    one.close()
    two.close()
    three = ScoreStore(tmp_path / "s.sqlite")
    found = three.get(b"a")
    assert found is not None
    assert (found.start, found.values.tolist()) == (30, [1, 2, 3])
    empty = three.get(b"b")
    assert empty is not None
    assert (empty.start, len(empty.values)) == (-5, 0)
    assert three.get(b"c") is None
    three.close()
    assert three.get(b"a") is None
    with sqlite3.connect(tmp_path / "s.sqlite") as db:
        assert db.execute("SELECT COUNT(*) FROM scores").fetchone() == (2,)


def test_noise_is_a_grid(folder: Path) -> None:
    asked = Questions(budgets=(1000.0,), noise=(str(folder / "hum"), "babble"), snr="20,0")
    (result,) = measured(folder, asked).models
    assert [(cell.kind, cell.snr_db) for cell in result.cells] == [
        ("hum", 20), ("hum", 0), ("babble", 20), ("babble", 0),
    ]  # fmt: skip
    assert all((cell.curve.positives, cell.curve.hours) == (8, result.curve.hours) for cell in result.cells)
    assert not np.array_equal(result.cells[0].curve.misses, result.cells[1].curve.misses)
    again = measured(folder, asked)
    assert again.effort.heard == 0
    assert again.models[0].facts() == result.facts()
    # One cell, from the listener itself: the noise is over both kinds of clips.
    listener = Listener(Model.open(folder / "word.twm"))
    hum = Condition("hum", 0, recorded([folder / "hum"])["hum"], 0, "")
    missed = accepted = 0
    for clip in clip_set([folder / "yes", folder / "no"]):
        pcm = read_clip(clip.path)
        heard = listener.listen(mix(framed(pcm, result.lead_ms).sound, pcm, clip.speaker, hum))
        events = int((heard.events >= 0).sum())
        missed += "yes" in clip.path.parts and not events
        accepted += 0 if "yes" in clip.path.parts else events
    own = result.cells[1].curve
    assert (own.misses[result.threshold], own.false_accepts[result.threshold]) == (missed, accepted)
    cell = result.facts()["noise"][1]
    assert cell["threshold"] == result.at
    assert cell["misses"] == result.cells[1].curve.miss_rate[result.at]
    assert cell["own"]["false_accepts_per_hour"] <= 1000
    assert measured(folder, Questions(noise=("babble",), snr="0", seed=1)).effort.heard == 20
    table = [line.split()[:3] for line in result.lines()]
    assert ["hum", "20", "dB"] in table
    assert ["babble", "0", "dB"] in table


def test_several_models_at_the_same_budgets(folder: Path, tinywake: Run, reference: Path) -> None:
    manifest = reference / "micro-wake-word" / "okay_nabu.json"
    plot = folder / "det.png"
    command = ("eval", folder / "word.twm", folder / "other.twm", manifest, *sets(folder), "--fa-per-hour", "1000,3000")
    code, out, err = tinywake(*command, "--plot", plot)
    assert code == 0, err
    head, *rows = out.splitlines()[:4]
    assert head.split("  ")[0] == "missed at"
    assert [row.split()[0] for row in rows] == ["word.twm", "other.twm", "okay_nabu.json"]
    assert plot.read_bytes().startswith(b"\x89PNG")
    facts = json.loads(tinywake(*command, "--json")[1])
    assert facts["effort"]["scored"] == 0
    for each, path in zip(facts["models"], (folder / "word.twm", folder / "other.twm"), strict=False):
        assert [row["per_hour_at_most"] for row in each["det"]] == [1000, 3000]
        assert all(row["false_accepts_per_hour"] <= row["per_hour_at_most"] for row in each["det"])
        alone = json.loads(tinywake("eval", path, *sets(folder), "--fa-per-hour", "1000,3000", "--json")[1])
        del alone["effort"]
        assert alone == each
    (folder / "again").mkdir()
    shutil.copy(folder / "other.twm", folder / "again" / "word.twm")
    names = [each.name for each in contenders_of([folder / "word.twm", folder / "again" / "word.twm"])]
    assert names == [f"{folder.name}/word.twm", "again/word.twm"]


def test_a_threshold_is_stored_only_when_asked(folder: Path, tinywake: Run) -> None:
    word, copy = folder / "word.twm", folder / "copy.twm"
    before = word.read_bytes()
    command = ("eval", word, *sets(folder), "--fa-per-hour", "1000")
    code, out, _ = tinywake(*command)
    assert code == 0
    assert "note: threshold" in out  # chosen on what judges it
    assert word.read_bytes() == before
    code, out, err = tinywake(*command, "-o", copy)
    assert code == 0, err
    assert word.read_bytes() == before
    (result,) = measured(folder, Questions(budgets=(1000.0,))).models
    assert result.at == result.curve.threshold_for(1000.0) != 168
    counted = int(result.curve.false_accepts[result.at])
    low, high = poisson_bounds(counted, result.curve.hours)
    assert f"copy.twm: threshold {result.at} (was 168) for 1000/h, which counted {counted} in 0.01 h" in out
    assert f"({low:.2g} to {high:.2g} an hour at 95 %)" in out
    after = copy.read_bytes()
    differ = [at for at, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    assert len(differ) <= 9  # the threshold, and two checksums of four bytes
    assert set(differ) - {*range(20, 24), *range(28, 32)} == {differ[-1]}
    assert before[differ[-1]] == 168
    Model.open(copy)
    detector = unpack(copy).detector
    assert detector is not None
    assert [label.threshold for label in detector.labels] == [result.at]
    assert tinywake(*command, "--write")[0] == 0
    assert word.read_bytes() == after
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    # Written back, it is the old file.
    assert with_threshold(after, "word", 168) == before
    with pytest.raises(ModelError, match="no label 'nobody'"):
        with_threshold(before, "nobody", 1)


def test_cross_fit_and_false_accepts_on_the_command_line(folder: Path, tinywake: Run) -> None:
    out_folder = folder / "listen"
    command = ("eval", folder / "word.twm", *sets(folder), "--fa-per-hour", "300", "--cross-fit", "2")
    code, out, err = tinywake(*command, "--false-accepts", out_folder)
    assert code == 0, err
    assert "cross-fitted by 2 folds of speakers" in out
    assert "which flatters it" not in out
    assert "36 seconds without the word cannot show 300 false accepts" in out
    facts = json.loads(tinywake(*command, "--json")[1])
    assert facts["cross_fit"]["folds"] == 2
    clips = sorted(out_folder.glob("*.wav"))
    assert len(clips) == len(facts["false_accept_list"]) > 0
    first = facts["false_accept_list"][0]
    assert clips[0].name == f"word-000-{Path(first['file']).stem}-{max(0, first['t_ms'])}ms.wav"
    assert f"{out_folder}: {len(clips)} false accepts to listen to" in out
    (folder / "again").mkdir()
    shutil.copy(folder / "word.twm", folder / "again" / "word.twm")
    both = (folder / "word.twm", folder / "again" / "word.twm")
    assert tinywake("eval", *both, *sets(folder), "--false-accepts", folder / "two")[0] == 0
    prefixes = {path.name.split("-0")[0] for path in (folder / "two").iterdir()}
    assert prefixes == {f"{folder.name}-word", "again-word"}


def test_what_is_refused_is_one_line(folder: Path, tinywake: Run) -> None:
    word, silent, one = folder / "word.twm", folder / "silent", folder / "one"
    silent.mkdir()
    soundfile.write(silent / "s.wav", np.zeros(16000, np.int16), 16000)
    one.mkdir()
    soundfile.write(one / "a.wav", audio(2.0), 16000)
    (folder / "empty").mkdir()
    (folder / "text").mkdir()
    (folder / "text" / "t.wav").write_text("this is no sound")
    usual = (word, *sets(folder))
    cases: list[tuple[tuple[Any, ...], str]] = [
        ((*usual, "--noise", folder / "nowhere"), "nowhere: there is no such folder"),
        ((*usual, "--noise", folder / "text"), "t.wav: not a sound file"),
        ((*usual, "--noise", silent), "the clip is silent"),
        ((*usual, "--noise", folder / "hum", "--snr", "loud"), "--snr loud: numbers of dB"),
        ((*usual, "--snr", "10"), "name some with --noise"),
        ((*usual, "--fa-per-hour", "few"), "--fa-per-hour few: numbers"),
        ((*usual, "--fa-per-hour", "-1"), "--fa-per-hour -1: numbers"),
        ((*usual, "--cross-fit", "1"), "--cross-fit 1: needs 2 folds"),
        ((*usual, "--cross-fit", "5"), "with the word there are 4"),
        ((word, "--positives", one, "--negatives", folder / "no", "--cross-fit", "2"), "with the word there are 1"),
        ((word, "--positives", folder / "empty", "--negatives", folder / "no"), "no sound files"),
        ((word, "--positives", folder / "no", "--negatives", folder / "no"), "among the positives as well"),
        ((word, "--positives", folder / "yes", "--negatives", one, "--noise", "babble"), "there are 1"),
        ((word, "--positives", folder / "yes", "--negatives", folder / "text"), "t.wav: not a sound file"),
        (sets(folder), "name a model"),
        ((word, word, *sets(folder)), "named twice"),
        ((*usual, "--label", "nobody"), "has no wake label 'nobody'"),
        ((*usual, "--write"), "name one with --fa-per-hour"),
        ((*usual, "-o", folder / "x.twm"), "name one with --fa-per-hour"),
        ((*usual, folder / "other.twm", "--fa-per-hour", "1", "-o", folder / "x.twm"), "-o is a copy of one model"),
        ((*usual, "--fa-per-hour", "1", "-o", word), "would be lost"),
        ((folder / "m.json", *sets(folder), "--fa-per-hour", "1", "--write"), "name a .twm to write with -o"),
        ((*usual, folder / "other.twm", "--gate", "energy"), "--gate is for one model"),
    ]  # fmt: skip
    before = word.read_bytes()
    for arguments, says in cases:
        code, out, err = tinywake("eval", *arguments)
        assert code == 2, arguments
        assert says in err, (says, err)
        assert err.startswith("tinywake: ")
        assert err.count("\n") == 1
        assert out == ""
    assert word.read_bytes() == before
    assert not (folder / "x.twm").exists()


def test_a_budget_that_only_silence_keeps(folder: Path, tinywake: Run) -> None:
    other = folder / "other.twm"
    before = other.read_bytes()
    command = ("eval", other, *sets(folder), "--fa-per-hour", "1000")
    code, out, _ = tinywake(*command)
    assert code == 0
    assert "note: only a threshold at which no word is heard keeps 1000 false accepts an hour" in out
    code, out, err = tinywake(*command, "--write")
    assert (code, out) == (2, "")
    assert "other.twm: not written: 1000 false accepts an hour are kept only where no word is heard" in err
    assert other.read_bytes() == before


def test_one_speaker_has_no_bounds(folder: Path) -> None:
    (result,) = evaluate([folder / "word.twm"], [folder / "yes" / "ann0"], [folder / "no"]).models
    assert len(result.speakers) == 2  # files of a folder without sub-folders: each its own
    manifest = folder / "yes" / "ann0" / "manifest.csv"
    manifest.write_text("file,speaker,end_ms\n0.wav,ann,1000\n1.wav,ann,500\n")
    (result,) = evaluate([folder / "word.twm"], [manifest], [folder / "no"]).models
    assert result.miss_bounds is None
    assert result.facts()["misses_95"] is None
    assert any("one speaker says the word" in note for note in result.notes)
    (told,) = evaluate([folder / "word.twm"], [manifest], [folder / "no"], Questions(budgets=(3000.0,))).models
    manifest.write_text("file,speaker,end_ms\n0.wav,ann,1100\n1.wav,ann,600\n")
    (later,) = evaluate([folder / "word.twm"], [manifest], [folder / "no"], Questions(budgets=(3000.0,))).models
    assert [ms - 100 for ms in told.latency.ms] == later.latency.ms != []
    ears = Ears(contenders_of([folder / "word.twm"]))
    assert ears.lead_ms(ears.contenders[0]) == result.lead_ms
    assert ears.contenders[0].rule == Rule(10, 300, 30)
