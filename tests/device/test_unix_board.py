# SPDX-License-Identifier: MIT
"""The emulated unix board: a port for mpremote, a timer interrupt, resets, and no process left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from tinywake.device.targets.registry import open_target
from tinywake.device.targets.unix import UnixBoard
from tinywake.errors import DeviceError, ToolError

sys.path.insert(0, str(Path(__file__).parent))
from remote import execute, remote

lacking = UnixBoard.available()
pytestmark = pytest.mark.skipif(lacking is not None, reason=str(lacking))

RAW_REPL = b"raw REPL; CTRL-B to exit\r\n>"


@pytest.fixture
def board(tmp_path: Path) -> Iterator[UnixBoard]:
    with UnixBoard(tmp_path) as board:
        assert isinstance(board, UnixBoard)
        yield board


def read_until(port: serial.Serial, what: bytes) -> bytes:
    said = bytes(port.read_until(what))
    assert said.endswith(what), said
    return said


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def wait_for(what: str, condition: object) -> None:
    assert callable(condition)
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def test_it_answers_and_looks_like_a_board(board: UnixBoard) -> None:
    said = execute(board.port, "import os, sys; print(os.getcwd(), os.listdir('/'), sys.path, sys.platform)")
    assert said.split("\n")[0] == "/ [] ['', '.frozen', '/lib'] linux"


def test_the_directory_is_its_file_system(board: UnixBoard, tmp_path: Path) -> None:
    local = tmp_path / "here.txt"
    local.write_bytes(bytes(range(256)) * 40)
    remote(board.port, ("mkdir", ":/lib"), ("cp", str(local), ":/lib/there.txt"))
    assert (board.directory / "lib" / "there.txt").read_bytes() == local.read_bytes()
    assert execute(board.port, "print(len(open('/lib/there.txt', 'rb').read()))").strip() == "10240"


def test_a_soft_reset_forgets_everything(board: UnixBoard) -> None:
    execute(board.port, "import builtins, unixboard\nbuiltins.left = 1\nunixboard.tick(5, print)")
    said = execute(board.port, "import builtins, time; time.sleep_ms(50); print(hasattr(builtins, 'left'))")
    assert said.strip() == "False"
    assert execute(board.port, "kept = 2") == ""
    assert execute(board.port, "print(kept)", reset=False).strip() == "2"


def test_boot_and_main_run_as_on_a_board(tmp_path: Path) -> None:
    (tmp_path / "boot.py").write_text("print('boot')\n")
    (tmp_path / "main.py").write_text("print('main')\n")
    with UnixBoard(tmp_path) as board, serial.Serial(board.port, timeout=5) as port:
        port.write(b"\x04")
        read_until(port, b"soft reboot\r\n")
        assert b"boot\nmain\n" in read_until(port, b">>> ").replace(b"\r", b"")
        port.write(b"\x04\x01")  # what is typed ahead of a reset is not lost
        read_until(port, b"soft reboot\r\n")
        read_until(port, RAW_REPL)
        port.write(b"\x04")
        said = read_until(port, RAW_REPL)
    assert b"boot\n" in said.replace(b"\r", b"")
    # A host that resets into the raw REPL wants the board to itself.
    assert b"main\n" not in said.replace(b"\r", b"")


def test_a_tick_runs_while_the_prompt_waits(board: UnixBoard) -> None:
    count = "n = 0\ndef count(_):\n    global n\n    n += 1\n"
    begun = time.monotonic()
    execute(board.port, "import unixboard\n" + count + "unixboard.tick(10, count)")
    time.sleep(0.5)
    ticks = int(execute(board.port, "print(n)", reset=False))
    assert 30 <= ticks <= 100 * (time.monotonic() - begun)
    execute(board.port, "unixboard.tick(0); m = n", reset=False)
    time.sleep(0.1)
    assert execute(board.port, "print(n - m)", reset=False).strip() == "0"


def test_a_tick_interrupts_running_code_and_reports_its_errors(board: UnixBoard) -> None:
    said = execute(
        board.port,
        "import time, unixboard\nn = []\nunixboard.tick(10, lambda _: n.append(1))\n"
        "end = time.ticks_add(time.ticks_ms(), 2000)\n"
        "while len(n) < 5 and time.ticks_diff(end, time.ticks_ms()) > 0:\n    pass\n"
        "print(len(n))\nunixboard.tick(10, lambda _: 1 / 0)\ntime.sleep_ms(50)\nunixboard.tick(0)",
    )
    assert said.startswith("5\n")
    assert "ZeroDivisionError" in said


def test_a_bad_tick_is_refused(board: UnixBoard) -> None:
    for call in ("tick(-1)", "tick(5)", "tick(5, 7)"):
        with pytest.raises(DeviceError, match="ValueError"):
            execute(board.port, f"import unixboard; unixboard.{call}")


def test_ctrl_c_stops_running_code_and_only_that(board: UnixBoard) -> None:
    with serial.Serial(board.port, timeout=5) as port:
        port.write(b"\r\x03\x01")
        read_until(port, RAW_REPL)
        port.write(b"import time\nprint('go')\ntime.sleep(60)\x04")
        read_until(port, b"go\r\n")
        port.write(b"\x03\x03")
        assert b"KeyboardInterrupt" in read_until(port, b"\x04>")
        port.write(b"\x02")
        read_until(port, b">>> ")
        port.write(b"1 + 1\x036 * 7\r")
        assert b"42" in read_until(port, b"42")
    assert board.running


def test_output_without_a_host_is_dropped_and_holds_nothing_up(board: UnixBoard) -> None:
    with serial.Serial(board.port, timeout=5) as port:
        port.write(b"\x01")
        read_until(port, RAW_REPL)
        port.write(b"for i in range(20000): print('line', i)\nopen('done', 'w').close()\x04")
    wait_for("the board waits for a reader", (board.directory / "done").exists)
    assert execute(board.port, "print(1)").strip() == "1"


def test_a_slow_host_loses_nothing(board: UnixBoard) -> None:
    with serial.Serial(board.port, timeout=5) as port:
        port.write(b"\x01")
        read_until(port, RAW_REPL)
        port.write(b"for i in range(20000): print(i)\nprint('end')\x04")
        time.sleep(1)
        said = read_until(port, b"end\r\n")
    lines = said.replace(b"\r", b"").removeprefix(b"OK").split(b"\n")
    assert lines[:20000] == [b"%d" % i for i in range(20000)]


def test_stop_ends_the_process_and_the_port() -> None:
    board = UnixBoard()
    board.start()
    directory, port = board.directory, board.port
    board.stop()
    board.stop()
    assert not board.running
    assert not directory.exists()
    with pytest.raises(DeviceError, match=r"no such port|cannot be opened"):
        execute(port, "print(1)")


def test_the_board_ends_with_the_process_that_owns_it() -> None:
    program = (
        "import time\nfrom tinywake.device.targets.unix import UnixBoard\nb = UnixBoard()\nb.start()\n"
        "print(b._process.pid, b.port, flush=True)\ntime.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid, port = owner.stdout.readline().split()
    execute(port, "print(1)")  # a soft reset on the way
    assert alive(int(pid))
    os.kill(owner.pid, signal.SIGKILL)
    owner.communicate()
    wait_for("the board outlives its owner", lambda: not alive(int(pid)))


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_temporary_file_system_goes_with_its_owner(end: signal.Signals) -> None:
    # Bug: the board ended with its owner, its directory stayed.
    program = (
        "import time\nfrom tinywake.device.targets.unix import UnixBoard\nb = UnixBoard()\nb.start()\n"
        "print(b.directory, b.port, flush=True)\ntime.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    directory, port = owner.stdout.readline().split()
    execute(port, "open('kept', 'w').close()")  # a soft reset on the way
    assert (Path(directory) / "kept").exists()
    os.kill(owner.pid, end)
    owner.communicate()
    wait_for("the directory outlives its owner", lambda: not Path(directory).exists())


def test_what_cannot_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="no target moon; known: unix"):
        open_target("moon")
    with pytest.raises(DeviceError, match="no such port"):
        execute("/dev/ttyNONE9", "print(1)")
    (tmp_path / "file").write_text("")
    with pytest.raises(DeviceError, match="cannot be the board's file system"):
        UnixBoard(tmp_path / "file" / "below").start()
