# SPDX-License-Identifier: MIT
"""The boards that QEMU emulates: ports like any other, resets, timers, Ctrl-C, exact counts, no process left behind."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.qemu import (
    QemuArmv6m,
    QemuArmv7em,
    QemuBoard,
    QemuMicrobit,
    QemuRv32imc,
    QemuXtensawin,
)
from tinywake.errors import DeviceError

sys.path.insert(0, str(Path(__file__).parent))
from remote import execute, remote

KINDS: list[type[QemuBoard]] = [QemuArmv6m, QemuArmv7em, QemuMicrobit, QemuRv32imc]
ARCHES = {QemuArmv7em: "7 6", QemuRv32imc: "11 6"}  # of .mpy files, and their version; of the others "4 6"
RAW_REPL = b"raw REPL; CTRL-B to exit\r\n>"


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> type[QemuBoard]:
    chosen: type[QemuBoard] = request.param
    if lacking := chosen.available():
        pytest.skip(lacking)
    return chosen


@pytest.fixture
def board(kind: type[QemuBoard]) -> Iterator[QemuBoard]:
    with kind() as board:
        yield board


def read_until(port: serial.Serial, what: bytes) -> bytes:
    said = bytes(port.read_until(what))
    assert said.endswith(what), said
    return said


def alive(group: int) -> bool:
    """Whether a process of the group still runs: the emulator, or the shell that watches over it."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = status.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state != "Z":
            return True
    return False


def wait_for(what: str, condition: object) -> None:
    assert callable(condition)
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def test_it_is_a_small_board(board: QemuBoard) -> None:
    said = execute(
        board.port,
        "import gc, os, sys; gc.collect(); print(gc.mem_free()); print(os.listdir('/'), sys.path, sys.platform)\n"
        "print(sys.implementation._mpy >> 10, sys.implementation._mpy & 0xff)",
    ).split("\n")
    assert 158_000 < int(said[0]) < 163_840  # as the smallest supported board
    assert said[1] == "[] ['', '.frozen', '/lib'] qemu"
    assert said[2] == ARCHES.get(type(board), "4 6")


def test_files_outlive_resets(board: QemuBoard, tmp_path: Path) -> None:
    local = tmp_path / "here.txt"
    local.write_bytes(bytes(range(256)) * 40)
    remote(board.port, ("mkdir", ":/lib"), ("cp", str(local), ":/lib/there.txt"))
    check = "import hashlib; print(hashlib.sha256(open('/lib/there.txt', 'rb').read()).digest().hex())"
    before = execute(board.port, check)
    with serial.Serial(board.port, timeout=5) as port:
        port.write(b"\r\x03\x02import machine; machine.reset()\r")
        read_until(port, b"machine.reset()\r\n")
        read_until(port, b"\r\n>>> ")
    assert board.running
    assert execute(board.port, check) == before


def test_boot_and_main_run_as_on_a_board(board: QemuBoard) -> None:
    with RawRepl(board.port) as repl:
        repl.put("boot.py", b"print('boot')\n")
        repl.put("main.py", b"print('main')\n")
    with serial.Serial(board.port, timeout=5) as port:
        port.write(b"\r\x03\x04")
        read_until(port, b"soft reboot\r\n")
        assert b"boot\r\nmain\r\n" in read_until(port, b">>> ")
        port.write(b"\x04\x01")  # what is typed ahead of a reset is not lost
        read_until(port, b"soft reboot\r\n")
        read_until(port, RAW_REPL)
        port.write(b"\x04")
        said = read_until(port, RAW_REPL)
    assert b"boot\r\n" in said
    assert b"main\r\n" not in said


def test_time_passes_at_the_right_speed(board: QemuBoard) -> None:
    with RawRepl(board.port) as repl:
        repl.exec("import time\nstart = time.ticks_ms()")
        began = time.monotonic()
        repl.exec("time.sleep_ms(300)")
        there = int(repl.exec("print(time.ticks_diff(time.ticks_ms(), start))"))
        here = (time.monotonic() - began) * 1000
    assert 300 <= there <= here + 50
    assert there > here - 200  # what the line takes


def test_a_timer_runs_while_the_prompt_waits_and_ends_with_a_reset(board: QemuBoard) -> None:
    count = "n = 0\ndef count(_):\n    global n\n    n += 1\n"
    execute(board.port, "import machine\n" + count + "t = machine.Timer(-1, period=10, callback=count)")
    time.sleep(0.5)
    ticks = int(execute(board.port, "print(n)", reset=False))
    assert ticks >= 30
    execute(board.port, "t.deinit(); m = n", reset=False)
    time.sleep(0.1)
    assert execute(board.port, "print(n - m)", reset=False).strip() == "0"
    once = "machine.Timer(-1, mode=machine.Timer.ONE_SHOT, period=5, callback=count)"
    assert execute(board.port, once + "\nimport time; time.sleep_ms(60); print(n - m)", reset=False).strip() == "1"
    execute(board.port, count + "import builtins, machine\nbuiltins.t = machine.Timer(-1, period=5, callback=print)")
    assert execute(board.port, "import time; time.sleep_ms(50)") == ""


@pytest.mark.parametrize(
    "wrong", ["Timer(0)", "Timer(-1, period=0, callback=print)", "Timer(-1, period=9, callback=7)"]
)
def test_a_bad_timer_is_refused(board: QemuBoard, wrong: str) -> None:
    with pytest.raises(DeviceError, match="ValueError"):
        execute(board.port, f"import machine; machine.{wrong}")


def test_a_timer_interrupts_running_code_and_its_errors_are_told(board: QemuBoard) -> None:
    said = execute(
        board.port,
        "import machine, time\nn = []\nt = machine.Timer(-1, period=10, callback=lambda _: n.append(1))\n"
        "end = time.ticks_add(time.ticks_ms(), 2000)\n"
        "while len(n) < 5 and time.ticks_diff(end, time.ticks_ms()) > 0:\n    pass\n"
        "print(len(n))\nt.init(period=10, callback=lambda _: 1 / 0)\ntime.sleep_ms(50)\nt.deinit()",
    )
    assert said.startswith("5\n")
    assert "ZeroDivisionError" in said


def test_ctrl_c_stops_running_code_and_only_that(board: QemuBoard) -> None:
    with serial.Serial(board.port, timeout=5) as port:
        port.write(b"\r\x03\x01")
        read_until(port, RAW_REPL)
        port.write(b"print('go')\nwhile True: pass\x04")
        read_until(port, b"go\r\n")
        port.write(b"\x03")
        assert b"KeyboardInterrupt" in read_until(port, b"\x04>")
        port.write(b"import time\nprint('go')\ntime.sleep(60)\x04")
        read_until(port, b"go\r\n")
        port.write(b"\x03\x03")
        assert b"KeyboardInterrupt" in read_until(port, b"\x04>")
        port.write(b"\x02")
        read_until(port, b">>> ")
        port.write(b"1 + 1\x036 * 7\r")
        read_until(port, b"42")
    assert board.running


def test_output_without_a_host_is_dropped_and_holds_nothing_up(board: QemuBoard) -> None:
    with serial.Serial(board.port, timeout=5) as port:
        port.write(b"\x01")
        read_until(port, RAW_REPL)
        port.write(b"for i in range(5000): print('line', i)\ndone = True\x04")
    time.sleep(2)
    assert execute(board.port, "print(done)", reset=False).strip() == "True"


def test_a_slow_host_loses_nothing(board: QemuBoard) -> None:
    with serial.Serial(board.port, timeout=10) as port:
        port.write(b"\x01")
        read_until(port, RAW_REPL)
        port.write(b"for i in range(10000): print(i)\nprint('end')\x04")
        time.sleep(1)
        said = read_until(port, b"end\r\n")
    assert said.removeprefix(b"OK").split(b"\r\n")[:10000] == [b"%d" % i for i in range(10000)]


def test_a_full_line_can_be_polled(board: QemuBoard) -> None:
    """What the app's port does: it writes while there is room and never waits for more."""
    poll = (
        "import select, sys\np = select.poll()\np.register(sys.stdout, select.POLLOUT)\nn = 0\n"
        "while n < 2e6 and p.poll(0): n += sys.stdout.buffer.write(b'x' * 50)\nf = open('n', 'w')\nf.write(str(n))\n"
        "f.close()\nprint('end')"
    )
    with serial.Serial(board.port, timeout=10) as port:
        port.write(b"\x01")
        read_until(port, RAW_REPL)
        port.write(poll.encode() + b"\x04")
        time.sleep(1)
        said = read_until(port, b"end\r\n")
    count = int(execute(board.port, "print(open('n').read())"))
    assert said.count(b"x") == count
    assert 1000 < count < 2_000_000  # what the sockets between hold depends on how busy this computer is


def test_instructions_are_counted_exactly(kind: type[QemuBoard]) -> None:
    """A loop of machine code: each turn costs the same, two runs count the same, and a long one is still exact."""
    code = (
        "from qemu import instructions as now\n@micropython.viper\ndef spin(n: int):\n    while n:\n        n -= 1\n"
        "def count(n):\n    began = now()\n    spin(n)\n    return now() - began & 0x3fffffff\n"
        "count(1)\nprint([count(n) for n in (1000, 2000, 3000, 1000, 40000000)])"
    )
    said = []
    for _ in range(2):
        with kind(counting=True) as board:
            said.append(execute(board.port, code, timeout=120))
    assert said[0] == said[1]
    one, two, three, again, long = (int(count) for count in said[0].strip(" []\n").split(","))
    turn, rest = divmod(two - one, 1000)
    assert rest == 0
    assert three - two == two - one
    assert again == one
    assert long - one == turn * (40_000_000 - 1000)  # beyond what 32 bits of its clock hold


@pytest.mark.parametrize("kind", [*KINDS, QemuXtensawin], ids=lambda kind: kind.name)
def test_a_count_does_not_depend_on_when_it_is_made(kind: type[QemuBoard]) -> None:
    """Bug: on Xtensa, which has no carry, reading the counter cost an instruction more or less, by its number."""
    if lacking := kind.available():
        pytest.skip(lacking)
    code = (
        "from qemu import instructions as now\nimport time\n@micropython.viper\ndef spin(n: int):\n    while n:\n"
        "        n -= 1\ndef count(times):\n    seen = set()\n    for i in range(times):\n        if i % 3 == 0:\n"
        "            time.sleep_ms(1)\n        began = now()\n        spin(700)\n        ended = now()\n"
        "        seen.add(ended - began & 0x3fffffff)\n    return seen\ncount(9)\nprint(count(600))"
    )
    with kind(counting=True) as board:
        said = execute(board.port, code, timeout=120)
    assert re.fullmatch(r"\{\d+\}", said.strip())


def test_a_fault_is_told_and_the_board_starts_again(board: QemuBoard) -> None:
    with serial.Serial(board.port, timeout=5) as port:
        port.write(b"\r\x03\x02import machine; machine.mem32[0xa0000000]\r")
        read_until(port, b"FATAL: ")
        read_until(port, b"\r\n>>> ")
    assert execute(board.port, "print(1)").strip() == "1"


def test_stop_ends_the_process_and_the_port(kind: type[QemuBoard]) -> None:
    board = kind()
    board.start()
    assert board._process is not None
    group, port = board._process.pid, board.port
    assert alive(group)
    board.stop()
    board.stop()
    assert not board.running
    wait_for("something is left of the board", lambda: not alive(group))
    with pytest.raises(DeviceError, match=r"no such port|cannot be opened"):
        execute(port, "print(1)")
    with board:  # and it may be started again
        assert execute(board.port, "print(2)").strip() == "2"


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_the_board_ends_with_the_process_that_owns_it(kind: type[QemuBoard], end: signal.Signals) -> None:
    program = (
        f"import time\nfrom tinywake.device.targets.qemu import {kind.__name__}\nb = {kind.__name__}()\nb.start()\n"
        "print(b._process.pid, b.port, flush=True)\ntime.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid, port = owner.stdout.readline().split()
    execute(port, "print(1)")
    assert alive(int(pid))
    os.kill(owner.pid, end)
    owner.communicate()
    wait_for("the board outlives its owner", lambda: not alive(int(pid)))


def test_ctrl_c_in_the_terminal_is_not_for_the_board(board: QemuBoard) -> None:
    assert board._process is not None
    assert os.getpgid(board._process.pid) != os.getpgid(0)


def test_an_emulator_that_ends_is_noticed(kind: type[QemuBoard]) -> None:
    # Bug: a shell of ours kept its line open; only the host's patience ended, and QEMU's own message was lost.
    def end(output: bytes) -> None:
        assert board._process is not None
        os.kill(board._process.pid, signal.SIGTERM)
        began.append(time.monotonic())

    began: list[float] = []
    board = kind()
    with pytest.raises(DeviceError) as told, board, RawRepl(board.port) as repl:
        repl.exec("print('go')\nwhile True: pass", end)
    assert time.monotonic() - began[0] < 2
    assert re.fullmatch(rf"{kind.machine[0]} ended: .*terminating on signal 15.*", str(told.value))
    assert str(told.value.__cause__).endswith("the board is gone; plug it in again")


def test_an_emulator_that_does_not_start_says_why(kind: type[QemuBoard], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kind, "machine", (kind.machine[0], "-M", "no-such-machine"))
    board = kind()
    with pytest.raises(DeviceError, match=f"^{kind.machine[0]} did not start: .*unsupported machine type"):
        board.start()
    assert not board.running


def test_what_is_missing_is_named(kind: type[QemuBoard], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kind, "firmware", "missing")
    assert kind.available() == f"{kind.name}: the firmware is not built: {kind.built_by}"
    monkeypatch.setattr(kind, "machine", ("no-such-emulator",))
    assert str(kind.available()).startswith(f"{kind.name}: no no-such-emulator: ")
