"""`tinywake eval --gate`, and `listen --gate`: what is counted, printed and refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinywake.compiler.report import file_report
from tinywake.compiler.twm.unpack import unpack
from tinywake.core import Gate, Listener, Model
from tinywake.evaluate.gating import Work, delays
from tinywake.evaluate.metrics import Rule, events
from tinywake.evaluate.sounds.quiet import framed
from tinywake.pipeline.evaluation.result import Evaluation
from tinywake.pipeline.evaluation.run import Questions, evaluate

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "core"))
from gated import audio, streaming

THRESHOLD, WINDOW = 105, 2


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TINYWAKE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "word.twm").write_bytes(streaming(3, (5, 4, 9, 6), seed=1, threshold=THRESHOLD, window=WINDOW))
    (tmp_path / "gate.twm").write_bytes(streaming(2, (3, 4), seed=2, threshold=130, window=4))
    for name, seeds in (("yes", (1, 2, 3)), ("no", (4, 5))):
        (tmp_path / name).mkdir()
        for seed in seeds:
            soundfile.write(tmp_path / name / f"{seed}.wav", audio(4.0, seed=seed), 16000)
    (tmp_path / "silence").mkdir()
    soundfile.write(tmp_path / "silence" / "a.wav", np.zeros(80_000, np.int16), 16000)
    return tmp_path


def measured(folder: Path, gate: str | None, negatives: str = "no") -> Evaluation:
    (result,) = evaluate([folder / "word.twm"], [folder / "yes"], [folder / negatives], Questions(gate=gate)).models
    return result


@pytest.mark.parametrize("kind", ["gate.twm", "energy"])
def test_the_same_clips_with_and_without(folder: Path, kind: str) -> None:
    gate = kind if kind == "energy" else str(folder / kind)
    result = measured(folder, gate)
    gated = result.gated
    assert gated is not None
    assert gated.work.seconds == 8.0 == result.curve.hours * 3600
    assert 0 < gated.awake < 1
    assert (gated.curve.misses >= result.curve.misses).all()
    word = file_report(unpack(folder / "word.twm")).macs
    other = 0 if kind == "energy" else file_report(unpack(folder / kind)).macs
    assert gated.macs_alone * 8 == pytest.approx(word * gated.work.steps)
    assert gated.macs * 8 == pytest.approx(word * gated.work.word + other * gated.work.gate)
    assert gated.work.word >= gated.work.awake  # and what was made up for
    assert gated.work.gate == (0 if kind == "energy" else 400)
    model = None if kind == "energy" else Model.open(folder / kind)
    listener = Listener(Model.open(folder / "word.twm"), Gate(model))
    assert gated.ram_bytes == listener.gate_bytes + (model.arena_bytes if model else 0)
    assert gated.file_bytes == ((folder / kind).stat().st_size if model else 0)


def test_counts_are_those_of_the_detector(folder: Path) -> None:
    """Misses and false accepts behind the gate, from the listener itself on the same sound."""
    result = measured(folder, "energy")
    assert result.gated is not None
    listener = Listener(Model.open(folder / "word.twm"), Gate())
    hits = {}
    for clip in (*sorted((folder / "yes").iterdir()), *sorted((folder / "no").iterdir())):
        pcm, _ = soundfile.read(clip, dtype="int16")
        sound = framed(pcm, result.lead_ms)
        assert len(sound.before) == result.lead_ms * 16
        assert len(sound.after) == 8000
        heard = listener.listen(sound.sound)
        hits[clip] = int((heard.events >= 0).sum())
    missed = sum(not count for clip, count in hits.items() if clip.parent.name == "yes")
    accepted = sum(count for clip, count in hits.items() if clip.parent.name == "no")
    facts = result.gated.facts(result.curve, result.threshold)
    assert facts["misses"] == missed / 3
    assert facts["false_accepts"] == accepted


@pytest.mark.parametrize("kind", ["gate.twm", "energy"])
def test_in_silence_only_the_gate_runs(folder: Path, kind: str) -> None:
    gated = measured(folder, kind if kind == "energy" else str(folder / kind), "silence").gated
    assert gated is not None
    assert gated.awake == 0
    assert gated.macs == (0 if kind == "energy" else 50 * file_report(unpack(folder / kind)).macs)


def test_without_a_gate_nothing_is_said_of_one(folder: Path) -> None:
    result = measured(folder, None)
    assert result.gated is None
    assert "gated" not in result.facts()
    assert result.lead_ms < 3000 <= measured(folder, "energy").lead_ms
    assert not any("gate" in line.replace(str(folder), "") for line in result.lines())


def tinywake(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tinywake", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_what_eval_prints(folder: Path) -> None:
    sets = ("--positives", folder / "yes", "--negatives", folder / "no")
    common = ("eval", "--model", folder / "word.twm", *sets, "--gate", folder / "gate.twm")
    text = tinywake(*common)
    assert text.returncode == 0, text.stderr
    facts = json.loads(tinywake(*common, "--json").stdout)
    gated = facts["gated"]
    assert gated["gate"] == "gate.twm"
    assert [row["threshold"] for row in gated["det"]] == [row["threshold"] for row in facts["det"]]
    rows = {line.split("  ")[0]: line for line in text.stdout.splitlines()}
    for name, misses, false_accepts, awake, macs in (
        ("without a gate", facts["misses"], facts["false_accepts"], 1, gated["macs_per_second"]["without"]),
        ("behind gate.twm", gated["misses"], gated["false_accepts"], gated["awake"], gated["macs_per_second"]["with"]),
    ):
        said = (f"{100 * misses:.1f} % missed", f"{false_accepts} false accepts", f"awake {100 * awake:.1f} %")
        assert all(part in rows[name] for part in (*said, f"{macs:,.0f} MACs/s")), rows[name]
    assert (
        f"the gate takes {gated['ram_bytes']:,} bytes of RAM, and {gated['file_bytes']:,} bytes of file" in text.stdout
    )


def test_listen_behind_a_gate(folder: Path) -> None:
    clip, scores = folder / "yes" / "1.wav", folder / "s.npz"
    result = tinywake("listen", clip, "--model", folder / "word.twm", "--gate", "energy", "--scores", scores)
    assert result.returncode == 0, result.stderr
    pcm, _ = soundfile.read(clip, dtype="int16")
    heard = Listener(Model.open(folder / "word.twm"), Gate()).listen(pcm)
    np.testing.assert_array_equal(np.load(scores)[str(clip)] * 256, heard.scores)
    assert len(result.stdout.splitlines()) == (heard.events >= 0).sum()


def test_the_decibels_may_be_named(folder: Path) -> None:
    # Bug: a program on a board could say gate=24, the command line could not.
    clip, scores, word = folder / "yes" / "1.wav", folder / "s.npz", folder / "word.twm"
    pcm, _ = soundfile.read(clip, dtype="int16")
    awake = []
    for db in (6, 40):
        result = tinywake("listen", clip, "--model", word, "--gate", db, "--scores", scores)
        assert result.returncode == 0, result.stderr
        heard = Listener(Model.open(word), Gate(margin_db=db)).listen(pcm)
        np.testing.assert_array_equal(np.load(scores)[str(clip)] * 256, heard.scores)
        awake.append(int(heard.awake.sum()))
        gated = measured(folder, str(db)).gated
        assert gated is not None
        assert gated.gate == f"energy of {db} dB"
        awake.append(gated.work.awake)
    assert awake[0] > awake[2]
    assert awake[1] > awake[3]


def test_what_is_refused_is_one_line(folder: Path) -> None:
    clip, word = folder / "yes" / "1.wav", folder / "word.twm"
    (folder / "other.twm").write_bytes(streaming(2, (3, 4), hop_ms=20))
    for gate, says in (
        (folder / "other.twm", f"{word} behind {folder / 'other.twm'}: their front ends differ"),
        (folder / "no.twm", "no.twm: No such file"),
        (word, "the same network"),
        (clip, "TW_ERR_MAGIC"),
        ("enrgy", "--gate enrgy: a gate is a model's file (.twm), energy, or dB; there is no such file"),
        (0, "--gate 0: a sound stands out by 1 to 255 dB; energy means 18"),
        (256, "1 to 255 dB"),
    ):
        result = tinywake("listen", clip, "--model", word, "--gate", gate)
        assert result.returncode == 2
        assert says in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_delays_are_of_the_first_hits() -> None:
    rule = Rule(1, 0, 30)
    alone = [np.array(row, np.uint8) for row in ([0, 9, 0], [9, 0, 0], [0, 0, 0], [9, 9, 0])]
    gated = [np.array(row, np.uint8) for row in ([0, 9, 0], [0, 0, 0], [0, 0, 0], [0, 9, 0])]
    assert [bool(events(row, 5, rule)) for row in alone] == [True, True, False, True]
    assert delays(alone, gated, 5, rule) == (0, 30)


def test_work_a_second() -> None:
    assert Work(seconds=2.0, steps=60, awake=10, word=20, gate=100).macs(1000, 10) == (20 * 1000 + 100 * 10) / 2
