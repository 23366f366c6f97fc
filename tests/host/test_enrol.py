"""`tinywake enrol`: the last layer read and written, the shift, and what is refused."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinywake.audio.clips import read_clip
from tinywake.compiler.build import compile_tflite
from tinywake.compiler.graph import FullyConnected, Graph, Requant, Table, Tensor
from tinywake.compiler.memory.plan import plan
from tinywake.compiler.passes.stream import stream
from tinywake.compiler.tflite.tables import logistic
from tinywake.compiler.twm.filters import widened
from tinywake.compiler.twm.head import read_head, with_head
from tinywake.compiler.twm.layout import Section
from tinywake.compiler.twm.listening import Detector, Label, Listening
from tinywake.compiler.twm.pack import pack
from tinywake.compiler.twm.sections import sections_of, with_sections
from tinywake.compiler.twm.unpack import parse, unpack
from tinywake.config import Counts
from tinywake.core import Listener, Model
from tinywake.errors import AudioError, ModelError, ToolError
from tinywake.evaluate.sounds.quiet import framed
from tinywake.pipeline.enrolment import background
from tinywake.pipeline.enrolment.background import gather_background
from tinywake.pipeline.enrolment.ear import Ear
from tinywake.pipeline.enrolment.enrol import Owner, enrol
from tinywake.pipeline.enrolment.shift import Shift
from tinywake.pipeline.evaluation.contenders import contenders_of
from tinywake.pipeline.listening import source_of

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "core"))
from gated import streaming
from nets import Net
from tiny import listening_model

SPOKEN = background._spoken  # which the other tests do without

LEAD = 1000
Run = Callable[..., tuple[int, str, str]]


def tones(rng: np.random.Generator, first: float, second: float, clips: int = 1) -> np.ndarray:
    """The word is a low tone and then a high one; what is said otherwise is other tones."""
    out = []
    for _ in range(clips):
        parts = [rng.normal(0, 8, 3200)]
        for hertz in (first, second):
            t = np.arange(int(rng.integers(2000, 2600))) / 16000
            wave = np.sin(2 * np.pi * hertz * rng.uniform(0.98, 1.02) * t) * np.hanning(len(t)) ** 0.3
            parts.append(rng.uniform(2500, 5000) * wave + rng.normal(0, 8, len(t)))
        parts.append(rng.normal(0, 8, 3200))
        out.append(np.concatenate(parts))
    return np.concatenate(out).astype(np.int16)


def network(seed: int = 0, *, twins: bool = False) -> bytes:
    """Convolutions over time with a fully connected head of one output. twins: two layers store the same blobs."""
    kernels = (1, 3, 3) if twins else (5, 5, 30)
    net = Net(1, 1 + sum(kernel - 1 for kernel in kernels), 1, 40, seed=seed)
    value = net.input
    for place, kernel in enumerate(kernels):
        value = net.conv(value, 1 if twins or place == len(kernels) - 1 else 12, (kernel, 1))
    graph = net.graph(value)
    # Less gain than Net gives: values that saturate say nothing of who speaks.
    ops = [replace(op, requant=Requant(op.requant.multiplier, op.requant.shift - 2)) for op in graph.ops]
    if twins:
        same = {name: getattr(ops[1], name) for name in ("weights", "bias", "requant")}
        ops[2] = type(ops[2])(**{**vars(ops[2]), **same})
    last = graph.tensors[value]
    tensors = {**graph.tensors, value: Tensor("logit", last.shape, "int8", 1 / 16, 0, last.storage)}
    end = len(tensors)
    tensors[end] = Tensor("probability", last.shape, "int8", 1 / 256, -128, end)
    squash = Table(len(ops), (value,), end, "LOGISTIC", logistic(tensors[value], tensors[end]))
    streamed = widened(stream(Graph(tensors, (*ops, squash), graph.input, end), 1 if twins else 3))
    assert isinstance(streamed.ops[-2], FullyConnected)
    listening = Listening(Detector((Label("beep", 140),), 3, 300))
    return pack(streamed, plan(streamed), listening, {"tinywake": "0", "source": "test"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose head was fitted to one voice, three utterances of a lower one, and sound without the word."""
    root = tmp_path_factory.mktemp("enrol")
    rng = np.random.default_rng(3)
    data = network()
    head = read_head(data, "net")
    ear = Ear(data, "net", head, LEAD)
    word = np.concatenate([ear.hear(tones(rng, 500, 1800)).inputs[-25:-19] for _ in range(20)]).astype(float)
    pairs = [rng.uniform(250, 3500, 2) for _ in range(120)]
    no = [tones(rng, first, second, 2) for first, second in pairs]
    rest = np.concatenate([ear.hear(pcm).inputs for pcm in no]).astype(float)
    away = np.linalg.solve(np.cov(rest.T) + 50 * np.eye(head.depth), word.mean(axis=0) - rest.mean(axis=0))
    weights = np.rint(127 * away / np.abs(away).max()).astype(np.int8)
    levels = head.step * (weights @ rest.T), head.step * (weights @ word.T)
    middle = (np.quantile(levels[0], 0.999) + np.median(levels[1])) / 2
    (root / "beep.twm").write_bytes(with_head(data, head, weights, -round(middle / head.step)))
    for number in range(4):
        soundfile.write(root / f"mine{number}.wav", tones(rng, 450, 1650), 16000)
        soundfile.write(root / f"wrong{number}.wav", tones(rng, 2900, 300), 16000)
    for number, pcm in enumerate(no):
        path = root / ("no" if number < 90 else "set/other") / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, pcm, 16000)
    for number in range(6):
        path = root / "set" / "beep" / f"ann{number % 2}" / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, tones(rng, 500, 1800), 16000)
    return root


@pytest.fixture(autouse=True)
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine speaks, and nothing is cached for good."""

    def none(label: str, progress: object) -> None:
        raise ToolError("no text-to-speech engine")

    monkeypatch.setenv("TINYWAKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(background, "_spoken", none)


def owner(folder: Path, kind: str = "mine", count: int = 4, **more: object) -> Owner:
    paths = tuple(folder / f"{kind}{number}.wav" for number in range(count))
    return Owner(paths, (folder / "no",), **more)  # type: ignore[arg-type]


def test_sections_put_in_again_are_the_same_file() -> None:
    data = network()
    assert with_sections(data, {}) == data
    longer = with_sections(data, {Section.PROVENANCE: b"a=b\n" * 9})
    Model(longer).verify()
    assert sections_of(longer)[Section.WEIGHTS] == sections_of(data)[Section.WEIGHTS]
    assert parse(longer).provenance == {"a": "b"}


def test_a_head_written_as_it_was_read_changes_no_byte() -> None:
    data = network()
    head = read_head(data, "net")
    assert with_head(data, head, head.weights[0], int(head.bias[0])) == data


def test_the_heads_logits_are_the_cores_scores() -> None:
    data, rng = network(), np.random.default_rng(1)
    head = read_head(data, "net")
    weights = rng.integers(-127, 128, head.depth).astype(np.int8)
    changed = with_head(data, head, weights, 12345)
    pcm = tones(rng, 700, 900, 3)
    for blob, own in ((data, None), (changed, weights)):
        said = Ear(blob, "net", head, LEAD).hear(pcm)
        logits = head.logits(said.inputs) if own is None else head.logits(said.inputs, own, 12345)
        scores = 256 / (1 + np.exp(-np.clip(logits, -8, head.most)))
        # A quantised logit is 1/16 wide, which is 4 of 256 where the sigmoid is steepest.
        assert np.abs(np.minimum(scores, 255) - said.scores).max() <= 3.1
        assert len(set(said.scores.tolist())) > 3


def test_an_ear_hears_what_a_listener_does() -> None:
    data, pcm = network(), tones(np.random.default_rng(2), 700, 900, 2)
    said = Ear(data, "net", read_head(data, "net"), LEAD).hear(pcm)
    heard = Listener(Model(data)).listen(framed(pcm, LEAD).sound)
    np.testing.assert_array_equal(said.scores, heard.scores[heard.ready, 0][-len(said.scores) :])
    assert len(said.scores) >= (len(pcm) + 8000) // 480 - 1


def test_layers_that_share_their_bytes_are_not_changed_with_the_head() -> None:
    data = network(twins=True)
    head = read_head(data, "net")
    changed = with_head(data, head, -head.weights[0], int(head.bias[0]) + 1)
    Model(changed).verify()
    pcm = tones(np.random.default_rng(4), 700, 900)
    before, after = (Ear(blob, "net", head, LEAD).hear(pcm) for blob in (data, changed))
    np.testing.assert_array_equal(before.inputs, after.inputs)
    assert len(changed) > len(data)
    assert read_head(changed, "net").bias[0] == head.bias[0] + 1


def test_a_promise_that_no_longer_holds_is_taken_back() -> None:
    data = network()
    head = read_head(data, "net")
    flags = []
    for weights, bias in ((np.ones(head.depth, np.int8), 0), (np.full(head.depth, 127, np.int8), 1 << 24)):
        ops = sections_of(with_head(data, head, weights, bias))[Section.OPS]
        at = 0
        for _ in range(head.operator):
            at += int.from_bytes(ops[at + 2 : at + 4], "little")
        flags.append(ops[at + 1])
    assert flags[1] == 0


@pytest.mark.parametrize("data", [streaming(3, (5, 4)), listening_model()])
def test_a_network_without_such_a_head_is_refused_with_the_reason(data: bytes) -> None:
    with pytest.raises(ModelError, match=r"net: ends with CONV_2D and TABLE; only a last layer FULLY_CONNECTED"):
        read_head(data, "net")


def test_a_table_that_is_no_sigmoid_is_refused() -> None:
    data = bytearray(network())
    sections = sections_of(bytes(data))
    weights = bytearray(sections[Section.WEIGHTS])
    table = parse(bytes(data)).ops[-1].fields
    at = int.from_bytes(table, "little")
    weights[at : at + 256] = bytes(256)
    with pytest.raises(ModelError, match="no sigmoid"):
        read_head(with_sections(bytes(data), {Section.WEIGHTS: bytes(weights)}), "net")


def test_an_owner_gains_and_other_sound_is_accepted_no_more_often(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.twm"
    made = enrol(folder / "beep.twm", owner(folder), out)
    assert made.gain > 0
    assert sum(each.after for each in made.utterances) > sum(each.before for each in made.utterances) + 40
    assert sum(each.after > made.threshold for each in made.utterances) >= 3
    assert made.accepted[1] <= made.accepted[0]
    given, written = unpack(folder / "beep.twm"), unpack(out)
    assert written.provenance["enrolled utterances"] == "4"
    assert (given.ops[:-2], given.tensors, given.detector) == (written.ops[:-2], written.tensors, written.detector)
    assert given.sections["WEIGHTS"] == written.sections["WEIGHTS"]


def test_the_same_utterances_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        enrol(folder / "beep.twm", owner(folder), tmp_path / f"{name}.twm")
    assert (tmp_path / "a.twm").read_bytes() == (tmp_path / "b.twm").read_bytes()


def test_reported_scores_are_those_of_the_written_file(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.twm"
    made = enrol(folder / "beep.twm", owner(folder, check=folder / "set"), out)
    (written,) = contenders_of([out])
    heard = Listener(Model.open(out)).listen(framed(read_clip(folder / "mine0.wav"), written.lead_ms).sound)
    assert int(heard.means.max()) == made.utterances[0].after
    assert made.checked is not None
    assert made.checked.clips == 6
    assert made.checked.speakers == 2
    assert made.checked.hours > 0
    assert made.checked.false_accepts[1] <= made.checked.false_accepts[0] + 1


def test_an_owner_who_is_heard_already_gets_the_same_model(folder: Path, tmp_path: Path) -> None:
    given = folder / "beep.twm"
    head = read_head(given.read_bytes(), "net")
    sure = tmp_path / "sure.twm"
    bias = int(head.bias[0]) + round(4 / head.step)
    sure.write_bytes(with_head(given.read_bytes(), head, head.weights[0], bias))
    made = enrol(sure, owner(folder, count=2), tmp_path / "out.twm")
    assert made.gain == 0
    assert (tmp_path / "out.twm").read_bytes() == sure.read_bytes()
    assert "nothing to gain" in made.lines()[0]


def _silence(path: Path) -> None:
    soundfile.write(path, np.zeros(16000, np.int16), 16000)


def _click(path: Path) -> None:
    soundfile.write(path, np.concatenate([np.zeros(8000), np.full(800, 9000), np.zeros(8000)]).astype(np.int16), 16000)


def _clipped(path: Path) -> None:
    rng = np.random.default_rng(0)
    sound = np.concatenate([rng.normal(0, 20, 8000), rng.normal(0, 90000, 12000), rng.normal(0, 20, 8000)])
    soundfile.write(path, sound.clip(-32768, 32767).astype(np.int16), 16000)


def _long(path: Path) -> None:
    soundfile.write(path, tones(np.random.default_rng(0), 480, 1728, 12), 16000)


@pytest.mark.parametrize(
    ("make", "said"),
    [(_silence, "silent"), (_click, "too short"), (_clipped, "clipped"), (_long, "cut it to the word")],
)
def test_an_unfit_utterance_is_named(make: Callable[[Path], None], said: str, folder: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    make(bad)
    with pytest.raises(AudioError, match=rf"bad\.wav: .*{said}"):
        enrol(folder / "beep.twm", Owner((folder / "mine0.wav", bad), (folder / "no",)), tmp_path / "out.twm")
    assert not (tmp_path / "out.twm").exists()


def test_the_same_sound_twice_is_refused(folder: Path, tmp_path: Path) -> None:
    mine = folder / "mine0.wav"
    with pytest.raises(AudioError, match="the same sound as"):
        enrol(folder / "beep.twm", Owner((mine, mine), (folder / "no",)), tmp_path / "out.twm")


def test_another_word_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="resemble 'beep'"):
        enrol(folder / "beep.twm", owner(folder, "wrong"), tmp_path / "out.twm")


def test_without_engine_and_recordings_the_way_out_is_named(folder: Path, tmp_path: Path) -> None:
    mine = (folder / "mine0.wav", folder / "mine1.wav")
    with pytest.raises(ToolError, match="--negatives DIR"):
        enrol(folder / "beep.twm", Owner(mine), tmp_path / "out.twm")


def test_too_little_other_speech_is_refused(folder: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    (few / "one.wav").write_bytes((folder / "no" / "1.wav").read_bytes())
    with pytest.raises(AudioError, match="too little"):
        enrol(folder / "beep.twm", Owner((folder / "mine0.wav",), (few,)), tmp_path / "out.twm")


def test_the_command(folder: Path, tmp_path: Path, tinywake: Run) -> None:
    out, utterances = tmp_path / "mine.twm", [folder / f"mine{number}.wav" for number in range(3)]
    command = ["enrol", folder / "beep.twm", *utterances, "--negatives", folder / "no"]
    code, said, _ = tinywake(*command, "-o", out, "--json")
    assert code == 0
    facts = json.loads(said)
    assert facts["label"] == "beep"
    assert [each["path"] for each in facts["utterances"]] == list(map(str, utterances))
    code, _, wrong = tinywake(*command, "-o", folder / "beep.twm")
    assert code == 2
    assert "would be lost" in wrong
    assert len(wrong.strip().splitlines()) == 1


def test_published_models_have_heads_that_are_read_and_written(reference: Path, tmp_path: Path) -> None:
    manifests = sorted((reference / "micro-wake-word").glob("*.json"))
    assert manifests
    for manifest in manifests:
        given = source_of(manifest)
        data = compile_tflite(given.network, listening=given.listening(), provenance=given.provenance).blob
        head = read_head(data, manifest.name)
        assert with_head(data, head, head.weights[0], int(head.bias[0])) == data


def test_of_a_long_recording_every_minute_is_heard(folder: Path, tmp_path: Path) -> None:
    # Bug: of an hour of radio one minute was kept, and all of it was in memory.
    (tmp_path / "radio").mkdir()
    sound = np.tile(tones(np.random.default_rng(5), 900, 2500, 10), 30)[: 130 * 16000]
    assert len(sound) == 130 * 16000
    soundfile.write(tmp_path / "radio" / "1.wav", sound, 16000)
    (given,) = contenders_of([folder / "beep.twm"])
    ear = Ear(given.data, "net", read_head(given.data, "net"), given.lead_ms)
    found = gather_background(ear, "beep", (tmp_path / "radio",))
    assert found.seconds == pytest.approx(130)
    assert (found.recorded, len(found.lengths)) == (1, 3)


def test_engines_that_say_too_little_are_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Bug: an IndexError.
    monkeypatch.setattr(background, "_spoken", lambda *_: ([folder / "mine0.wav"], []))
    (given,) = contenders_of([folder / "beep.twm"])
    ear = Ear(given.data, "net", read_head(given.data, "net"), given.lead_ms)
    with pytest.raises(AudioError, match=r"the speech engines: .*too little.*--negatives"):
        gather_background(ear, "beep", ())


def test_the_speech_engines_say_what_is_not_the_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: nobody had tried it without --negatives since near words in carriers became the recipe's choice."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    monkeypatch.setattr(background, "_COUNTS", Counts(positives=8, near=8, words=8, sentences=8))
    without, word = SPOKEN("computer", None)
    assert len(without) > 15
    assert len(word) >= 4
    assert not set(without) & set(word)


def test_what_enrolment_was_given_does_not_check_it(folder: Path, tmp_path: Path) -> None:
    # Bug: utterances and negatives that lay in the set made its figures better.
    seen = tmp_path / "seen"
    for kind, name in (("beep", "mine0"), ("other", "no/1"), ("other", "no/2")):
        path = seen / kind / f"{name.replace('/', '')}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((folder / f"{name}.wav").read_bytes())
    soundfile.write(seen / "beep" / "new.wav", tones(np.random.default_rng(8), 450, 1650), 16000)
    made = enrol(folder / "beep.twm", owner(folder, check=seen), tmp_path / "out.twm")
    assert made.checked is not None
    assert (made.checked.clips, made.checked.hours, made.checked.left_out) == (1, 0, 3)
    assert any("3 clips that enrolment was given are left out" in line for line in made.lines())


def test_why_no_more_was_gained_is_said(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Bug: nothing told a gain that other voices had stopped from one that was enough.
    heard = iter([9, 9])
    monkeypatch.setattr(Shift, "heard", lambda self, moved, clips: next(heard, 0))
    monkeypatch.setattr("tinywake.pipeline.enrolment.enrol._MARGIN", 9.0)  # no gain is enough
    monkeypatch.setattr(
        "tinywake.pipeline.enrolment.enrol.gather_background",
        lambda *given: replace(gather_background(*given), others=(np.zeros((9, 360), np.int8),) * 9),
    )
    made = enrol(folder / "beep.twm", owner(folder), tmp_path / "out.twm")
    assert made.gain == 1
    assert any("more gain would lose over 5 %" in line for line in made.lines())


def test_utterances_that_would_cost_others_the_word_are_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Bug: three clips of another word were written as "nothing to gain".
    monkeypatch.setattr("tinywake.pipeline.enrolment.enrol._LOSS", -1.0)  # as if every gain lost somebody
    monkeypatch.setattr(Shift, "heard", lambda self, moved, clips: 0)
    monkeypatch.setattr(
        "tinywake.pipeline.enrolment.enrol.gather_background",
        lambda *given: replace(gather_background(*given), others=(np.zeros((9, 360), np.int8),)),
    )
    with pytest.raises(AudioError, match="cannot be enrolled"):
        enrol(folder / "beep.twm", owner(folder), tmp_path / "out.twm")
    assert not (tmp_path / "out.twm").exists()
