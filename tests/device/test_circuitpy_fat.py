# SPDX-License-Identifier: MIT
"""Deploying to CircuitPython through the prompt onto a real FAT file system, whose power fails at every sector.

The file system is MicroPython's vfs_fat, which is FatFs as CircuitPython has it, on a chip that is a file; the
prompt is the unix board's, with what only CircuitPython has (hashlib.new, os.sync) put in.
"""

from __future__ import annotations

import runpy
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tinywake.device.circuitpy.deploy import Order
from tinywake.device.circuitpy.deploy.models import put_whole
from tinywake.device.circuitpy.deploy.run import Session, put_all
from tinywake.device.circuitpy.facts import Facts
from tinywake.device.circuitpy.files import PromptFiles
from tinywake.device.deploy.models.wanted import read_model
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.unix import UnixBoard
from tinywake.errors import DeviceError

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/host"))
from fake_circuitpy import selected  # noqa: E402

lacking = UnixBoard.available()
pytestmark = pytest.mark.skipif(lacking is not None, reason=str(lacking))
tiny: Callable[..., bytes] = runpy.run_path(str(ROOT / "tests/core/tiny.py"))["listening_model"]
FACTS = Facts("10.4.0", "adafruit_feather_esp32s3_nopsram", "00", "S3 with ESP32S3", mpy=6 | 3 << 8 | 10 << 10)
FILES = {f"lib/tinywake/{name}.mpy": b"C\x06\0\x1f" + name.encode() * 150 for name in ("__init__", "main", "model")}
MODULE = b"C\x06\x2b\x1f" + bytes(range(256)) * 4

# `chip` is a file of this computer, which stays open when FAT takes the place of its file system.
MOUNT = """
import hashlib as hashes, os, sys, vfs
class Chip:
    def __init__(self, path, cut_at):
        self.file = open(path, "r+b")
        self.blocks = self.file.seek(0, 2) // 512
        self.left = cut_at
    def readblocks(self, block, buf):
        self.file.seek(block * 512)
        self.file.readinto(buf)
    def writeblocks(self, block, buf):
        self.left -= 1
        if self.left <= 0:
            raise OSError(5)
        self.file.seek(block * 512)
        self.file.write(buf)
    def ioctl(self, op, arg):
        return self.blocks if op == 4 else 512 if op == 5 else 0
class Hashes:
    def new(name):
        return getattr(hashes, name)()
class Os:
    def sync():
        pass
for name in ("listdir", "stat", "mkdir", "remove", "rename", "statvfs"):
    setattr(Os, name, getattr(os, name))
chip = Chip(PATH, CUT)
if FORMAT:
    vfs.VfsFat.mkfs(chip)
vfs.umount("/")
vfs.mount(vfs.VfsFat(chip), "/")
sys.modules["os"] = Os
sys.modules["hashlib"] = Hashes
"""


class FatBoard:
    """A board whose file system is a file here."""

    def __init__(self, repl: RawRepl, image: Path) -> None:
        self.repl, self.image = repl, image

    def boot(self, *, cut: int = 1 << 30, blank: bool = False) -> PromptFiles:
        self.repl.reset()
        self.repl.exec(f"PATH = {self.image.name!r}\nCUT = {cut}\nFORMAT = {blank}\n" + MOUNT)
        return PromptFiles(self.repl)

    def tree(self, folder: Path, top: str = "") -> Path:
        """All that is on it, or below a folder of it, in a folder of this computer."""
        shutil.rmtree(folder, ignore_errors=True)
        files = self.boot()
        todo = [top]
        while todo:
            path = todo.pop()
            (folder / path).mkdir(parents=True)
            for name in files.names(path):
                each = f"{path}/{name}".lstrip("/")
                if each.endswith("/"):
                    todo.append(each[:-1])
                else:
                    data = files.read(each)
                    assert data is not None
                    (folder / each).write_bytes(data)
        return folder


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FatBoard]:
    monkeypatch.setattr("tinywake.device.circuitpy.deploy.plan.app_for_circuitpython", lambda: dict(FILES))
    monkeypatch.setattr("tinywake.device.circuitpy.deploy.plan.modules_for", lambda arch: {"": MODULE})
    image = tmp_path / "board/chip"
    image.parent.mkdir()
    image.write_bytes(bytes(512 * 256))
    with UnixBoard(tmp_path / "board") as unix, RawRepl(unix.port, timeout=60) as repl:
        made = FatBoard(repl, image)
        made.boot(blank=True).write("code.py", b"print('mine')\n")
        yield made


def model(folder: Path, name: str, threshold: int) -> Path:
    path = folder / f"{name}.twm"
    path.write_bytes(tiny(threshold=threshold, window=1, refractory_ms=100))
    return path


def put(files: PromptFiles, order: Order) -> None:
    """As deploy does it, but for opening the model: there is no module of CircuitPython's here."""
    put_all(Session(FACTS, files, None), order, [read_model("model", order.model)])


def test_first_time_and_unchanged(board: FatBoard, tmp_path: Path) -> None:
    old = model(tmp_path, "old", 120)
    put(board.boot(), Order(old, main=True))
    there = board.tree(tmp_path / "tree")
    assert (there / "lib/tinywake/_xtensawin.mpy").read_bytes() == MODULE
    assert (there / "code.py.bak").read_bytes() == b"print('mine')\n"
    assert (there / str(selected(there))).read_bytes() == old.read_bytes()
    before = board.image.read_bytes()
    put(board.boot(), Order(old, main=True))
    assert board.image.read_bytes() == before, "nothing is written where nothing changed"


def test_the_power_may_fail_at_any_sector(board: FatBoard, tmp_path: Path) -> None:
    old, new, third = model(tmp_path, "old", 120), model(tmp_path, "new", 121), model(tmp_path, "third", 122)
    put(board.boot(), Order(third))
    put(board.boot(), Order(old))
    start = board.image.read_bytes()
    code = [*FILES, "lib/tinywake/pins.py", "lib/tinywake/_xtensawin.mpy", "code.py"]
    kept = board.boot().digests(code)
    assert None not in kept.values()
    seen: list[bytes] = []
    for cut in range(1, 500):
        board.image.write_bytes(start)
        files = board.boot(cut=cut)
        try:
            put(files, Order(new))
            done = True
        except DeviceError:
            done = False
        there = board.tree(tmp_path / "tree", "tinywake-models")
        seen.append((there / str(selected(there))).read_bytes())
        assert board.boot().digests(code) == kept
        if done:
            break
        if cut % 8 == 0:  # the next run completes
            put(board.boot(), Order(new))
            again = board.tree(tmp_path / "tree")
            assert (again / str(selected(again))).read_bytes() == new.read_bytes()
            assert not [path for path in files_of(again) if path.endswith("~")]
    assert done
    assert len(seen) > 20
    assert set(seen) == {old.read_bytes(), new.read_bytes()}
    assert seen == sorted(seen, key=[old.read_bytes(), new.read_bytes()].index)


def test_a_module_is_never_cut_short_under_its_own_name(board: FatBoard, tmp_path: Path) -> None:
    old, new = b"C\x06\x2b\x1f" + b"old" * 400, MODULE
    path = "lib/tinywake/_xtensawin.mpy"
    files = board.boot()
    put_whole(files, {path: old}, files.digests)
    start = board.image.read_bytes()
    for cut in range(1, 200):
        board.image.write_bytes(start)
        files = board.boot(cut=cut)
        try:
            put_whole(files, {path: new}, files.digests)
            done = True
        except DeviceError:
            done = False
        assert board.boot().read(path) in (old, new, None)
        if done:
            break
    assert done
    assert cut > 10


def test_full(board: FatBoard, tmp_path: Path) -> None:
    files = board.boot()
    files.write("song.wav", bytes(100_000))
    before = board.image.read_bytes()
    with pytest.raises(DeviceError, match=r"bytes are needed and .* are free: remove something.*nothing was changed"):
        put(board.boot(), Order(big(tmp_path)))
    assert board.image.read_bytes() == before
    with pytest.raises(DeviceError, match="the file system is full"):
        board.boot().write("other.wav", bytes(100_000))


def big(folder: Path) -> Path:
    path = model(folder, "big", 120)
    path.write_bytes(path.read_bytes() + bytes(20_000))
    return path


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
