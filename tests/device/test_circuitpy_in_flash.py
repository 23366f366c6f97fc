# SPDX-License-Identifier: MIT
"""A CIRCUITPY drive in flash: made of files here, or written by deploy; read by FatFs, and booted with.

CircuitPython's firmware is in no registry. Where CIRCUITPYTHON_UF2 names one for the Pico, it is what boots; what can
be shown without, is shown with MicroPython's on the emulated Pico, which a boot.py makes answer as CircuitPython does
(fake/circuitpy_boot.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from struct import pack_into, unpack_from

import numpy as np
import pytest
import serial

from tinywake.audio.clips import read_clip
from tinywake.device.circuitpy.app import app_for_circuitpython
from tinywake.device.circuitpy.deploy import Order
from tinywake.device.circuitpy.deploy.run import Session, put_all
from tinywake.device.circuitpy.files import DriveFiles
from tinywake.device.circuitpy.image.fat import make_fat
from tinywake.device.circuitpy.image.flash import put_drive
from tinywake.device.circuitpy.image.uf2 import circuitpython_in
from tinywake.device.deploy.models.wanted import read_model
from tinywake.device.deploy.probe import digests_of
from tinywake.device.firmware import built_module
from tinywake.device.image.uf2 import join, pages_of, read_uf2, write_uf2
from tinywake.device.line.events import Boot, Event, Hit, Model
from tinywake.device.line.lines import LineReader
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.firmware import meet
from tinywake.device.targets.rp2040 import Microphone, RP2040Board
from tinywake.device.targets.unix import UnixBoard
from tinywake.pipeline.hearing import hear_pcm

sys.path.insert(0, str(Path(__file__).parent))
from sounds import as_driven, swell, write_wav
from test_circuitpy_fat import FILES, FatBoard, board, model, put  # noqa: F401 - board is a fixture

ROOT = Path(__file__).parents[2]
FLASH = 0x10000000
USUAL = 0x100000
STAND_IN = 0x60000  # between MicroPython and its file system
rp2040 = pytest.mark.on("rp2040")
no_rp2040 = RP2040Board.available()
no_unix = UnixBoard.available()
emulated = pytest.mark.skipif(no_rp2040 is not None, reason=str(no_rp2040))


@pytest.mark.skipif(no_unix is not None, reason=str(no_unix))
@pytest.mark.parametrize("sectors", [256, 1024, 4129])
def test_what_is_made_here_is_read_and_written_by_fatfs(tmp_path: Path, sectors: int) -> None:
    files = {
        "CODE.PY": b"", "boot.py": b"x", "lib/tinywake/port/circuit/i2s.mpy": bytes(range(256)) * 7,
        "the longest name that there is of them all.python": b"1", "thirteen char": b"2", "a/b/c/d": b"3",
        **{f"lib/same start {number}.mpy": bytes([number]) for number in range(20)},
        **(app_for_circuitpython() if sectors > 256 else {}),
    }  # fmt: skip
    wanted = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    image = make_fat(files, sectors)
    assert image == make_fat(files, sectors)
    (tmp_path / "chip").write_bytes(image)
    with UnixBoard(tmp_path) as unix, RawRepl(unix.port, timeout=60) as repl:
        chip = FatBoard(repl, tmp_path / "chip")
        there = chip.boot()
        assert there.digests(wanted) == wanted
        assert set(there.names("")) == {path.partition("/")[0] + "/" * ("/" in path) for path in files}
        block, free = there.room() or (0, 0)
        assert block == 512
        there.write("lib/written there.bin", bytes(free * block - 2048))
        there.remove("boot.py")
        del wanted["boot.py"]
        assert chip.boot().digests(wanted) == wanted


# A drive at an offset in flash, as the firmware itself sees flash.
SEEN = """
import os, uctypes, vfs
class Drive:
    def readblocks(self, block, buf):
        buf[:] = uctypes.bytearray_at({at} + 512 * block, len(buf))
    def ioctl(self, op, arg):
        return {bytes} // 512 if op == 4 else 512 if op == 5 else 0
vfs.mount(vfs.VfsFat(Drive()), "/drive", readonly=True)
os.chdir("/drive")
"""


@rp2040
@emulated
@pytest.mark.skipif(no_unix is not None, reason=str(no_unix))
def test_what_deploy_wrote_is_what_a_pico_finds_there(board: FatBoard, tmp_path: Path) -> None:  # noqa: F811
    """FatFs made this image and deploy wrote it, through the prompt; in flash it is the same drive."""
    word = model(tmp_path, "word", 120)
    put(board.boot(), Order(word, main=True))
    files = board.boot()
    paths = [*FILES, "code.py", "tinywake-models/model.a/word.twm", "tinywake-models/select.0"]
    wanted = files.digests(paths)
    assert None not in wanted.values()
    drive = board.image.read_bytes()
    flash = tmp_path / "flash.bin"
    flash.write_bytes((b"\xff" * USUAL + drive).ljust(2 << 20, b"\xff"))
    with RP2040Board(flash) as pico, RawRepl(pico.port, 60) as repl:
        repl.exec(SEEN.format(at=FLASH + USUAL, bytes=len(drive)))
        assert digests_of(repl, paths) == wanted
    assert flash.read_bytes()[USUAL:][: len(drive)] == drive


@rp2040
@emulated
def test_a_firmware_says_where_its_file_system_lies() -> None:
    """MicroPython's describes itself in the way that CircuitPython's does; only the tag is another."""
    data = RP2040Board.built("firmware.uf2").read_bytes()
    assert circuitpython_in(data) is None
    found = circuitpython_in(as_circuitpython(data, start=None))
    assert found is not None
    assert found.drive == 0xA0000
    assert found.facts.machine == "Raspberry Pi Pico with rp2040"


def as_circuitpython(uf2: bytes, start: int | None, files: bytes = b"") -> bytes:
    """A MicroPython whose file says that it is CircuitPython, with its drive at `start` (None: where its own files
    are). `files`: what is in flash besides.
    """
    image = read_uf2(uf2)
    blob = bytearray(image.bytes_at(FLASH, image.runs[-1][1]))
    blob = (
        blob.ljust(STAND_IN - 256, b"\xff")
        + b"Adafruit CircuitPython 10.3.1 on 2026-05-01; Raspberry Pi Pico with rp2040"
    )
    blob = blob.ljust(STAND_IN, b"\0")
    devices = [at for at in range(0, len(blob) - 16, 4) if unpack_from("<HH", blob, at) == (7, 0x504D)]
    (at,) = [at for at in devices if unpack_from("<I", blob, at + 8) == (FLASH + 0xA0000,)]
    pack_into("<HH", blob, at, 7, 0x5043)
    if start is not None:
        pack_into("<I", blob, at + 8, FLASH + start)
    parts = [pages_of(FLASH, bytes(blob))]
    return write_uf2(join(*parts, *([pages_of(FLASH + 0xA0000, files)] if files else [])))


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A UF2 file whose prompt, drive and modules are CircuitPython's, as far as they can be."""
    folder = tmp_path_factory.mktemp("stand-in")
    with RP2040Board(folder / "flash.bin") as pico, RawRepl(pico.port, 60) as repl:
        repl.put("boot.py", (ROOT / "tests/device/fake/circuitpy_boot.py").read_bytes())
        repl.put("pack32.py", (ROOT / "firmware/app/port/machine/pack32.py").read_bytes())
        repl.exec("import os\nos.sync()")
    files = (folder / "flash.bin").read_bytes()[0xA0000:]
    path = folder / "circuitpython.uf2"
    path.write_bytes(as_circuitpython(RP2040Board.built("firmware.uf2").read_bytes(), STAND_IN, files))
    return path


@pytest.fixture
def for_micropython(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytecode and module as the stand-in loads them."""
    module = built_module("armv6m")
    if module is None:
        pytest.skip("the module is not built: make modules ARCH=armv6m")
    app = {path: b"M" + data[1:] if path.endswith(".mpy") else data for path, data in app_for_circuitpython().items()}
    monkeypatch.setattr("tinywake.device.circuitpy.deploy.plan.app_for_circuitpython", lambda: dict(app))
    monkeypatch.setattr("tinywake.device.circuitpy.deploy.plan.modules_for", lambda arch: {"": module.read_bytes()})


NAMED = os.environ.get("CIRCUITPYTHON_UF2", "")


@pytest.fixture(params=["stand-in", "named"])
def firmware(request: pytest.FixtureRequest) -> Path:
    """What boots."""
    if request.param == "named":
        if not NAMED:
            pytest.skip("CIRCUITPYTHON_UF2 names no firmware of CircuitPython for the Pico, 10.3.1 or later")
        return Path(NAMED)
    request.getfixturevalue("for_micropython")
    return Path(request.getfixturevalue("stand_in"))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "clip.wav", swell(24_000))


@rp2040
@emulated
def test_a_clip_is_heard_through_its_port_and_an_emulated_microphone(
    firmware: Path, clip: Path, tmp_path: Path, tinywake: Callable[..., tuple[int, str, str]]
) -> None:
    """With the stand-in all of the command but CircuitPython itself; its driver begins a frame early, as that does."""
    word, scores = model(tmp_path, "word", 120), tmp_path / "scores.npz"
    (driven,) = hear_pcm(word, iter([(str(clip), as_driven(read_clip(clip), quiet=2)[1:])]))
    code, out, err = tinywake("listen", clip, "--model", word, "--target", "rp2040", "--through", "i2s",
                              "--firmware", firmware, "--scores", scores)  # fmt: skip
    assert (code, err) == (0, "")
    hits = [json.loads(line) for line in out.splitlines()]
    assert [hit["t_ms"] for hit in hits] == [hit.t_ms for hit in driven.hits]
    assert hits
    heard = np.load(scores)[str(clip)] * 256
    if firmware == Path(NAMED):
        assert np.abs(heard - driven.scores).mean() < 2
    else:
        np.testing.assert_array_equal(heard, driven.scores)


@rp2040
@emulated
def test_the_drive_that_deploy_wrote_boots(firmware: Path, clip: Path, tmp_path: Path) -> None:
    """The drive as a folder, deployed to with --main; in flash, at its place, the firmware runs its code.py."""
    said = circuitpython_in(firmware.read_bytes())
    assert said is not None
    drive, word = tmp_path / "CIRCUITPY", model(tmp_path, "word", 120)
    drive.mkdir()
    order = Order(word, "RPI_PICO", main=True)
    put_all(Session(said.facts, DriveFiles(drive), None), order, [read_model("model", word)])
    files = {each.relative_to(drive).as_posix(): each.read_bytes() for each in drive.rglob("*") if each.is_file()}
    if firmware != Path(NAMED):
        files["main.py"] = b"exec(open('code.py').read())\n"  # which MicroPython runs
    (tmp_path / "flash.bin").write_bytes(put_drive(said, files))
    events: list[Event] = []
    with RP2040Board(tmp_path / "flash.bin", firmware=firmware, mic=Microphone(clip, quiet=2)) as pico:
        meet(pico, circuitpython=True)
        with serial.Serial(pico.port, timeout=0.2) as port:
            port.write(b"\r\x03\x03\x02\x04")  # out of the prompt: begin anew
            reader, end = LineReader(), time.monotonic() + 120
            while time.monotonic() < end and not any(isinstance(each, Hit) for each in events):
                events += reader.feed(port.read(4096))
    boot = next(each for each in events if isinstance(each, Boot))
    assert (boot.board, boot.fw.partition("-")[0]) == ("RPI_PICO", "circuitpython")
    opened = next(each for each in events if isinstance(each, Model))
    assert (opened.model, opened.sha) == ("word", hashlib.sha256(word.read_bytes()).hexdigest()[:16])
    assert any(isinstance(each, Hit) for each in events)
