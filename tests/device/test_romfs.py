# SPDX-License-Identifier: MIT
"""Models in ROMFS: the image, and boards whose firmware has a partition for it (a stand-in behind vfs.rom_ioctl)."""

from __future__ import annotations

import shutil
import signal
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from test_slots import heard_with, model, sha, tree

from tinywake.device.connect import connected
from tinywake.device.deploy import Choices, deploy
from tinywake.device.deploy.homes.romfs import ALIGN, image_bytes, image_parts
from tinywake.device.deploy.models import opens
from tinywake.device.deploy.models import rom as in_rom
from tinywake.device.deploy.probe import HASH
from tinywake.device.line.rawrepl import RawRepl
from tinywake.device.targets.unix import UnixBoard
from tinywake.errors import ConfigError, DeviceError

ROOT = Path(__file__).parents[2]
lacking = UnixBoard.available()
needs_board = pytest.mark.skipif(lacking is not None, reason=str(lacking))


@pytest.fixture(params=["memory", "device"])
def board(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[UnixBoard]:
    with UnixBoard(tmp_path / "board") as board:
        shutil.copy(ROOT / "tests/device/romfs_boot.py", board.directory / "boot.py")
        (board.directory / "style").write_text(request.param)
        yield board


def image(files: dict[str, bytes]) -> bytes:
    parts = image_parts({name: len(data) for name, data in files.items()})
    return b"".join(files[part] if isinstance(part, str) else part for part in parts)


def test_the_image_byte_by_byte() -> None:
    expected = (
        b"\xd2\xcd\x31"  # magic
        b"\x80\x80\x80\x80\x28"  # bytes that follow, padded to a width of 5: 40
        b"\x01\x0c" + bytes(12) +  # padding record, so that the data below begins at a multiple of 16
        b"\x05\x0a"  # a file of 10 bytes
        b"\x05a.twm"  # its name
        b"\x02\x02"  # data, of 2 bytes
        b"hi"  # at 32
        b"\x01\x0c" + bytes(12)  # padding record, to a multiple of 16 in all
    )  # fmt: skip
    got = image({"a.twm": b"hi"})
    assert got == expected
    assert len(got) == image_bytes({"a.twm": 2})


@needs_board
def test_micropython_reads_every_file_of_an_image_where_it_lies_and_aligned(tmp_path: Path) -> None:
    sizes = [0, 1, 2, 3, 15, 16, 17, 127, 128, 129, 4095, 16383, 16384, 20000]
    files = {
        f"{'n' * (1 + i * 3)}{i}.twm": bytes((size + at) & 255 for at in range(size)) for i, size in enumerate(sizes)
    }
    data = image(files)
    assert data[:3] == b"\xd2\xcd\x31"
    with UnixBoard(tmp_path / "board") as board, RawRepl(board.port) as repl:
        (board.directory / "image").write_bytes(data)
        said = repl.ask(
            "import os, uctypes, vfs\nrom = open('image', 'rb').read()\nvfs.mount(vfs.VfsRom(rom), '/rom')\n"
            "start = uctypes.addressof(rom)\nfound = {}\n"
            "for name in os.listdir('/rom'):\n"
            "    v = memoryview(open('/rom/' + name, 'rb'))\n"
            "    found[name] = [uctypes.addressof(v) - start if len(v) else 0, len(v)]\n"
            "answer(found)"
        )
    assert set(said) == set(files)
    for name, (at, size) in said.items():
        assert at % ALIGN == 0
        assert data[at : at + size] == files[name] or size == 0


@needs_board
def test_a_model_goes_to_romfs_and_costs_only_its_arena(board: UnixBoard, tmp_path: Path) -> None:
    word = model(tmp_path, "word", 120)
    report = deploy(board.port, word, board="UNIX", start=False)
    assert (report.models[0].home.name, report.model_path) == ("romfs", "/rom/word.twm")
    assert report.models[0].second == "tinywake-models/model.a/word.twm"
    taken = report.ram.models[0]
    on_heap = deploy(board.port, word, start=False, choices=Choices(home="heap"))
    assert on_heap.ram.models[0] - taken >= word.stat().st_size
    assert heard_with(board) == sha(word)
    back = deploy(board.port, word, start=False)
    assert back.model_path == "/rom/word.twm"
    assert not back.copied
    before = (board.directory / "rom.bin").stat().st_mtime_ns
    deploy(board.port, word, start=False)
    assert (board.directory / "rom.bin").stat().st_mtime_ns == before  # nothing to write


@needs_board
def test_while_romfs_is_written_a_slot_keeps_the_new_model(board: UnixBoard, tmp_path: Path) -> None:
    old, new = model(tmp_path, "old", 120), model(tmp_path, "new", 121)
    deploy(board.port, old, board="UNIX", start=False)
    rom = board.directory / "rom.bin"
    assert deploy(board.port, new, start=False).model_path == "/rom/new.twm"
    whole = rom.read_bytes()
    for cut in (b"\xff" * len(whole), whole[:100] + b"\xff" * (len(whole) - 100)):
        rom.write_bytes(cut)
        assert heard_with(board) == sha(new)
    assert deploy(board.port, new, start=False).model_path == "/rom/new.twm"
    assert rom.read_bytes() == whole


@needs_board
@pytest.mark.parametrize("after", range(1, 12))
def test_power_that_fails_while_romfs_is_written_leaves_no_half_image(
    board: UnixBoard, tmp_path: Path, after: int
) -> None:
    """`after`: writes and erases until then."""
    old, new = model(tmp_path, "old", 120), model(tmp_path, "new", 121)
    new.write_bytes(new.read_bytes() + bytes(10_000))
    deploy(board.port, old, board="UNIX", start=False)
    boot = board.directory / "boot.py"
    text = boot.read_text()
    boot.write_text(
        text.replace("def save():\n", f"left = {after}\ndef save():\n    global left\n    left -= 1\n", 1).replace(
            '    with open("rom.bin", "wb")', '    if left < 0: raise OSError(5)\n    with open("rom.bin", "wb")', 1
        )
    )
    failed = False
    try:
        deploy(board.port, new, start=False)
    except DeviceError:
        failed = True
    assert failed or after > 3
    boot.write_text(text)
    rom = (board.directory / "rom.bin").read_bytes()
    assert rom[:3] in (b"\xd2\xcd\x31", b"\xff\xff\xff")
    if rom[:3] != b"\xff\xff\xff":
        assert any(each.read_bytes() in rom for each in (old, new))
    assert heard_with(board) in (sha(old), sha(new))


@needs_board
def test_ctrl_c_while_romfs_is_written_says_what_to_do(
    board: UnixBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Bug: the board was left with half of an image, and nothing said so.
    old, new = model(tmp_path, "old", 120), model(tmp_path, "new", 121)
    new.write_bytes(new.read_bytes() + bytes(10_000))
    deploy(board.port, old, board="UNIX", start=False)
    boot = board.directory / "boot.py"
    text = boot.read_text()
    boot.write_text(text.replace("def save():\n", "def save():\n    import time\n    time.sleep(0.5)\n", 1))
    write_romfs = in_rom.write_romfs

    def interrupted(repl: RawRepl, sources: dict[str, tuple[str, int]]) -> dict[str, str | None]:
        signal.setitimer(signal.ITIMER_REAL, 0.7)
        return write_romfs(repl, sources)

    def ctrl_c(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(in_rom, "write_romfs", interrupted)
    before = signal.signal(signal.SIGALRM, ctrl_c)
    try:
        with pytest.raises(DeviceError, match=r"interrupted while ROMFS was written: .* run tinywake deploy again"):
            deploy(board.port, new)
    finally:
        signal.signal(signal.SIGALRM, before)
    boot.write_text(text)
    assert (board.directory / "rom.bin").read_bytes()[:3] != b"\xd2\xcd\x31"
    assert heard_with(board) == sha(new)
    monkeypatch.setattr(in_rom, "write_romfs", write_romfs)
    assert deploy(board.port, new, start=False).model_path == "/rom/new.twm"
    assert heard_with(board) == sha(new)


@needs_board
def test_model_and_gate_share_it_and_each_can_change_alone(board: UnixBoard, tmp_path: Path) -> None:
    word, gate, word2 = model(tmp_path, "word", 120), model(tmp_path, "vad", 90), model(tmp_path, "word2", 122)
    report = deploy(board.port, word, board="UNIX", start=False, choices=Choices(gate=gate))
    assert [each.path for each in report.models] == ["/rom/word.twm", "/rom/vad.twm"]
    deploy(board.port, word2, start=False)
    with RawRepl(board.port) as repl:
        repl.reset()
        said = repl.ask(
            "import os\nfrom tinywake import slots\nanswer([sorted(os.listdir('/rom')), slots.paths('gate')])"
        )
    assert said == [["vad.twm", "word2.twm"], ["/rom/vad.twm", "tinywake-models/gate.a/vad.twm"]]


@needs_board
def test_two_of_a_name_are_refused_before_anything_is_written(board: UnixBoard, tmp_path: Path) -> None:
    # Bug: the second choice was gone by then. A model named as the gate that stays took the gate's bytes.
    old, word = model(tmp_path, "old", 119), model(tmp_path, "word", 120)
    (tmp_path / "other").mkdir()
    gate, gate2 = model(tmp_path, "vad", 90), model(tmp_path / "other", "word", 91)
    deploy(board.port, old, board="UNIX", start=False, choices=Choices(home="heap"))
    deploy(board.port, word, start=False, choices=Choices(home="heap"))
    before = tree(board)
    with pytest.raises(DeviceError, match=r"model and gate have the same file name, .*: rename one, .*--home heap$"):
        deploy(board.port, word, start=False, choices=Choices(gate=gate2))
    assert tree(board) == before
    deploy(board.port, word, start=False, choices=Choices(gate=gate))
    before = tree(board)
    with pytest.raises(DeviceError, match=r"the gate that the board has is vad\.twm, too, .*: rename one"):
        deploy(board.port, model(tmp_path / "other", "vad", 92), start=False)
    assert tree(board) == before
    report = deploy(board.port, word, start=False, choices=Choices(gate=gate2, home="heap"))
    assert [each.path for each in report.models] == [
        "tinywake-models/model.b/word.twm", "tinywake-models/gate.b/word.twm",
    ]  # fmt: skip


@needs_board
def test_a_gate_that_stays_in_romfs_is_counted(board: UnixBoard, tmp_path: Path) -> None:
    # Bug: the image was made for the model alone, and written beyond the end of the partition with the gate beside it.
    word, gate, large = model(tmp_path, "word", 120), model(tmp_path, "vad", 90), model(tmp_path, "large", 122)
    gate.write_bytes(gate.read_bytes() + bytes(30_000))
    large.write_bytes(large.read_bytes() + bytes(40_000))
    deploy(board.port, word, board="UNIX", start=False, choices=Choices(gate=gate))
    rom = (board.directory / "rom.bin").read_bytes()
    with pytest.raises(DeviceError, match=r"beside the gate vad\.twm: its ROMFS has 65,536 bytes, .* with --no-gate$"):
        deploy(board.port, large, start=False, choices=Choices(home="romfs"))
    report = deploy(board.port, large, start=False)
    assert report.models[0].home.name == "heap"
    assert "beside the gate vad.twm there is no room: its ROMFS has 65,536 bytes" in report.models[0].home.why
    assert (board.directory / "rom.bin").read_bytes() == rom
    assert heard_with(board) == sha(large)
    report = deploy(board.port, large, start=False, choices=Choices(no_gate=True))
    assert report.models[0].home.name == "romfs"
    assert heard_with(board) == sha(large)


@needs_board
def test_files_of_the_users_in_romfs_stay(board: UnixBoard, tmp_path: Path) -> None:
    own = image({"mine.py": b"x = 1\n"})
    (board.directory / "rom.bin").write_bytes(own + b"\xff" * (65536 - len(own)))
    word = model(tmp_path, "word", 120)
    report = deploy(board.port, word, board="UNIX", start=False)
    assert report.models[0].home.name == "heap"
    assert "files of yours (mine.py)" in report.models[0].home.why
    with pytest.raises(DeviceError, match=r"cannot go into ROMFS: .*mine\.py.*leave --home out"):
        deploy(board.port, word, start=False, choices=Choices(home="romfs"))
    assert (board.directory / "rom.bin").read_bytes()[: len(own)] == own


def listing(board: UnixBoard) -> tuple[object, dict[str, bytes]]:
    """What the record says, what ROMFS holds, and all files but the records."""
    with RawRepl(board.port) as repl:
        repl.reset()
        said = repl.ask(
            HASH + "from tinywake import slots\n"
            "answer([slots.paths('model'), slots.paths('gate'), {n: digest('/rom/' + n) for n in os.listdir('/rom')}])"
        )
    return said, {path: data for path, data in tree(board).items() if "/select." not in path and path != "rom.bin"}


@needs_board
@pytest.mark.parametrize("name", ["other", "word"])
def test_a_board_that_only_runs_a_model_keeps_what_romfs_held(board: UnixBoard, tmp_path: Path, name: str) -> None:
    # Bug: ROMFS kept the model that was run. One of the same file name stayed selected, too.
    (tmp_path / "elsewhere").mkdir()
    word, vad, other = model(tmp_path, "word", 120), model(tmp_path, "vad", 90), model(tmp_path / "elsewhere", name, 99)
    deploy(board.port, word, board="UNIX", start=False, choices=Choices(gate=vad))
    before = listing(board)
    for interrupt in (False, True):
        with suppress(KeyboardInterrupt), connected(board.port, other) as there:
            assert there.report.model_path == f"/rom/{name}.twm"
            assert heard_with(board) == sha(other)
            if interrupt:
                raise KeyboardInterrupt
        assert listing(board) == before
        assert heard_with(board) == sha(word)
    with connected(board.port, word):
        pass
    assert listing(board) == before


@needs_board
def test_a_board_that_had_no_model_selected_has_none_again(board: UnixBoard, tmp_path: Path) -> None:
    # Bug: what was run stayed selected, in front of the model that lay about; one in ROMFS was written over.
    with RawRepl(board.port) as repl:
        assert repl.ask("answer(1)") == 1
    loose = model(board.directory, "loose", 120)
    other = model(tmp_path, "other", 121)
    deploy(board.port, other, board="UNIX", start=False, choices=Choices(home="heap"))
    with RawRepl(board.port) as repl:
        repl.exec("from tinywake import swap\nswap.select('model', None)\nswap.clean('model')")
    own = image({"mine.twm": model(tmp_path, "mine", 122).read_bytes()})
    (board.directory / "rom.bin").write_bytes(own + b"\xff" * (65536 - len(own)))
    before = listing(board)
    with connected(board.port, other) as there:
        assert "ROMFS keeps mine.twm, which no deploy put there" in there.report.models[0].home.why
    assert listing(board) == before
    assert heard_with(board) == sha(loose)


def greedy(path: Path, arena: int) -> Path:
    """The same model, which asks for a larger arena."""
    data = bytearray(path.read_bytes())
    data[12:16] = arena.to_bytes(4, "little")
    table = data[32 : 32 + 12 * int.from_bytes(data[6:8], "little")]
    data[28:32] = zlib.crc32(table, zlib.crc32(data[:28])).to_bytes(4, "little")
    path.write_bytes(data)
    return path


@needs_board
def test_romfs_is_not_written_for_a_model_whose_arena_has_no_room(board: UnixBoard, tmp_path: Path) -> None:
    # Bug: the model that worked was written over, and said to be kept.
    old, new = model(tmp_path, "old", 120), greedy(model(tmp_path, "new", 121), 1 << 20)
    deploy(board.port, old, board="UNIX", start=False)
    rom = board.directory / "rom.bin"
    before, written = rom.read_bytes(), rom.stat().st_mtime_ns
    with pytest.raises(
        DeviceError, match=r"new\.twm does not open .*MemoryError.*too large.*; it keeps /rom/old\.twm$"
    ):
        deploy(board.port, new, start=False)
    assert (rom.read_bytes(), rom.stat().st_mtime_ns) == (before, written)
    assert heard_with(board) == sha(old)


@needs_board
def test_romfs_gets_its_model_back_where_the_new_one_does_not_open(
    board: UnixBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Bug: the same. For its slot the new one is too large, and only in ROMFS it shows that it does not open.
    old, vad, new = model(tmp_path, "old", 120), model(tmp_path, "vad", 90), model(tmp_path, "new", 121)
    deploy(board.port, old, board="UNIX", start=False, choices=Choices(gate=vad))
    rom = board.directory / "rom.bin"
    before, written = image_of(rom), rom.stat().st_mtime_ns
    try_open = opens.try_open

    def small(repl: RawRepl, path: str) -> str:
        if path == "/rom/new.twm":
            assert try_open(repl, path) == ""
            return "ValueError: TW_ERR_CRC"
        return "MemoryError: memory allocation failed" if path.endswith("b/new.twm") else try_open(repl, path)

    monkeypatch.setattr(opens, "try_open", small)
    with pytest.raises(DeviceError, match=r"new\.twm does not open .*TW_ERR_CRC.*; it keeps /rom/old\.twm$"):
        deploy(board.port, new, start=False)
    assert rom.stat().st_mtime_ns > written
    assert image_of(rom) == before
    assert heard_with(board) == sha(old)
    assert not list(board.directory.rglob("new.twm"))


def image_of(rom: Path) -> bytes:
    """What of a partition counts."""
    data = rom.read_bytes()
    length = 0
    for byte in data[3:8]:
        length = length << 7 | byte & 0x7F
    return data[: 8 + length]


@needs_board
def test_a_slot_that_is_selected_is_never_emptied(
    board: UnixBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Bug: what did not open in ROMFS went from its slot too, where it was selected.
    old, new = model(tmp_path, "old", 120), model(tmp_path, "new", 121)
    deploy(board.port, old, board="UNIX", start=False)
    listen = opens.try_listen

    def not_in_rom(repl: RawRepl, path: str, gates: Sequence[str]) -> str:
        return "ValueError: TW_ERR_CRC" if path.startswith("/rom/") else listen(repl, path, gates)

    monkeypatch.setattr(opens, "try_listen", not_in_rom)
    with pytest.raises(DeviceError, match=r"new\.twm does not open .*; it keeps tinywake-models/model\.b/new\.twm$"):
        deploy(board.port, new, start=False)
    assert heard_with(board) == sha(new)


@needs_board
def test_a_home_that_is_not_to_be_had_is_refused(tmp_path: Path) -> None:
    word = model(tmp_path, "word", 120)
    with UnixBoard(tmp_path / "board") as board:
        for home, error, says in (
            ("romfs", DeviceError, "the firmware has none"),
            ("xip", DeviceError, "only an RP2040"),
            ("ram", ConfigError, "no home 'ram'"),
        ):
            with pytest.raises(error, match=says):
                deploy(board.port, word, board="UNIX", start=False, choices=Choices(home=home))
        large = tmp_path / "large.twm"
        large.write_bytes(word.read_bytes() + bytes(70000))
        shutil.copy(ROOT / "tests/device/romfs_boot.py", board.directory / "boot.py")
        (board.directory / "style").write_text("memory")
        report = deploy(board.port, large, board="UNIX", start=False)
        assert "65,536 bytes, the image 7" in report.models[0].home.why
