# SPDX-License-Identifier: MIT
"""The text-to-speech engines whose voices come with them: espeak-ng, flite, festival."""

from __future__ import annotations

import functools
import html
import math
import re
import shutil
import subprocess
import tempfile
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from tinywake.audio.voices.espeak import EspeakLibrary
from tinywake.audio.voices.own import Command, Piper
from tinywake.audio.voices.voice import Engine, Utterance, Voice
from tinywake.errors import ToolError

__all__ = ["ENGINES", "Espeak", "Festival", "Flite", "engines", "installed", "person"]

_TIMEOUT = 120  # seconds for one call of a program
# Timbres that sound like a person; espeak-ng also has robots, whispers and jokes.
_VARIANTS = (
    "f1", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "klatt", "klatt2",
    "klatt3", "klatt4", "Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Gene2",
    "Henrique", "Hugo", "Jacky", "Lee", "Marco", "Mario", "Michael", "Mike", "Storm", "adam", "anika",
    "antonio", "aunty", "belinda", "benjamin", "boris", "caleb", "david", "ed", "edward", "edward2",
    "gustave", "iven", "iven2", "iven3", "john", "linda", "marcelo", "max", "michel", "miguel", "norbert",
    "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro", "shelby", "steph", "steph2", "steph3",
    "travis", "victor", "zac",
)  # fmt: skip
# The person behind a voice, where several engines have that person's voice.
_PEOPLE = {
    "kal": "kal", "kal16": "kal", "kal_diphone": "kal",
    "slt": "cmu-slt", "cmu_us_slt_arctic_hts": "cmu-slt", "cmu_us_slt_arctic_clunits": "cmu-slt",
    "awb": "cmu-awb", "cmu_us_awb_arctic_clunits": "cmu-awb", "cmu_us_awb_cg": "cmu-awb",
    "rms": "cmu-rms", "cmu_us_rms_arctic_clunits": "cmu-rms", "cmu_us_rms_cg": "cmu-rms",
}  # fmt: skip

_MARKS = str.maketrans({"‘": "'", "’": "'", "“": " ", "”": " ", "«": " ", "»": " ", "–": "-", "—": "-", "ß": "ss"})


def person(engine: str, voice: str) -> str:
    """Who speaks: one name for a person whose voice several engines have."""
    return _PEOPLE.get(voice, f"{engine}/{voice}")


def _run(command: Sequence[str], text: str | None = None) -> str:
    """Standard output of a program, whatever its exit code (flite --version exits with 1); "" when it is missing."""
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, timeout=_TIMEOUT, check=False, encoding="utf-8", errors="replace"
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


class Espeak:
    """espeak-ng: many accents times many timbres. The program, or else the library of PyPI's espeakng-loader."""

    name = "espeak-ng"
    remedy = "apt install espeak-ng, or pip install espeakng-loader"
    parallel = True

    def __init__(self) -> None:
        """Look for the program first; the library is loaded when it is first needed."""
        self._program = shutil.which("espeak-ng")
        self._library = None if self._program else EspeakLibrary.find()
        self.parallel = self._library is None

    @functools.cached_property
    def _version(self) -> str:
        if self._program:
            found = re.search(r"text-to-speech: (\S+)", _run([self._program, "--version"]))
            return found.group(1) if found else ""
        return self._library.version() if self._library else ""

    def version(self) -> str:
        """As in "1.51"; "" when it is not installed."""
        return self._version

    def voices(self, accents: Sequence[str]) -> list[Voice]:
        """Every accent in every timbre."""
        if not self.version():
            return []
        names = [f"{accent}+{variant}" for accent in accents for variant in _VARIANTS]
        return [Voice(self.name, name, f"{self.name}/{name}") for name in names]

    def speak(self, jobs: Sequence[tuple[Utterance, Path]]) -> None:
        """One process a job, or calls into the library."""
        for said, path in jobs:
            pace = max(80, min(450, round(175 * said.speed)))  # words a minute
            tone = max(0, min(99, round(50 + 75 * math.log2(said.pitch))))
            if self._program:
                prosody = ["-s", str(pace), "-p", str(tone)]
                text = said.text
                if said.range != 1:  # the program has no option for it, its markup has
                    prosody.append("-m")
                    text = f'<prosody range="{round(100 * said.range)}%">{html.escape(text)}</prosody>'
                _run([self._program, "-v", said.voice.name, *prosody, "-w", str(path), text])
            elif self._library:
                span = max(0, min(100, round(50 * said.range)))
                self._library.speak(said.text, said.voice.name, pace, tone, path, span=span)


class _Program:
    """An engine that is a program of its own name, and says its version after `mark`."""

    name: str
    mark: str

    @functools.cached_property
    def _version(self) -> str:
        program = shutil.which(self.name)
        found = re.search(rf"{self.mark} (\S+)", _run([program, "--version"])) if program else None
        return found.group(1) if found else ""

    def version(self) -> str:
        """As in "flite-2.2-current"; "" when it is not installed."""
        return self._version


class Flite(_Program):
    """flite: small voices of real people."""

    name, mark = "flite", "version:"
    remedy = "apt install flite"
    parallel = True

    def voices(self, accents: Sequence[str]) -> list[Voice]:
        """Those linked into the program. kal is left out for kal16, awb_time for it can only tell the time."""
        del accents
        if not self.version():
            return []
        listed = _run(["flite", "-lv"]).partition(":")[2].split()
        names = sorted(set(listed) - {"awb_time", *({"kal"} if "kal16" in listed else ())})
        return [Voice(self.name, name, person(self.name, name)) for name in names]

    def speak(self, jobs: Sequence[tuple[Utterance, Path]]) -> None:
        """One process a job."""
        for said, path in jobs:
            prosody = ["--setf", f"duration_stretch={1 / said.speed:.4f}", "--setf", f"f0_shift={said.pitch:.4f}"]
            _run(["flite", "-voice", said.voice.name, *prosody, "-t", said.text, "-o", str(path)])


class Festival(_Program):
    """festival: whatever festvox voices are installed. One process a batch, for it starts slowly."""

    name, mark = "festival", "System:"
    remedy = "apt install festival festvox-kallpc16k festvox-us-slt-hts"
    parallel = True

    def voices(self, accents: Sequence[str]) -> list[Voice]:
        """Installed English voices. Statistical (HTS) voices keep their own pitch."""
        del accents
        if not self.version():
            return []
        listed = _run(["festival", "--pipe"], '(mapcar (lambda (v) (format t "%s\\n" v)) (voice.list))')
        names = sorted(name for name in listed.split() if re.fullmatch(r"[a-z0-9_]+", name))
        english = [name for name in names if re.match(r"(kal|ked|rab|don|cmu_(us|in|ca|uk|sc))_", name)]
        return [Voice(self.name, name, person(self.name, name), name.endswith("diphone")) for name in english]

    def speak(self, jobs: Sequence[tuple[Utterance, Path]]) -> None:
        """All jobs in one process. Festival's English knows ASCII alone: what is left of other letters fails."""
        lines = []
        for said, path in jobs:
            text = _ascii(said.text)
            if text is None:
                continue
            text = re.sub(r'["\\]', " ", text)
            lines.append(f"(voice_{said.voice.name})")
            if said.voice.pitch:
                mean = 105 * said.pitch
                model = "(model_f0_mean 170) (model_f0_std 34)"
                lines.append(f"(set! int_lr_params '((target_f0_mean {mean:.1f}) (target_f0_std 14) {model}))")
            lines.append(f"(Parameter.set 'Duration_Stretch {1 / said.speed:.4f})")
            lines.append(f'(utt.save.wave (utt.synth (Utterance Text "{text}")) "{path}" \'riff)')
        with tempfile.NamedTemporaryFile("w", suffix=".scm", encoding="ascii") as script:
            script.write("\n".join(lines) + "\n")
            script.flush()
            _run(["festival", "-b", script.name])


def _ascii(text: str) -> str | None:
    """Without accents and typographic marks; None where letters would be lost, for then another word is said."""
    apart = unicodedata.normalize("NFKD", text.translate(_MARKS))
    plain = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return plain if plain.isascii() else None


ENGINES: dict[str, type[Engine]] = {"espeak-ng": Espeak, "flite": Flite, "festival": Festival}
_OWN: dict[str, type[Engine]] = {"piper": Piper, "command": Command}  # a recipe brings their voices


def engines(names: Sequence[str] = ()) -> dict[str, Engine]:
    """The engines named, each of which must be installed; without names, all that are. Raises ToolError."""
    ready: dict[str, Engine] = {}
    known = {**ENGINES, **_OWN}
    for name in names or ENGINES:
        if name not in known:
            raise ToolError(f"voices.engines: no text-to-speech engine {name!r} is known; known: {', '.join(known)}")
        engine = known[name]()
        if engine.version():
            ready[name] = engine
        elif names:
            raise ToolError(f"{name}: this text-to-speech engine is not installed: {engine.remedy}")
    if not ready:
        ways = "; ".join(f"{name}: {kind.remedy}" for name, kind in ENGINES.items())
        raise ToolError(f"no text-to-speech engine is installed ({ways})")
    return ready


def installed(names: Sequence[str] = (), accents: Sequence[str] = ("en-us",), own: Sequence[Voice] = ()) -> list[Voice]:
    """Every voice of these engines and the user's `own`, in a fixed order.

    Raises ToolError as `engines` does, or when there is no voice.
    """
    ready = engines(names)
    voices = [*(voice for engine in ready.values() for voice in engine.voices(accents)), *own]
    if not voices:
        raise ToolError(f"{', '.join(ready)}: installed, but without a single voice")
    return voices
