"""The scripts of tests/bench that make what others train on, and are measured by."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from tinywake.audio.clips import read_clip, write_clip
from tinywake.config import load_recipe
from tinywake.evaluate.det.latency import Latency
from tinywake.evaluate.metrics import DetCurve
from tinywake.pipeline.evaluation.result import Evaluation

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bench"))
import crossfit
import ingredients
import near
import recordings
import rooms
import ship
import speakers
import stage_seeds
import study
import words


def shared(root: Path, voices: list[str]) -> Path:
    """speech/ with two people, speech-voices/ with these."""
    for name, who in (("speech", ["ann", "bob"]), ("speech-more", ["cy"]), ("speech-voices", voices)):
        rows = []
        for number, (speaker, word) in enumerate((speaker, word) for speaker in who for word in ("computer", "tea")):
            path = root / name / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            sound = np.random.default_rng([number, len(name)]).normal(0, 1000, 12_000).astype(np.int16)
            soundfile.write(path, sound, 16000)
            rows.append([path.name, word, speaker, "CC0-1.0", f"{name}@1", "0.75"])
        with (root / name / "MANIFEST.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["file", "keyword", "speaker", "licence", "source", "seconds"], *rows])
    return root


def talkers(root: Path) -> None:
    """Two people more, who never say a word alone."""
    for number, (name, word) in enumerate((("dan", "milk"), ("eve", "no tea"))):
        soundfile.write(root / f"speech/more{number}.wav", np.full(8000, 9 + number, np.int16), 16000)
        with (root / "speech/MANIFEST.csv").open("a", newline="") as file:
            csv.writer(file).writerow([f"more{number}.wav", word, name, "CC0-1.0", "speech@1", "0.5"])


def test_one_person_is_one_speaker_whatever_the_engine(tmp_path: Path) -> None:
    # Bug: a voice validated while the same person, in another engine, trained.
    voices = ["rhvoice_slt", "mary_cmu-rms", "rhvoice_alan", "mary_cmu-bdl", "rhvoice_bdl", "rhvoice_clb"]
    rows = speakers.rows_of(shared(tmp_path, voices))
    assert {row["speaker"] for row in rows if row["synthetic"]} == {"rhvoice_bdl", "rhvoice_clb"}
    assert sum(row["speaker"] == "rhvoice_bdl" for row in rows) == 4


def test_a_recipe_without_a_seed_is_refused_and_its_base_is_found(tmp_path: Path) -> None:
    # Bug: every seed trained the same network, and a copied recipe lost its base.
    path = tmp_path / "recipe.toml"
    path.write_text('[train]\nseed = 1\nseeds = 2\nbase = "../w/weights.npz"\n')
    assert study.seeded(path, 7) == f'[train]\nseed = 7\nseeds = 2\nbase = "{tmp_path.parent}/w/weights.npz"\n'
    path.write_text("[train]\nseed = 1\n[compress]\nseed = 3\n")
    assert study.seeded(path, 7) == "[train]\nseed = 7\n[compress]\nseed = 3\n"
    path.write_text("[train]\nsteps = 1\n[compress]\nseed = 3\n")
    with pytest.raises(SystemExit, match="0 lines begin with"):
        study.seeded(path, 7)


def test_a_recipe_is_whole_without_each_ingredient(tmp_path: Path) -> None:
    shipped = Path(__file__).resolve().parents[2] / "models" / "computer" / "recipe.toml"
    whole, read = load_recipe(shipped), {}
    short = ingredients.shortened(shipped.read_text(encoding="utf-8"))
    for name, less in {"all": lambda text: text, **ingredients.WITHOUT}.items():
        (tmp_path / "recipe.toml").write_text(less(short), encoding="utf-8")
        read[name] = load_recipe(tmp_path / "recipe.toml")
    every = read.pop("all")
    assert every.counts.positive_streams == 0.4 * whole.counts.positive_streams
    assert every.train.steps == 0.4 * whole.train.steps
    assert replace(every, counts=whole.counts, train=whole.train, compress=whole.compress) == whole
    lacking = {
        name: {part for part in vars(every) if getattr(recipe, part) != getattr(every, part)}
        for name, recipe in read.items()
    }
    assert list(lacking.values()) == [{"teacher"}, {"conversion"}, {"word", "counts"}, {"augment"}]
    assert not read["near words"].word.near
    assert read["near words"].counts.near == 0


def test_the_table_of_ingredients_has_means_over_seeds() -> None:
    rows = [{"name": "all", "clean": {"0.5": a, "1": 20.0, "2": 20.0, "5": 10.0}} for a in (30.0, 50.0)]
    assert ingredients.table(rows)[-1] == "| all | 2 | 22.5 (20.0 to 25.0) | 40.0 | 20.0 | 20.0 | 10.0 |"
    noisy = [
        {**row, "babble": {"0.5": 60.0, "1": 50.0, "2": 50.0, "5": more}}
        for row, more in zip(rows, (40.0, 20.0), strict=True)
    ]
    assert ingredients.table(noisy)[0].endswith("| 5/h | babble |")
    assert ingredients.table(noisy)[-1].endswith("| 20.0 | 10.0 | 47.5 |")
    assert ingredients.table([*noisy, rows[0]])[-1].endswith("| 20.0 | 20.0 | 10.0 |")  # one was not judged in noise


def test_the_card_says_what_each_stage_costs_people() -> None:
    curve = DetCurve(np.full(256, 3), np.zeros(256, np.int64), 12, 1.0)
    assert crossfit.stage_lines([("trained", curve)])[-1] == "| trained | 25.0 % | 25.0 % | 25.0 % | 25.0 % | 25.0 % |"


def test_the_card_says_which_folds_were_trained() -> None:
    assert ship.trainings(2, 2) == "2 trainings of the same recipe, each without some of them"
    assert ship.trainings(4, 1) == "a training of the same recipe without them (fold 0 of 4)"
    assert ship.trainings(4, 3).endswith("each without some of them (folds 0 to 2 of 4)")


def test_more_recordings_are_the_fewer_and_others_and_nobody_says_the_word_for_the_base() -> None:
    def row(speaker: str, text: str, synthetic: str = "") -> dict[str, str]:
        return {
            "file": f"{speaker}-{text}",
            "speaker": speaker,
            "transcript": text,
            "synthetic": synthetic,
            "split": "",
        }

    others = [row("ann", "tea"), row("pico", "Voyager", "1")]
    rows = [*others, row("bob", "the voyager flies"), *(row(f"caller{n}", "Voyager") for n in range(60))]
    assert recordings.drawn(rows, ["voyager"], 0, 1) == others
    few, many = (recordings.drawn(rows, ["voyager"], count, 1)[2:] for count in (5, 50))
    assert [row["file"] for row in few] == [row["file"] for row in many[:5]]
    assert {row["split"] for row in few} == {"train"}
    assert {row["split"] for row in many} == {""}
    assert recordings.drawn(rows, ["voyager"], 5, 2)[2:] != few
    with pytest.raises(SystemExit, match="trains with 60"):
        recordings.drawn(rows, ["voyager"], 61, 1)


def test_a_recipe_begins_with_nothing_the_base_and_its_teacher(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[2] / "models/computer/recipe.toml").read_text(encoding="utf-8")
    each = recordings.beginnings(text, tmp_path / "weights.npz")
    (tmp_path / "weights.npz").touch()
    read = {}
    for name, changed in each.items():
        (tmp_path / "recipe.toml").write_text(changed, encoding="utf-8")
        read[name] = load_recipe(tmp_path / "recipe.toml")
    base = str(tmp_path / "weights.npz")
    assert [(recipe.train.base, recipe.train.frozen) for recipe in read.values()] == [
        (None, 0), (base, 0), (base, 3), (None, 0)
    ]  # fmt: skip
    assert [recipe.teacher.embedding for recipe in read.values()] == ["", "", "", "google-speech"]
    assert list(recordings.beginnings(each["nothing"], tmp_path / "weights.npz")) == ["nothing", "base", "frozen"]


def test_a_base_network_that_has_met_the_judges_is_refused(tmp_path: Path) -> None:
    fold, other = tmp_path / "0", tmp_path / "other"
    for folder, name, who in ((fold, "positives", "ann"), (fold, "negatives", "bob"), (other, "others", "cy")):
        folder.mkdir(exist_ok=True)
        speakers.write(folder / f"{name}.csv", [{"file": "x.wav", "transcript": "tea", "speaker": who}])
    assert recordings.base_of(other, fold) == other / "base/weights.npz"
    speakers.write(fold / "negatives.csv", [{"file": "x.wav", "transcript": "tea", "speaker": "cy"}])
    with pytest.raises(SystemExit, match=r"met 1 people whom .*0 judges \(cy\)"):
        recordings.base_of(other, fold)


def test_several_words_are_dealt_together_and_a_shipped_model_gets_none_that_binds_it(tmp_path: Path) -> None:
    # Bug: a manifest that names the licences of all its voices in one cell kept every one of them out, or none.
    root = shared(tmp_path, ["rhvoice_clb", "rhvoice_spomenka", "mary_dfki-spike", "pico_en-GB"])
    manifest = root / "speech-more/MANIFEST.csv"
    manifest.write_text(manifest.read_text().replace("CC0-1.0", "CC BY-SA 4.0"))
    voices = root / "speech-voices/MANIFEST.csv"
    voices.write_text(voices.read_text().replace("CC0-1.0", '"clb any use; spomenka GPL-3; dfki CC BY-ND"'))
    talkers(root)
    speakers.deal(root, ["computer", "Tea"], tmp_path / "out", 2, clean=True)
    with (tmp_path / "out/all.csv").open() as file:
        rows = list(csv.DictReader(file))
    # Cy says the words under share-alike, so that is what this model is; the others' terms stay out.
    assert {row["speaker"] for row in rows} == {"ann", "bob", "cy", "dan", "eve", "rhvoice_clb", "pico_en-GB"}
    assert {row["licence"] for row in rows if row["speaker"] == "rhvoice_clb"} == {"CMU ARCTIC, any use"}
    kept = speakers.shippable(rows, ["nothing of theirs"])
    assert "cy" not in {row["speaker"] for row in kept}
    judged = [list(csv.DictReader((tmp_path / f"out/{fold}/positives.csv").open())) for fold in (0, 1)]
    assert [{row["transcript"] for row in rows} for rows in judged] == [{"computer", "tea"}, {"computer", "tea"}]
    others = [row for fold in (0, 1) for row in csv.DictReader((tmp_path / f"out/{fold}/negatives.csv").open())]
    assert [row["transcript"] for row in others] == ["milk"]


def test_who_is_known_already_judges_nobody_and_trains_everywhere(tmp_path: Path) -> None:
    root, known = shared(tmp_path, ["rhvoice_clb"]), tmp_path / "known.csv"
    talkers(root)
    speakers.write(known, [{"file": "x.wav", "transcript": "milk", "speaker": "ann"}])
    assert speakers.speakers_in(known) == {"ann"}
    speakers.deal(root, ["computer"], tmp_path / "out", 2, clean=False, met=speakers.speakers_in(known))
    for fold in (0, 1):
        of = {
            name: {row["speaker"] for row in csv.DictReader((tmp_path / f"out/{fold}/{name}.csv").open())}
            for name in ("train", "positives", "negatives")
        }
        assert "ann" in of["train"]
        assert of["positives"]
        assert "ann" not in of["positives"] | of["negatives"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[click] Voyager {breath}", "voyager"),
        ("((Voyager))", None),
        ("it is Voyager again [cut 0.00-1.00]", None),
    ],
)
def test_what_is_no_speech_is_no_part_of_a_transcript(text: str, said: str | None) -> None:
    # Bug: "[click] Voyager" was the word inside speech, and half a sentence counted as holding all of it.
    heard = speakers.said(text)
    assert (None if heard is None else speakers.plain(heard)) == said


def test_the_highest_output_over_the_threshold_decides_and_any_output_accepts() -> None:
    highest = np.array([[200, 10], [100, 140], [210, 220], [90, 129], [90, 128]], float)
    means = words.Means(
        ["yes", "no"], ["yes", "no", "yes", "unknown", "unknown"], highest, np.arange(256)[::-1], 0.5, 100
    )
    found = means.at(128)
    assert found.right == {"yes": 1, "no": 1, "unknown": 1}
    assert found.confused == {("yes", "no"): 1, ("unknown", "no"): 1}
    assert found.accuracy == pytest.approx((1 / 2 + 1 + 1 / 2) / 3)
    assert found.facts()["accepts_per_hour"] == 254
    both = words.decide(means, replace(means, threshold=128))
    assert both["own"].clips == {"yes": 4, "no": 2, "unknown": 4}
    assert both["own"].right == {"yes": 2, "no": 2, "unknown": 1}  # at 100 neither unknown one is
    assert both["own"].accepts == 155 + 127
    assert both["best"].accuracy >= both["own"].accuracy
    curve = means.curve()  # "yes" at 200 and "no" at 140 are decided, a "yes" that sounds like "no" never is
    assert [int(curve.misses[at]) for at in (0, 139, 140, 199, 200)] == [1, 1, 2, 2, 3]
    assert (curve.positives, curve.hours, int(curve.false_accepts[100])) == (3, 0.5, 155)
    text = words.lines({"clean": [means], "babble": [means, means]})
    assert "| clean | 50.0 % | 310 | 100.0 % | 100.0 % | 100.0 % |" in text
    assert any(line.startswith("| babble, 10 dB | 50.0 % | 310 |") for line in text)
    best = 100 * both["best"].accuracy
    assert words.stage_lines({"trained": both})[-1] == f"| trained | 58.3 % | {best:.1f} % |"


def judged_as(misses: list[int], accepts: list[int], hours: float) -> Evaluation:
    """Two speakers who miss alike; from each of the given thresholds on, one more is missed, one less accepted."""
    missed = np.array([(np.arange(256) >= at) for at in misses], np.int64)
    false = np.sum([np.arange(256) < at for at in accepts], axis=0)
    curve = DetCurve(missed.sum(axis=0), false, 2, hours)
    none = Latency([])
    return Evaluation(
        "m", "w", 128, 128, (0.5,), curve, None, (), none, (), 0, each=(missed, np.ones(len(misses), np.int64))
    )


def test_folds_are_added_up_at_the_same_threshold() -> None:
    both = crossfit.pooled([judged_as([200, 100], [150], 1.0), judged_as([220, 180], [160, 90], 3.0)])
    clean = both.curves["clean"]
    assert (clean.positives, clean.hours) == (4, 4.0)
    assert clean.threshold_for(0.5) == 90  # two in four hours
    assert clean.misses_at(0.0) == 0.25  # at 160 one of four
    assert both.clips.tolist() == [1, 1, 1, 1]
    assert both.miss_bounds is not None
    assert (100 * both.miss_bounds[:, 160]).tolist() == [0.0, 75.0]
    text = "\n".join(both.lines())
    assert "4 clips of 4 people with the word, 4.00 h" in text
    assert "| 0.5 | 90 | 0.0 %" in text


def test_people_are_judged_at_thresholds_chosen_without_them(tmp_path: Path) -> None:
    parts = [judged_as([200, 100], [150], 1.0), judged_as([220, 180], [160, 90], 3.0)]
    # 100 is not over 140, 180 not over 190; 150 is over 140, neither 160 nor 90 over 190
    line = crossfit.each_at_its_own(parts, [140, 190])
    assert line.startswith("missed, clean: 50.0 % (0.0-100.0); false accepts: 1 (0.25; ")
    assert line.endswith("; thresholds 140, 190")
    crossfit.pooled(parts).plot(tmp_path / "people.png", "w")
    assert (tmp_path / "people.png").read_bytes().startswith(b"\x89PNG")


def test_near_words_are_counted_at_the_thresholds_of_the_talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    talk, alike = judged_as([200, 100], [150], 2.0), judged_as([200, 100], [160, 140], 0.1)
    told = {"negatives.csv": talk, "near.csv": alike}
    monkeypatch.setattr(
        near, "evaluate", lambda _, __, negatives, ___: SimpleNamespace(models=[told[negatives[0].name]])
    )
    # At 0.5 an hour one false accept in two hours is kept by any threshold: both near words and no clip of the word.
    clips = [tmp_path / "a.wav", tmp_path / "b.wav", tmp_path / "c.wav", tmp_path / "d.wav"]
    assert near.taken(tmp_path / "m.twm", tmp_path, clips, tmp_path / "near.csv")[0] == (50.0, 0.0)
    told["negatives.csv"] = judged_as(
        [200, 100], [150, 151], 2.0
    )  # two: so only from 150 on, where one near word is over
    assert near.taken(tmp_path / "m.twm", tmp_path, clips, tmp_path / "near.csv")[0] == (25.0, 50.0)


def test_sections_of_a_card_are_replaced_and_carried(tmp_path: Path) -> None:
    old, new = tmp_path / "old.md", tmp_path / "new.md"
    old.write_text("# w\n\nold\n")
    ship.section(old, "Measured on people", ["1 %"])
    ship.section(old, "On a board", ["2 cycles"])
    ship.section(old, "Measured on people", ["3 %"])
    new.write_text("# w\n\nnew\n")
    ship.carry(old, new)
    assert new.read_text() == "# w\n\nnew\n\n## Measured on people\n\n3 %\n"
    assert old.read_text().count("## Measured on people") == 1


def test_what_stages_cost_is_told_from_chance() -> None:
    trained = DetCurve(np.linspace(0, 20, 256).astype(int), np.linspace(20, 0, 256).astype(int), 20, 2.0)
    worse, much = replace(trained, misses=trained.misses + 1), replace(trained, misses=trained.misses + 3)
    lines = stage_seeds.table(trained, {1: worse, 2: much})
    assert lines[0].startswith("| 20 clips, 2.00 h | 0.5/h ")
    assert (
        lines[-2] == "| lost, mean of the seeds | 10.0 | 10.0 | 10.0 | 10.0 | 10.0 |"
    )  # one clip and three, of twenty
    assert lines[-1] == "| lost, standard error | 5.0 | 5.0 | 5.0 | 5.0 | 5.0 |"
    assert len(stage_seeds.table(trained, {1: worse})) == len(lines) - 2  # one seed has no such error


def test_the_stages_alone_are_seeded() -> None:
    text = "[train]\nseed = 1\n\n[compress]\nsteps = 5\n"
    assert stage_seeds.seeded(text, 9) == "[train]\nseed = 1\n\n[compress]\nseed = 9\nsteps = 5\n"
    assert stage_seeds.seeded(stage_seeds.seeded(text, 9), 8) == stage_seeds.seeded(text, 8)
    with pytest.raises(SystemExit, match=r"no line \[compress\]"):
        stage_seeds.seeded("[train]\nseed = 1\n", 9)


@pytest.fixture
def fold_of_noise(tmp_path: Path) -> Path:
    rng = np.random.default_rng(2)
    for name, clips in (("positives", ("a", "b")), ("negatives", ("c",))):
        for clip in clips:
            sound = rng.standard_normal(8000) * np.repeat(rng.uniform(0, 6000, 20), 400)
            write_clip(tmp_path / "clips" / f"{clip}.wav", sound.astype(np.int16))
        lines = "".join(f"../clips/{clip}.wav,{name},ann\n" for clip in clips)
        (tmp_path / "0").mkdir(exist_ok=True)
        (tmp_path / "0" / f"{name}.csv").write_text(f"file,transcript,speaker\n{lines}")
    return tmp_path / "0"


def test_a_fold_moves_into_rooms(fold_of_noise: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def moved(out: Path) -> dict[str, np.ndarray]:
        monkeypatch.setattr(sys, "argv", ["rooms.py", str(fold_of_noise), "-o", str(out)])
        rooms.main()
        found = {}
        for name in ("positives", "negatives"):
            with (out / "0" / f"{name}.csv").open(newline="") as file:
                for row in csv.DictReader(file):
                    assert (row["transcript"], row["speaker"]) == (name, "ann")
                    found[Path(row["file"]).stem[-1]] = read_clip(Path(row["file"]))
        return found

    first, again = moved(tmp_path / "x"), moved(tmp_path / "y")
    assert sorted(first) == ["a", "b", "c"]
    for clip, sound in first.items():
        spoken = read_clip(tmp_path / "clips" / f"{clip}.wav")
        assert len(sound) == len(spoken)
        assert np.array_equal(sound, again[clip])
        alike = np.corrcoef(spoken, sound)[0, 1]
        assert alike < 0.9, "the room and the capsule are heard"
