# SPDX-License-Identifier: MIT
"""The files of tests/vectors/bad on MicroPython: the same errors as on the host, and the board goes on living."""

import json
import sys
from pathlib import Path

import pytest

from tinywake.coded import is_coded
from tinywake.device.firmware import Firmware, module_for
from tinywake.device.targets.unix import UnixBoard

sys.path.insert(0, str(Path(__file__).parent))
from remote import execute

ROOT = Path(__file__).parents[2]
BAD = ROOT / "tests" / "vectors" / "bad"

sys.path.insert(0, str(ROOT / "tests" / "fuzz"))
from assemble import GOOD  # noqa: E402

lacking = UnixBoard.available()
pytestmark = pytest.mark.skipif(lacking is not None, reason=str(lacking))

# What MicroPython makes of every file in /bad: name to the error's, or to "TW_OK" where it ran and listened.
REPLAY = """
import array, gc, json, os
import _tinywake

def run(data):
    model = _tinywake.Model(data)
    model.verify()
    h, w, c = model.input[:3]
    y = bytearray(model.output[0] * model.output[1] * model.output[2])
    for value in (0, 127):
        model.load(bytes([value]) * (h * w * c))
        model.run(0, model.ops)
        model.store(y)
    if model.labels:
        listener = _tinywake.Listener(model)
        pcm = array.array("h", [-32768] * 1000)
        for _ in range(4):
            at = 0
            while at < len(pcm):
                at = listener.feed(pcm, at, len(pcm))
                if listener.due:
                    model.run(0, model.ops)
                    listener.settle()

said = {}
for name in os.listdir("/bad"):
    with open("/bad/" + name, "rb") as file:
        data = file.read()
    try:
        run(data)
        said[name] = "TW_OK"
    except ValueError as e:
        said[name] = str(e)
    gc.collect()
print(json.dumps(said))
"""

ALIGN = """
import json, os
import _tinywake

with open("/good.twm", "rb") as file:
    data = file.read()
room = bytearray(len(data) + 16)
said = []
for offset in range(16):
    room[offset:offset + len(data)] = data
    try:
        _tinywake.Model(memoryview(room)[offset:offset + len(data)])
        said.append("TW_OK")
    except ValueError as e:
        said.append(str(e))
print(json.dumps(said))
"""


def on_board(folder: Path, code: str, *, usermod: bool) -> object:
    """Run code on a board whose file system is the folder, with the module loaded from a .mpy or compiled in."""
    interpreter = ROOT / "build" / "targets" / "unix" / ("micropython-usermod" if usermod else "micropython")
    if not interpreter.exists():
        pytest.skip(f"{interpreter.relative_to(ROOT)} is not built: make targets")
    if not usermod:
        module = module_for(Firmware("micropython", (1, 25, 0), (6, 3), "x64", builtin=False), "unix")
        assert module is not None
        (folder / "lib").mkdir()
        (folder / "lib" / "_tinywake.mpy").write_bytes(module.read_bytes())
    with UnixBoard(folder, usermod=usermod) as board:
        said = execute(board.port, code, timeout=120)
        assert board.running
        assert execute(board.port, "print(6 * 7)").strip() == "42"
    return json.loads(said.splitlines()[-1])


@pytest.mark.parametrize("usermod", [False, True], ids=["native module", "compiled in"])
def test_bad_files_are_refused_as_on_the_host(tmp_path: Path, usermod: bool) -> None:
    (tmp_path / "bad").mkdir()
    expected = {}
    for path in BAD.glob("*.twm"):
        if is_coded(path.read_bytes()):
            continue  # what the app says to them: test_coded_models.py
        (tmp_path / "bad" / path.name).write_bytes(path.read_bytes())
        expected[path.name] = path.name.split(".")[1]
    for name, make in GOOD.items():
        (tmp_path / "bad" / f"{name}.twm").write_bytes(make())
        expected[f"{name}.twm"] = "TW_OK"
    assert on_board(tmp_path, REPLAY, usermod=usermod) == expected


@pytest.mark.parametrize("usermod", [False, True], ids=["native module", "compiled in"])
def test_only_aligned_addresses_are_taken(tmp_path: Path, usermod: bool) -> None:
    (tmp_path / "good.twm").write_bytes(GOOD["dense"]())
    said = on_board(tmp_path, ALIGN, usermod=usermod)
    assert said == ["TW_ERR_ALIGN" if offset % 4 else "TW_OK" for offset in range(16)]
