"""A gate on a board: what it hears is what the host hears, bit for bit; its memory, and what is refused by name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinywake.compiler.build import compile_tflite
from tinywake.compiler.manifest import read_manifest
from tinywake.device.connect import connected
from tinywake.device.line.hear import listen_on
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.registry import TARGETS
from tinywake.errors import DeviceError, ModelError
from tinywake.pipeline.hearing import Hearing, hear, listener_of

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from gated import audio, streaming

FIELDS = ("scores", "means", "t_ms", "ready", "awake")


@pytest.fixture(params=sorted(TARGETS))
def target(request: pytest.FixtureRequest, runnable: Callable[[str], str]) -> str:
    return runnable(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """word.twm; gate.twm, whose steps are of another length; and other.twm, whose front end differs."""
    (tmp_path / "word.twm").write_bytes(streaming(3, (5, 4, 9, 6), seed=1, threshold=105, window=2))
    (tmp_path / "gate.twm").write_bytes(streaming(2, (3, 4), seed=2, threshold=130, window=4))
    (tmp_path / "other.twm").write_bytes(streaming(2, (3, 4), hop_ms=20))
    for number, seconds in enumerate((9.0, 1.3, 4.0)):
        soundfile.write(tmp_path / f"{number}.wav", audio(seconds, seed=number), 16000)
    return tmp_path


def same(here: list[Hearing], there: list[Hearing]) -> None:
    assert len(here) == len(there)
    for a, b in zip(here, there, strict=True):
        assert (a.clip, a.labels, a.hits) == (b.clip, b.labels, b.hits)
        for name in FIELDS:
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=f"{a.clip} {name}")


@pytest.mark.parametrize("kind", ["gate.twm", "energy"])
def test_host_and_board_agree(target: str, folder: Path, kind: str) -> None:
    gate = kind if kind == "energy" else str(folder / kind)
    clips = sorted(folder.glob("*.wav"))
    here = list(hear(folder / "word.twm", clips, gate=gate))
    same(here, list(hear(folder / "word.twm", clips, target, gate=gate)))
    awake = np.concatenate([heard.awake for heard in here])
    assert 0.05 < awake.mean() < 0.95
    assert any(heard.hits for heard in here)


@pytest.mark.parametrize("kind", ["vad", "energy"])
@pytest.mark.parametrize("name", ["okay_nabu", "hey_jarvis"])
def test_published_models(target: str, name: str, kind: str, reference: Path, tmp_path: Path) -> None:
    for which in (name, "vad"):
        manifest = read_manifest(reference / "micro-wake-word" / f"{which}.json")
        blob = compile_tflite(manifest.network, listening=manifest.listening()).blob
        (tmp_path / f"{which}.twm").write_bytes(blob)
    gate = kind if kind == "energy" else str(tmp_path / "vad.twm")
    clips = sorted((reference / "micro-wake-word" / "clips").glob("*.wav"))
    there = list(hear(tmp_path / f"{name}.twm", clips, target, gate=gate))
    same(list(hear(tmp_path / f"{name}.twm", clips, gate=gate)), there)
    assert {Path(heard.clip).stem[:-2] for heard in there if heard.hits} == {name}
    assert sum(bool(heard.hits) for heard in there) == 3


def test_the_board_refuses_by_name(target: str, folder: Path) -> None:
    with connected(target, folder / "word.twm") as board:
        clip = np.zeros(1000, np.int16)

        def listen(gate: str) -> None:
            list(listen_on(board.port, [clip], model="word.twm", gate=gate, directory=board.directory))

        with pytest.raises(DeviceError, match=r"word behind listen-gate: TW_ERR_FRONTEND"):
            listen(str(folder / "other.twm"))
        damaged = bytearray((folder / "gate.twm").read_bytes())
        damaged[-7] ^= 4
        (folder / "damaged.twm").write_bytes(damaged)
        with pytest.raises(DeviceError, match="TW_ERR_CRC"):
            listen(str(folder / "damaged.twm"))
        listen(str(folder / "gate.twm"))  # and the board still works
        if board.directory is not None:
            assert not (board.directory / "listen-gate.twm").exists()


def test_what_a_program_says(target: str, folder: Path) -> None:
    """gate=, hold_ms= and the dB, as in docs/gate.md; what they take; and what the native module refuses."""
    host = listener_of(folder / "word.twm", "energy")
    program = """
import _tinywake, tinywake
def refused(*args):
    try:
        _tinywake.Listener(*args)
    except (ValueError, TypeError) as error:
        return str(error)
m = tinywake.Model("word.twm")
plain = tinywake.Listener(m).native
print(plain.awake, plain.due)
for gate in ("energy", 24):
    l = tinywake.Listener(m, gate=gate, hold_ms=300)
    print(l.gate, l.native.ram_bytes - plain.ram_bytes)
    print(l.feed(bytes(2 * 1600)), l.native.awake, l.native.score(0))
print(refused(m.native, m.native, 10))
print(refused(m.native, 18, 65536))
print(refused(m.native, 256, 10))
print(refused(m.native, -1, 10))
print(refused(m.native, 18))
print(refused(m.native, None, 10))
"""
    with connected(target, folder / "word.twm") as board, RawRepl(board.port) as repl:
        lines = repl.exec(program).decode().split("\r\n")[:-1]
    assert lines[0] == "True 0"
    for at, margin in ((1, 18), (3, 24)):
        gate, more = lines[at].split()
        assert int(gate) == margin
        assert host.gate_bytes - 100 < int(more) <= host.gate_bytes
        assert lines[at + 1] == "0 False 0"
    assert lines[5:] == [*["TW_ERR_RANGE"] * 5, "wrong type"]


def test_files_that_do_not_go_together_are_refused_here(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"word\.twm behind .*other\.twm: their front ends differ"):
        list(hear(folder / "word.twm", [folder / "0.wav"], gate=str(folder / "other.twm")))
