# SPDX-License-Identifier: MIT
"""`tinywake targets --keep`: a board for other programs, that ends with nothing left behind, however it is told to."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from test_slots import model
from typer.testing import CliRunner

from tinywake.cli import app
from tinywake.device.targets.registry import TARGETS
from tinywake.device.targets.unix import UnixBoard

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a Unix")
lacking = UnixBoard.available()
needs_unix = pytest.mark.skipif(lacking is not None, reason=str(lacking))


@pytest.fixture(params=list(TARGETS))
def target(request: pytest.FixtureRequest, runnable: Callable[[str], str]) -> str:
    return runnable(request.param)


@contextlib.contextmanager
def kept(name: str, *options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The process and what it says once the board answers. As from a script: in the background, without a terminal."""
    command = [sys.executable, "-m", "tinywake", "targets", "--keep", name, "--json", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def tool(*words: str, code: int = 0) -> str:
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def descendants(pid: int) -> set[int]:
    """Process ids below one, by Linux's /proc; none elsewhere."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found, last = {pid}, 0
    while len(found) != last:
        last = len(found)
        found |= {child for child, parent in parents.items() if parent in found}
    return found - {pid}


def gone(pids: set[int], within: float = 5.0) -> bool:
    end = time.monotonic() + within
    while time.monotonic() < end:
        states = []
        for pid in pids:
            with contextlib.suppress(OSError):
                states.append(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0])
        if all(state == "Z" for state in states):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.lean("qemu-armv6m")
def test_every_verb_and_mpremote_work_on_a_kept_board(target: str, tmp_path: Path) -> None:
    link = tmp_path / "board"
    sound = tmp_path / "noise.wav"
    noise = np.random.default_rng(1).integers(-9000, 9000, 16000 * 2).astype("<i2")
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(noise.tobytes())
    quick = target in ("unix", "rp2040")  # to other boards a clip goes over the line, 10 kB a second
    with kept(target, "--link", str(link), *(["--clip", str(sound)] if quick else [])) as (process, said):
        assert said == {"target": target, "board": TARGETS[target].board, "port": str(link.readlink())}
        port = str(link)
        below = descendants(process.pid)
        path = model(tmp_path, "word", 120)
        deployed = tool("tinywake", "deploy", port, "--model", str(path), "--board", said["board"])
        assert ("the board listens" if quick else "the board does not listen yet: ") in deployed
        looked = tool("tinywake", "doctor", port)
        assert "opens; " in looked
        if quick:
            assert looked.splitlines()[-1].split() == ["ok", "board", "listens", "again"]
            heard = tool("tinywake", "monitor", port, "--seconds", "6", "--json").splitlines()
            peaks = [event["peak"] for event in map(json.loads, heard) if event["event"] == "level"]
            assert min(peaks) < 100 < max(peaks)  # the clip, a pause, the clip again
        assert tool("mpremote", "connect", port, "exec", "import tinywake; print(tinywake.__version__)").strip()
        assert "tinywake-models" in tool("mpremote", "connect", port, "fs", "ls", ":")
        process.terminate()
        assert process.wait(10) == 0
        assert process.communicate() == ("", "")
    assert not link.is_symlink()
    assert gone(below)


@needs_unix
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_nothing_is_left_behind(number: str, tmp_path: Path) -> None:
    link = tmp_path / "board"
    killed = number == "SIGKILL"
    with kept("unix", "--link", str(link)) as (process, _):
        below = descendants(process.pid)
        if sys.platform == "linux":
            (folder,) = {str(Path(f"/proc/{pid}/cwd").readlink()) for pid in below} - {"/"}
        process.send_signal(getattr(signal, number))
        assert process.wait(10) == (-signal.SIGKILL if killed else 0)
    assert gone(below)
    if sys.platform == "linux":
        end = time.monotonic() + 5
        while Path(folder).exists() and time.monotonic() < end:
            time.sleep(0.05)
        assert not Path(folder).exists()
    assert link.is_symlink() == killed
    with kept("unix", "--link", str(link), "--seconds", "0.5") as (process, again):  # in place of the dead link
        assert str(link.readlink()) == again["port"]
        assert process.wait(10) == 0
    assert not link.is_symlink()


@needs_unix
def test_a_board_that_ends_by_itself_is_told(tmp_path: Path) -> None:
    link = tmp_path / "board"
    with kept("unix", "--link", str(link)) as (process, _):
        for pid in descendants(process.pid):
            with contextlib.suppress(ProcessLookupError):
                if b"unixboot" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)
        assert process.wait(10) == 2
        assert process.communicate() == ("", "tinywake: unix: the board has ended\n")
    assert not link.is_symlink()


@needs_unix
def test_what_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("mine")
    run = CliRunner()
    refused = run.invoke(app, ["targets", "--keep", "unix", "--link", str(there)])
    assert f"{there}: no link to the port can be made there: File exists" in str(refused.exception)
    assert there.read_text() == "mine"
    assert "no target nope; known: unix" in str(run.invoke(app, ["targets", "--keep", "nope"]).exception)
    assert run.invoke(app, ["targets", "--seconds", "1"]).exit_code == 2
    text = run.invoke(app, ["targets", "--keep", "unix", "--seconds", "0"])
    assert (text.exit_code, text.output.startswith("unix answers as UNIX on /dev/")) == (0, True)
