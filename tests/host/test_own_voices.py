"""Voices that the user brings: piper's files and command lines. The programs here are small fakes that write a tone."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from tinywake.audio import sources
from tinywake.audio.clips import read_clip
from tinywake.audio.voices import synth
from tinywake.audio.voices.engines import engines, installed
from tinywake.audio.voices.own import own_voices
from tinywake.audio.voices.voice import Utterance, cast
from tinywake.config import Recipe, Voices, Word
from tinywake.errors import ConfigError, ToolError

FAKE = """#!{python}
import json, math, struct, sys, wave
from pathlib import Path
arguments = sys.argv[1:]
Path({log!r}).open("a").write(json.dumps([arguments, {stdin}]) + "\\n")
if "--fail" in arguments:
    sys.exit("no such voice, sorry")
out = next(b for a, b in zip(arguments, arguments[1:]) if a in ("--output_file", "-o"))
with wave.open(out, "wb") as file:
    file.setnchannels(1), file.setsampwidth(2), file.setframerate(22050)
    file.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(n / 9))) for n in range(11025)))
"""


def program(folder: Path, name: str, stdin: str = "None") -> Path:
    """An executable `name` in `folder` that writes down how it was called; the path of its diary."""
    log = folder / f"{name}.log"
    path = folder / name
    path.write_text(FAKE.format(python=sys.executable, log=str(log), stdin=stdin))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return log


def calls(log: Path) -> list[tuple[list[str], str | None]]:
    return [tuple(json.loads(line)) for line in log.read_text().splitlines()]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def piper_voice(folder: Path, name: str, speakers: int = 1, content: bytes = b"weights") -> Path:
    path = folder / f"{name}.onnx"
    path.write_bytes(content)
    about = {"num_speakers": speakers, "language": {"code": "en_GB"}, "audio": {"sample_rate": 22050}}
    path.with_name(path.name + ".json").write_text(json.dumps(about))
    return path


def test_piper_speaks_with_every_speaker_of_a_file(programs: Path, tmp_path: Path) -> None:
    log = program(programs, "piper", "sys.stdin.read()")
    one, many = piper_voice(tmp_path, "alba"), piper_voice(tmp_path, "crowd", 3, b"other")
    voices = own_voices(Voices(piper=(str(one), str(many))))
    assert [voice.key for voice in voices] == ["piper/alba", "piper/crowd#0", "piper/crowd#1", "piper/crowd#2"]
    assert len({voice.timbre for voice in voices}) == 4
    assert {voice.accent for voice in voices} == {"en_GB"}
    said = [Utterance("hello there", voice, 1.25) for voice in voices]
    paths = synth.speak_all(said, cache=tmp_path / "cache")
    assert all(path and len(read_clip(path)) > 7000 for path in paths)
    done = sorted(calls(log))
    assert len(done) == 4
    assert all(text == "hello there\n" for _, text in done)
    with_one = next(arguments for arguments, _ in done if str(one) in arguments)
    assert with_one[:2] == ["--model", str(one)]
    assert with_one[-2:] == ["--length_scale", "0.800"]
    speakers = sorted(arguments[-1] for arguments, _ in done if "--speaker" in arguments)
    assert speakers == ["0", "1", "2"]


def test_a_voice_that_moved_is_not_spoken_again_and_one_that_changed_is(programs: Path, tmp_path: Path) -> None:
    log = program(programs, "piper", "sys.stdin.read()")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for folder in ("a", "b"):
        path = piper_voice(tmp_path / folder, "alba")
        synth.speak_all([Utterance("hi", *own_voices(Voices(piper=(str(path),))))], cache=tmp_path / "cache")
    assert len(calls(log)) == 1
    (tmp_path / "c").mkdir()
    path = piper_voice(tmp_path / "c", "alba", content=b"trained again")
    synth.speak_all([Utterance("hi", *own_voices(Voices(piper=(str(path),))))], cache=tmp_path / "cache")
    assert len(calls(log)) == 2


def test_piper_without_program_or_files_is_named(programs: Path, tmp_path: Path) -> None:
    voice = piper_voice(tmp_path, "alba")
    with pytest.raises(ToolError, match=r"voices\.piper: the program piper is not installed: pip install piper-tts"):
        own_voices(Voices(piper=(str(voice),)))
    program(programs, "piper")
    with pytest.raises(ConfigError, match=r"gone\.onnx: there is no such file; a voice is"):
        own_voices(Voices(piper=(str(tmp_path / "gone.onnx"),)))
    with pytest.raises(ConfigError, match="'piper/alba' is there twice"):
        own_voices(Voices(piper=(str(voice), str(voice))))
    for bad in ("no json", "[]", '{"num_speakers": "many"}'):
        voice.with_name("alba.onnx.json").write_text(bad)
        with pytest.raises(ConfigError, match=r"alba\.onnx\.json: is not the description of a piper voice"):
            own_voices(Voices(piper=(str(voice),)))


def test_a_command_gets_its_words_and_no_shell(programs: Path, tmp_path: Path) -> None:
    log = program(programs, "say-it")
    template = "say-it --voice {voice=anna,bert} --rate={speed} --pitch {pitch} --text {text} -o {wav}"
    voices = own_voices(Voices(commands=(template,)))
    assert [voice.key for voice in voices] == ["command/say-it:anna", "command/say-it:bert"]
    assert all(voice.pitch for voice in voices)
    nasty = 'don\'t; touch "$HOME/x" `id` {wav} && {voice} --fail'
    path = synth.speak_all([Utterance(nasty, voices[1], 1.5, 0.9)], cache=tmp_path / "cache")[0]
    assert path
    arguments, _ = calls(log)[0]
    assert arguments[:7] == ["--voice", "bert", "--rate=1.500", "--pitch", "0.900", "--text", nasty]
    assert arguments[7] == "-o"
    assert not own_voices(Voices(commands=("say-it {text} -o {wav}",)))[0].pitch


@pytest.mark.parametrize(
    ("template", "error", "reason"),
    [
        ("say-it -o {wav}", ConfigError, r"\{text\} is missing, which stands for the words to say"),
        ("say-it {text}", ConfigError, r"\{wav\} is missing, which stands for the file to write"),
        ("say-it {text} {wav} {voice}", ConfigError, r"\{voice\} has no names; list them: \{voice=anna,bert\}"),
        ("say-it {text} {wav} {volume}", ConfigError, r"\{volume\} is unknown; known: \{text\}, \{wav\}"),
        ("say-it '{text} {wav}", ConfigError, "cannot be split into words"),
        ("unheard-of {text} {wav}", ToolError, "'unheard-of' is not installed"),
    ],
)
def test_a_wrong_command_is_named(programs: Path, template: str, error: type[Exception], reason: str) -> None:
    program(programs, "say-it")
    with pytest.raises(error, match=reason) as found:
        own_voices(Voices(commands=(template,)))
    assert str(found.value).startswith("voices.commands = ")
    assert "\n" not in str(found.value)


def test_a_command_that_fails_says_why(programs: Path, tmp_path: Path) -> None:
    program(programs, "say-it")
    voices = own_voices(Voices(commands=("say-it --fail {text} -o {wav}",)))
    said = [Utterance(f"text {n}", voices[0]) for n in range(4)]
    with pytest.raises(ToolError, match=r"could not say 4 of 4 texts, as 'text 0' in say-it: no such voice, sorry"):
        synth.speak_all(said, cache=tmp_path / "cache")


def test_own_voices_are_enough_for_a_recipe(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = program(programs, "say-it")
    own = Voices(("command",), commands=("say-it -v {voice=a,b,c,d,e} {text} -o {wav}",), validation=("command/*:b",))
    recipe = Recipe(Word("computer"), voices=own)
    split = sources.voices_of(recipe)
    assert [voice.key for voice in split.validation] == ["command/say-it:b"]
    assert len(split.train) == 4
    changed = Recipe(Word("computer"), voices=Voices(("command",), commands=("say-it -x {text} -o {wav}",)))
    assert sources.identity(recipe, ()) != sources.identity(changed, ())
    assert not log.exists()
    with pytest.raises(ToolError, match="'sayit' is known; known: espeak-ng, flite, festival, piper, command"):
        engines(["sayit"])
    with pytest.raises(ToolError, match="without a single voice"):
        installed(["command"])


def test_melody_and_endings_vary_where_a_recipe_asks(programs: Path) -> None:
    program(programs, "say-it")
    voices = own_voices(Voices(commands=("say-it -v {voice=a,b} {text} -o {wav}",)))
    plain = cast(["hello.", "yes"], 200, voices, Voices(), np.random.default_rng(1))
    assert {said.text for said in plain} == {"hello.", "yes"}
    assert {said.range for said in plain} == {1.0}
    varied = cast(
        ["hello.", "yes"], 200, voices, Voices(range=(0.5, 1.5), endings=("?", "!")), np.random.default_rng(1)
    )
    assert {said.text for said in varied} == {"hello?", "hello!", "yes?", "yes!"}
    assert min(said.range for said in varied) < 0.6 < 1.4 < max(said.range for said in varied)
