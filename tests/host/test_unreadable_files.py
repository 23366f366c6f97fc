"""Every verb with a file that is missing, a folder, empty, noise, or not ours to read: one line names it, exit 2."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinywake.__main__ import main
from tinywake.device.targets.registry import TARGETS

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from tiny import listening_model

KINDS = ("missing", "folder", "empty", "noise", "below a file", "secret", "in a secret folder")

# Arguments; BAD is the file in question, of the kind that its suffix says. The other files are good.
COMMANDS = [
    "train BAD.toml -o out", "train RECIPE -o out --data BAD", "demo BAD.toml -o out", "demo -o out --clip BAD.wav",
    "compile BAD.tflite -o out.twm", "compile BAD.json -o out.twm", "compile NETWORK -o out.twm --recipe BAD.toml",
    "inspect BAD.twm", "run BAD.twm --input x.npy --output y.npy", "run good.twm --input BAD.npy --output y.npy",
    "compare BAD.twm good.twm", "compare good.twm BAD.tflite", "compare good.twm good.twm --input BAD.npy",
    "bench BAD.twm", "bench BAD.twm --target unix", "bench good.twm --target BAD", "features BAD.wav -o f.npy",
    "listen BAD.wav --model good.twm", "listen clips/c.wav --model BAD.twm",
    "listen clips/c.wav --model good.twm --gate BAD.twm",
    "eval --model BAD.twm --positives clips --negatives clips",
    "eval --model good.twm --positives BAD.npy --negatives clips",
    "eval --model good.twm --positives clips --negatives BAD.csv", "flash /dev/null --firmware BAD.bin",
    "flash --firmware BAD.uf2", "flash --drive BAD", "deploy /dev/null --model BAD.twm",
    "deploy --model BAD.twm --watch",
    "deploy /dev/null --model good.twm --gate BAD.twm", "deploy BAD --model good.twm", "image --model BAD.twm -o i.uf2",
    "image --model good.twm --firmware BAD.uf2 -o i.uf2", "monitor BAD", "doctor BAD --mic",
]  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    (folder / "good.twm").write_bytes(listening_model())
    np.save(folder / "x.npy", np.zeros((1, 3, 1, 40), np.int8))
    (folder / "clips").mkdir()
    soundfile.write(folder / "clips" / "c.wav", np.random.default_rng(0).normal(0, 0.1, 32000), 16000)
    return folder


def bad_file(folder: Path, kind: str, suffix: str) -> Path:
    path = folder / f"bad{suffix}"
    if kind == "folder":
        path.mkdir()
    elif kind == "below a file":
        path.write_bytes(b"")
        path /= f"bad{suffix}"
    elif kind == "in a secret folder":
        path.mkdir(mode=0)
        path /= f"bad{suffix}"
    elif kind != "missing":
        path.write_bytes(b"" if kind == "empty" else np.random.default_rng(3).bytes(5000))
        path.chmod(0 if kind == "secret" else 0o644)
    return path


@contextlib.contextmanager
def modes_for_root() -> Iterator[None]:
    """Root reads everything by two capabilities; without them file modes hold for it too."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # the third version of the call, this thread
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable, and their upper halves
    assert libc.capget(header, sets) == 0, os.strerror(ctypes.get_errno())
    before = sets[0]
    sets[0] &= ~(1 << 1 | 1 << 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert libc.capset(header, sets) == 0, os.strerror(ctypes.get_errno())
    try:
        yield
    finally:
        sets[0] = before
        assert libc.capset(header, sets) == 0, os.strerror(ctypes.get_errno())


def exit_code(command: list[str], kind: str) -> int:
    """Of the command, to which a secret is one even where it is root's."""
    sys.argv = ["tinywake", *command]
    before = signal.getsignal(signal.SIGTERM)
    try:
        with modes_for_root() if "secret" in kind and os.geteuid() == 0 else contextlib.nullcontext():
            main()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


@pytest.mark.skipif(sys.platform != "linux", reason="root without its capabilities is Linux's")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", COMMANDS)
def test_one_line_names_the_file(
    files: Path,
    repo: Path,
    command: str,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Bug: a path into a folder that is not for us was a traceback, and others a bare "[Errno 2]"."""
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.chdir(files)
    word = next(word for word in command.split() if word.startswith("BAD"))
    path = bad_file(files, kind, word.removeprefix("BAD"))
    known = {
        word: str(path),
        "RECIPE": str(repo / "models" / "demo" / "recipe.toml"),
        "NETWORK": str(repo / "tests" / "vectors" / "networks" / "word.tflite"),
    }
    try:
        code = exit_code([known.get(each, each) for each in command.split()], kind)
    finally:
        top = path if path.parent == files else path.parent
        if top.is_dir():
            top.chmod(0o700)
            top.rmdir()
        else:
            top.unlink(missing_ok=True)
    said = capsys.readouterr()
    assert (code, said.out) == (2, ""), said.err
    assert said.err.startswith("tinywake: ")
    assert said.err.count("\n") == 1, said.err
    assert str(path) in said.err
    assert "Errno" not in said.err
    assert not any(files.glob("out*"))


def test_positives_that_are_no_folder(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["eval", "--model", str(files / "good.twm"), "--positives", str(files / "x.npy"), "--negatives", "."]
    assert exit_code(command, "") == 2
    assert "x.npy: is a file; name a folder of clips, or a .csv that lists some" in capsys.readouterr().err


def test_help_names_every_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["bench", "--help"], "") == 0
    said = capsys.readouterr().out
    for name in TARGETS:
        assert name in said, name


def test_doctor_says_what_is_no_serial_port(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bug: of /dev/null it said that every process held it."""
    (tmp_path / "file").write_bytes(b"")
    for path in ("/dev/null", tmp_path, tmp_path / "file"):
        assert exit_code(["doctor", str(path)], "") == 2
        said = capsys.readouterr().out
        assert f"{path}: is no serial port" in said
        assert "held by" not in said
