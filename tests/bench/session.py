# SPDX-License-Identifier: MIT
"""docs/session.md is a recorded session: its commands are carried out, and what they print is put beneath them.

    .venv/bin/python tests/bench/session.py              # all of it, in build/session: two small trainings
    .venv/bin/python tests/bench/session.py --only Swap  # sections, by the beginning of their title, behind the others
    .venv/bin/python tests/bench/session.py --cut evening/a.wav evening/b.wav computer.twm television.wav

Commands are the indented lines with a `$` before them; lines with a `>` go on with one. One that ends with `&` runs on
beside the others until `kill %1`; a block behind <!-- terminal --> sees a terminal, and its last picture is kept. --cut
is a step of the session: half a minute of the first of the recordings in which a model hears its word.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT, PICTURE = ROOT / "docs/session.md", ROOT / "docs/session.png"
FOLDER = ROOT / "build/session"
INDENT, TITLE, TERMINAL = "    ", "## ", "<!-- terminal -->"
HEAD, TAIL = 13, 2  # lines that are shown of a longer output
COLUMNS, ROWS = 90, 40
LEAD_S, CUT_S = 11, 30
_STEERING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
_UP = re.compile(r"\x1b\[\d*A")


@dataclass
class Step:
    """A command of the document."""

    section: str  # title
    line: int  # where its output begins
    until: int  # and the line behind it
    text: str  # for bash
    terminal: bool
    said: list[str] = field(default_factory=list)


def steps_of(lines: list[str]) -> list[Step]:
    """The commands, in their order."""
    found: list[Step] = []
    terminal, section = False, ""
    for at, line in enumerate(lines):
        section = line.removeprefix(TITLE) if line.startswith(TITLE) else section
        terminal = line == TERMINAL or (terminal and (not line or line.startswith(INDENT)))
        if line.startswith(f"{INDENT}$ "):
            found.append(Step(section, at + 1, at + 1, line.removeprefix(f"{INDENT}$ "), terminal))
        elif found and found[-1].until == at and line.startswith(INDENT):
            found[-1].until += 1
            if line.startswith(f"{INDENT}> ") and found[-1].line == at:
                found[-1].line += 1
                found[-1].text += "\n" + line.removeprefix(f"{INDENT}> ")
    return found


def written(lines: list[str], steps: list[Step]) -> list[str]:
    """The document with what was said."""
    out: list[str] = []
    at = 0
    for step in steps:
        said = step.said
        if len(said) > HEAD + 1 + TAIL and not step.terminal:
            said = [*said[:HEAD], "...", *said[-TAIL:]]
        out += [*lines[at : step.line], *((INDENT + line).rstrip() for line in said)]
        at = step.until
    return out + lines[at:]


class Shell:
    """One after the other in a folder, as somebody with our .venv would type them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}
        self.beside: subprocess.Popen[bytes] | None = None

    def run(self, step: Step) -> list[str]:
        """What it prints. Raises CalledProcessError where it fails."""
        if step.text == "kill %1":
            self.end()
            return []
        if step.text.endswith("&"):
            return self._begin(step.text.removesuffix("&"))
        if step.terminal:
            return self._in_terminal(step.text)
        said = subprocess.run(
            ["bash", "-c", step.text], cwd=self.folder, env=self.environment, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        if said.returncode:
            raise subprocess.CalledProcessError(said.returncode, step.text, said.stdout)
        return said.stdout.splitlines()

    def end(self) -> None:
        """What runs beside the others."""
        if self.beside and self.beside.poll() is None:
            os.killpg(self.beside.pid, signal.SIGTERM)
            self.beside.wait(30)
        self.beside = None

    def _begin(self, text: str) -> list[str]:
        """Until it has said its first line."""
        self.beside = subprocess.Popen(
            ["bash", "-c", f"exec {text}"], cwd=self.folder, env=self.environment,
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        assert self.beside.stdout
        return [self.beside.stdout.readline().decode().rstrip("\n")]

    def _in_terminal(self, text: str) -> list[str]:
        """The last picture."""
        size = {"COLUMNS": str(COLUMNS), "LINES": str(ROWS), "TERM": "xterm"}
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.execvpe("bash", ["bash", "-c", text], {**self.environment, **size})
        said = b"".join(_read(terminal)).decode()
        os.close(terminal)
        if code := os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
            raise subprocess.CalledProcessError(code, text, said)
        return [line.rstrip() for line in _STEERING.sub("", _UP.split(said)[-1]).splitlines() if line.strip()]


def _read(terminal: int) -> Iterator[bytes]:
    while True:
        select.select([terminal], [], [])
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:  # the other end is closed
            return
        if not data:
            return
        yield data


def record(only: tuple[str, ...]) -> None:
    """Carry out the document, and write it anew. `only`: so begin the titles of the sections that are meant."""
    if not only:
        shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True, exist_ok=bool(only))
    lines = DOCUMENT.read_text().splitlines()
    steps = [step for step in steps_of(lines) if step.section.startswith(only or ("",))]
    shell = Shell(FOLDER)
    try:
        for step in steps:
            began = time.monotonic()
            print(f"$ {step.text}", flush=True)
            try:
                step.said = shell.run(step)
            except subprocess.CalledProcessError as error:
                sys.exit(f"{error.output}\nended with {error.returncode}; {DOCUMENT} stays as it was")
            print("\n".join(step.said), f"({time.monotonic() - began:.0f} s)", sep="\n", flush=True)
    finally:
        shell.end()
    DOCUMENT.write_text("\n".join(written(lines, steps)) + "\n")
    shutil.copy(FOLDER / "monitor.png", PICTURE)


def cut(recordings: list[Path], model: Path, out: Path) -> None:
    """Half a minute around the first place where the model hears its word."""
    from tinywake.audio.clips import RATE, read_clip, write_clip
    from tinywake.core import Listener, Model

    for path in recordings:
        pcm = read_clip(path)
        heard = Listener(Model.open(model)).push(pcm)
        times = [int(t) for t in heard.t_ms[heard.events >= 0] if t > 1000 * LEAD_S]
        if times:
            begin = times[0] // 1000 - LEAD_S
            write_clip(out, pcm[begin * RATE : (begin + CUT_S) * RATE])
            print(f"{out}: seconds {begin} to {begin + CUT_S} of {path}, where it fires at {times[0] / 1000:.2f} s")
            return
    sys.exit(f"{model} hears its word in none of them")


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cut", nargs="+", type=Path, metavar="FILE", help="recordings, a model, the .wav to write")
    parser.add_argument("--only", action="append", default=[], metavar="TITLE")
    args = parser.parse_args()
    if args.cut is None:
        record(tuple(args.only))
    else:
        *recordings, model, out = args.cut
        cut(recordings, model, out)


if __name__ == "__main__":
    main()
