"""Sound of any kind, and no sound at all: what `features` and `listen` make of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tinywake.audio import clips
from tinywake.audio.clips import RATE, read_clip
from tinywake.core import Frontend, Listener, Model
from tinywake.errors import AudioError
from tinywake.pipeline.hearing import ScoreBook, hear, hear_live

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from tiny import listening_model

SECONDS = 1.5
FORMATS = [
    *(("wav", subtype, 0.01) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")),
    *(("wav", subtype, 0.05) for subtype in ("ULAW", "ALAW")),
    ("flac", "PCM_16", 0.01), ("flac", "PCM_24", 0.01), ("ogg", "VORBIS", 0.05), ("aiff", "PCM_16", 0.01),
]  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "loud.twm"
    path.write_bytes(listening_model())
    return path


def chirp(rate: int) -> np.ndarray:
    """200 to 3000 Hz, half of full scale."""
    t = np.arange(int(SECONDS * rate)) / rate
    return 0.5 * np.sin(2 * np.pi * (200 * t + (3000 - 200) / 2 / SECONDS * t**2))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize(("kind", "subtype", "off"), FORMATS)
def test_any_format_is_the_same_sound(
    tmp_path: Path, kind: str, subtype: str, off: float, rate: int, channels: int
) -> None:
    """Within what the format itself loses; two channels are averaged."""
    path = tmp_path / f"clip.{kind}"
    sound = chirp(rate)
    soundfile.write(path, sound if channels == 1 else np.stack([1.5 * sound, 0.5 * sound], 1), rate, subtype=subtype)
    pcm = read_clip(path)
    assert pcm.dtype == np.int16
    assert pcm.shape == (SECONDS * RATE,)
    middle = slice(RATE // 10, -RATE // 10)  # the ends are a step, which resampling rounds off
    error = pcm[middle] / 32768 - chirp(RATE)[middle]
    assert np.sqrt(np.mean(error**2)) < off


@pytest.mark.parametrize("rate", [16000, 44100])
def test_long_clips_are_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: int) -> None:
    sound = np.random.default_rng(0).normal(0, 0.2, (rate + 77, 2))
    soundfile.write(tmp_path / "x.wav", sound, rate, subtype="PCM_24")
    whole = read_clip(tmp_path / "x.wav")
    for block in (100, 1000, rate + 77):
        monkeypatch.setattr(clips, "_BLOCK", block)
        np.testing.assert_array_equal(read_clip(tmp_path / "x.wav"), whole)


def edges() -> dict[str, np.ndarray]:
    rng, t = np.random.default_rng(0), np.arange(RATE)
    return {
        "silence": np.zeros(RATE, np.int16),
        "dc": np.full(RATE, 12000, np.int16),
        "dc-top": np.full(RATE, 32767, np.int16),
        "dc-bottom": np.full(RATE, -32768, np.int16),
        "clipping": np.clip(1e5 * np.sin(t / 9), -32768, 32767).astype(np.int16),
        "full-scale noise": rng.integers(-32768, 32768, RATE).astype(np.int16),
        "extremes": rng.choice(np.array([-32768, 32767], np.int16), RATE),
        "one sample": np.array([1000], np.int16),
        "a frame": np.full(480, 1000, np.int16),
    }


@pytest.mark.parametrize("name", edges())
def test_edges_have_a_score_for_every_step(name: str, model: Path, tmp_path: Path) -> None:
    """Nothing is refused, padded or passed over; one sample at a time makes no difference."""
    pcm, path = edges()[name], tmp_path / "edge.wav"
    soundfile.write(path, pcm, RATE)
    (heard,) = hear(model, [path])
    frames = max(0, (len(pcm) - 480) // 160 + 1)
    assert heard.scores.shape == (frames // 3, 1)
    assert Frontend().features(pcm).shape == (frames, 40)
    listener = Listener(Model.open(model))
    singles = [listener.push(pcm[at : at + 1]) for at in range(len(pcm))]
    np.testing.assert_array_equal(np.concatenate([heard.scores for heard in singles]), heard.scores)
    if name.startswith(("silence", "dc")):
        assert not heard.hits
    if name == "silence":
        assert not Frontend().features(pcm).any()


def test_a_cut_file_is_heard_or_refused(model: Path, tmp_path: Path) -> None:
    """A wav that ends early is what is there; a header cut short, and a flac, is damaged."""
    sound = np.random.default_rng(0).normal(0, 3000, RATE).astype(np.int16)
    for kind, whole_header in (("wav", 44), ("flac", None)):
        soundfile.write(tmp_path / f"whole.{kind}", sound, RATE)
        data = (tmp_path / f"whole.{kind}").read_bytes()
        for length in (1, 10, 30, 43, 45, 46, len(data) // 2, len(data) - 1):
            cut = tmp_path / f"cut.{kind}"
            cut.write_bytes(data[:length])
            if whole_header is not None and length >= whole_header + 2:
                np.testing.assert_array_equal(read_clip(cut, silent_ok=True), sound[: (length - whole_header) // 2])
                list(hear(model, [cut]))
            else:
                with pytest.raises(AudioError, match=rf"cut\.{kind}: "):
                    read_clip(cut, silent_ok=True)


def test_impossible_numbers_are_damage(tmp_path: Path) -> None:
    sound = np.zeros(1000, np.float32)
    sound[500] = np.nan
    soundfile.write(tmp_path / "nan.wav", sound, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match="not numbers"):
        read_clip(tmp_path / "nan.wav")
    soundfile.write(tmp_path / "slow.wav", np.ones(1000) / 2, 3)  # 3 Hz: five million samples
    with pytest.raises(AudioError, match="3 Hz is no sample rate"):
        read_clip(tmp_path / "slow.wav")
    soundfile.write(tmp_path / "loud.wav", np.full(1000, 1e30, np.float32), RATE, subtype="FLOAT")
    assert (read_clip(tmp_path / "loud.wav") == 32767).all()  # over full scale is clipped


def test_progress_within_a_clip(model: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.zeros(150 * RATE, np.int16), RATE)
    soundfile.write(tmp_path / "short.wav", np.zeros(RATE, np.int16), RATE)
    said: list[float] = []
    whole = list(hear(model, [tmp_path / "long.wav", tmp_path / "short.wav"], "host", said.append))
    assert said == pytest.approx([0.4, 0.8, 1.0, 2.0])
    (heard,) = whole[:1]
    alone = Listener(Model.open(model)).listen(np.zeros(150 * RATE, np.int16))
    np.testing.assert_array_equal(heard.scores, alone.scores)
    np.testing.assert_array_equal(heard.t_ms, alone.t_ms)


def test_a_clip_named_twice_is_one_row_of_scores(model: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.ones(RATE, np.int16), RATE)
    book = ScoreBook()
    for heard in hear(model, [tmp_path / "a.wav"] * 2):
        book.add(heard)
    with (tmp_path / "s.npz").open("wb") as file:
        book.write(file)
    assert np.load(tmp_path / "s.npz")[str(tmp_path / "a.wav")].shape == (32, 1)


def test_a_stream_is_heard_as_one_clip(model: Path) -> None:
    pcm = np.random.default_rng(3).integers(-9000, 9000, 20000).astype(np.int16)
    parts = list(hear_live(model, (pcm[at : at + 1600] for at in range(0, len(pcm), 1600)), "mic"))
    whole = Listener(Model.open(model)).listen(pcm)
    np.testing.assert_array_equal(np.concatenate([part.scores for part in parts]), whole.scores)
    assert {part.clip for part in parts} == {"mic"}


# A stand-in for the package sounddevice: a device of one rate that plays a file.
FAKE = """
import numpy as np
class PortAudioError(Exception): pass
PCM, RATE = np.load({pcm!r}), {rate}
def check_input_settings(samplerate, channels, dtype):
    if samplerate != RATE: raise PortAudioError("Invalid sample rate")
def query_devices(kind):
    if RATE == 0: raise PortAudioError("Error querying device -1.")
    return {{"default_samplerate": float(RATE)}}
class InputStream:
    def __init__(self, samplerate, channels, dtype):
        assert (samplerate, channels, dtype) == (RATE, 1, "int16")
        self.at = 0
    def __enter__(self): return self
    def __exit__(self, *exception): pass
    def read(self, frames):
        if self.at >= len(PCM): raise KeyboardInterrupt
        block, lost = PCM[self.at:self.at + frames, None], self.at == 0
        self.at += frames
        return block, lost
"""


def listen_to_mic(folder: Path, fake: str | None, *arguments: Any) -> subprocess.CompletedProcess[str]:
    """`tinywake listen --mic` with or without the package."""
    if fake is not None:
        (folder / "sounddevice.py").write_text(fake)
    path = f"import sys; sys.path.insert(0, {str(folder)!r})"
    hide = "" if fake is not None else "; sys.modules['sounddevice'] = None"
    code = f"{path}{hide}; from tinywake.__main__ import main; main()"
    command = [sys.executable, "-c", code, "listen", "--mic", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("rate", [16000, 48000])
def test_a_microphone_is_heard_until_ctrl_c(model: Path, tmp_path: Path, rate: int) -> None:
    rng = np.random.default_rng(0)
    parts = [rng.normal(0, level, rate) for level in (20, 4000, 20, 4000)]
    pcm = np.concatenate(parts).clip(-32768, 32767).astype(np.int16)
    np.save(tmp_path / "pcm.npy", pcm)
    fake = FAKE.format(pcm=str(tmp_path / "pcm.npy"), rate=rate)
    done = listen_to_mic(tmp_path, fake, "--model", model, "--scores", tmp_path / "s.npz")
    assert done.returncode == 0, done.stderr
    hits = [json.loads(line) for line in done.stdout.splitlines()]
    assert hits
    assert all(hit["clip"] == "mic" and hit["label"] == "loud" for hit in hits)
    assert "lost audio 1 times" in done.stderr
    steps, labels = np.load(tmp_path / "s.npz")["mic"].shape
    assert labels == 1
    assert 130 <= steps <= 132  # a resampler keeps some samples to itself
    done = listen_to_mic(tmp_path, fake, "--model", model, "--seconds", 1, "--scores", tmp_path / "s.npz")
    assert done.returncode == 0, done.stderr
    assert 30 <= np.load(tmp_path / "s.npz")["mic"].shape[0] <= 32


def test_a_microphone_that_is_missing_is_one_line(model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "pcm.npy", np.zeros(1, np.int16))
    for fake, says in (
        (None, "pip install 'tinywake[mic]'"),
        ("raise OSError('PortAudio library not found')", "libportaudio2"),
        (FAKE.format(pcm=str(tmp_path / "pcm.npy"), rate=0), "no microphone that works: Error querying device -1"),
    ):
        done = listen_to_mic(tmp_path, fake, "--model", model)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1, done.stderr
        assert says in done.stderr
    for wrong in (["clip.wav"], ["--target", "unix"]):
        done = listen_to_mic(tmp_path, None, "--model", model, *wrong)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
