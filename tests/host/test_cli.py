"""The command line as people use it: names, files, one-line errors, exit codes; a failure overwrites nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from tiny import listening_model


def tinywake(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tinywake", *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=120
    )


def refused(*arguments: object, says: str) -> None:
    """Exit 2 with one line that names the thing."""
    result = tinywake(*arguments)
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith("tinywake: ")
    assert result.stderr.count("\n") == 1, result.stderr
    assert says in result.stderr


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "loud.twm"
    path.write_bytes(listening_model())
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Quiet, then loud, twice: the tiny network hears changes."""
    rng = np.random.default_rng(0)
    parts = [rng.normal(0, level, 12000) for level in (20, 4000, 20, 4000)]
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    soundfile.write(path, np.concatenate(parts).clip(-32768, 32767).astype(np.int16), 16000)
    return path


def test_help_of_every_verb() -> None:
    verbs = (
        "train",
        "compress",
        "search",
        "compile",
        "inspect",
        "run",
        "features",
        "listen",
        "eval",
        "deploy",
        "doctor",
        "flash",
        "image",
        "bench",
        "monitor",
        "targets",
        "boards",
        "demo",
    )
    listing = tinywake("--help")
    assert listing.returncode == 0
    for verb in verbs:
        assert verb in listing.stdout
        assert tinywake(verb, "--help").returncode == 0


def test_listen_prints_only_hits(model: Path, clip: Path, tmp_path: Path) -> None:
    scores = tmp_path / "scores.npz"
    result = tinywake("listen", clip, "--model", model, "--scores", scores)
    assert result.returncode == 0, result.stderr
    hits = [json.loads(line) for line in result.stdout.splitlines()]
    assert hits
    assert all(set(hit) == {"clip", "t_ms", "label", "score"} for hit in hits)
    assert all(hit["clip"] == str(clip) and hit["label"] == "loud" for hit in hits)
    assert all((hit["score"] * 256).is_integer() for hit in hits)
    arrays = np.load(scores)
    assert set(arrays.files) == {str(clip), f"{clip}#detector"}
    assert arrays[str(clip)].dtype == np.float32
    assert arrays[str(clip)].shape == arrays[f"{clip}#detector"].shape == (99, 1)


@pytest.mark.parametrize(("rate", "channels", "subtype", "kind"), [
    (8000, 1, "PCM_U8", "wav"), (44100, 2, "PCM_24", "wav"), (48000, 2, "FLOAT", "wav"), (22050, 1, "PCM_16", "flac"),
    (48000, 1, "VORBIS", "ogg"),
])  # fmt: skip
def test_clips_of_any_kind_are_converted(
    model: Path, tmp_path: Path, rate: int, channels: int, subtype: str, kind: str
) -> None:
    sound = np.random.default_rng(1).normal(0, 0.1, (rate, channels))
    path = tmp_path / f"clip.{kind}"
    soundfile.write(path, sound, rate, subtype=subtype)
    features = tmp_path / "f.npy"
    assert tinywake("features", path, "-o", features).returncode == 0
    frames = np.load(features)
    assert frames.dtype == np.uint16
    assert frames.shape == (98, 40)
    assert tinywake("listen", path, "--model", model).returncode == 0


def test_run_takes_inputs_with_and_without_batch(repo: Path, tmp_path: Path) -> None:
    networks = repo / "tests" / "vectors" / "networks"
    golden = np.load(networks / "image.npz")
    twm, y = tmp_path / "m.twm", tmp_path / "y.npy"
    assert tinywake("compile", networks / "image.tflite", "-o", twm, "--report").returncode == 0
    for x, expected in ((golden["x"], golden["y"]), (golden["x"][:, None], golden["y"][:, None])):
        np.save(tmp_path / "x.npy", x)
        result = tinywake("run", twm, "--input", tmp_path / "x.npy", "--output", y)
        assert result.returncode == 0, result.stderr
        np.testing.assert_array_equal(np.load(y), expected)
        assert np.load(y).dtype == np.int8


def test_inspect_reports_as_json(model: Path) -> None:
    facts = json.loads(tinywake("inspect", model, "--json").stdout)
    assert facts["file_bytes"] == model.stat().st_size
    assert facts["step_ms"] == 30
    assert facts["operators"] == ["STATE_PUSH", "CONV_2D", "TABLE"]
    assert facts["detector"]["labels"] == [{"name": "loud", "threshold": 150, "wake": True}]


def test_eval_counts_and_plots(model: Path, clip: Path, tmp_path: Path) -> None:
    quiet = tmp_path / "quiet"
    quiet.mkdir()
    soundfile.write(quiet / "a.wav", np.random.default_rng(2).normal(0, 1e-4, 48000), 16000)
    plot = tmp_path / "det.png"
    result = tinywake("eval", "--model", model, "--positives", clip.parent, "--negatives", quiet, "--plot", plot)
    assert result.returncode == 0, result.stderr
    assert "1 clips with the word" in result.stdout
    assert plot.read_bytes().startswith(b"\x89PNG")
    facts = json.loads(
        tinywake("eval", "--model", model, "--positives", clip.parent, "--negatives", quiet, "--json").stdout
    )
    assert facts["misses"] == 0
    assert facts["hours"] == pytest.approx(3 / 3600)


def test_bad_inputs_are_one_line(model: Path, clip: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    text = tmp_path / "text.wav"
    text.write_text("this is no sound")
    cut = tmp_path / "cut.twm"
    cut.write_bytes(model.read_bytes()[:-1])
    flipped = tmp_path / "flipped.twm"
    data = bytearray(model.read_bytes())
    data[-7] ^= 4
    flipped.write_bytes(bytes(data))
    longer = tmp_path / "longer.twm"
    longer.write_bytes(model.read_bytes() + bytes(7))
    np.save(tmp_path / "float.npy", np.zeros((1, 3, 1, 40), np.float32))
    np.save(tmp_path / "short.npy", np.zeros((1, 2, 1, 40), np.int8))
    refused("listen", tmp_path / "no.wav", "--model", model, says="no.wav: there is no such file")
    refused("listen", text, "--model", model, says="text.wav")
    refused("listen", clip, "--model", tmp_path / "no.twm", says="no.twm")
    refused("listen", clip, "--model", cut, says="cut.twm: TW_ERR_TRUNCATED")
    refused("listen", clip, "--model", flipped, says="flipped.twm: TW_ERR_CRC")
    refused("listen", clip, "--model", clip, says="TW_ERR_MAGIC: not a .twm model file: it is a sound file")
    # Bug: Python's own words, and nothing of what the file is.
    network = (Path(__file__).parents[1] / "vectors" / "networks" / "word.tflite").read_bytes()
    (tmp_path / "net.twm").write_bytes(network)
    (tmp_path / "half.tflite").write_bytes(network[: len(network) // 2])
    refused("inspect", tmp_path / "net.twm", says="it is a .tflite network: tinywake compile makes a .twm of it")
    refused("deploy", "/dev/null", "--model", tmp_path / "net.twm", says="it is a .tflite network")
    refused(
        "compile", model, "-o", tmp_path / "x.twm", says="not a .tflite file: it is a compiled model (.twm) already"
    )
    refused("compile", tmp_path / "half.tflite", "-o", tmp_path / "x.twm", says="points to byte")
    refused("listen", clip, "--model", model, "--target", "nosuch", says="nosuch")
    refused("listen", clip, "--model", model, "--target", "/dev/ttyNOSUCH", says="/dev/ttyNOSUCH")
    refused("monitor", "/dev/ttyNOSUCH", says="/dev/ttyNOSUCH")
    refused("deploy", "/dev/ttyNOSUCH", "--model", model, says="/dev/ttyNOSUCH")
    refused("deploy", "/dev/ttyNOSUCH", "--model", cut, says="cut.twm")
    refused("eval", "--model", model, "--positives", empty, "--negatives", empty, says="empty")
    refused("compile", clip, "-o", tmp_path / "x.twm", says="not a .tflite")
    refused("compile", tmp_path / "no.tflite", "-o", tmp_path / "x.twm", says="no.tflite")
    refused("run", model, "--input", tmp_path / "float.npy", "--output", tmp_path / "y.npy", says="must be int8")
    refused(
        "run", model, "--input", tmp_path / "short.npy", "--output", tmp_path / "y.npy", says="must be [N, 3, 1, 40]"
    )
    refused("run", model, "--input", clip, "--output", tmp_path / "y.npy", says="not a readable .npy")
    refused("inspect", cut, says="TW_ERR_TRUNCATED")
    refused("inspect", longer, says="longer.twm: 7 bytes stand behind the model's end; copy or compile it again")
    refused("listen", clip, "--model", longer, says="longer.twm: 7 bytes")
    refused("deploy", "/dev/ttyNOSUCH", "--model", longer, says="longer.twm: 7 bytes")
    refused("image", "--model", longer, "-o", tmp_path / "i.uf2", says="longer.twm: 7 bytes")
    assert not (tmp_path / "x.twm").exists()
    assert not (tmp_path / "y.npy").exists()


def test_a_failure_overwrites_nothing(repo: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.twm"
    out.write_bytes(b"what was there before")
    source = repo / "tests" / "vectors" / "networks" / "image.tflite"
    refused("compile", source, "-o", out, "--stream", says="padded along time")
    assert out.read_bytes() == b"what was there before"
    assert list(tmp_path.iterdir()) == [out]


def test_headerless_and_damaged_wav(model: Path, clip: Path, tmp_path: Path) -> None:
    data = clip.read_bytes()
    for length in (0, 1, 12, 20, 40, 43):
        (tmp_path / "cut.wav").write_bytes(data[:length])
        refused("listen", tmp_path / "cut.wav", "--model", model, says="cut.wav")
    with wave.open(str(tmp_path / "none.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
    refused("listen", tmp_path / "none.wav", "--model", model, says="none.wav: the clip is empty")


def test_a_clip_that_is_cut_short_is_noted(model: Path, clip: Path, tmp_path: Path) -> None:
    # Bug: nothing said that half of it was missing.
    data, cut = clip.read_bytes(), tmp_path / "cut.wav"
    cut.write_bytes(data[: len(data) // 2 + 1])  # and an odd number of bytes
    at = data.index(b"data") + 4
    (tmp_path / "pipe.wav").write_bytes(data[:at] + b"\xff\xff\xff\xff" + data[at + 4 :])
    for verb in (("listen", "--model", model), ("features", "-o", tmp_path / "f.npy")):
        result = tinywake(*verb, cut)
        assert result.returncode == 0, result.stderr
        assert re.fullmatch(
            rf"note: {cut}: cut short: its header promises \d\.\d s, \d\.\d s are there\n", result.stderr
        )
        for whole in (clip, tmp_path / "pipe.wav"):
            assert tinywake(*verb, whole).stderr == ""


def test_outputs_that_cannot_be_written_are_one_line(model: Path, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path, tmp_path / "file" / "x", Path("/dev/null")):
        refused("features", clip, "-o", out, says=str(out))
        refused("listen", clip, "--model", model, "--scores", out, says=str(out))
    assert Path("/dev/null").is_char_device()


def test_a_folder_that_is_not_there_is_not_made(model: Path, vectors: Path, clip: Path, tmp_path: Path) -> None:
    # Bug: a slip in -o made folders, without a word.
    source, x = vectors / "networks" / "word.tflite", tmp_path / "x.npy"
    np.save(x, np.zeros((1, 3, 1, 40), np.int8))
    out = tmp_path / "new" / "out"
    for command in (
        ("compile", source, "-o", f"{out}.twm"),
        ("compile", source, "-o", tmp_path / "m.twm", "--picture", f"{out}.svg"),
        ("inspect", model, "--picture", f"{out}.svg"), ("run", model, "--input", x, "--output", f"{out}.npy"),
        ("features", clip, "-o", f"{out}.npy"), ("listen", clip, "--model", model, "--scores", f"{out}.npz"),
        ("image", "--model", model, "-o", f"{out}.uf2"),
        ("eval", model, "--positives", tmp_path, "--negatives", tmp_path, "--plot", f"{out}.png"),
        ("data-report", tmp_path, "-o", f"{out}.png"),
    ):  # fmt: skip
        refused(*command, says=f"there is no folder {tmp_path / 'new'}; make it first")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.npy"]


def test_names_may_hold_brackets(model: Path, clip: Path, tmp_path: Path) -> None:
    """Bug: a path with brackets was read as markup, and lost or fatal."""
    out = tmp_path / "[bold] [/x]" / "f.npy"
    out.parent.mkdir(parents=True)
    result = tinywake("features", clip, "-o", out)
    assert result.returncode == 0, result.stderr
    assert str(out) in result.stdout
    twm = tmp_path / "[/x]" / "m.twm"  # the folder is "[" and in it "x]": a closing tag, to rich
    twm.parent.mkdir(parents=True)
    twm.write_bytes(model.read_bytes())
    assert json.loads(tinywake("inspect", twm, "--json").stdout)["file"] == str(twm)
    shown = tinywake("inspect", twm)
    assert shown.returncode == 0, shown.stderr
    assert "[/x]" in shown.stdout.replace("\n", "").replace(" ", "")


def test_a_windows_port_is_a_port(model: Path, clip: Path) -> None:
    """Bug: COM3 was taken for the name of a target."""
    result = tinywake("listen", clip, "--model", model, "--target", "COM3")
    assert result.returncode == 2
    assert "COM3" in result.stderr
    assert "no target" not in result.stderr


def test_usage_errors_are_one_line() -> None:
    refused("listen", says="Missing option '--model'")
    refused("listen", "--model", "b", says="--mic")
    refused("listen", "a", "--mic", "--model", "b", says="--mic")
    refused("nosuchverb", says="nosuchverb")
    refused("listen", "a", "--model", "b", "--nosuch", says="--nosuch; see tinywake listen --help")
    # Bug: they named tinywake --help, which says nothing of a verb's options.
    refused("deploy", says="Missing option '--model'; see tinywake deploy --help")
    refused("nosuchverb", "deploy", says="No such command 'nosuchverb'; see tinywake --help")


def test_a_reader_that_goes_away_is_no_fault() -> None:
    # Bug: the clause stood behind one that takes every exception.
    command = f"{sys.executable} -m tinywake boards --json | head -c 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("{", "")


def test_what_is_read_is_never_written_over(model: Path, vectors: Path, tmp_path: Path) -> None:
    # Bug: compile -o SOURCE replaced the .tflite by its .twm.
    source, x = tmp_path / "m.tflite", tmp_path / "x.npy"
    source.write_bytes((vectors / "networks" / "word.tflite").read_bytes())
    link = tmp_path / "link.twm"
    link.symlink_to(source)
    before = source.read_bytes()
    refused("compile", source, "-o", source, says="m.tflite: is read by this command and would be lost")
    refused("compile", source, "-o", link, says="would be lost")
    refused("compile", source, "-o", tmp_path / "m.twm", "--picture", source, says="would be lost")
    np.save(x, np.zeros((1, 3, 1, 40), np.int8))
    refused("run", model, "--input", x, "--output", x, says="x.npy: is read")
    refused("run", model, "--input", x, "--output", model, says="would be lost")
    assert source.read_bytes() == before
    assert not (tmp_path / "m.twm").exists()


def test_what_an_extra_would_bring_is_named() -> None:
    code = (
        "import sys; sys.modules['scipy'] = None; sys.argv = ['tinywake', 'train', 'x.toml'];"
        "from tinywake.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "tinywake: scipy is missing: pip install 'tinywake[train]'\n")
