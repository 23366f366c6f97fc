"""A gate in front of a wake word: what it leaves of scores and events, when it opens, what it runs, what it refuses."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest
from gated import audio, streaming
from nets import Net
from records import ADD, COPY, STATE, STATE_PUSH, Tensor, add_op, copy_op, op, twm
from tiny import listening_model

from tinywake.compiler.graph import Conv2D, Graph, StatePush, Table
from tinywake.compiler.graph import Tensor as GraphTensor
from tinywake.compiler.memory.plan import plan
from tinywake.compiler.tflite.tables import logistic
from tinywake.compiler.twm.listening import Detector, Label, Listening
from tinywake.compiler.twm.pack import pack
from tinywake.core import Detector as CoreDetector
from tinywake.core import Frontend, Gate, Heard, Listener, Model, _library
from tinywake.errors import FormatError, ModelError

CHUNKS = (1, 7, 160, 4096)


def word() -> Model:
    return Model(streaming(3, (5, 4, 9, 6), seed=1), "word.twm")


def open_now_and_then() -> Model:
    """Of another step and window than the word's."""
    return Model(streaming(2, (3, 4), seed=2, threshold=130, window=4), "gate.twm")


def gates() -> dict[str, Gate]:
    return {
        **{f"network, {hold} ms": Gate(open_now_and_then(), hold) for hold in (0, 35, 200)},
        **{f"energy, {hold} ms": Gate(None, hold, 20) for hold in (0, 35, 200)},
        "energy of 5 dB": Gate(None, 100, 5),
    }


GATES = tuple(gates())


def same(a: Heard, b: Heard) -> None:
    for name in ("scores", "means", "t_ms", "events", "ready", "awake"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


def wakes(heard: Heard) -> int:
    return int((np.diff(heard.awake.astype(int), prepend=0) > 0).sum())


@pytest.mark.parametrize("name", GATES)
def test_awake_it_has_the_scores_that_it_would_have_without_a_gate(name: str) -> None:
    pcm = audio()
    alone, gated = Listener(word()).listen(pcm), Listener(word(), gates()[name]).listen(pcm)
    assert wakes(gated) > 2, "the sound must open the gate several times"
    assert 0.02 < gated.awake.mean() < 0.98
    assert len(np.unique(alone.scores)) > 20
    np.testing.assert_array_equal(gated.scores, np.where(gated.awake[:, None], alone.scores, 0))
    np.testing.assert_array_equal(gated.t_ms, alone.t_ms)
    np.testing.assert_array_equal(gated.ready, alone.ready)


@pytest.mark.parametrize("name", GATES)
def test_the_detector_goes_on_with_zeros(name: str) -> None:
    """Armed state, refractory time and sliding mean: those of a network that said 0 while it slept."""
    model = Model(streaming(3, (5, 4, 9, 6), seed=1, threshold=105, window=2))
    gated = Listener(model, gates()[name]).listen(audio())
    detector = CoreDetector(Detector((Label("word", 105),), 2, 300).section())
    steps = zip(gated.scores, gated.t_ms, gated.ready, strict=True)
    events = [detector.push(row, int(t)) if ready else -1 for row, t, ready in steps]
    assert gated.events.tolist() == events
    assert events.count(0) > 1


@pytest.mark.parametrize("name", GATES)
def test_chunks_of_any_length_give_the_same(name: str) -> None:
    pcm = audio(2.5, seed=3)
    gated = Listener(word(), gates()[name])
    whole = gated.listen(pcm)
    invokes = gated.invokes
    for chunk in CHUNKS:
        listener = Listener(word(), gates()[name])
        parts = [listener.push(pcm[at : at + chunk]) for at in range(0, len(pcm), chunk)]
        fields = ("scores", "means", "t_ms", "events", "ready", "awake")
        same(Heard(*(np.concatenate([getattr(part, field) for part in parts]) for field in fields)), whole)
        assert listener.invokes == invokes


@pytest.mark.parametrize("name", GATES)
def test_reset_equals_fresh(name: str) -> None:
    used = Listener(word(), gates()[name])
    used.push(audio(3.3, seed=4))
    same(used.listen(audio(seed=5)), Listener(word(), gates()[name]).listen(audio(seed=5)))


def opened(decisions: list[bool], every: int, hold_ms: int) -> list[bool]:
    """Whether a gate is open at each frame of 10 ms: decisions come with every so many frames."""
    until, open_at = -1, []
    for frame in range(len(decisions) * every):
        if frame % every == every - 1 and decisions[frame // every]:
            until = frame + every + hold_ms // 10
        open_at.append(frame < until)
    return open_at


def energy_decisions(pcm: np.ndarray, margin_db: int) -> list[bool]:
    level, decisions = 0, []
    for frame in Frontend().features(pcm).astype(int):
        level += (int(frame.sum()) >> 2) - (level >> 2)
        decisions.append(level > 40 * ((margin_db * 118 << 6) >> 10))
    return decisions


@pytest.mark.parametrize("name", GATES)
def test_when_it_opens_and_what_it_runs(name: str) -> None:
    pcm, gate = audio(), gates()[name]
    if gate.model is None:
        every, decisions = 1, energy_decisions(pcm, gate.margin_db)
    else:
        heard = Listener(open_now_and_then()).listen(pcm)
        kept = np.where(heard.ready[:, None], heard.scores, 0)[:, 0].astype(int)
        sums = np.convolve(kept, np.ones(4, int))[: len(kept)]
        every, decisions = 2, (sums > 130 * 4).tolist()
    expected = opened(decisions, every, gate.hold_ms)[2::3]
    listener = Listener(word(), gate)
    gated = listener.listen(pcm)
    assert gated.awake.tolist() == expected[: len(gated.awake)]
    # The steps that it makes up for: all that it slept through, or as many as an output depends on.
    naps = "".join("x" if awake else "." for awake in gated.awake).split("x")[:-1]
    runs = int(gated.awake.sum()) + sum(min(len(nap), reach(listener.model)) for nap in naps)
    assert listener.invokes == (runs, 0 if gate.model is None else len(decisions))


def test_without_a_gate_nothing_sleeps() -> None:
    listener = Listener(word())
    heard = listener.listen(audio(2.0))
    assert heard.awake.all()
    assert listener.invokes == (len(heard.t_ms), 0)
    assert listener.gate_bytes == 0


def test_the_memory_that_it_takes() -> None:
    model = word()
    inputs = (1 + reach(model)) * 3 * 40
    plain, behind = Listener(model, Gate()), Listener(model, Gate(open_now_and_then()))
    assert inputs <= plain.gate_bytes < inputs + 200
    assert plain.gate_bytes < behind.gate_bytes < plain.gate_bytes + 64  # its detector
    assert plain.ram_bytes == behind.ram_bytes == Listener(model).ram_bytes


@pytest.mark.parametrize("level", [0, 1, 6, 50, 500, 5000])
def test_the_energy_gate_is_closed_in_steady_noise_and_opens_for_a_sound(level: int) -> None:
    noise = np.random.default_rng(6).normal(0, level, 20 * 16000)
    noise[15 * 16000 :][:4000] += (
        4 * max(level, 100) * (np.arange(4000) * 120 / 16000 % 1 - 0.5)
    )  # a buzz, as of a voice
    heard = Listener(word(), Gate()).listen(noise.clip(-32768, 32767).astype(np.int16))
    settled = (heard.t_ms > 3000) & (heard.t_ms <= 15000)
    assert not heard.awake[settled].any()
    assert heard.awake[(heard.t_ms > 15150) & (heard.t_ms < 16000)].all()


# ---- how far back a network reaches


def reach(model: Model) -> int:
    return int(_library().tw_backlog_reach(model._state))


def chained(*windows: tuple[int, int]) -> bytes:
    """Pushes one after another: each (rows that come, rows of the window), a row one byte."""
    tensors, ops, at = [Tensor((windows[0][0], 1, 1))], [], 0
    for come, rows in windows:
        source = len(tensors) - 1
        if come != tensors[source].hwc[0]:
            tensors.append(Tensor((come, 1, 1), 64))
            ops.append(copy_op(source, source + 1, run=come))
            source += 1
        tensors.append(Tensor((rows, 1, 1), at, place=STATE))
        ops.append(op(STATE_PUSH, source, source + 1))
        at += rows
    tensors.append(Tensor((1, 1, 1), 96))
    ops.append(copy_op(len(tensors) - 2, len(tensors) - 1))
    return twm(tensors, ops)


@pytest.mark.parametrize(
    ("windows", "invokes"),
    [([(1, 1)], 0), ([(1, 2)], 1), ([(3, 3)], 0), ([(3, 5)], 1), ([(3, 6)], 1), ([(3, 7)], 2), ([(1, 60)], 59),
     ([(3, 5), (1, 5), (1, 11)], 15)],
)  # fmt: skip
def test_windows_in_a_row_add_up(windows: list[tuple[int, int]], invokes: int) -> None:
    assert reach(Model(chained(*windows))) == invokes


STATES = -13
ENDLESS = {
    "a copy into state": ([Tensor((2, 1, 1)), Tensor((2, 1, 1), place=STATE)], [copy_op()]),
    "read before it has moved": (
        [Tensor((1, 1, 1)), Tensor((1, 1, 1), 4), Tensor((2, 1, 1), place=STATE)],
        [copy_op(2, 1), op(STATE_PUSH, 0, 2)],
    ),
    "pushed into itself": ([Tensor((2, 1, 1), place=STATE), Tensor((2, 1, 1), place=STATE)], [op(STATE_PUSH, 0, 1)]),
    "moved twice": (
        [Tensor((1, 1, 1)), Tensor((1, 1, 1), 4), Tensor((2, 1, 1), place=STATE)],
        [op(STATE_PUSH, 0, 2), op(STATE_PUSH, 0, 2), copy_op(2, 1)],
    ),
    "windows that overlap": (
        [Tensor((1, 1, 1)), Tensor((4, 1, 1), 0, place=STATE), Tensor((4, 1, 1), 2, place=STATE)],
        [op(STATE_PUSH, 0, 1), op(STATE_PUSH, 0, 2)],
    ),
    "a sum over time": (
        [Tensor((1, 1, 1)), Tensor((1, 1, 1), 4), Tensor((1, 1, 1), place=STATE)],
        [add_op(0, 1, 2), copy_op(1, 2)],
    ),
    "the second input, before it has moved": (
        [Tensor((1, 1, 1)), Tensor((1, 1, 1), 4), Tensor((1, 1, 1), place=STATE)],
        [add_op(0, 1, 2), op(STATE_PUSH, 1, 2)],
    ),
    "more than can be counted": (
        [Tensor((1, 1, 1)), Tensor((65_535, 1, 1), place=STATE), Tensor((9, 1, 1), 65_535, place=STATE)],
        [op(STATE_PUSH, 0, 1), op(STATE_PUSH, 0, 2)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDLESS)
def test_endless_state_is_known(name: str) -> None:
    tensors, ops = ENDLESS[name]
    assert {COPY, STATE_PUSH, ADD} >= {record[0] for record in ops}
    assert reach(Model(twm(tensors, ops))) == STATES


def test_state_that_is_only_read_is_a_constant() -> None:
    tensors = [
        Tensor((1, 1, 1)),
        Tensor((2, 1, 1), place=STATE),
        Tensor((1, 1, 1), 2, place=STATE),
        Tensor((1, 1, 1), 4),
    ]
    ops = [op(STATE_PUSH, 0, 1), copy_op(1, 3)]
    assert reach(Model(twm(tensors, ops))) == 1


# ---- what is refused


def remembering() -> bytes:
    """A listener that looks at what its window was before the new row came: state that a nap would lose."""
    net = Net(1, 3, 1, 40)
    row = net.conv(net.input, 1, (3, 1))
    window = net.tensor(1, 2, 1, 1, fill=0)
    logit = net.conv(window, 1, (2, 1))
    graph = net.graph(logit)
    tensors = {**graph.tensors, logit: GraphTensor("logit", (1, 1, 1, 1), "int8", 1 / 16, 0, logit)}
    end = len(tensors)
    tensors[end] = GraphTensor("probability", (1, 1, 1, 1), "int8", 1 / 256, -128, end)
    squash = Table(2, (logit,), end, "LOGISTIC", logistic(tensors[logit], tensors[end]))
    ops = (*graph.ops, squash, StatePush(3, (row,), window))
    assert isinstance(ops[1], Conv2D)
    whole = Graph(tensors, ops, graph.input, end)
    return pack(whole, plan(whole), Listening(Detector((Label("word"),))))


def test_a_network_whose_state_is_endless_cannot_sleep() -> None:
    model = Model(remembering(), "endless.twm")
    Listener(model)
    with pytest.raises(FormatError, match=r"endless\.twm behind gate\.twm: TW_ERR_STATE: .*cannot sleep"):
        Listener(model, Gate(open_now_and_then()))
    with pytest.raises(FormatError, match="TW_ERR_STATE"):
        Listener(model, Gate())
    heard = Listener(word(), Gate(model)).listen(audio(2.0))  # as a gate it never sleeps
    assert len(heard.awake)


def test_different_front_ends_are_refused() -> None:
    other = Model(streaming(2, (3, 4), hop_ms=20), "other.twm")
    with pytest.raises(ModelError, match=r"^word\.twm behind other\.twm: their front ends differ"):
        Listener(word(), Gate(other))


def test_a_gate_without_a_detector_is_refused() -> None:
    mute = Model(listening_model(listens=False), "mute.twm")
    with pytest.raises(ModelError, match=r"^word\.twm behind mute\.twm: the gate has no front end"):
        Listener(word(), Gate(mute))
    state = (ctypes.c_char * _library().tw_abi_gate_size())()
    listener = Listener(word())
    assert _library().tw_abi_put_gate(listener._state, state, mute._state, 0, 0) == -9


def test_a_model_is_not_its_own_gate() -> None:
    model = word()
    for gate in (model, word()):
        with pytest.raises(ModelError, match="the same network"):
            Listener(model, Gate(gate))
    state = (ctypes.c_char * _library().tw_abi_gate_size())()
    assert _library().tw_abi_put_gate(Listener(model)._state, state, model._state, 0, 0) == -12


@pytest.mark.parametrize("gate", [Gate(hold_ms=-1), Gate(hold_ms=65536), Gate(margin_db=256), Gate(margin_db=-1)])
def test_impossible_times_and_margins_are_refused(gate: Gate) -> None:
    with pytest.raises(ModelError, match=r"word\.twm behind the gate: it stays open for 0 to 65535 ms"):
        Listener(word(), gate)


@pytest.mark.parametrize("name", ["okay_nabu", "hey_jarvis"])
@pytest.mark.parametrize("kind", ["vad", "energy"])
def test_published_models(name: str, kind: str, reference: Path, tmp_path: Path) -> None:
    """Real networks, whose warm-up their files do not say, on the clips that come with them."""
    from tinywake.audio.clips import read_clip
    from tinywake.compiler.build import compile_tflite
    from tinywake.compiler.manifest import read_manifest

    def compiled(which: str) -> Model:
        manifest = read_manifest(reference / "micro-wake-word" / f"{which}.json")
        return Model(compile_tflite(manifest.network, listening=manifest.listening()).blob, which)

    alone, gated = Listener(compiled(name)), Listener(compiled(name), Gate(compiled("vad") if kind == "vad" else None))
    asleep = hits = 0
    for path in sorted((reference / "micro-wake-word" / "clips").glob("*.wav")):
        pcm = np.concatenate([np.zeros(32000, np.int16), read_clip(path, silent_ok=True)])
        a, b = alone.listen(pcm), gated.listen(pcm)
        np.testing.assert_array_equal(b.scores, np.where(b.awake[:, None], a.scores, 0), err_msg=path.name)
        assert (b.events >= 0).sum() == (a.events >= 0).sum(), path.name
        asleep += int((~b.awake).sum())
        hits += int((b.events >= 0).sum())
    assert hits >= 3
    assert asleep > 500


# ---- while it makes up for what it slept through


class Slow:
    """A listener driven as by a board whose processor runs the word's network `runs` times in the time of a step."""

    def __init__(self, listener: Listener, runs: int) -> None:
        lib = self.lib = _library()
        lib.tw_listener_push.restype = ctypes.c_size_t
        lib.tw_listener_push.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
        lib.tw_listener_settle.argtypes = [ctypes.c_void_p]
        lib.tw_detector_mean.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
        self.listener, self.runs, self.steps, self.most = listener, runs, [], 0
        self.detector = lib.tw_abi_listener_detector(listener._state)

    @property
    def due(self) -> int:
        return int(self.lib.tw_abi_listener(self.listener._state, 0))

    def settle(self) -> None:
        gate = self.listener.gate
        model = self.listener.model if self.due == 1 else gate.model if gate and self.due == 2 else None
        if model is not None:
            model.run(0, model.ops)
        event = self.lib.tw_listener_settle(self.listener._state)
        if event >= -1:
            mean = self.lib.tw_detector_mean(self.detector, 0)
            self.steps.append((self.lib.tw_abi_listener(self.listener._state, 2), event, mean))

    def hear(self, pcm: np.ndarray) -> None:
        """The sound comes a step at a time: it is taken as soon as the listener takes it."""
        step = self.listener.step_samples
        for at in range(0, len(pcm), step):
            part, runs = pcm[at : at + step], self.runs
            while len(part):
                taken = self.lib.tw_listener_push(self.listener._state, part.ctypes.data, len(part))
                part = part[taken:]
                while self.due > 1 or (self.due and not taken):  # it may be that nothing else is taken before
                    taken = 1 if self.due == 1 else taken
                    self.settle()
            while self.due and runs:
                self.settle()
                runs -= 1
            self.most = max(self.most, at // step - len(self.steps))
        while self.due:
            self.settle()


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("runs", [0, 1, 2, 5])
def test_new_sound_is_taken_meanwhile_and_nothing_changes(name: str, runs: int) -> None:
    model = Model(streaming(3, (5, 4, 9, 6), seed=1, threshold=105, window=2))
    expected = Listener(model, gates()[name]).listen(audio())
    slow = Slow(Listener(model, gates()[name]), runs)
    slow.hear(audio())
    assert slow.steps == list(zip(expected.t_ms, expected.events, expected.means[:, 0], strict=True))
    if gates()[name].hold_ms == 200 and runs < 5:
        assert slow.most >= 3, "it never was behind"
