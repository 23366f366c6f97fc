# SPDX-License-Identifier: MIT
"""Voices that the user brings: files of piper, and any program that writes a wav. A recipe lists them."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinywake.audio.voices.voice import Utterance, Voice
from tinywake.config import Voices
from tinywake.errors import ConfigError, ToolError

__all__ = ["Command", "Piper", "own_voices"]

_TIMEOUT = 120  # seconds for one call of a program
_SLOT = re.compile(r"\{(\w*)(?:=([^{}]*))?\}")
_NEEDED = {"text": "words to say", "wav": "file to write"}
_SLOTS = ("text", "wav", "voice", "speed", "pitch")


def own_voices(config: Voices) -> list[Voice]:
    """Those of voices.piper and voices.commands. Raises ConfigError where one is wrong, ToolError without program."""
    voices = [voice for path in config.piper for voice in _piper_voices(Path(path).expanduser())]
    voices += [voice for template in config.commands for voice in _command_voices(template)]
    if config.piper and not Piper().version():
        raise ToolError(f"voices.piper: the program piper is not installed: {Piper.remedy}")
    names = [voice.key for voice in voices]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ConfigError(f"voices.piper and voices.commands: {twice!r} is there twice; every voice needs its own name")
    return voices


class Piper:
    """piper: neural voices, from files VOICE.onnx with VOICE.onnx.json beside them. One process an utterance."""

    name = "piper"
    remedy = "pip install piper-tts"
    parallel = True
    trouble = ""  # the last that went wrong

    def version(self) -> str:
        """The program's place does not matter, the files of the voices do."""
        return "piper" if shutil.which("piper") else ""

    def voices(self, accents: Sequence[str]) -> list[Voice]:
        """None of itself: see `own_voices`."""
        del accents
        return []

    def speak(self, jobs: Sequence[tuple[Utterance, Path]]) -> None:
        """One process a job; the text goes to its standard input."""
        for said, path in jobs:
            speaker = said.voice.name.partition("#")[2]
            command = ["piper", "--model", said.voice.source, "--output_file", str(path)]
            command += ["--length_scale", f"{1 / said.speed:.3f}", *(["--speaker", speaker] if speaker else [])]
            self.trouble = _call(command, said.text + "\n", path) or self.trouble


class Command:
    """A command line in the recipe. It is split into words before anything is filled in, and there is no shell."""

    name = "command"
    remedy = "name its program with its path"
    parallel = True
    trouble = ""  # the last that went wrong

    def version(self) -> str:
        """There is always a way to start programs; the command line is part of the voice."""
        return "1"

    def voices(self, accents: Sequence[str]) -> list[Voice]:
        """None of itself: see `own_voices`."""
        del accents
        return []

    def speak(self, jobs: Sequence[tuple[Utterance, Path]]) -> None:
        """One process a job."""
        for said, path in jobs:
            self.trouble = _call(_filled(said, path), None, path) or self.trouble


def _filled(said: Utterance, wav: Path) -> list[str]:
    """The words of the command line with everything in its place."""
    given = {"text": said.text, "wav": str(wav), "voice": said.voice.name.partition(":")[2]}
    given |= {"speed": f"{said.speed:.3f}", "pitch": f"{said.pitch:.3f}"}
    return [_SLOT.sub(lambda found: given[found[1]], word) for word in shlex.split(said.voice.source)]


def _call(command: Sequence[str], text: str | None, wav: Path) -> str:
    """Run it; "" or what went wrong, and then there is no wav."""
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, timeout=_TIMEOUT, encoding="utf-8", errors="replace", check=False
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return str(error)
    if done.returncode == 0 and wav.exists():
        return ""
    wav.unlink(missing_ok=True)
    said = done.stderr.strip().splitlines()
    return said[-1].strip() if said else f"{command[0]} ended with {done.returncode} and wrote no wav"


def _piper_voices(path: Path) -> list[Voice]:
    about = path.with_name(path.name + ".json")
    for needed in (path, about):
        if not needed.is_file():
            raise ConfigError(
                f"voices.piper: {needed}: there is no such file; a voice is VOICE.onnx and VOICE.onnx.json"
            )
    try:
        config: dict[str, Any] = json.loads(about.read_text(encoding="utf-8"))
        speakers = int(config.get("num_speakers", 1))
        language = str(config.get("language", {}).get("code", ""))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"voices.piper: {about}: is not the description of a piper voice ({error})") from error
    names = [path.stem] if speakers < 2 else [f"{path.stem}#{number}" for number in range(speakers)]
    content = _digest(path)
    return [Voice("piper", name, f"piper/{name}", False, language, str(path), content) for name in names]


@functools.cache
def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _command_voices(template: str) -> list[Voice]:
    where = f"voices.commands = {template!r}"
    slots = dict(_SLOT.findall(template))
    try:
        words = shlex.split(template)
    except ValueError as error:
        raise ConfigError(f"{where}: cannot be split into words ({error})") from error
    unknown = next((name for name in slots if name not in _SLOTS), None)
    if unknown is not None:
        raise ConfigError(f"{where}: {{{unknown}}} is unknown; known: {', '.join(f'{{{name}}}' for name in _SLOTS)}")
    for needed, meaning in _NEEDED.items():
        if needed not in slots:
            raise ConfigError(f"{where}: {{{needed}}} is missing, which stands for the {meaning}")
    if "voice" in slots and not slots["voice"].strip(","):
        raise ConfigError(f"{where}: {{voice}} has no names; list them: {{voice=anna,bert}}")
    if shutil.which(words[0]) is None:
        raise ToolError(f"{where}: the program {words[0]!r} is not installed, or not where it is said to be")
    program = Path(words[0]).name
    names = [name.strip() for name in slots.get("voice", "").split(",") if name.strip()]
    called = [f"{program}:{name}" for name in names] or [program]
    pitch = "pitch" in slots
    return [Voice("command", name, f"command/{name}", pitch, "", template, template) for name in called]
